"""CBOW, with and without sub-words: the kernel's block step against its float64 twin, and shards' copies of rows."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_case import KernelCase, plan, probability_of, random_lines
from test_kernel_train import OPTIONS, step_like_twin
from twin import cut_into_blocks

from nce_train.kernel.draws import alias_table
from nce_train.kernel.state import (
    CENTRES,
    NUM_PAIRS,
    PAIRS,
    RADIUS_FIXED,
    RADIUS_PER_CENTRE,
    context_shares,
)

EXACT = [(np.float64, 1e-11), pytest.param(np.float32, 1e-5, marks=pytest.mark.slow)]  # each compiles two kernels
# one word, four and two alone: centres without contexts, and sentences that end inside blocks
LENGTHS = [30, 1, 1, 4, 11, 2, 1]


def some_bags(generator, words):
    """The word's own row and up to six rows behind those of the words; one may be in a bag twice."""
    return [[word, *(words + generator.integers(0, 20, word % 7)).tolist()] for word in range(words)]


@pytest.mark.parametrize("subwords", [False, True])
@pytest.mark.parametrize(("pairs", "mean", "unique", "hits", "radius_kind"), OPTIONS)
@pytest.mark.parametrize(("dtype", "tolerance"), EXACT)
def test_block_step_is_the_twins(subwords, pairs, mean, unique, hits, radius_kind, dtype, tolerance):
    chosen = plan(pairs=pairs, mean=mean, unique=unique, remove_accidental_hits=hits, radius_kind=radius_kind)
    generator = np.random.default_rng(5)
    # 12 classes: a context occurs twice at a centre, and the centre is among its own contexts and the noise
    lines = random_lines(generator, 12, LENGTHS)
    bags = some_bags(generator, 12) if subwords else None
    step_like_twin(KernelCase(lines, 12, 20, chosen, dtype, bags=bags, cbow=True), tolerance, blocks=6)


@pytest.mark.parametrize("subwords", [False, True])
@pytest.mark.parametrize("sampler", ["uniform", "log-uniform"])
@pytest.mark.parametrize(("merge_noise", "hits"), list(itertools.product((False, True), repeat=2)))
def test_noise_of_any_sampler_merged_or_not(subwords, sampler, merge_noise, hits):
    generator = np.random.default_rng(6)
    lines = random_lines(generator, 12, LENGTHS)
    bags = some_bags(generator, 12) if subwords else None
    chosen = plan(num_sampled=40, merge_noise=merge_noise, remove_accidental_hits=hits)
    case = KernelCase(lines, 12, 20, chosen, scale=0.2, bags=bags, cbow=True)
    case.probability = probability_of(12, sampler)
    case.noise.columns[:] = alias_table(case.probability)
    case.noise.log_count[:] = np.log(40 * case.probability)
    step_like_twin(case, 1e-11)


@pytest.mark.parametrize("subwords", [False, True])
@pytest.mark.parametrize("block_size", [1, 3, 5, 9, 64])
@pytest.mark.parametrize(("window", "dim"), [(1, 33), (5, 1), (5, 100), (10, 300)])
def test_blocks_of_any_size_with_any_window_and_dim(subwords, block_size, window, dim):
    generator = np.random.default_rng(9)
    lines = random_lines(generator, 40, [1, 90, 1, 7, 200])
    bags = some_bags(generator, 40) if subwords else None
    chosen = plan(block_size=block_size, num_sampled=7, window=window)
    case = KernelCase(lines, 40, dim, chosen, scale=0.2, bags=bags, cbow=True)
    step_like_twin(case, 1e-11, blocks=4)
    assert not case.tables.input[:, dim:].any()


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 70), min_size=1, max_size=6),
    block_size=st.integers(1, 20),
    window=st.integers(1, 12),
)
def test_blocks_are_the_texts(lengths, block_size, window):
    """Without subsampling every word is a centre once, with all words of its window, a pair where there are any."""
    lines = random_lines(np.random.default_rng(12), 50, lengths)
    chosen = plan(block_size=block_size, window=window, radius_kind=RADIUS_FIXED, num_sampled=2)
    # the smallest buffer there is, so that sentences are read in several pieces
    case = KernelCase(lines, 50, 16, chosen, kept_capacity=1, cbow=True)
    with_contexts = 0
    for centres, contexts in cut_into_blocks(lines, block_size, window):
        assert case.run(1) == 1
        block = case.block()
        assert block.centres == centres
        assert block.contexts == contexts
        assert case.thread.blocks.counts[0, NUM_PAIRS] == sum(map(bool, contexts))
        with_contexts += sum(map(bool, contexts))
    assert case.run(1) == 0
    assert case.thread.cursor[PAIRS] == case.thread.cursor[CENTRES] == with_contexts


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_number_reaches_the_loss(bad):
    lines = random_lines(np.random.default_rng(11), 10, [40])
    case = KernelCase(lines, 10, 16, plan(), np.float32, cbow=True)
    case.tables.input[3, 0] = bad
    case.run(5)
    assert not np.isfinite(case.thread.loss[0])


@pytest.mark.slow  # compiles eight kernels
@pytest.mark.parametrize("cbow", [False, True])
@pytest.mark.parametrize("subwords", [False, True])
@pytest.mark.parametrize(("pairs", "unique", "radius_kind"), [(False, False, 0), (True, True, RADIUS_PER_CENTRE)])
@pytest.mark.parametrize("block_size", [1, 8, 20])
def test_a_shards_copies_change_nothing(cbow, subwords, pairs, unique, radius_kind, block_size):
    generator = np.random.default_rng(14)
    lines = random_lines(generator, 50, [300, 1, 80, 1])
    bags = some_bags(generator, 50) if subwords else None
    chosen = plan(pairs=pairs, unique=unique, radius_kind=radius_kind, block_size=block_size)
    plain, copied = (
        KernelCase(lines, 50, 16, chosen, np.float32, scale=0.1, bags=bags, cbow=cbow, copies=copies)
        for copies in (False, True)
    )
    before = plain.parameters()
    for case in (plain, copied):
        case.run(10**6, lr=0.05)
    assert plain.thread.loss[0] == copied.thread.loss[0]
    for old, left, right in zip(before, plain.parameters(), copied.parameters(), strict=True):
        assert (old != left).any()
        np.testing.assert_array_equal(left, right)
    shard_rows = copied.thread.shard_rows
    for places, used in zip((shard_rows.input_place, shard_rows.output_place), shard_rows.used, strict=True):
        assert sorted(places[places >= 0]) == list(range(used))


def test_shares():
    assert context_shares(2).tolist() == [1, 1, 1 / 2, 1 / 3, 1 / 4]
