"""Which workers there are, and which of them can be used: the same versions, the corpus in reach.

Everything that travels between this process and the workers goes through here.
"""

import contextlib
import copy
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from distributed import Client, Future, wait
from distributed.client import ClosedClientError

from nce_train.errors import InputError, LostError, NceTrainError, RunError
from nce_train.text.sources import Source

POLL_SECONDS = 0.5  # between looks at who is still there
PATIENCE_SECONDS = 60.0  # without any worker
FETCHED_AT_A_TIME = 8
FETCH_SECONDS = 0.5  # after which one looks whether a result is still there; twice as many when it is

SCHEDULER_LOST = "The scheduler of the cluster is lost."

TRIES = 4  # of what fails without a word of ours

# what the numbers of a run depend on
_PACKAGES = ("nce-train", "numpy", "numba", "llvmlite")


class LostWork(RunError):
    """What tasks need was lost with a worker, and Dask cannot make it again."""


@dataclass
class Workers:
    """The workers of a scheduler.

    Parameters
    ----------
    client : Client
    note : callable
        Told of workers that are lost or cannot be used, one sentence each.
    """

    client: Client
    note: Callable[[str], None]
    _fit: set[str] = field(default_factory=set, init=False)
    _unfit: set[str] = field(default_factory=set, init=False)
    _files: list[tuple[str, int]] = field(default_factory=list, init=False)
    _processor: str | None = field(default=None, init=False)
    _spread: dict[int, tuple[Any, Future]] = field(default_factory=dict, init=False)  # by the thing's id
    _own: dict[tuple[int, str], Future] = field(default_factory=dict, init=False)  # by that and the worker

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
        """Refuse to begin unless every worker has our versions and can open the corpus.

        Raises
        ------
        InputError
            One sentence that names the worker.
        """
        self._files = [
            (source.url or os.path.abspath(source.path or source.name), int(source.size or 0)) for source in sources
        ]
        for worker, complaint in self._probe(list(self.alive())).items():
            if complaint:
                raise InputError(f"The worker {worker} {complaint}.")
            self._fit.add(worker)

    def usable(self) -> dict[str, int]:
        """The workers there are now that can be used, with their threads; newcomers are looked at first.

        Raises
        ------
        LostError
            When there is none for a minute, or the scheduler is lost.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            alive = self.alive()
            for worker in sorted(self._fit - alive.keys()):
                self._fit.remove(worker)
                self.note(f"The worker {worker} is lost; others take over its shards.")
            for worker, complaint in self._probe([w for w in alive if w not in self._fit | self._unfit]).items():
                if complaint:
                    self._unfit.add(worker)
                    self.note(f"The worker {worker} is not used: it {complaint}.")
                else:
                    self._fit.add(worker)
            if self._fit:
                return {worker: threads for worker, threads in alive.items() if worker in self._fit}
            if time.monotonic() > deadline:
                raise LostError(f"No worker has been there for {PATIENCE_SECONDS:.0f} s.")
            time.sleep(POLL_SECONDS)

    def scatter(self, data: Any, workers: Sequence[str]) -> Future | None:
        """Send something to workers: to one from here, from there on among themselves; None when one is lost."""
        try:
            (future,) = self.client.scatter([data], workers=list(workers), broadcast=len(workers) > 1, hash=False)
        except (OSError, TimeoutError, KeyError, ValueError):
            return None
        return future

    def spread(self, data: Any) -> Future:
        """Have something on all workers, once; sent again only when all that had it are lost."""
        kept = self._spread.get(id(data))
        if kept is None or kept[1].status != "finished":
            sent = self.scatter(data, list(self.usable()))
            if sent is None:  # one was lost just now
                sent = self.scatter(data, list(self.usable()))
            if sent is None:
                raise LostError("The workers cannot be reached.")
            kept = self._spread[id(data)] = (data, sent)
        return kept[1]

    def own(self, data: Any, worker: str) -> Future:
        """Have a copy of something on one worker that no other has, and on which things may hang.

        What is spread Dask takes back from all workers but one when nobody asks for it for two seconds.
        """
        kept = self._own.get((id(data), worker))
        if kept is None or kept.status not in ("pending", "finished"):
            kept = self._own[id(data), worker] = self.submit(copy.copy, self.spread(data), workers=[worker])
        return kept

    def submit(
        self, function: Callable[..., Any], *arguments: Any, workers: Iterable[str], only_there: bool = False
    ) -> Future:
        """Have one of these workers call a function; or another one if they are lost, unless `only_there`."""
        options = {"workers": list(workers), "allow_other_workers": not only_there, "pure": False, "retries": 0}
        try:
            return self.client.submit(function, *arguments, **options)
        except ClosedClientError:
            raise LostError(SCHEDULER_LOST) from None

    def gather(self, futures: Sequence[Future]) -> list[Any]:
        """The results of tasks that are done, side by side; None for one that failed or whose result is lost.

        Raises
        ------
        NceTrainError
            As a task raised it.
        """
        with ThreadPoolExecutor(FETCHED_AT_A_TIME) as pool:
            results = list(pool.map(_result, futures))
        for future in futures:
            failure = failure_of(future)
            if isinstance(failure, NceTrainError):
                raise failure
        return results

    def results(self, futures: Sequence[Future], done: Callable[[int], None] | None = None) -> list[Any]:
        """Wait for tasks, any of which may run on any worker that it was given; `done(number)` tells of each.

        Raises
        ------
        NceTrainError
            As a task raised it.
        RunError
            When a task failed otherwise; LostError when all workers are gone, LostWork when what was sent to a worker
            was lost with it.
        """
        numbers = {future: number for number, future in enumerate(futures)}
        patience = dict.fromkeys(futures, FETCH_SECONDS)
        results: list[Any] = [None] * len(futures)
        while numbers:
            for future in finished(numbers):
                status = future.status
                if status == "pending":  # the result was lost meanwhile, and Dask has the task done again
                    continue
                try:
                    results[numbers[future]] = future.result(timeout=patience[future])
                except NceTrainError:
                    raise
                except TimeoutError:
                    patience[future] *= 2  # a slow network, or the result is being lost just now
                    continue
                except Exception as error:
                    if future.status in ("cancelled", "lost"):
                        raise LostWork("What tasks need was lost with a worker, time and again.") from None
                    raise RunError(f"A task failed on the workers ({status}): {reason(error)}.") from None
                number = numbers.pop(future)
                future.release()
                if done is not None:
                    done(number)
            if not self._fit & self.alive().keys():
                raise LostError("All workers are lost.")
        return results

    def try_again(self, work: Callable[[], Any]) -> Any:
        """Do something on the workers that is begun anew when one takes away with it what others need."""
        for _ in range(TRIES - 1):
            with contextlib.suppress(LostWork):
                return work()
        return work()

    def wait(self, futures: Sequence[Future], done: Callable[[int], None]) -> None:
        """Wait for tasks whose results stay where they are, failed ones included; `done(number)` tells of each.

        Raises
        ------
        LostError
            When all workers are gone.
        """
        numbers = {future: number for number, future in enumerate(futures)}
        while numbers:
            for future in finished(numbers):
                done(numbers.pop(future))
            if not self._fit & self.alive().keys():
                raise LostError("All workers are lost.")

    def _probe(self, workers: list[str]) -> dict[str, str]:
        """What is wrong with each worker, as the end of a sentence, or nothing."""
        if not workers:
            return {}
        here = _versions()
        complaints = {}
        answers = self.client.run(_look_around, self._files, workers=workers, on_error="return")
        for worker, answer in answers.items():
            if isinstance(answer, BaseException):
                complaints[worker] = f"cannot run nce-train ({reason(answer)}): install it there too"
                continue
            versions, processor, missing = answer
            other = [name for name in here if versions.get(name) != here[name]]
            if other:
                there = ", ".join(f"{name} {versions.get(name)}" for name in other)
                ours = ", ".join(f"{name} {here[name]}" for name in other)
                complaints[worker] = f"has {there} where this machine has {ours}: install the same on all"
            elif missing:
                complaints[worker] = f"{missing}: put the corpus where all workers can open it under the same name"
            elif self._processor not in (None, processor):
                complaints[worker] = (
                    f"has a {processor} processor where others have {self._processor}, so its last bits would differ: "
                    "set NUMBA_CPU_NAME=generic on all"
                )
            else:
                self._processor = processor
                complaints[worker] = ""
        return complaints


def homes_of(places: Iterable[float], threads: Mapping[str, int]) -> list[str]:
    """The worker for each place between 0 and 1, where workers lie in a row and take room by their threads."""
    seats = [worker for worker, count in sorted(threads.items()) for _ in range(count)]
    return [seats[min(int(place * len(seats)), len(seats) - 1)] for place in places]


def finished(futures: Iterable[Future]) -> list[Future]:
    """Those that are done, failed or cancelled, after a moment of waiting if need be."""
    futures = list(futures)
    with contextlib.suppress(TimeoutError, CancelledError):
        wait(futures, timeout=POLL_SECONDS, return_when="FIRST_COMPLETED")
    return [future for future in futures if future.done()]


def _result(future: Future) -> Any:
    """What a task returned, or None."""
    patience = FETCH_SECONDS
    while future.status == "finished":
        try:
            return future.result(timeout=patience)
        except TimeoutError:
            patience *= 2  # a slow network; or the data was lost, and the future waits to be done again
        except Exception:
            break
    return None


def failure_of(future: Future) -> BaseException:
    """Why a task failed; what is done without a result has lost what it depends on."""
    failure = future.exception() if future.status == "error" else None
    return failure or LookupError("its data was lost with a worker")


def reason(error: BaseException) -> str:
    """An exception on one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def _versions() -> dict[str, str]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def _look_around(files: list[tuple[str, int]]) -> tuple[dict[str, str], str, str]:
    """On a worker: its versions, the processor that is compiled for, and which file is not there."""
    from llvmlite.binding import get_host_cpu_name

    processor = os.environ.get("NUMBA_CPU_NAME") or get_host_cpu_name()
    for name, size in files:
        try:
            if "://" in name:
                import fsspec

                system, path = fsspec.url_to_fs(name)
                found = system.info(path)["size"]
            else:
                with open(name, "rb") as file:
                    found = file.seek(0, os.SEEK_END)
        except (OSError, ValueError, ImportError) as error:
            return _versions(), processor, f"cannot open {name} ({reason(error)})"
        if found != size:
            return _versions(), processor, f"sees {found:,} bytes in {name} where this machine sees {size:,}"
    return _versions(), processor, ""
