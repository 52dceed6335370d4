"""The threads' own copies of the rows touched most often, and how they are merged into the shared ones.

`docs/kernel.md` says why. Threads but the first add what they have changed in their copies to the shared rows, hotter
ones more often, and take these over. All periods are multiples of HOT_EVERY blocks; what is due is checked only then.
`training.hot_row_plan` plans the merges.
"""

import numpy as np

from nce_train.kernel.inlining import called, in_place
from nce_train.kernel.rows import merge_row
from nce_train.kernel.state import HOT_EVERY, HOT_START, TIER_BLOCKS, TIER_END, Noise, Tables


@in_place
def merge_rows_when_due(tables, thread, blocks):
    if blocks % thread.hot[HOT_EVERY] == 0:
        _merge_hot_rows(
            tables.output, tables.bias, thread.hot, thread.hot_tiers, thread.hot_output, thread.hot_bias, blocks
        )


@called
def _merge_hot_rows(output, bias, hot, tiers, hot_output, hot_bias, blocks):
    """Add the changes of the thread's copies to the shared rows, and take these over, in the tiers that are due.

    `blocks` is the number of blocks that the thread has drawn; at 0 all tiers are due.
    """
    start = hot[HOT_START]
    first = np.int64(0)
    for tier in range(tiers.shape[0]):
        end = tiers[tier, TIER_END]
        if blocks % tiers[tier, TIER_BLOCKS] == 0:
            for row in range(first, end):
                merge_row(output, row, start + row, hot_output)
                merged = bias[row] + (bias[start + row] - hot_bias[row])
                bias[row] = merged
                bias[start + row] = merged
                hot_bias[row] = merged
        first = end


def with_hot_rows(noise: Noise, hot_rows: int, copies: int) -> Noise:
    """The noise tables with the logarithms of the copied rows behind those of the classes, `copies` times."""
    copied = np.tile(np.arange(hot_rows), copies)
    return noise._replace(
        log_count=np.concatenate([noise.log_count, noise.log_count[copied]]),
        log_miss=np.concatenate([noise.log_miss, noise.log_miss[copied]]),
    )


def without_copies(tables: Tables, input_rows: int, classes: int) -> Tables:
    """The tables without the threads' copies, which are behind the shared rows: `input_rows` of them, and `classes`."""
    return Tables(tables.input[:input_rows], tables.output[:classes], tables.bias[:classes])
