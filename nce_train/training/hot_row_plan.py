"""Which rows of the output table threads have copies of, and how often they merge them into the shared ones.

`docs/kernel.md` says why, and `kernel.hot_rows` does it. The first thread works on the shared rows, so it has nothing
to merge. The rarer the merges, the less travels between caches, and the more threads learn the same thing twice;
`benchmarks/STUDY.md` has the measurements.
"""

import numpy as np

from nce_train.training.noise import noise_probability
from nce_train.training.parameters import keep_probability
from nce_train.training.settings import Settings

ROWS_AT_MOST = 16384
LEAST_TIER = 16  # rows; tiers are an eighth as large as all before them, so that all rows of one are touched alike
TOUCHES = 32  # of a row, by all threads together, between its merges
BLOCKS_BETWEEN_CHECKS = 64  # of a thread: every period between merges is a multiple of it
LEAST_OWN_TOUCHES = 2  # of a row by the thread between merges: below that a merge costs more than it saves


def hot_rows_of(vocabulary: int, threads: int) -> int:
    """How many rows each thread but the first has copies of, at most: all together are fewer than the table."""
    return 0 if threads == 1 else min(ROWS_AT_MOST, vocabulary // threads)


def hot_tiers(counts: np.ndarray, settings: Settings, threads: int) -> np.ndarray:
    """Plan the merges: a row is merged when all threads together have touched it about TOUCHES times.

    Parameters
    ----------
    counts : int64 [vocabulary]
        Sorted, the greatest first.
    settings : Settings
        Resolved.
    threads : int

    Returns
    -------
    int64 [tiers, 2]
        For each tier the row behind its last one, and the blocks of a thread between its merges, a multiple of
        BLOCKS_BETWEEN_CHECKS. No tiers for one thread; with many threads those of the hottest rows only.
    """
    rows = hot_rows_of(len(counts), threads)
    return merge_tiers(touches_a_block(counts, settings)[:rows], TOUCHES, threads)


def merge_tiers(touches: np.ndarray, between: float, threads: int) -> np.ndarray:
    """Plan the merges of rows that a block touches so often, float64 [rows], `between` touches from merge to merge."""
    tiers = []
    first = 0
    while first < len(touches):
        end = min(first + max(LEAST_TIER, first // 8), len(touches))
        most = touches[first:end].max()
        periods = max(1, int(between / (threads * most) / BLOCKS_BETWEEN_CHECKS))
        blocks = periods * BLOCKS_BETWEEN_CHECKS
        if blocks * most < LEAST_OWN_TOUCHES:
            break
        tiers.append((end, blocks))
        first = end
    return np.array(tiers, np.int64).reshape(-1, 2)


def touches_a_block(counts: np.ndarray, settings: Settings) -> np.ndarray:
    """How often a block touches each word's row of the output table, as target or noise; float64 [vocabulary].

    On average, where a row is touched twice in a block counted as twice.
    """
    kept = counts * keep_probability(counts, settings.subsample)
    reach = 0 if settings.model == "cbow" else 2 * settings.window  # of a block's targets beyond its centres
    targets = (settings.block_size + reach) * kept / kept.sum()
    noise = settings.num_sampled * noise_probability(counts, settings)
    return np.asarray(np.minimum(targets, 1) + np.minimum(noise, 1))
