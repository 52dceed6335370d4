"""A Dask cluster as the place where a run reads and trains: one that is there, or one of this machine's processes."""

import contextlib
import importlib.util
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client, LocalCluster

from nce_train.cluster.cost import RoundCost
from nce_train.cluster.job import Job
from nce_train.cluster.reading import Reading, Shards, refuse_without_tokens
from nce_train.cluster.trainer import ClusterTrainer
from nce_train.cluster.workers import Workers
from nce_train.errors import InputError
from nce_train.runs.protocols import Heldout, Measure
from nce_train.text.corpus import EncodedCorpus, check_room_to_extend
from nce_train.text.sources import Corpus, list_sources
from nce_train.text.token_file import Progress
from nce_train.text.vocabulary import Vocabulary
from nce_train.training.settings import Settings

LOCAL = "local:"
CONNECT_SECONDS = 15.0

_NOISY = ("distributed", "tornado", "asyncio")

# A terminal sends Ctrl-C to the workers too, but it is this process that decides what it means.
_IGNORE_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"

Tell = Callable[[str], None]


class Cluster:
    """Reads and trains on workers: an `Executor` of `nce_train.runs.protocols`.

    Parameters
    ----------
    client : Client
    note, say : callable
        Told what a person should know, and what goes on, one sentence each.
    """

    def __init__(self, client: Client, note: Tell, say: Tell) -> None:
        self.workers = Workers(client, note)
        self._say = say
        self._job: Job | None = None
        self._shards: Shards | None = None
        self._trainer: ClusterTrainer | None = None

    def encode(
        self,
        corpus: Corpus,
        settings: Settings,
        given: Vocabulary | None,
        extend: Vocabulary | None,
        directory: Path,
        progress: Progress,
    ) -> EncodedCorpus:
        """Count and encode a corpus on the workers; see `nce_train.text.corpus.encode_corpus`.

        The result's `stream` is empty, for the ids are on the workers.
        """
        started = time.perf_counter()
        check_room_to_extend(extend, settings.max_vocab)
        listed = list_sources(corpus)
        reading = Reading(self.workers, listed, settings, progress)
        self.workers.check(listed.sources)
        vocabulary, warnings = reading.count(extend) if given is None else (given, [])
        counted_at = time.perf_counter()
        self._job = Job(settings.model_dump(), vocabulary, reading.parts)
        self._shards = reading.encode(self._job)
        refuse_without_tokens(self._shards.tokens, vocabulary)
        return EncodedCorpus(
            vocabulary=vocabulary,
            stream=np.empty(0, np.int32),
            path=directory,
            token_count=self._shards.tokens,
            sources=reading.describe(),
            timings={"vocabulary": counted_at - started, "encode": time.perf_counter() - counted_at},
            from_cache=False,
            warnings=warnings,
            checksum=self._shards.checksum,
        )

    def trainer(self, encoded: EncodedCorpus, settings: Settings) -> ClusterTrainer:
        """The trainer of a corpus that `encode` has read."""
        assert self._job is not None and self._shards is not None
        counts = encoded.vocabulary.counts
        self._trainer = ClusterTrainer(self.workers, self._job, self._shards, counts, settings, self._say)
        return self._trainer

    def measure(self, heldout: Heldout) -> Measure:
        """What measures the parameters of the last trainer on held-out text: the workers, which have them."""

        def loss(input: np.ndarray, output: np.ndarray, bias: np.ndarray) -> dict[str, Any]:
            assert self._trainer is not None
            return heldout.mean(self._trainer.sums_of_losses(heldout.batches))

        return loss

    def threads_of_a_worker(self) -> int:
        """Of the worker that has most of them."""
        return max(self.workers.usable().values())

    def round_cost(self) -> RoundCost:
        """What a round of the last trainer costs, when that has compiled."""
        assert self._trainer is not None and self._trainer.cost is not None
        return self._trainer.cost


@contextlib.contextmanager
def connect(address: str, note: Tell, say: Tell) -> Iterator[Cluster]:
    """Connect to a scheduler, or start workers here and stop them in the end.

    Parameters
    ----------
    address : str
        As `tcp://host:8786` or `tls://…`; or `local:N` for N processes of this machine.
    note, say : callable
        See `Cluster`.

    Raises
    ------
    InputError
        When the address is none, or no scheduler or worker answers.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_quiet())
        where: Any = address
        if address.startswith(LOCAL):
            where = stack.enter_context(_local_cluster(address))
        elif "://" not in address:
            raise InputError(f"--cluster {address} is neither tcp://HOST:PORT (or tls://) of a scheduler nor local:N.")
        try:
            client = stack.enter_context(Client(where, timeout=CONNECT_SECONDS, direct_to_workers=True))
        except (OSError, TimeoutError, ValueError) as error:
            told = " ".join(str(error).split())
            raise InputError(f"No Dask scheduler answers at {address}: {told}.") from None
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except OSError:  # a TimeoutError, mostly
            if address.startswith(LOCAL):
                told = f"--cluster {address}: no worker process has started within {CONNECT_SECONDS:.0f} s."
            else:
                told = f"The scheduler at {address} has no workers: start some with dask worker {address}"
            raise InputError(told) from None
        count, threads = len(client.nthreads()), sum(client.nthreads().values())
        dashboard = f"dashboard {client.dashboard_link}" if _has_dashboard() else "no dashboard without bokeh"
        say(f"cluster {client.scheduler.address}: {_many(count, 'worker')}, {_many(threads, 'thread')}; {dashboard}")
        yield Cluster(client, note, say)


def _local_cluster(address: str) -> LocalCluster:
    count = address.removeprefix(LOCAL)
    if not count.isdecimal() or int(count) < 1:
        raise InputError(f"--cluster {address}: local:N needs a number of worker processes, at least 1.")
    # no limit of memory: Dask would stop workers at a share of it, and training takes what it takes
    return LocalCluster(
        n_workers=int(count),
        threads_per_worker=1,
        processes=True,
        memory_limit=0,
        dashboard_address=":0",
        preload=[_IGNORE_CTRL_C],
        silence_logs=logging.CRITICAL,
    )


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _has_dashboard() -> bool:
    return importlib.util.find_spec("bokeh") is not None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep log lines of Dask and what it stands on off stderr: what matters of them is told in sentences."""
    # Dask gives some of its loggers levels of their own
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.split(".")[0] in _NOISY]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
