"""How the parameters take over what the shards of a round have changed, row by row, in the order of the shards.

The twin is the formula in `tests/training/test_training_rounds.py`, `test_combining_is_the_formula`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nce_train.compiled import cached_njit
from nce_train.kernel.state import ShardRows, Tables


class RoundFactors(NamedTuple):
    """What the sum of the shards' changes of each row is multiplied by: m/K of `training.rounds`."""

    input: np.ndarray  # float32 [rows of the input table]
    output: np.ndarray  # float32 [classes]


def combine(
    base: Tables, shards: Sequence[tuple[Tables, ShardRows]], factors: RoundFactors, first: int, last: int
) -> None:
    """Add the shards' changes to the rows [first, last) of the base's tables, in the order of the shards.

    Parameters
    ----------
    base : Tables
        Changed in place.
    shards : sequence of (Tables, ShardRows)
        Each shard's changed copies, and where they stand.
    factors : RoundFactors
    first, last : int
        May lie behind a table's end.
    """
    for number, factor in enumerate((factors.input, factors.output, factors.output)):
        table = _as_columns(base[number])
        end = min(last, len(table))
        if first >= end:
            continue
        total = np.empty((end - first, table.shape[1]), table.dtype)
        touched = np.zeros(end - first, np.bool_)
        for changed, shard_rows in shards:
            places = shard_rows.input_place if number == 0 else shard_rows.output_place
            _sum_changes(table, _as_columns(changed[number]), places, first, end, total, touched)
        add_changes(table, total, touched, factor, first, end)


def _as_columns(table: np.ndarray) -> np.ndarray:
    """The biases as a table of one column."""
    return table.reshape(len(table), -1)


@cached_njit(nogil=True, error_model="numpy", _nrt=False)
def _sum_changes(table, copied, places, first, last, total, touched):
    """Add one shard's changes of the rows [first, last) to `total`, and say which rows it has touched."""
    for row in range(first, last):
        place = places[row]
        if place >= 0:
            r = row - first
            for d in range(table.shape[1]):
                change = copied[place, d] - table[row, d]
                total[r, d] = total[r, d] + change if touched[r] else change
            touched[r] = True


@cached_njit(nogil=True, error_model="numpy", _nrt=False)
def add_changes(table, total, touched, factor, first, last):
    """Add the sum of the shards' changes times the rows' factors to the touched rows of [first, last)."""
    for row in range(first, last):
        r = row - first
        if touched[r]:
            for d in range(table.shape[1]):
                table[row, d] += factor[row] * total[r, d]


@cached_njit(nogil=True, error_model="numpy", _nrt=False)
def add_rows(total, touched, rows, changes):
    """total[rows] += changes, float32 [n, columns], and mark the rows, int32 [n], as touched.

    The first change of a row replaces what stands in `total`. Adding it to zero would lose the sign of a negative zero.
    """
    for i in range(len(rows)):
        row = rows[i]
        for d in range(changes.shape[1]):
            total[row, d] = total[row, d] + changes[i, d] if touched[row] else changes[i, d]
        touched[row] = True
