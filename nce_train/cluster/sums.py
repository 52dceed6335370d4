"""The sum of the shards' changes in a round, added up as they come in, in the order of the shards."""

import numpy as np

from nce_train.cluster.job import Base, ShardChanges
from nce_train.compiled import cached_njit
from nce_train.kernel.combine import RoundFactors, add_changes
from nce_train.kernel.state import Tables


class RoundSum:
    """Adds up one round after the other.

    Parameters
    ----------
    base : Tables
        Changed when a round is complete, and not before.
    dim : int
    """

    def __init__(self, base: Tables, dim: int) -> None:
        self.base = base
        self.dim = dim
        self._totals = [np.zeros((len(table), table[0].size), np.float32) for table in base]
        self._touched = [np.zeros(len(table), np.bool_) for table in base]
        self._waiting: dict[int, ShardChanges] = {}
        self._next = 0  # the shard to be added next

    def begin(self) -> None:
        """Forget what was added."""
        for touched in self._touched:
            touched[:] = False
        self._waiting.clear()
        self._next = 0

    def add(self, shard: int, changes: ShardChanges) -> None:
        """Add the changes of a shard, or keep them until those of the shards before it have come."""
        self._waiting[shard] = changes
        while self._next in self._waiting:
            added = self._waiting.pop(self._next)
            inputs, outputs = added.rows
            for number, rows in enumerate((inputs, outputs, outputs)):
                changed = added.changes[number]
                columns = changed if changed.ndim == 2 else changed[:, np.newaxis]
                _add_rows(self._totals[number], self._touched[number], rows, columns)
            self._next += 1

    def combine(self, factors: RoundFactors) -> Base:
        """Have the base take over the changes of all shards; what has changed, as the workers want it."""
        for number, factor in enumerate((factors.input, factors.output, factors.output)):
            table = self.base[number].reshape(len(factor), -1)
            add_changes(table, self._totals[number], self._touched[number], factor, 0, len(table))
        inputs, outputs = (np.flatnonzero(touched).astype(np.int32) for touched in self._touched[:2])
        values = (self.base.input[inputs, : self.dim], self.base.output[outputs, : self.dim], self.base.bias[outputs])
        return Base((inputs, outputs), values)


@cached_njit(nogil=True, error_model="numpy", _nrt=False)
def _add_rows(total, touched, rows, changes):
    """total[rows] += changes; the first change of a row is taken as it is, which keeps even the sign of zeros."""
    for i in range(len(rows)):
        row = rows[i]
        for d in range(changes.shape[1]):
            total[row, d] = total[row, d] + changes[i, d] if touched[row] else changes[i, d]
        touched[row] = True
