"""The sampled losses beyond the golden cases: a readable twin, finite differences, options, dtypes."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nce_train import nce

LOSSES = {
    "nce": (nce.nce_loss, nce.nce_loss_and_gradients),
    "negative_sampling": (nce.negative_sampling_loss, nce.negative_sampling_loss_and_gradients),
    "sampled_softmax": (nce.sampled_softmax_loss, nce.sampled_softmax_loss_and_gradients),
}


def log_sigmoid(logit):
    return -math.log1p(math.exp(-logit)) if logit > 0 else logit - math.log1p(math.exp(logit))


def slow_loss(kind, problem, *, hits, strict=False, target="share", noise_ratio="per_example", log_z=0.0):
    """The definition, one example and one class at a time, in plain Python."""
    losses = []
    for example, labels in enumerate(problem["labels"]):
        x = problem["inputs"][example]
        scale = len(labels) if noise_ratio == "per_target" else 1
        if noise_ratio == "per_target" and not labels:
            losses.append(0.0)
            continue

        def logit(class_id, count, x=x, scale=scale):
            score = float(x @ problem["weights"][class_id] + problem["biases"][class_id]) - log_z
            return score if kind == "negative_sampling" else score - math.log(count / scale)

        start = sum(map(len, problem["labels"][:example]))
        counts = problem["true_count"][start : start + len(labels)]
        terms = [
            (logit(label, count), 1 / len(labels) if target == "share" else 1.0)
            for label, count in zip(labels, counts, strict=True)
        ]
        sampled = list(problem["sampled"] if problem["sampled"].ndim == 1 else problem["sampled"][example])
        noise_counts = np.broadcast_to(problem["sampled_count"], (len(problem["labels"]), len(sampled)))
        removed = set()
        if hits:
            for label in labels:
                places = [place for place, class_id in enumerate(sampled) if class_id == label]
                removed.update(places if strict else places[-1:])
        terms += [
            (logit(class_id, noise_counts[example][place]), 0.0)
            for place, class_id in enumerate(sampled)
            if place not in removed
        ]
        if kind == "sampled_softmax":
            total = math.log(math.fsum(math.exp(logit) for logit, _ in terms))
            losses.append(math.fsum(z * (total - logit) for logit, z in terms))
        else:
            losses.append(math.fsum(-z * log_sigmoid(logit) - (1 - z) * log_sigmoid(-logit) for logit, z in terms))
    return np.array(losses)


@st.composite
def problems(draw):
    """A random problem in float64, with few classes so that hits and duplicates are frequent."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    batch, dim, classes = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.integers(1, 6))
    num_sampled = draw(st.integers(1, 7))
    labels = [rng.integers(0, classes, draw(st.integers(0, 3))).tolist() for _ in range(batch)]  # empty rows too
    noise_by_example = draw(st.booleans())
    sampled = rng.integers(0, classes, (batch, num_sampled) if noise_by_example else num_sampled)
    counts_by_example = noise_by_example and draw(st.booleans())
    return {
        "weights": rng.normal(size=(classes, dim)),
        "biases": rng.normal(size=classes),
        "inputs": rng.normal(size=(batch, dim)),
        "labels": labels,
        "true_count": rng.uniform(0.05, 3, sum(map(len, labels))),
        "sampled": sampled,
        "sampled_count": rng.uniform(0.05, 3, (batch, num_sampled) if counts_by_example else num_sampled),
    }


@st.composite
def call_options(draw):
    return {
        "hits": draw(st.booleans()),
        "strict": draw(st.booleans()),
        "target": draw(st.sampled_from(["share", "one"])),
        "noise_ratio": draw(st.sampled_from(["per_example", "per_target"])),
        "log_z": draw(st.sampled_from([0.0, 1.25])),
    }


def call(function, problem, options, **changes):
    problem = {**problem, **changes}
    options = dict(options)
    return function(
        problem["weights"],
        problem["biases"],
        problem["labels"],
        problem["inputs"],
        problem["sampled"].shape[-1],
        6 if isinstance(problem["weights"], list) else len(problem["weights"]),
        1,
        (problem["sampled"], problem["true_count"], problem["sampled_count"]),
        options.pop("hits"),
        **options,
    )


@pytest.mark.parametrize("kind", LOSSES)
@settings(max_examples=60, deadline=None)
@given(problem=problems(), options=call_options())
def test_losses_equal_the_readable_twin(kind, problem, options):
    result = call(LOSSES[kind][0], problem, options)
    expected = slow_loss(kind, problem, **options)
    np.testing.assert_allclose(result, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("kind", LOSSES)
@settings(max_examples=40, deadline=None)
@given(problem=problems(), options=call_options())
def test_gradients_equal_finite_differences(kind, problem, options):
    plain, with_gradients = LOSSES[kind]
    losses, gradients = call(with_gradients, problem, options)
    np.testing.assert_array_equal(losses, call(plain, problem, options))
    for name, gradient in gradients._asdict().items():
        numeric = np.zeros_like(problem[name])
        for place in np.ndindex(numeric.shape):
            step = np.zeros_like(numeric)
            step[place] = 1e-5
            above = call(plain, problem, options, **{name: problem[name] + step}).sum()
            below = call(plain, problem, options, **{name: problem[name] - step}).sum()
            numeric[place] = (above - below) / 2e-5
        np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-8, err_msg=name)


@settings(max_examples=30, deadline=None)
@given(problem=problems(), options=call_options())
def test_row_gradients_are_the_touched_rows_of_dense_gradients(problem, options):
    _, dense = call(nce.nce_loss_and_gradients, problem, options)
    _, rows = call(nce.nce_loss_and_gradients, problem, {**options, "gradients": "rows"})
    np.testing.assert_array_equal(rows.inputs, dense.inputs)
    used = set(np.concatenate([*map(np.array, problem["labels"]), problem["sampled"].ravel()]).astype(int))
    for (ids, values), whole in ((rows.weights, dense.weights), (rows.biases, dense.biases)):
        assert ids.tolist() == sorted(used)
        np.testing.assert_array_equal(values, whole[ids])
        np.testing.assert_array_equal(np.delete(whole, ids, axis=0), 0)


def fixed_problem(dtype=np.float64, seed=3, batch=5, classes=20, dim=6, num_sampled=8, num_true=2):
    rng = np.random.default_rng(seed)
    return {
        "weights": rng.normal(size=(classes, dim)).astype(dtype),
        "biases": rng.normal(size=classes).astype(dtype),
        "inputs": rng.normal(size=(batch, dim)).astype(dtype),
        "labels": rng.integers(0, classes, (batch, num_true)),
        "sampled_values": (
            rng.permutation(classes)[:num_sampled],
            rng.uniform(0.1, 1, (batch, num_true)),
            rng.uniform(0.1, 1, num_sampled),
        ),
        "num_sampled": num_sampled,
        "num_classes": classes,
        "num_true": num_true,
    }


@pytest.mark.parametrize("kind", LOSSES)
def test_ragged_forms_of_a_matrix_give_the_matrix_result(kind):
    problem = fixed_problem()
    expected, expected_gradients = LOSSES[kind][1](**problem)
    sampled, true_count, sampled_count = problem["sampled_values"]
    problem["sampled_values"] = (sampled, true_count.ravel(), sampled_count)
    problem["num_true"] = 1  # ignored for ragged labels
    matrix = problem["labels"]
    for labels in (matrix.tolist(), list(matrix), (matrix.ravel(), np.arange(len(matrix) + 1) * 2)):
        problem["labels"] = labels
        result, gradients = LOSSES[kind][1](**problem)
        np.testing.assert_array_equal(result, expected)
        np.testing.assert_array_equal(gradients.weights, expected_gradients.weights)


@pytest.mark.parametrize("kind", LOSSES)
def test_a_list_of_rows_of_num_true_is_the_matrix(kind):
    problem = fixed_problem()
    sampled, true_count, sampled_count = problem["sampled_values"]
    for counts in (true_count, true_count[:, :1], true_count.ravel()):  # the last as for ragged labels
        given = np.broadcast_to(counts, true_count.shape) if counts.ndim == 2 else true_count
        problem["sampled_values"] = (sampled, given, sampled_count)
        expected = LOSSES[kind][0](**problem)
        listed = {**problem, "labels": problem["labels"].tolist(), "sampled_values": (sampled, counts, sampled_count)}
        np.testing.assert_array_equal(LOSSES[kind][0](**listed), expected)


def test_two_vectors_that_may_be_rows_or_a_pair():
    problem = {"weights": np.eye(7, 4), "biases": np.zeros(7), "inputs": np.ones((2, 4))}
    problem |= {"num_sampled": 3, "num_classes": 7, "seed": 1}
    rows = ([3, 1, 4], [0, 2, 3])
    with pytest.raises(ValueError, match=r"num_true 3 .*give a list for rows, or num_true 1 for the pair"):
        nce.nce_loss(labels=rows, num_true=3, **problem)
    with pytest.raises(ValueError, match=r"true_classes .*may be two rows or the pair"):
        nce.uniform_candidate_sampler(rows, 3, 4, False, 9)
    np.testing.assert_array_equal(
        nce.nce_loss(labels=list(rows), num_true=3, **problem),
        nce.nce_loss(labels=np.array(rows), num_true=3, **problem),
    )
    np.testing.assert_array_equal(nce.nce_loss(labels=rows, **problem), nce.nce_loss(labels=[[3, 1], [4]], **problem))
    one_row = {**problem, "inputs": np.ones((1, 4)), "num_true": 2}
    np.testing.assert_array_equal(  # a pair that agrees with num_true
        nce.nce_loss(labels=([3, 4], [0, 2]), **one_row), nce.nce_loss(labels=[[3, 4]], **one_row)
    )


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("inputs", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("weights", ["bfloat16", "float16", "float64"])
def test_bfloat16_is_computed_in_float32(kind, inputs, weights):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    bfloat16 = np.dtype(ml_dtypes.bfloat16)
    types = {"inputs": np.dtype(inputs), "weights": np.dtype(weights), "biases": bfloat16}
    problem = fixed_problem()
    for name, dtype in types.items():
        problem[name] = problem[name].astype(dtype)
    sampled, *counts = problem["sampled_values"]
    problem["sampled_values"] = (sampled, *(count.astype(bfloat16) for count in counts))
    single = {name: value.astype(np.float32) if name in types else value for name, value in problem.items()}
    single["sampled_values"] = (sampled, *(count.astype(np.float32) for count in problem["sampled_values"][1:]))
    result, gradients = LOSSES[kind][1](**problem)
    expected, expected_gradients = LOSSES[kind][1](**single)
    assert result.dtype == types["inputs"]
    np.testing.assert_array_equal(result, expected.astype(types["inputs"]))
    for one, other in zip(gradients, expected_gradients, strict=True):
        assert one.dtype == types["inputs"]
        np.testing.assert_array_equal(one, other.astype(types["inputs"]))


def test_bfloat16_in_partitions_and_over_all_classes():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    weights = np.arange(10).reshape(5, 2).astype(ml_dtypes.bfloat16)
    inputs = np.ones((1, 2), ml_dtypes.bfloat16)
    whole = nce.softmax_loss_and_gradients(weights, np.zeros(5), [[1]], inputs)
    parts = nce.softmax_loss_and_gradients(nce.partition(weights, 2, "div"), np.zeros(5), [[1]], inputs)
    assert whole[0].dtype == weights.dtype
    assert [part.dtype for part in parts[1].weights] == [weights.dtype] * 2
    np.testing.assert_array_equal(parts[0], whole[0])
    assert nce.log_probabilities(weights, np.zeros(5), inputs).dtype == weights.dtype
    for name in ("float8_e4m3fn", "int4"):
        other = weights.astype(getattr(ml_dtypes, name))
        with pytest.raises(ValueError, match=f"weights must be float16, bfloat16, .*, not {name}"):
            nce.sigmoid_loss(other, np.zeros(5), [[1]], inputs)
        with pytest.raises(ValueError, match=f"inputs must be float16, bfloat16, .*, not {name}"):
            nce.sigmoid_loss(weights, np.zeros(5), [[1]], other[:1])


@pytest.mark.parametrize("kind", LOSSES)
def test_one_noise_set_for_all_equals_the_same_set_for_each(kind):
    problem = fixed_problem()
    expected, expected_gradients = LOSSES[kind][1](**problem)
    sampled, true_count, sampled_count = problem["sampled_values"]
    problem["sampled_values"] = (np.tile(sampled, (5, 1)), true_count, sampled_count)
    result, gradients = LOSSES[kind][1](**problem)
    np.testing.assert_allclose(result, expected, rtol=1e-13)
    for one, other in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("strategy", ["mod", "div"])
@pytest.mark.parametrize("container", [list, tuple])
def test_partitions_give_the_result_of_the_whole_table_in_their_own_layout(strategy, container):
    problem = fixed_problem()
    expected, expected_gradients = nce.nce_loss_and_gradients(**problem)
    problem["weights"] = container(nce.partition(problem["weights"], 3, strategy))
    problem["biases"] = container(nce.partition(problem["biases"], 7, strategy))
    result, gradients = nce.nce_loss_and_gradients(**problem, partition_strategy=strategy)
    np.testing.assert_allclose(result, expected, rtol=1e-13)
    assert [len(gradients.weights), len(gradients.biases)] == [3, 7]
    joined = nce.unpartition(gradients.weights, strategy)
    np.testing.assert_allclose(joined, expected_gradients.weights, rtol=1e-12)
    np.testing.assert_allclose(nce.unpartition(gradients.biases, strategy), expected_gradients.biases, rtol=1e-12)
    for part, gradient in zip(problem["weights"], gradients.weights, strict=True):
        assert part.shape == gradient.shape


def test_window_objective():
    """loss_i = sum softplus(-G) over contexts + sum softplus(G) over noise, G = F - log(Q / m)."""
    rng = np.random.default_rng(8)
    weights, biases, centres = rng.normal(size=(9, 4)), rng.normal(size=9), rng.normal(size=(3, 4))
    contexts = [[1, 4, 4], [0], [8, 2, 3, 3, 5]]
    noise, count = np.array([4, 7, 3, 3]), np.array([0.4, 0.2, 0.7, 0.7])
    class_count = rng.uniform(0.1, 1, 9)
    losses = []
    for centre, own in zip(centres, contexts, strict=True):
        logits = weights @ centre + biases
        data = logits[own] - np.log(class_count[own] / len(own))
        noise_logits = logits[noise] - np.log(count / len(own))
        losses.append(np.log1p(np.exp(-data)).sum() + np.log1p(np.exp(noise_logits)).sum())
    flat = np.concatenate([class_count[own] for own in contexts])
    result, gradients = nce.nce_loss_and_gradients(
        weights,
        biases,
        contexts,
        centres,
        4,
        9,
        sampled_values=(noise, flat, count),
        target="one",
        noise_ratio="per_target",
        gradients="dense",
    )
    np.testing.assert_allclose(result, losses, rtol=1e-12)
    assert gradients.weights.shape == weights.shape


def test_all_classes_as_candidates_make_the_full_sigmoid_loss():
    problem = fixed_problem(num_true=1)
    values = nce.all_candidate_sampler(problem["labels"], 1, 20, True)
    problem.update(num_sampled=20, sampled_values=values)
    result = nce.nce_loss(**problem, remove_accidental_hits=True)
    full = nce.sigmoid_loss(problem["weights"], problem["biases"], problem["labels"], problem["inputs"])
    np.testing.assert_allclose(result, full, rtol=1e-12)


def test_zero_parameters_cost_log_two_a_term():
    result = nce.nce_loss(
        np.zeros((7, 3), np.float32),
        np.zeros(7, np.float32),
        [[1, 2], [3, 3]],
        np.zeros((2, 3), np.float32),
        5,
        7,
        sampled_values=(np.arange(5), np.ones(4), np.ones(5)),
    )
    np.testing.assert_allclose(result, 7 * math.log(2), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("hits", [False, True])
@pytest.mark.parametrize("kind", LOSSES)
def test_every_dtype_works_with_the_built_in_sampler(kind, hits, dtype):
    problem = {**fixed_problem(dtype), "sampled_values": None, "seed": 7, "remove_accidental_hits": hits}
    losses, gradients = LOSSES[kind][1](**problem)
    exact = {
        name: value.astype(np.float64) if name in ("weights", "biases", "inputs") else value
        for name, value in problem.items()
    }
    expected, expected_gradients = LOSSES[kind][1](**exact)
    tolerance = {np.float16: 5e-4, np.float32: 1e-5, np.float64: 1e-14}[dtype]
    for result, reference in zip((losses, *gradients), (expected, *expected_gradients), strict=True):
        assert result.dtype == dtype
        scale = max(1, np.abs(reference).max())
        np.testing.assert_allclose(result, reference, rtol=0, atol=tolerance * scale)


def test_weights_are_cast_to_the_dtype_of_the_inputs():
    problem = fixed_problem(np.float32)
    expected = nce.nce_loss(**problem)
    problem["weights"] = problem["weights"].astype(np.float64)
    result = nce.nce_loss(**problem)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, expected)


def test_a_seed_repeats_the_noise_and_a_stream_continues():
    problem = {**fixed_problem(), "sampled_values": None}
    first, again = (nce.nce_loss(**problem, seed=1) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (nce.nce_loss(**problem, seed=2) != first).any()
    assert (nce.nce_loss(**problem) != nce.nce_loss(**problem)).any()
    stream = nce.SamplerStream(1)
    np.testing.assert_array_equal(nce.nce_loss(**problem, seed=stream), first)
    assert (nce.nce_loss(**problem, seed=stream) != first).any()


@pytest.mark.parametrize("rng", ["nce_train", "tensorflow"])
def test_built_in_noise_is_log_uniform_and_unique(rng):
    problem = {**fixed_problem(), "sampled_values": None}
    result = nce.nce_loss(**problem, seed=4, rng=rng)
    values = nce.log_uniform_candidate_sampler(problem["labels"], 2, 8, True, 20, 4, rng=rng)
    np.testing.assert_array_equal(result, nce.nce_loss(**{**problem, "sampled_values": values}))


def test_nan_reaches_only_its_example_and_the_classes_of_its_example():
    problem = fixed_problem()
    expected = nce.nce_loss(**problem)
    untouched = np.setdiff1d(np.arange(20), [*problem["labels"].ravel(), *problem["sampled_values"][0]])
    problem["weights"][untouched] = np.nan
    np.testing.assert_array_equal(nce.nce_loss(**problem), expected)
    problem["inputs"][2, 0] = np.nan
    losses, gradients = nce.nce_loss_and_gradients(**problem)
    assert np.isnan(losses).tolist() == [False, False, True, False, False]
    np.testing.assert_array_equal(losses[[0, 1, 3, 4]], expected[[0, 1, 3, 4]])
    touched = np.union1d(problem["labels"][2], problem["sampled_values"][0])
    assert np.isnan(gradients.biases[touched]).all()
    assert not np.isnan(np.delete(gradients.biases, touched)).any()


def test_infinite_logits_make_nan_losses():
    problem = fixed_problem(np.float32)
    problem["inputs"][1] = np.float32(3e38)
    assert np.isnan(nce.nce_loss(**problem)[1])


@pytest.mark.parametrize("form", ["dense", "rows"])
@pytest.mark.parametrize("kind", LOSSES)
def test_an_empty_batch_gives_empty_losses(kind, form):
    problem = fixed_problem()
    sampled, true_count, sampled_count = problem["sampled_values"]
    for labels, count in ((np.zeros((0, 2), int), true_count[:0]), ([], [])):
        problem.update(inputs=problem["inputs"][:0], labels=labels, sampled_values=(sampled, count, sampled_count))
        losses, gradients = LOSSES[kind][1](**problem, gradients=form)
        assert losses.shape == (0,)
        assert gradients.inputs.shape == (0, 6)


def test_a_batch_without_labels():
    problem = {**fixed_problem(), "labels": [[], [], [], [], []]}
    sampled, _, sampled_count = problem["sampled_values"]
    problem["sampled_values"] = (sampled, [], sampled_count)
    assert (nce.nce_loss(**problem) > 0).all()
    assert (nce.nce_loss(**problem, noise_ratio="per_target") == 0).all()
    losses, gradients = nce.sampled_softmax_loss_and_gradients(**problem)
    assert (losses == 0).all()
    assert not gradients.weights.any()


def test_row_gradients_need_no_memory_for_the_whole_table():
    weights = np.broadcast_to(np.ones(1000, np.float32), (1_000_000, 1000))  # one row repeated; a copy would take 4 GB
    biases = np.broadcast_to(np.float32(0), (1_000_000,))
    inputs = np.zeros((2, 1000), np.float32)
    options = {"seed": 1, "gradients": "rows"}
    nce.nce_loss_and_gradients(weights, biases, [[3], [7]], inputs, 4, 1_000_000, **options)  # compiles
    tracemalloc.start()
    nce.nce_loss_and_gradients(weights, biases, [[3], [7]], inputs, 4, 1_000_000, **options)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_whole_floats_are_accepted_and_float_labels_truncated():
    problem = fixed_problem()
    expected = nce.nce_loss(**problem)
    problem["num_sampled"] = float(problem["num_sampled"])
    problem["labels"] = problem["labels"] + 0.75  # truncated, as in TensorFlow
    np.testing.assert_array_equal(nce.nce_loss(**problem), expected)


@pytest.mark.parametrize("width", [2, 4, 8])
@pytest.mark.parametrize(
    "loss",
    [nce.nce_loss_and_gradients, nce.sampled_softmax_loss_and_gradients, nce.negative_sampling_loss_and_gradients],
)
def test_arrays_of_either_byte_order_give_the_same(loss, width):
    rng = np.random.default_rng(3)
    floats = {
        "weights": rng.normal(size=(9, 3)).astype(f"f{width}"),
        "biases": rng.normal(size=9).astype(f"f{width}"),
        "inputs": rng.normal(size=(2, 3)).astype(f"f{width}"),
    }
    labels = np.array([[1], [2]])
    values = nce.uniform_candidate_sampler(labels, 1, 4, True, 9, 1)

    def run(order):
        swapped = {name: array.astype(array.dtype.newbyteorder(order)) for name, array in floats.items()}
        given = [part.astype(part.dtype.newbyteorder(order)) for part in values]
        losses, gradients = loss(
            **swapped, labels=labels.astype(f"{order}i8"), num_sampled=4, num_classes=9, sampled_values=given
        )
        full = nce.softmax_loss(swapped["weights"], swapped["biases"], labels, swapped["inputs"])
        return [losses, *gradients, full, nce.probabilities(*swapped.values())]

    for big, little in zip(run(">"), run("<"), strict=True):
        assert big.dtype == np.dtype(f"f{width}")  # in the machine's byte order
        np.testing.assert_array_equal(big, little)


def test_samplers_take_either_byte_order():
    labels, counts = np.array([[1], [2]]), np.arange(1.0, 10)
    expected = nce.sampler_from_counts(counts)(labels, 1, 4, True, 1)
    result = nce.sampler_from_counts(counts.astype(">f8"))(labels.astype(">i8"), 1, 4, True, 1)
    for one, other in zip(result, expected, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype.isnative
