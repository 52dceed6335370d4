"""How the parameters take over what the shards of a round have changed, row by row, in the order of the shards.

The twin is `combined` in `tests/kernel/test_kernel_combine.py`.
"""

from typing import NamedTuple

import numpy as np

from nce_train.compiled import cached_njit
from nce_train.kernel.inlining import in_place
from nce_train.kernel.rows import prefetch_row
from nce_train.kernel.state import Tables, aligned_zeros

PREFETCHED = 8  # copies of rows asked for ahead of the one that is added; 2 to 16 take the same time


class RoundFactors(NamedTuple):
    """What the sum of the shards' changes of a row is multiplied by: m/K = (1 + (K − 1) / (1 + scale·r)) / K.

    See `training.rounds`.
    """

    input: np.ndarray  # float64 [rows of the input table]: r, the expected updates of each row by a token of a shard
    output: np.ndarray  # float64 [classes]
    shards: int  # K
    scale: float  # K·R/τ


class ShardCopies(NamedTuple):
    """The changed copies of rows of all shards of a round, one shard behind the other, and where they stand."""

    input: np.ndarray  # float [shards · rows of the input table, length]
    output: np.ndarray  # float [shards · classes, length]
    bias: np.ndarray  # float [shards · classes]
    input_place: np.ndarray  # int32 [shards, rows of the input table]: where in its shard's part; -1 where untouched
    output_place: np.ndarray  # int32 [shards, classes]

    def tables(self, shard: int) -> Tables:
        """The part of one shard."""
        inputs, outputs = (places.shape[1] for places in (self.input_place, self.output_place))
        return Tables(
            self.input[shard * inputs : (shard + 1) * inputs],
            self.output[shard * outputs : (shard + 1) * outputs],
            self.bias[shard * outputs : (shard + 1) * outputs],
        )


def new_shard_copies(base: Tables, shards: int) -> ShardCopies:
    """Allocate the copies; memory is taken from the system only for rows that are touched."""

    def zeros(table: np.ndarray) -> np.ndarray:
        return aligned_zeros((shards * len(table), *table.shape[1:]), table.dtype.type)

    inputs, outputs = len(base.input), len(base.output)
    return ShardCopies(
        zeros(base.input),
        zeros(base.output),
        zeros(base.bias),
        np.full((shards, inputs), -1, np.int32),
        np.full((shards, outputs), -1, np.int32),
    )


def combine(base: Tables, copies: ShardCopies, factors: RoundFactors, width: int, first: int, last: int) -> None:
    """Add the shards' changes to the rows [first, last) of the base's tables, in the order of the shards.

    Parameters
    ----------
    base : Tables
        Changed in place. Each table may end before `last`.
    copies : ShardCopies
    factors : RoundFactors
    width : int
        The numbers of a row that are worked on; what is behind them is zero.
    first, last : int
        May lie behind a table's end.
    """
    most = (last - first) * len(copies.input_place)
    rows, found = np.empty(most, np.int32), np.empty(most, np.int64)
    total, scaling = np.empty(width, base.input.dtype), (factors.shards, factors.scale)
    biases, copied_biases = (table.reshape(-1, 1) for table in (base.bias, copies.bias))  # of one column
    count = _find_copies(copies.input_place, first, last, rows, found)
    _add_copies(base.input, copies.input, rows, found, count, factors.input, *scaling, total)
    count = _find_copies(copies.output_place, first, last, rows, found)
    _add_copies(base.output, copies.output, rows, found, count, factors.output, *scaling, total)
    _add_copies(biases, copied_biases, rows, found, count, factors.output, *scaling, total[:1])


@in_place
def _factor(updates, shards, scale):
    """m/K of a row with so many updates a token."""
    return np.float32((1 + (shards - 1) / (1 + scale * updates)) / shards)


@cached_njit(nogil=True, error_model="numpy", _nrt=False)
def _find_copies(places, first, last, rows, found):
    """List the copies of the rows [first, last), by row and then by shard; returns how many there are."""
    size = places.shape[1]
    count = 0
    for row in range(first, min(last, size)):
        for shard in range(places.shape[0]):
            place = places[shard, row]
            if place >= 0:
                rows[count] = row
                found[count] = shard * size + place
                count += 1
    return count


@cached_njit(nogil=True, error_model="numpy", _nrt=False)
def _add_copies(table, copied, rows, found, count, updates, shards, scale, total):
    """Add the changes of the listed copies to the table: for each row their sum, in `total`, times its factor."""
    for ahead in range(min(PREFETCHED, count)):
        prefetch_row(copied, found[ahead])
        prefetch_row(table, rows[ahead])
    for i in range(count):
        row = rows[i]
        ahead = i + PREFETCHED
        if ahead < count:
            prefetch_row(copied, found[ahead])
            prefetch_row(table, rows[ahead])
        copy = found[i]
        if i == 0 or rows[i - 1] != row:
            for d in range(total.shape[0]):
                total[d] = copied[copy, d] - table[row, d]
        else:
            for d in range(total.shape[0]):
                total[d] += copied[copy, d] - table[row, d]
        if i + 1 == count or rows[i + 1] != row:
            factor = _factor(updates[row], shards, scale)
            for d in range(total.shape[0]):
                table[row, d] += factor * total[d]


@cached_njit(nogil=True, error_model="numpy", _nrt=False)
def add_changes(table, total, touched, updates, shards, scale):
    """Add the sum of the shards' changes times the rows' factors to the rows that are touched."""
    for row in range(table.shape[0]):
        if touched[row]:
            factor = _factor(updates[row], shards, scale)
            for d in range(table.shape[1]):
                table[row, d] += factor * total[row, d]


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
