"""The copies of the base on the workers: which version each has, and what brings it up to date.

In: the base of this process, and what each round has changed in it. Out: what to send. All workers that have the base
before the last round are sent the rows that it changed, once and together; any other worker is sent the whole base.
"""

from collections.abc import Iterable

from distributed import Future

from nce_train.cluster.messages import RowValues
from nce_train.cluster.workers import Workers
from nce_train.kernel.state import Tables


class BaseCopies:
    """The copies of the base on the workers.

    Parameters
    ----------
    workers : Workers
    tables : Tables
        The base.
    dim : int

    Attributes
    ----------
    version : int
        Of the base; raised by each change.
    """

    def __init__(self, workers: Workers, tables: Tables, dim: int) -> None:
        self.version = 0
        self._workers = workers
        self._tables = tables
        self._dim = dim
        self._versions: dict[str, int] = {}  # by worker
        self._changes: RowValues | None = None  # of the last round
        self._sent_changes: Future | None = None  # to all workers that are one version behind
        self._sent_bases: dict[str, Future | None] = {}  # by worker; None where one did not arrive

    def whole(self) -> RowValues:
        """A copy of the base."""
        tables, dim = self._tables, self._dim
        return RowValues(None, (tables.input[:, :dim].copy(), tables.output[:, :dim].copy(), tables.bias.copy()))

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
