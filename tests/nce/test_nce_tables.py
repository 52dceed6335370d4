"""Partitions, accidental hits, the full losses and probabilities."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nce_train import nce


@settings(max_examples=100, deadline=None)
@given(rows=st.integers(1, 40), parts=st.integers(1, 45), strategy=st.sampled_from(["mod", "div"]))
def test_partition_unpartition_and_locate_agree(rows, parts, strategy):
    if strategy == "div":
        parts = min(parts, rows)
    table = np.arange(rows * 2).reshape(rows, 2)
    split = nce.partition(table, parts, strategy)
    np.testing.assert_array_equal(nce.unpartition(split, strategy), table)
    part, offset = nce.locate(np.arange(rows), parts, strategy, rows)
    for row in range(rows):
        np.testing.assert_array_equal(split[part[row]][offset[row]], table[row])


def test_locate_keeps_the_shape_of_the_ids():
    part, offset = nce.locate([[0, 4], [3, 1]], 2, "mod", 5)
    assert part.tolist() == [[0, 0], [1, 1]]
    assert offset.tolist() == [[0, 2], [1, 0]]


def test_mod_partitions_may_be_more_than_rows():
    weights, biases = np.eye(3), np.zeros(3)
    values = ([0, 1], np.ones((1, 1)), np.ones(2))
    whole = nce.nce_loss(weights, biases, np.array([[2]]), np.ones((1, 3)), 2, 3, 1, values)
    parts = nce.partition(weights, 4, "mod")
    assert parts[3].shape == (0, 3)
    result = nce.nce_loss(parts, biases, np.array([[2]]), np.ones((1, 3)), 2, 3, 1, values)
    np.testing.assert_array_equal(result, whole)


def test_a_nested_list_of_numbers_is_one_table():
    values = ([0, 1], np.ones((1, 1)), np.ones(2))
    arguments = (np.array([[2]]), np.ones((1, 2)), 2, 3, 1, values)
    weights, biases = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [0.0, 1.0, 2.0]
    result, gradients = nce.nce_loss_and_gradients(weights, biases, *arguments)
    expected = nce.nce_loss(np.array(weights), np.array(biases), *arguments)
    np.testing.assert_array_equal(result, expected)
    assert isinstance(gradients.weights, np.ndarray)


def slow_hits(true_classes, sampled, strict):
    """Scan rows, then columns, then the samples."""
    result = []
    for row, labels in enumerate(true_classes):
        for label in labels:
            places = [place for place, class_id in enumerate(sampled) if class_id == label]
            result += [(row, place) for place in (places if strict else places[-1:])]
    return result


@settings(max_examples=100, deadline=None)
@given(
    true_classes=st.lists(st.lists(st.integers(0, 6), max_size=4), min_size=1, max_size=5),
    sampled=st.lists(st.integers(0, 6), max_size=8),
    strict=st.booleans(),
)
def test_accidental_hits_equal_a_scan(true_classes, sampled, strict):
    pair = (np.concatenate([*map(np.array, true_classes)]), np.cumsum([0, *map(len, true_classes)]))
    indices, ids, weights = nce.compute_accidental_hits(pair, np.array(sampled, int), 1, strict=strict)
    assert list(zip(indices.tolist(), ids.tolist(), strict=True)) == slow_hits(true_classes, sampled, strict)
    assert [indices.dtype, ids.dtype, weights.dtype] == [np.int32, np.int64, np.float32]
    assert (weights == np.float32(-3.4028234663852886e38)).all()


def test_accidental_hits_accept_ids_of_any_size():
    indices, ids, _ = nce.compute_accidental_hits([[10**12]], [5, 10**12], 1)
    assert (indices.tolist(), ids.tolist()) == ([0], [1])


@pytest.fixture
def model():
    rng = np.random.default_rng(6)
    return rng.normal(size=(7, 3)), rng.normal(size=7), rng.normal(size=(4, 3))


@pytest.mark.parametrize("normalised", [False, True])
def test_full_losses_equal_their_definition(model, normalised):
    """Ragged labels, one class listed twice, one example without labels."""
    weights, biases, inputs = model
    labels = [[2, 2, 5], [0], [], [6, 1]]
    sigmoid, softmax = [], []
    for x, own in zip(inputs, labels, strict=True):
        logits = weights @ x + biases
        targets = np.zeros(7)
        for label in own:
            targets[label] += 1 / len(own) if normalised else 1
        log_total = math.log(np.exp(logits).sum())
        sigmoid.append(sum(math.log1p(math.exp(f)) - f * z for f, z in zip(logits, targets, strict=True)))
        softmax.append(sum(z * (log_total - f) for f, z in zip(logits, targets, strict=True)))
    options = {"normalise_targets": normalised}
    np.testing.assert_allclose(nce.sigmoid_loss(weights, biases, labels, inputs, **options), sigmoid, rtol=1e-12)
    np.testing.assert_allclose(
        nce.softmax_loss(weights, biases, labels, inputs, **options), softmax, rtol=1e-12, atol=1e-14
    )


@pytest.mark.parametrize("loss", [nce.sigmoid_loss, nce.softmax_loss])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_full_gradients_equal_finite_differences(loss, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    batch, dim, classes = (data.draw(st.integers(1, 4)) for _ in range(3))
    num_true = data.draw(st.integers(1, 3))
    options = {"num_true": num_true, "normalise_targets": data.draw(st.booleans())}
    point = {
        "weights": rng.normal(size=(classes, dim)),
        "biases": rng.normal(size=classes),
        "inputs": rng.normal(size=(batch, dim)),
    }
    labels = rng.integers(0, classes, (batch, num_true))
    twin = getattr(nce, f"{loss.__name__}_and_gradients")
    losses, gradients = twin(**point, labels=labels, **options)
    np.testing.assert_array_equal(losses, loss(**point, labels=labels, **options))
    for name, gradient in gradients._asdict().items():
        numeric = np.zeros_like(point[name])
        for place in np.ndindex(numeric.shape):
            step = np.zeros_like(numeric)
            step[place] = 1e-5
            above = loss(**{**point, name: point[name] + step}, labels=labels, **options).sum()
            below = loss(**{**point, name: point[name] - step}, labels=labels, **options).sum()
            numeric[place] = (above - below) / 2e-5
        np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("loss", [nce.sigmoid_loss_and_gradients, nce.softmax_loss_and_gradients])
@pytest.mark.parametrize("strategy", ["mod", "div"])
def test_full_losses_over_partitions(model, loss, strategy):
    weights, biases, inputs = model
    labels = np.array([[0], [3], [6], [3]])
    expected, expected_gradients = loss(weights, biases, labels, inputs)
    parts, bias_parts = nce.partition(weights, 3, strategy), nce.partition(biases, 2, strategy)
    result, gradients = loss(parts, bias_parts, labels[:, 0], inputs, partition_strategy=strategy)
    np.testing.assert_allclose(result, expected, rtol=1e-13)
    joined = nce.unpartition(gradients.weights, strategy)
    np.testing.assert_allclose(joined, expected_gradients.weights, rtol=1e-12)
    np.testing.assert_allclose(gradients.inputs, expected_gradients.inputs, rtol=1e-12)
    _, rows = loss(parts, bias_parts, labels, inputs, partition_strategy=strategy, gradients="rows")
    assert rows.weights[0].tolist() == list(range(7))
    np.testing.assert_allclose(rows.weights[1], expected_gradients.weights, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_full_losses_do_not_overflow_and_keep_the_dtype(dtype):
    weights = np.array([[500.0], [-500.0]], dtype)
    for loss in (nce.sigmoid_loss, nce.softmax_loss):
        result = loss(weights, np.zeros(2, dtype), np.array([[0], [1]]), np.ones((2, 1), dtype))
        assert result.dtype == dtype
        np.testing.assert_allclose(result, [0, 1000], atol=1e-200)


def test_log_probabilities_by_kind_of_loss(model):
    weights, biases, inputs = model
    logits = inputs @ weights.T + biases
    count = np.linspace(0.5, 4, 7)
    softmax = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    sigmoid = -np.log1p(np.exp(0.5 - logits))
    expected = {
        "nce": logits - 0.5,
        "negative_sampling": logits - 0.5 + np.log(count),
        "sampled_logistic": sigmoid,
        "sigmoid": sigmoid,
        "sampled_softmax": softmax,
        "softmax": softmax,
    }
    for loss, log_p in expected.items():
        options = {"loss": loss, "log_z": 0.5}
        if loss == "negative_sampling":
            options["expected_count"] = count
        result = nce.log_probabilities(weights, biases, inputs, **options)
        np.testing.assert_allclose(result, log_p, rtol=1e-12, err_msg=loss)
        np.testing.assert_allclose(nce.probabilities(weights, biases, inputs, **options), np.exp(log_p), rtol=1e-12)


def test_log_probabilities_of_mod_partitions_come_in_the_order_of_ids(model):
    weights, biases, inputs = model
    parts = nce.partition(weights, 2, "mod")
    result = nce.log_probabilities(parts, biases, inputs, partition_strategy="mod")
    np.testing.assert_allclose(result, inputs @ weights.T + biases, rtol=1e-12)
    assert nce.log_probabilities(weights, biases, inputs.astype(np.float16)).dtype == np.float16
