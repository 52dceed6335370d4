"""The base at the coordinator: the sum of all shards' changes in a round, and the copies of the base on the workers.

In: the changes of each shard, in any order. They are added in the order of the shards, so that the sum always has the
same bits. Out: the changed base, and what to send. All workers that have the base before the last round are sent the
rows that it changed, once and together; any other worker is sent the whole base.
"""

from collections.abc import Iterable

import numpy as np
from distributed import Future

from nce_train.cluster.messages import RowValues
from nce_train.cluster.workers import Workers
from nce_train.kernel.combine import RoundFactors, add_changes, add_rows
from nce_train.kernel.state import Tables


class RoundSum:
    """Adds up one round after the other. The base is changed by `combine` only."""

    def __init__(self, base: Tables, dim: int) -> None:
        self._base = base
        self._dim = dim
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
            earliest = self._waiting.pop(self._next_shard)
            self._next_shard += 1
            assert earliest.rows is not None
            inputs, outputs = earliest.rows
            for number, rows in enumerate((inputs, outputs, outputs)):
                values = earliest.values[number]
                columns = values if values.ndim == 2 else values[:, np.newaxis]
                add_rows(self._totals[number], self._touched[number], rows, columns)

    def combine(self, factors: RoundFactors) -> RowValues:
        """Add the changes of all shards to the base; returns the new values of all rows that have changed."""
        for number, updates in enumerate((factors.input, factors.output, factors.output)):
            table = self._base[number].reshape(len(updates), -1)
            add_changes(table, self._totals[number], self._touched[number], updates, factors.shards, factors.scale)
        inputs, outputs = (np.flatnonzero(touched).astype(np.int32) for touched in self._touched[:2])
        base, dim = self._base, self._dim
        return RowValues((inputs, outputs), (base.input[inputs, :dim], base.output[outputs, :dim], base.bias[outputs]))


class BaseCopies:
    """The copies of the base on the workers, with the version that each has."""

    def __init__(self, workers: Workers, base: Tables, dim: int) -> None:
        self.version = 0  # of the base; raised by each change
        self._workers = workers
        self._base = base
        self._dim = dim
        self._versions: dict[str, int] = {}  # by worker
        self._changes: RowValues | None = None  # of the last round
        self._sent_changes: Future | None = None  # to all workers that are one version behind
        self._sent_bases: dict[str, Future | None] = {}  # by worker; None where one did not arrive

    def whole(self) -> RowValues:
        """A copy of the base."""
        base, dim = self._base, self._dim
        return RowValues(None, (base.input[:, :dim].copy(), base.output[:, :dim].copy(), base.bias.copy()))

    def round_done(self, changes: RowValues) -> None:
        """Note that a round has changed some rows of the base."""
        self.version += 1
        self._changes = changes

    def all_changed(self) -> None:
        """Note that any row may have changed."""
        self.version += 1
        self._changes = None
        self._versions.clear()

    def mark_current(self, workers: Iterable[str]) -> None:
        """Note that workers have the newest version."""
        self._versions.update(dict.fromkeys(workers, self.version))

    def forget(self, workers: Iterable[str]) -> None:
        """Note that workers may have no usable copy, and may not have received what they were sent."""
        for worker in workers:
            self._versions.pop(worker, None)
            self._sent_bases.pop(worker, None)

    def forget_sent(self) -> None:
        """Note that nothing that was sent may have arrived."""
        self._sent_changes = None
        self._sent_bases.clear()

    def send_changes(self, workers: Iterable[str]) -> None:
        """Send what the last round has changed to all of the workers that have the base before it."""
        self.forget_sent()
        receivers = sorted({worker for worker in workers if self._is_one_behind(worker)})
        if receivers:
            self._sent_changes = self._workers.scatter(self._changes, receivers)

    def update_for(self, worker: str) -> Future | None:
        """What brings a worker's copy up to date; None when it is, and when sending failed."""
        if self._versions.get(worker) == self.version:
            return None
        if self._is_one_behind(worker) and self._sent_changes is not None:
            return self._sent_changes
        if worker not in self._sent_bases:
            self._sent_bases[worker] = self._workers.scatter(self.whole(), [worker])
        return self._sent_bases[worker]

    def _is_one_behind(self, worker: str) -> bool:
        return self._changes is not None and self._versions.get(worker) == self.version - 1
