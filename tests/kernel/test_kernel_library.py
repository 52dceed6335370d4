"""The kernel speaks `nce_train.nce`'s language: a block step at rate 1 is minus the gradient of its summed loss."""

import itertools

import numpy as np
import pytest
from kernel_case import KernelCase, plan, random_lines
from twin import expected_count

from nce_train import nce
from nce_train.kernel.state import RADIUS_PER_CENTRE
from nce_train.training.noise import noise_tables
from nce_train.training.settings import Settings


def library_step(before, block, probability, *, pairs, hits):
    """(gradients, summed loss) of the library for the block's (centre, context) pairs."""
    inputs, weights, biases = (np.asarray(table, np.float64) for table in before)
    count = expected_count(probability, len(block.noise), block.tries)
    noise = np.array(block.noise)
    trained = [(c, labels) for c, labels in zip(block.centres, block.contexts, strict=True) if labels]
    centres = [centre for centre, labels in trained for _ in (labels if pairs else [0])]
    if pairs:
        labels = np.array([[label] for _, labels in trained for label in labels])
        options = {"num_true": 1}
        true_count = count[labels]
    else:
        labels = [labels for _, labels in trained]
        options = {"target": "one", "noise_ratio": "per_target"}
        true_count = count[np.concatenate(labels)]
    losses, gradients = nce.nce_loss_and_gradients(
        weights,
        biases,
        labels,
        inputs[centres],
        len(noise),
        len(weights),
        sampled_values=nce.SampledValues(noise, true_count, count[noise]),
        remove_accidental_hits=hits,
        strict=hits,
        **options,
    )
    input_gradient = np.zeros_like(inputs)
    np.add.at(input_gradient, centres, gradients.inputs)
    return (input_gradient, gradients.weights, gradients.biases), losses.sum()


@pytest.mark.parametrize(
    ("pairs", "unique", "hits"), list(itertools.product((False, True), (False, True), (False, True)))
)
def test_a_block_step_is_minus_the_librarys_gradient(pairs, unique, hits):
    chosen = plan(pairs=pairs, unique=unique, remove_accidental_hits=hits, radius_kind=RADIUS_PER_CENTRE)
    case = KernelCase(random_lines(np.random.default_rng(5), 12, [30, 3, 11]), 12, 20, chosen)
    for _ in range(4):
        before = case.parameters()
        case.thread.loss[0] = 0
        case.run(1, lr=1.0)
        gradients, loss = library_step(before, case.block(), case.probability, pairs=pairs, hits=hits)
        np.testing.assert_allclose(case.thread.loss[0], loss, rtol=1e-11)
        for old, new, gradient in zip(before, case.parameters(), gradients, strict=True):
            np.testing.assert_allclose(new - old, -gradient, rtol=1e-10, atol=1e-11)


def library_cbow_step(before, block, probability, *, hits):
    """As `library_step`, for CBOW: the input of an example is the mean of its contexts' vectors."""
    inputs, weights, biases = (np.asarray(table, np.float64) for table in before)
    count = expected_count(probability, len(block.noise), block.tries)
    noise = np.array(block.noise)
    trained = [(c, contexts) for c, contexts in zip(block.centres, block.contexts, strict=True) if contexts]
    labels = np.array([[centre] for centre, _ in trained])
    losses, gradients = nce.nce_loss_and_gradients(
        weights,
        biases,
        labels,
        np.array([inputs[contexts].mean(axis=0) for _, contexts in trained]),
        len(noise),
        len(weights),
        sampled_values=nce.SampledValues(noise, count[labels], count[noise]),
        remove_accidental_hits=hits,
        strict=hits,
    )
    input_gradient = np.zeros_like(inputs)
    for (_, contexts), gradient in zip(trained, gradients.inputs, strict=True):
        np.add.at(input_gradient, contexts, gradient / len(contexts))
    return (input_gradient, gradients.weights, gradients.biases), losses.sum()


@pytest.mark.parametrize(
    ("pairs", "unique", "hits"), list(itertools.product((False, True), (False, True), (False, True)))
)
def test_a_step_of_cbow_is_minus_the_librarys_gradient(pairs, unique, hits):
    chosen = plan(pairs=pairs, unique=unique, remove_accidental_hits=hits, radius_kind=RADIUS_PER_CENTRE)
    lines = random_lines(np.random.default_rng(5), 12, [30, 1, 3, 11])
    case = KernelCase(lines, 12, 20, chosen, cbow=True)
    for _ in range(4):
        before = case.parameters()
        case.thread.loss[0] = 0
        case.run(1, lr=1.0)
        gradients, loss = library_cbow_step(before, case.block(), case.probability, hits=hits)
        np.testing.assert_allclose(case.thread.loss[0], loss, rtol=1e-11)
        for old, new, gradient in zip(before, case.parameters(), gradients, strict=True):
            np.testing.assert_allclose(new - old, -gradient, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("sampler", ["log-uniform", "unigram", "uniform"])
def test_noise_tables_are_the_samplers(sampler):
    counts = np.array([60, 30, 10, 5, 1])
    drawn = nce.sampler_from_counts(counts, sampler, 0.75)(np.arange(5)[:, None], 1, 7, False, seed=0)
    tables = noise_tables(counts, Settings(sampler=sampler, num_sampled=7))
    np.testing.assert_allclose(np.exp(tables.log_count), drawn.true_expected_count[:, 0], rtol=1e-6)
