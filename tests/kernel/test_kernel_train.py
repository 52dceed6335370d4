"""The kernel's block step against its float64 twin, and which blocks it makes of a text."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_case import KernelCase, plan, random_lines
from twin import block_step, cut_into_blocks, expected_count

from nce_train.kernel.state import (
    AFTER,
    BEFORE,
    BLOCKS,
    CENTRES,
    NUM_NOISE,
    NUM_PAIRS,
    PAIRS,
    RADIUS_FIXED,
    RADIUS_PER_BLOCK,
    RADIUS_PER_CENTRE,
    TOKENS,
    Plan,
)
from nce_train.training.parameters import keep_probability, keep_threshold
from nce_train.training.settings import Settings

OPTIONS = list(
    itertools.product(
        (False, True),  # pairs
        (False, True),  # mean
        (False, True),  # unique
        (False, True),  # remove_accidental_hits
        (RADIUS_PER_BLOCK, RADIUS_PER_CENTRE, RADIUS_FIXED),
    )
)


def step_like_twin(case, tolerance, blocks=4):
    """Run block by block; parameters and loss must be the twin's within `tolerance` of their size."""
    for _ in range(blocks):
        before = case.parameters()
        case.thread.loss[0] = 0
        assert case.run(1, lr=0.7) == 1
        expected, loss, pairs = block_step(
            before,
            case.block(),
            case.probability,
            0.7,
            pairs=case.plan.pairs,
            mean=case.plan.mean,
            remove_accidental_hits=case.plan.remove_accidental_hits,
            bags=case.bags,
            cbow=case.cbow,
        )
        for got, want in zip(case.parameters(), expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * max(1, np.abs(want).max()))
        np.testing.assert_allclose(case.thread.loss[0], loss, rtol=10 * tolerance)
        assert case.thread.blocks.counts[0, NUM_PAIRS] == pairs


@pytest.mark.parametrize(("pairs", "mean", "unique", "hits", "radius_kind"), OPTIONS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-11), (np.float32, 1e-5)])
def test_block_step_is_the_twins(pairs, mean, unique, hits, radius_kind, dtype, tolerance):
    chosen = plan(pairs=pairs, mean=mean, unique=unique, remove_accidental_hits=hits, radius_kind=radius_kind)
    # 12 classes: every block has repeated words among centres, contexts and noise
    lines = random_lines(np.random.default_rng(5), 12, [30, 3, 11])
    step_like_twin(KernelCase(lines, 12, 20, chosen, dtype), tolerance)


@pytest.mark.parametrize(("pairs", "mean", "unique", "hits", "radius_kind"), OPTIONS[::3])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-11), (np.float32, 1e-5)])
def test_the_vector_of_a_bag_is_the_mean_of_its_rows(pairs, mean, unique, hits, radius_kind, dtype, tolerance):
    chosen = plan(pairs=pairs, mean=mean, unique=unique, remove_accidental_hits=hits, radius_kind=radius_kind)
    generator = np.random.default_rng(8)
    lines = random_lines(generator, 12, [30, 3, 11])
    # the word's own row, and up to six shared ones; a row may stand in a bag twice
    bags = [[word, *(12 + generator.integers(0, 20, word % 7)).tolist()] for word in range(12)]
    step_like_twin(KernelCase(lines, 12, 20, chosen, dtype, bags=bags), tolerance)


@pytest.mark.parametrize("block_size", [1, 5, 9, 64])
@pytest.mark.parametrize("dim", [1, 33, 100, 300])
def test_bags_in_blocks_of_any_size_with_any_dim(block_size, dim):
    generator = np.random.default_rng(9)
    lines = random_lines(generator, 40, [200, 7])
    bags = [[word, *(40 + generator.integers(0, 60, 5)).tolist()] for word in range(40)]
    chosen = plan(block_size=block_size, num_sampled=7)
    step_like_twin(KernelCase(lines, 40, dim, chosen, bags=bags), 1e-11, blocks=3)


@pytest.mark.parametrize("block_size", [1, 2, 5, 8, 9, 16, 64])
@pytest.mark.parametrize("window", [1, 5, 10])
def test_any_block_size_and_window(block_size, window):
    chosen = plan(block_size=block_size, window=window, num_sampled=7)
    lines = random_lines(np.random.default_rng(6), 40, [200, 7])
    step_like_twin(KernelCase(lines, 40, 16, chosen), 1e-11, blocks=3)


@pytest.mark.parametrize("dim", [1, 2, 15, 16, 17, 31, 33, 50, 100, 128, 200, 300])
def test_any_dim(dim):
    lines = random_lines(np.random.default_rng(7), 30, [40])
    step_like_twin(KernelCase(lines, 30, dim, plan(), scale=0.2), 1e-11, blocks=2)
    step_like_twin(KernelCase(lines, 30, dim, plan(), np.float32, scale=0.2), 1e-5, blocks=2)


@pytest.mark.parametrize("merge_noise", [True, False])
@pytest.mark.parametrize("num_sampled", [1, 2, 3, 32, 33, 64])
def test_any_number_of_noise_samples(num_sampled, merge_noise):
    lines = random_lines(np.random.default_rng(8), 80, [40])
    case = KernelCase(lines, 80, 16, plan(num_sampled=num_sampled, merge_noise=merge_noise))
    step_like_twin(case, 1e-11, blocks=2)
    rows = case.thread.blocks.counts[0, NUM_NOISE]
    assert (rows < num_sampled) == (merge_noise and num_sampled > 31)


@pytest.mark.parametrize(("hits", "pairs"), [(True, True), (True, False), (False, False)])
def test_noise_words_that_are_not_merged_count_each(hits, pairs):
    # 12 classes: many of the 40 are the same word
    lines = random_lines(np.random.default_rng(5), 12, [30, 3, 11])
    chosen = plan(num_sampled=40, merge_noise=False, remove_accidental_hits=hits, pairs=pairs)
    step_like_twin(KernelCase(lines, 12, 20, chosen, scale=0.2), 1e-11)


def test_columns_beyond_dim_stay_zero():
    case = KernelCase(random_lines(np.random.default_rng(9), 30, [60]), 30, 5, plan(), np.float32)
    case.run(100)
    assert not case.tables.input[:, 5:].any()
    assert not case.tables.output[:, 5:].any()


def test_extreme_logits_give_finite_losses_and_steps():
    case = KernelCase(random_lines(np.random.default_rng(10), 20, [16]), 20, 16, plan(), np.float32, scale=10)
    before = case.parameters()
    case.run(1)
    expected, loss, _ = block_step(before, case.block(), case.probability, 1.0)
    assert np.abs(before[0] @ before[1].T).max() > 500  # far beyond where exp overflows
    np.testing.assert_allclose(case.thread.loss[0], loss, rtol=1e-5)
    for got, want in zip(case.parameters(), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("table", ["input", "output", "bias"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_number_reaches_the_loss(table, bad):
    lines = random_lines(np.random.default_rng(11), 10, [40])
    case = KernelCase(lines, 10, 16, plan(), np.float32)
    parameters = getattr(case.tables, table)
    parameters[(3, 0) if parameters.ndim == 2 else 3] = bad
    case.run(5)
    assert not np.isfinite(case.thread.loss[0])


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 70), min_size=1, max_size=6),
    block_size=st.integers(1, 20),
    window=st.integers(1, 12),
    calls=st.integers(1, 7),
)
def test_blocks_are_the_texts(lengths, block_size, window, calls):
    """Without subsampling every word is a centre once, with all words of its window, however calls are cut."""
    lines = random_lines(np.random.default_rng(12), 50, lengths)
    chosen = plan(block_size=block_size, window=window, radius_kind=RADIUS_FIXED, num_sampled=2)
    # the smallest buffer there is, so that sentences are read in several pieces
    case = KernelCase(lines, 50, 16, chosen, kept_capacity=1)
    sizes = []
    for centres, contexts in cut_into_blocks(lines, block_size, window):
        assert case.run(1) == 1
        block = case.block()
        assert block.centres == centres
        assert block.contexts == contexts
        sizes.extend(len(of_centre) for of_centre in contexts)
    assert case.run(calls) == 0
    cursor = case.thread.cursor
    assert cursor[TOKENS] == sum(lengths)
    assert cursor[PAIRS] == sum(sizes)
    assert cursor[CENTRES] == np.count_nonzero(sizes)


def test_a_sentence_longer_than_the_buffer_is_continued():
    lines = random_lines(np.random.default_rng(13), 50, [20_000])
    chosen = plan(block_size=8, window=5, radius_kind=RADIUS_FIXED, num_sampled=1)
    case = KernelCase(lines, 50, 16, chosen)
    case.run(10**6, lr=0.0)
    assert case.thread.cursor[PAIRS] == 20_000 * 10 - 2 * (5 + 4 + 3 + 2 + 1)
    assert case.thread.cursor[BLOCKS] == 20_000 / 8


def test_how_calls_are_cut_changes_nothing():
    lines = random_lines(np.random.default_rng(14), 50, [500, 1, 80])
    whole = KernelCase(lines, 50, 16, plan(), np.float32)
    pieces = KernelCase(lines, 50, 16, plan(), np.float32)
    blocks = whole.run(10**6, lr=0.05)
    while pieces.run(3, lr=0.05) == 3:
        pass
    assert pieces.thread.cursor[BLOCKS] == blocks
    for left, right in zip(whole.parameters(), pieces.parameters(), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize(("pairs", "unique", "hits"), list(itertools.product((False, True), repeat=3)))
def test_one_threads_copies_of_hot_rows_change_nothing(pairs, unique, hits):
    lines = random_lines(np.random.default_rng(14), 50, [500, 1, 80])
    chosen = plan(pairs=pairs, unique=unique, remove_accidental_hits=hits)
    plain = KernelCase(lines, 50, 16, chosen, scale=0.1)
    copied = KernelCase(lines, 50, 16, chosen, scale=0.1, tiers=[(16, 3), (40, 6)])
    for case in (plain, copied):
        case.run(10**6, lr=0.05)
        case.run(0)
    assert plain.thread.loss[0] == pytest.approx(copied.thread.loss[0], rel=1e-10)
    for left, right in zip(plain.parameters(), copied.parameters(), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-11)


def test_hot_rows_are_merged_the_hotter_the_oftener():
    lines = random_lines(np.random.default_rng(14), 50, [5000])
    case = KernelCase(lines, 50, 16, plan(), tiers=[(16, 4), (32, 6), (40, 16)])
    shared = case.tables.output[:40].copy()
    merges = np.zeros(40)
    for _ in range(64):
        case.run(1, lr=0.05)
        merges += (case.tables.output[:40] != shared).any(1)
        shared = case.tables.output[:40].copy()
    assert merges[0] == 16
    assert merges[16:32].max() == 10  # also where others are not due
    assert (merges[32:] <= 4).all()
    assert merges[16:].min() > 0


def test_changes_of_others_and_own_changes_add_up():
    case = KernelCase([[1, 2, 3]], 50, 16, plan(), tiers=[(40, 10**6)])
    before = case.tables.output[:50].copy()
    case.tables.output[:40] += 1.0  # another thread's
    case.tables.output[50:90] += 0.25  # its own copies
    case.tables.bias[50:90] -= 2.0
    bias = case.tables.bias[:40].copy()
    case.run(0)
    np.testing.assert_allclose(case.tables.output[:40], before[:40] + 1.25)
    np.testing.assert_allclose(case.tables.bias[:40], bias - 2.0)
    np.testing.assert_array_equal(case.tables.output[50:90], case.tables.output[:40])
    case.run(0)
    np.testing.assert_allclose(case.tables.output[:40], before[:40] + 1.25)


def test_radius_is_uniform_up_to_window():
    # chi-square with 4 degrees of freedom over 2500 blocks; fails one seed in 10,000
    for radius_kind in (RADIUS_PER_BLOCK, RADIUS_PER_CENTRE):
        chosen = plan(window=5, radius_kind=radius_kind, block_size=1, num_sampled=1)
        case = KernelCase(random_lines(np.random.default_rng(15), 50, [2500]), 50, 16, chosen)
        counts = np.zeros(6)
        for _ in range(2500):
            case.run(1, lr=0.0)
            numbers = case.thread.blocks.centre_numbers[0]
            counts[max(numbers[BEFORE, 0], numbers[AFTER, 0])] += 1
        assert counts[0] == 0
        assert ((counts[1:] - 500) ** 2 / 500).sum() < 23.5


@pytest.mark.slow
def test_subsampling_keeps_words_at_their_rate():
    # each word's share within 4.5 standard deviations: 20 words, fails one seed in 7,000
    counts = np.array([200_000 // (k + 1) for k in range(20)])
    probability = keep_probability(counts, 1e-2)
    assert probability[0] < 0.3
    assert probability[-1] > 0.9
    lines = random_lines(np.random.default_rng(16), 20, [200_000])
    chosen = plan(block_size=1, window=1, radius_kind=RADIUS_FIXED, num_sampled=1)
    case = KernelCase(lines, 20, 16, chosen)
    case.keep[:] = keep_threshold(probability)
    kept = np.zeros(20)
    while case.run(1, lr=0.0):
        kept[case.block().centres[0]] += 1
    there = np.bincount(lines[0], minlength=20)
    deviation = np.sqrt(there * probability * (1 - probability)) + 1e-9
    assert (np.abs(kept - there * probability) <= 4.5 * deviation + 1).all()


def test_words_that_are_always_kept_never_vanish():
    assert keep_threshold(np.ones(3)).tolist() == [2**32 - 1] * 3
    assert keep_probability(np.array([10, 1]), 0).tolist() == [1, 1]


def noise_case(blocks, **changes):
    chosen = plan(num_sampled=15, block_size=1, window=1, radius_kind=RADIUS_FIXED, **changes)
    return KernelCase(random_lines(np.random.default_rng(17), 40, [blocks + 1]), 40, 16, chosen)


def noise_words(unique, blocks):
    case = noise_case(blocks, unique=unique, fresh_noise=15)
    counts, expected = np.zeros(40), np.zeros(40)
    for _ in range(blocks):
        case.run(1, lr=0.0)
        block = case.block()
        if unique:
            assert len(set(block.noise)) == 15
            assert block.tries >= 15
        else:
            assert block.tries == 15
        counts += np.bincount(block.noise, minlength=40)
        expected += expected_count(case.probability, 15, block.tries)
    return counts, expected


def test_noise_is_drawn_at_its_probability():
    # chi-square with 39 degrees of freedom; fails one seed in 10,000
    counts, expected = noise_words(unique=False, blocks=4000)
    assert ((counts - expected) ** 2 / expected).sum() < 79


def test_the_oldest_noise_words_give_way_to_new_ones():
    # the new words are drawn at their probability: chi-square with 39 degrees of freedom; fails one seed in 10,000
    blocks, fresh = 4000, 4
    case = noise_case(blocks, fresh_noise=fresh)
    case.run(1, lr=0.0)
    counts = np.bincount(case.block().noise, minlength=40)
    assert counts.sum() == 15
    oldest = 0
    for _ in range(blocks - 1):
        before = case.thread.ring[:15].tolist()
        case.run(1, lr=0.0)
        after = case.thread.ring[:15].tolist()
        assert sorted(case.block().noise) == sorted(after)
        renewed = [(oldest + i) % 15 for i in range(fresh)]
        assert [after[i] for i in range(15) if i not in renewed] == [before[i] for i in range(15) if i not in renewed]
        counts += np.bincount([after[i] for i in renewed], minlength=40)
        oldest = (oldest + fresh) % 15
    expected = counts.sum() * case.probability
    assert counts.sum() == 15 + fresh * (blocks - 1)
    assert ((counts - expected) ** 2 / expected).sum() < 79


def test_unique_noise_has_the_expected_counts():
    # TensorFlow's formula is an approximation, within 4.3 % of the frequency for 15 of 40; beyond that, 4.5 standard
    # deviations for each of 40 words: fails one seed in 3,500
    counts, expected = noise_words(unique=True, blocks=4000)
    assert (np.abs(counts - expected) <= 0.043 * expected + 4.5 * np.sqrt(expected)).all()


def test_settings_reach_the_plan():
    from nce_train.training.trainer import kernel_plan

    chosen = kernel_plan(
        Settings(dynamic_window="centre", objective="pairs", reduction="mean", unique=True, window=7, block_size=3),
        np.full(100, 5),
    )
    assert chosen == Plan(7, RADIUS_PER_CENTRE, 3, 32, 32, False, True, True, True, False, True)


@pytest.mark.parametrize(
    ("num_sampled", "noise_reuse", "fresh"), [(32, 2, 16), (32, 1, 32), (33, 4, 9), (3, 4, 1), (1, 1, 1)]
)
def test_each_block_draws_its_share_of_the_noise(num_sampled, noise_reuse, fresh):
    from nce_train.training.trainer import kernel_plan

    counts = np.full(100, 5)
    assert kernel_plan(Settings(num_sampled=num_sampled, noise_reuse=noise_reuse), counts).fresh_noise == fresh
    unique = kernel_plan(Settings(num_sampled=num_sampled, noise_reuse=noise_reuse, unique=True), counts)
    assert unique.fresh_noise == num_sampled
