"""Which words threads have composed vectors of, how often they merge them, and what each n-gram takes of a change.

`kernel.hot_words` does it and says why there are shares; `benchmarks/STUDY.md` has the measurements. One thread has no
such words: it takes every step as the mathematics has it.
"""

import numpy as np

from nce_train.kernel.state import NO_TIERS, Bags, tiers_end
from nce_train.training import hot_row_plan
from nce_train.training.hot_row_plan import hot_rows_of, merge_tiers
from nce_train.training.parameters import keep_probability
from nce_train.training.settings import Settings

TOUCHES = 8  # of a word of a few n-grams, by all threads together, between its merges
TOUCHES_A_ROW = 0.75  # for each row of its bag, where that is more: longer bags cost more to merge
OWN_TOUCHES = 3  # by each thread, where that is more; all together as many as with `hot_row_plan.TOUCHES` at most
WAITING = 1024  # steps of all words that may wait for a row until it takes less than the whole of them


def hot_word_tiers(counts: np.ndarray, settings: Settings, bags: Bags, threads: int) -> np.ndarray:
    """Plan the merges of the words met most often.

    Parameters
    ----------
    counts : int64 [vocabulary]
        Sorted, the greatest first.
    settings : Settings
        Resolved.
    bags : Bags
    threads : int

    Returns
    -------
    int64 [tiers, 2]
        As `hot_row_plan.hot_tiers`.
    """
    words = hot_rows_of(len(counts), threads)
    if words == 0:
        return NO_TIERS
    touches = _touches_a_block(counts, settings)
    rows_a_touch = touches @ np.diff(bags.starts) / touches.sum()
    between = max(TOUCHES, TOUCHES_A_ROW * rows_a_touch, OWN_TOUCHES * threads)
    return merge_tiers(touches[:words], min(between, hot_row_plan.TOUCHES), threads)


def hot_word_shares(counts: np.ndarray, settings: Settings, bags: Bags, tiers: np.ndarray, threads: int) -> np.ndarray:
    """What each row of the hot words' bags takes of a word's change, float32 [rows of these bags].

    An n-gram takes all of it, or WAITING of the steps that wait for it. The word's own row, the first of its bag, takes
    what is left, so that they sum to the rows of the bag and the word's vector to what it was.
    """
    words = tiers_end(tiers)
    own, end = bags.starts[:words], bags.starts[words]
    if words == 0:
        return np.zeros(0, np.float32)
    periods = np.repeat(tiers[:, 1], np.diff(tiers[:, 0], prepend=0))
    steps = np.maximum(1, threads * periods * _touches_a_block(counts, settings)[:words])
    sizes = np.diff(bags.starts[: words + 1])
    rows = bags.rows[:end]
    waiting = np.bincount(rows, np.repeat(steps, sizes))
    shares = np.minimum(1, WAITING / waiting[rows])
    shares[own] = 0
    shares[own] = sizes - np.add.reduceat(shares, own)
    return shares.astype(np.float32)


def _touches_a_block(counts: np.ndarray, settings: Settings) -> np.ndarray:
    """How many of a block's centres are each word, on average; float64 [vocabulary]."""
    kept = counts * keep_probability(counts, settings.subsample)
    return np.asarray(settings.block_size * kept / kept.sum())
