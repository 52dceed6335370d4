"""Which rows threads have copies of, and how often these are merged."""

import numpy as np
import pytest
from kernel_case import KernelCase, plan, random_lines

from nce_train.kernel.state import COUNT
from nce_train.training.hot_row_plan import (
    BLOCKS_BETWEEN_CHECKS,
    LEAST_OWN_TOUCHES,
    LEAST_TIER,
    ROWS_AT_MOST,
    TOUCHES,
    hot_rows_of,
    hot_tiers,
    touches_a_block,
)
from nce_train.training.settings_files import load_settings


def settings(**changes):
    return load_settings("default", changes).resolved()


def zipf(classes, greatest=10**6):
    return np.maximum(greatest // np.arange(1, classes + 1), 1)


def test_one_thread_has_no_copies():
    assert hot_tiers(zipf(1000), settings(), 1).shape == (0, 2)


@pytest.mark.parametrize("classes", [1, 15, 16, 1000, 10**5])
@pytest.mark.parametrize("threads", [2, 7, 64])
@pytest.mark.parametrize("sampler", ["unigram", "uniform", "log-uniform"])
def test_tiers_follow_on_each_other_and_the_hotter_are_merged_oftener(classes, threads, sampler):
    tiers = hot_tiers(zipf(classes), settings(sampler=sampler, num_sampled=8), threads)
    rows = tiers[-1, 0] if len(tiers) else 0
    assert rows <= hot_rows_of(classes, threads) <= min(ROWS_AT_MOST, classes / threads)  # never more than the table
    assert (np.diff(tiers[:, 0]) > 0).all()
    assert (np.diff(tiers[:, 1]) >= 0).all()
    assert (tiers[:, 1] % BLOCKS_BETWEEN_CHECKS == 0).all()
    assert (tiers[:, 1] > 0).all()


def test_a_row_is_merged_before_it_is_touched_too_often():
    counts, chosen = zipf(10**5), settings()
    touches = touches_a_block(counts, chosen)
    for threads in (2, 4):
        first = 0
        for end, blocks in hot_tiers(counts, chosen, threads):
            most = blocks * threads * touches[first:end].max()
            assert most <= TOUCHES or blocks == BLOCKS_BETWEEN_CHECKS
            assert most > TOUCHES / 2  # and not much oftener
            if first >= 8 * LEAST_TIER:
                assert touches[end - 1] > touches[first] / 1.3  # all rows of a tier alike
            first = end


def test_two_threads_copy_all_they_may_and_many_the_hottest_rows_only():
    counts, chosen = zipf(10**5), settings()
    assert hot_tiers(counts, chosen, 2)[-1, 0] == ROWS_AT_MOST
    assert hot_tiers(counts, chosen, 8)[-1, 0] == 10**5 // 8
    touches = touches_a_block(counts, chosen)
    end, blocks = hot_tiers(counts, chosen, 64)[-1]
    assert end < 500 and blocks * touches[end // 2 - 1] >= LEAST_OWN_TOUCHES


@pytest.mark.parametrize("model", ["skipgram", "cbow"])
def test_touches_are_those_of_the_kernel(model):
    classes, blocks = 40, 3000
    chosen = settings(model=model, window=3, block_size=8, num_sampled=6, subsample=0, sampler="log-uniform")
    generator = np.random.default_rng(3)
    lines = random_lines(generator, classes, [9 * blocks])
    case = KernelCase(lines, classes, 16, plan(), np.float32, cbow=model == "cbow")
    counts = np.bincount(case.stream[case.stream >= 0], minlength=classes)
    touched = np.zeros(classes)
    for _ in range(blocks):
        case.run(1, lr=0.0)
        rows, parts = case.thread.blocks.rows[0, 0], case.thread.blocks.parts[0, 0]
        touched += np.bincount(np.unique(rows[: parts[COUNT]]), minlength=classes) > 0
    # the estimate counts repeats within a block: it is above, by at most a half for these few words
    expected = touches_a_block(counts, chosen)
    assert (touched / blocks <= expected * 1.05).all()
    assert (touched / blocks >= expected * 0.5).all()
    rare = expected.argsort()[: classes // 2]  # which repeat less within a block
    assert touched[rare].sum() / blocks > 0.7 * expected[rare].sum()
