"""The sum of all shards' changes in a round.

In: the changes of each shard, in any order. They are added in the order of the shards, so that the sum always has the
same bits. Out: the changed base, and the rows of it that the workers need.
"""

import numpy as np

from nce_train.cluster.messages import RowValues
from nce_train.cluster.sum_kernel import add_rows
from nce_train.kernel.combine import RoundFactors, add_changes
from nce_train.kernel.state import Tables


class RoundSum:
    """Adds up one round after the other.

    Parameters
    ----------
    base : Tables
        Changed by `combine` only.
    dim : int
    """

    def __init__(self, base: Tables, dim: int) -> None:
        self.base = base
        self.dim = dim
        self._totals = [np.zeros((len(table), table[0].size), np.float32) for table in base]
        self._touched = [np.zeros(len(table), np.bool_) for table in base]
        self._waiting: dict[int, RowValues] = {}
        self._next_shard = 0

    def begin(self) -> None:
        """Start a new round with nothing added."""
        for touched in self._touched:
            touched[:] = False
        self._waiting.clear()
        self._next_shard = 0

    def add(self, shard: int, changes: RowValues) -> None:
        """Add the changes of a shard, or keep them until those of all shards before it have arrived."""
        self._waiting[shard] = changes
        while self._next_shard in self._waiting:
            self._add_now(self._waiting.pop(self._next_shard))
            self._next_shard += 1

    def combine(self, factors: RoundFactors) -> RowValues:
        """Add the changes of all shards to the base.

        Returns
        -------
        RowValues
            The new values of all rows that have changed.
        """
        for number, factor in enumerate((factors.input, factors.output, factors.output)):
            table = self.base[number].reshape(len(factor), -1)
            add_changes(table, self._totals[number], self._touched[number], factor, 0, len(table))
        inputs, outputs = (np.flatnonzero(touched).astype(np.int32) for touched in self._touched[:2])
        values = (self.base.input[inputs, : self.dim], self.base.output[outputs, : self.dim], self.base.bias[outputs])
        return RowValues((inputs, outputs), values)

    def _add_now(self, changes: RowValues) -> None:
        assert changes.rows is not None
        inputs, outputs = changes.rows
        for number, rows in enumerate((inputs, outputs, outputs)):
            values = changes.values[number]
            columns = values if values.ndim == 2 else values[:, np.newaxis]
            add_rows(self._totals[number], self._touched[number], rows, columns)
