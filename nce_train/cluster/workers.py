"""The workers of a Dask scheduler: who can be used, what they are sent, and the results of their tasks.

Everything that this process and the workers exchange goes through here.
"""

import contextlib
import copy
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any, NamedTuple

from distributed import Client, Future, wait
from distributed.client import ClosedClientError

from nce_train.cluster.compatibility import complaint_about, inspect_worker, one_line
from nce_train.errors import InputError, LostError, NceTrainError, RunError
from nce_train.text.sources import Source

POLL_SECONDS = 0.5  # between checks of tasks and workers
WORKERLESS_SECONDS = 60.0  # after which a run without workers ends
FETCHES_AT_A_TIME = 8
FETCH_SECONDS = 0.5  # before it is checked whether a result still exists; doubled each time that it does
TRIES = 4  # of work that fails with workers that are lost

SCHEDULER_LOST = "The scheduler of the cluster is lost."


class DataLost(RunError):
    """Data that tasks need was lost with a worker, and Dask cannot compute it again."""


class NoResult(NamedTuple):
    """Stands for the result of a task that failed, or whose result was lost."""

    reason: Exception


class Workers:
    """The workers of a scheduler.

    Parameters
    ----------
    client : Client
    warn : callable
        Called with one sentence about each worker that is lost or cannot be used.
    """

    def __init__(self, client: Client, warn: Callable[[str], None]) -> None:
        self.client = client
        self._warn = warn
        self._usable: set[str] = set()
        self._refused: set[str] = set()
        self._files: list[tuple[str, int]] = []  # of the corpus, and their bytes
        self._processor: str | None = None
        self._broadcasts: dict[int, tuple[Any, Future]] = {}  # by the id of the object, which is kept so that it lasts
        self._private_copies: dict[tuple[int, str], Future] = {}  # by that id and the worker

    # --- who can be used -------------------------------------------------------------------------------------------

    def alive(self) -> dict[str, int]:
        """Addresses of all workers and their threads.

        Raises
        ------
        LostError
            When the scheduler is lost.
        """
        try:
            if self.client.status == "running":
                return dict(self.client.nthreads())
        except (OSError, TimeoutError, ValueError):
            pass
        raise LostError(SCHEDULER_LOST)

    def check(self, sources: Iterable[Source]) -> None:
        """Check that every worker has the right versions and can open the corpus.

        Raises
        ------
        InputError
            One sentence that names the worker.
        """
        self._files = [
            (source.url or os.path.abspath(source.path or source.name), int(source.size or 0)) for source in sources
        ]
        for worker, complaint in self._inspect(list(self.alive())).items():
            if complaint:
                raise InputError(f"The worker {worker} {complaint}.")
            self._usable.add(worker)

    def usable(self) -> dict[str, int]:
        """The workers that can be used now, with their threads; new ones are inspected first.

        Raises
        ------
        LostError
            When there has been none for a minute, or the scheduler is lost.
        """
        deadline = time.monotonic() + WORKERLESS_SECONDS
        while True:
            alive = self.alive()
            for worker in sorted(self._usable - alive.keys()):
                self._usable.remove(worker)
                self._warn(f"The worker {worker} is lost; others take over its shards.")
            new = [worker for worker in alive if worker not in self._usable | self._refused]
            for worker, complaint in self._inspect(new).items():
                if complaint:
                    self._refused.add(worker)
                    self._warn(f"The worker {worker} is not used: it {complaint}.")
                else:
                    self._usable.add(worker)
            if self._usable:
                return {worker: threads for worker, threads in alive.items() if worker in self._usable}
            if time.monotonic() > deadline:
                raise LostError(f"No worker has been available for {WORKERLESS_SECONDS:.0f} s.")
            time.sleep(POLL_SECONDS)

    def _inspect(self, workers: list[str]) -> dict[str, str]:
        """The complaint about each worker, as the end of a sentence; "" when it can be used."""
        complaints = {}
        reports = self.client.run(inspect_worker, self._files, workers=workers, on_error="return") if workers else {}
        for worker, report in reports.items():
            if isinstance(report, BaseException):
                complaints[worker] = f"cannot run nce-train ({one_line(report)}): install it there too"
                continue
            complaints[worker] = complaint_about(report, self._processor)
            if not complaints[worker]:
                self._processor = report.processor
        return complaints

    # --- data and tasks --------------------------------------------------------------------------------------------

    def scatter(self, data: Any, workers: Sequence[str]) -> Future | None:
        """Send an object to one worker, and from there to the others; None when one of them is lost."""
        try:
            (future,) = self.client.scatter([data], workers=list(workers), broadcast=len(workers) > 1, hash=False)
        except (OSError, TimeoutError, KeyError, ValueError):
            return None
        return future

    def broadcast(self, data: Any) -> Future:
        """Send an object to all workers, unless one of them has it from an earlier call.

        Raises
        ------
        LostError
            When the workers cannot be reached.
        """
        _, future = self._broadcasts.get(id(data), (None, None))
        if future is None or future.status != "finished":
            future = self.scatter(data, list(self.usable()))
            if future is None:  # a worker was lost at that moment
                future = self.scatter(data, list(self.usable()))
            if future is None:
                raise LostError("The workers cannot be reached.")
            self._broadcasts[id(data)] = (data, future)
        return future

    def private_copy(self, data: Any, worker: str) -> Future:
        """Give one worker a copy of an object that stays there.

        What was broadcast does not stay: Dask removes it from all workers but one after two seconds without use.
        """
        future = self._private_copies.get((id(data), worker))
        if future is None or future.status not in ("pending", "finished"):
            future = self.submit(copy.copy, self.broadcast(data), workers=[worker])
            self._private_copies[id(data), worker] = future
        return future

    def submit(
        self, function: Callable[..., Any], *arguments: Any, workers: Iterable[str], only_there: bool = False
    ) -> Future:
        """Have one of some workers call a function. If they are lost another does, unless `only_there`.

        Raises
        ------
        LostError
            When the scheduler is lost.
        """
        options = {"workers": list(workers), "allow_other_workers": not only_there, "pure": False, "retries": 0}
        try:
            return self.client.submit(function, *arguments, **options)
        except ClosedClientError:
            raise LostError(SCHEDULER_LOST) from None

    def submit_with_copy(
        self, data: Any, worker: str, function: Callable[..., Any], *arguments: Any, only_there: bool = False
    ) -> Future:
        """Have a worker call `function(its private copy of data, *arguments)`; see `submit`."""
        copied = self.private_copy(data, worker)
        return self.submit(function, copied, *arguments, workers=[worker], only_there=only_there)

    # --- results ---------------------------------------------------------------------------------------------------

    def results(self, futures: Sequence[Future], on_done: Callable[[int], None] | None = None) -> list[Any]:
        """Wait for tasks and fetch their results.

        Parameters
        ----------
        futures : sequence of Future
            Tasks that may run on any worker.
        on_done : callable, optional
            Called with the number of each task that is done.

        Raises
        ------
        NceTrainError
            As a task raised it.
        DataLost
            When data that a task needs was lost with a worker.
        LostError
            When all workers are lost.
        RunError
            When a task failed otherwise.
        """
        numbers = {future: number for number, future in enumerate(futures)}
        results: list[Any] = [None] * len(futures)
        while numbers:
            done = completed(numbers)
            for future, result in zip(done, self.gather(done), strict=True):
                if isinstance(result, NoResult):
                    if not future.done():  # its result was lost, and Dask runs the task again
                        continue
                    if future.cancelled():
                        raise DataLost("Data that tasks need was lost with a worker, repeatedly.")
                    raise RunError(f"A task failed on the workers: {one_line(result.reason)}.")
                number = numbers.pop(future)
                results[number] = result
                future.release()
                if on_done is not None:
                    on_done(number)
            self._refuse_without_workers()
        return results

    def wait(self, futures: Sequence[Future], on_done: Callable[[int], None]) -> None:
        """Wait for tasks, failed ones included, whose results stay on the workers; otherwise as `results`."""
        numbers = {future: number for number, future in enumerate(futures)}
        while numbers:
            for future in completed(numbers):
                on_done(numbers.pop(future))
            self._refuse_without_workers()

    def gather(self, futures: Sequence[Future]) -> list[Any]:
        """Fetch the results of completed tasks, several at a time; `NoResult` for a task that has none.

        Raises
        ------
        NceTrainError
            As a task raised it.
        """
        with ThreadPoolExecutor(FETCHES_AT_A_TIME) as pool:
            results = list(pool.map(_fetch, futures))
        for result in results:
            if isinstance(result, NoResult) and isinstance(result.reason, NceTrainError):
                raise result.reason
        return results

    def retry(self, work: Callable[[], Any]) -> Any:
        """Do work on the workers, again from its start when it ends in `DataLost`."""
        for _ in range(TRIES - 1):
            with contextlib.suppress(DataLost):
                return work()
        return work()

    def _refuse_without_workers(self) -> None:
        if not self._usable & self.alive().keys():
            raise LostError("All workers are lost.")


def completed(futures: Iterable[Future]) -> list[Future]:
    """The tasks that are finished, failed or cancelled; waits a moment when there is none."""
    futures = list(futures)
    with contextlib.suppress(TimeoutError, CancelledError):
        wait(futures, timeout=POLL_SECONDS, return_when="FIRST_COMPLETED")
    return [future for future in futures if future.done()]


def _fetch(future: Future) -> Any:
    patience = FETCH_SECONDS
    while future.done():
        try:
            return future.result(timeout=patience)
        except Exception as error:
            if not isinstance(error, TimeoutError) or future.status == "error":
                return NoResult(error)
        patience *= 2  # the network is slow; or the result was lost, and the status will change
    return NoResult(LookupError("its result was lost with a worker"))
