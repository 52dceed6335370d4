"""Which words threads have vectors of, how often they merge them, and what each row takes of a change."""

import numpy as np
import pytest

from nce_train.kernel.state import NO_TIERS, Bags
from nce_train.training import hot_row_plan
from nce_train.training.hot_row_plan import BLOCKS_BETWEEN_CHECKS, hot_rows_of
from nce_train.training.hot_word_plan import TOUCHES, WAITING, hot_word_shares, hot_word_tiers
from nce_train.training.parameters import keep_probability
from nce_train.training.settings_files import load_settings

WORDS = 20_000


def settings():
    return load_settings("default", {}).resolved()


def zipf(classes, greatest=10**6):
    return np.maximum(greatest // np.arange(1, classes + 1), 1)


def bags(size, ngrams):
    """Each word's own row, and size - 1 rows of n-grams, the lower ones oftener."""
    rows = (ngrams * np.random.default_rng(0).random((WORDS, size)) ** 3).astype(np.int32) + WORDS
    rows[:, 0] = np.arange(WORDS)
    return Bags(np.arange(WORDS + 1) * size, rows.reshape(-1))


def touches_a_block(counts, chosen):
    kept = counts * keep_probability(counts, chosen.subsample)
    return chosen.block_size * kept / kept.sum()


def test_one_thread_has_none():
    tiers = hot_word_tiers(zipf(WORDS), settings(), bags(6, 1000), 1)
    assert tiers is NO_TIERS
    assert len(hot_word_shares(zipf(WORDS), settings(), bags(6, 1000), tiers, 1)) == 0


@pytest.mark.parametrize(("size", "threads", "touches"), [(6, 2, TOUCHES), (20, 2, 15), (6, 4, 12), (20, 64, 32)])
def test_words_are_merged_when_they_were_met_so_often(size, threads, touches):
    assert hot_row_plan.TOUCHES == 32
    counts, chosen = zipf(WORDS), settings()
    a_block = touches_a_block(counts, chosen)
    tiers = hot_word_tiers(counts, chosen, bags(size, 1000), threads)
    assert (np.diff(tiers, axis=0) >= 0).all()
    assert (tiers[:, 1] % BLOCKS_BETWEEN_CHECKS == 0).all()
    assert tiers[-1, 0] <= hot_rows_of(WORDS, threads)
    first = 0
    for end, blocks in tiers:
        most = blocks * threads * a_block[first:end].max()
        assert most <= touches or blocks == BLOCKS_BETWEEN_CHECKS
        assert most > touches / 2
        first = end


@pytest.mark.parametrize("ngrams", [50, 100_000])
def test_a_row_that_many_words_wait_for_takes_a_share(ngrams):
    counts, chosen, rows = zipf(WORDS), settings(), bags(6, ngrams)
    tiers = hot_word_tiers(counts, chosen, rows, 2)
    hot = tiers[-1, 0]
    shares = hot_word_shares(counts, chosen, rows, tiers, 2).reshape(hot, 6)
    np.testing.assert_allclose(shares.sum(axis=1), 6, rtol=1e-5)  # the word stays where it is
    assert (shares[:, 0] >= 1 - 1e-5).all()
    assert shares[:, 1:].max() <= 1
    periods = np.repeat(tiers[:, 1], np.diff(tiers[:, 0], prepend=0))
    steps = np.maximum(1, 2 * periods * touches_a_block(counts, chosen)[:hot])
    taken = np.zeros(WORDS + ngrams)
    np.add.at(taken, rows.rows.reshape(WORDS, 6)[:hot, 1:], steps[:, None] * shares[:, 1:])
    assert taken.max() <= WAITING * (1 + 1e-5)  # all together
    if ngrams == 50:
        assert taken[WORDS:].min() == pytest.approx(WAITING, rel=1e-5)  # as much as they may
    else:
        assert (shares == 1).mean() > 0.8  # what few words have is theirs
