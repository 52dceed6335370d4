"""Noise in JAX's compiled functions: the ids of NumPy's samplers, new in each step, the same in each run."""

import re
import warnings

import numpy as np
import pytest

from nce_train import nce

jax = pytest.importorskip("jax", reason="needs JAX: pip install 'nce-train[jax]'")

from nce_train.jax import NoiseSampler  # noqa: E402

CLASSES, SAMPLED = 200, 16
COUNTS = np.arange(CLASSES, 0, -1.0)
LABELS = np.array([[3], [0], [17]])


@pytest.mark.parametrize("inclusion", ["approximate", "exact"])
@pytest.mark.parametrize("unique", [False, True])
@pytest.mark.parametrize("options", [{"counts": COUNTS}, {"sampler": "log-uniform"}, {"sampler": "uniform"}])
def test_compiled_or_not_the_noise_is_numpys(options, unique, inclusion):
    noise = NoiseSampler(CLASSES, SAMPLED, unique=unique, inclusion=inclusion, seed=7, **options)
    sampler = nce.sampler_from_counts(COUNTS, options.get("sampler", "unigram"))
    compiled = jax.jit(noise)
    for step in range(3):
        expected = sampler(LABELS, 1, SAMPLED, unique, (7, step), inclusion=inclusion)
        for values in (noise(LABELS, step), compiled(LABELS, step)):
            for array, other in zip(values, expected, strict=True):
                assert isinstance(array, jax.Array)
                np.testing.assert_array_equal(array, other)


def test_padded_labels():
    padded = nce.pad_labels([[3, 4], [], [17]])
    values = jax.jit(NoiseSampler(CLASSES, SAMPLED, seed=7))(padded, 0)
    expected = nce.log_uniform_candidate_sampler(padded, 1, SAMPLED, True, CLASSES, (7, 0))
    np.testing.assert_array_equal(values.true_expected_count, expected.true_expected_count)
    ragged = nce.log_uniform_candidate_sampler([[3, 4], [], [17]], 1, SAMPLED, True, CLASSES, (7, 0))
    np.testing.assert_array_equal(values.true_expected_count[padded.mask], ragged.true_expected_count)


def test_a_training_step_in_one_program():
    """Under jit, grad, scan and vmap: the losses of the same steps with NumPy."""
    noise = NoiseSampler(CLASSES, SAMPLED, seed=7)
    rng = np.random.default_rng(1)
    tables = [rng.normal(size=(CLASSES, 8)).astype(np.float32), np.zeros(CLASSES, np.float32)]
    inputs = rng.normal(size=(3, 8)).astype(np.float32)

    def loss(tables, step):
        values = noise(LABELS, step)
        return nce.nce_loss(*tables, LABELS, inputs, SAMPLED, CLASSES, sampled_values=values).mean()

    @jax.jit
    def train(tables):
        def step(tables, number):
            value, gradient = jax.value_and_grad(loss)(tables, number)
            return [each - 0.1 * by for each, by in zip(tables, gradient, strict=True)], value

        return jax.lax.scan(step, tables, np.arange(4))

    trained, losses = train([jax.numpy.asarray(table) for table in tables])
    for step in range(4):
        drawn = nce.log_uniform_candidate_sampler(LABELS, 1, SAMPLED, True, CLASSES, (7, step))
        values, gradients = nce.nce_loss_and_gradients(*tables, LABELS, inputs, SAMPLED, CLASSES, sampled_values=drawn)
        np.testing.assert_allclose(losses[step], values.mean(), rtol=1e-5)
        tables = [tables[0] - 0.1 / 3 * gradients.weights, tables[1] - 0.1 / 3 * gradients.biases]
    np.testing.assert_allclose(trained[0], tables[0], rtol=1e-5, atol=1e-6)
    mapped = jax.vmap(noise, in_axes=(None, 0))(LABELS, np.arange(3)).sampled_candidates
    for step in range(3):
        np.testing.assert_array_equal(mapped[step], noise(LABELS, step).sampled_candidates)


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"sampler must not be a learned one, .* draw from it outside"):
        NoiseSampler(CLASSES, SAMPLED, sampler="learned-unigram")
    with pytest.raises(ValueError, match=r"labels must be a matrix .*, not of shape \(3,\)"):
        NoiseSampler(CLASSES, SAMPLED)(LABELS[:, 0], 0)
    with pytest.raises(Exception, match=r"true_classes must lie in \[0, 200\)"):
        jax.jit(NoiseSampler(CLASSES, SAMPLED))(LABELS + 199, 0).sampled_candidates.block_until_ready()
    with pytest.warns(UserWarning, match="class 1 has count 200 and class 0 only 1"):
        NoiseSampler(CLASSES, SAMPLED, sampler="log-uniform", counts=np.roll(COUNTS, 1))


def test_ids_that_are_not_sorted_by_frequency_are_reported():
    noise = NoiseSampler(CLASSES, SAMPLED)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for step in range(4):
            noise(np.full((500, 1), 150), step).sampled_candidates.block_until_ready()
    assert [str(each.message)[:24] for each in caught] == ["the log-uniform sampler "]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": (1, 7)}, "seed must be an integer, as the step is the second seed, not"),
        ({"seed": None}, "seed must be an integer, as the step is the second seed, not None"),
        ({"num_sampled": 51}, "num_sampled must be at most num_classes 50 with unique, not 51"),
    ],
)
def test_what_would_fail_or_be_ignored_later_is_refused(arguments, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        NoiseSampler(**{"num_classes": 50, "num_sampled": 5, **arguments})


@pytest.mark.parametrize(
    "loss", ["nce_loss", "sampled_softmax_loss", "negative_sampling_loss", "sigmoid_loss", "softmax_loss"]
)
@pytest.mark.parametrize("label", [-1, -50, 50])
def test_a_compiled_loss_of_a_label_out_of_range_is_nan(loss, label):
    generator = np.random.default_rng(0)
    weights, biases, inputs = generator.normal(size=(50, 8)), np.zeros(50), generator.normal(size=(3, 8))
    weights, biases, inputs = (jax.numpy.asarray(array, np.float32) for array in (weights, biases, inputs))
    given = {}
    if loss not in ("sigmoid_loss", "softmax_loss"):
        values = nce.uniform_candidate_sampler([[1], [2], [3]], 1, 5, True, 50, seed=1)
        given = {"num_sampled": 5, "num_classes": 50, "sampled_values": values}
    compiled = jax.jit(lambda labels: getattr(nce, loss)(weights, biases, labels, inputs, **given))
    losses = compiled(jax.numpy.array([[3], [label], [4]]))
    assert np.isnan(losses).tolist() == [False, True, False]
