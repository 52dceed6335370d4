"""A Dask cluster that reads and trains for a run: one that exists, or processes of this machine."""

import contextlib
import importlib.util
import logging
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import dask
import numpy as np
from distributed import Client, LocalCluster, Security

from nce_train.cluster.cost import RoundCost, count_of
from nce_train.cluster.job import Job
from nce_train.cluster.reading import CorpusReader, Shards
from nce_train.cluster.trainer import ClusterTrainer
from nce_train.cluster.workers import Workers
from nce_train.errors import InputError
from nce_train.runs.protocols import Heldout, Measure
from nce_train.runs.signals import ENDING_SIGNALS
from nce_train.text.corpus import EncodedCorpus, check_room_to_extend
from nce_train.text.sources import Corpus, list_sources
from nce_train.text.token_file import Progress
from nce_train.text.vocabulary import Vocabulary
from nce_train.training.ngram_rows import NgramRows
from nce_train.training.settings import Settings

LOCAL = "local:"
CONNECT_SECONDS = 15.0

# The workers get the signals that a terminal or `timeout` sends to the group, but this process decides what they mean.
_IGNORE_SIGNALS = "import nce_train.runs.signals; nce_train.runs.signals.ignore_ending_signals()"
_NO_WEB_PAGES: dict[str, list[str]] = {
    f"distributed.{server}.http.routes": [] for server in ("scheduler", "worker", "nanny")
}

_LOGGING_PACKAGES = ("distributed", "tornado", "asyncio")

OnMessage = Callable[[str], None]


class Cluster:
    """Reads and trains on workers: an `Executor` of `nce_train.runs.protocols`.

    `warn` and `inform` are called with warnings and with other messages, one sentence each.
    """

    def __init__(self, client: Client, warn: OnMessage, inform: OnMessage) -> None:
        self.workers = Workers(client, warn)
        self._inform = inform
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

        The result's `stream` is empty, since the ids stay on the workers.
        """
        started = time.perf_counter()
        check_room_to_extend(extend, settings.max_vocab)
        listed = list_sources(corpus)
        reader = CorpusReader(self.workers, listed, settings, progress)
        self.workers.check(listed.sources)
        vocabulary = reader.count(extend) if given is None else given
        counted_at = time.perf_counter()
        self._job = Job(settings, vocabulary, reader.parts)
        self._shards = reader.encode(self._job)
        text, warnings = reader.text_and_warnings(self._shards.tokens, vocabulary, given is not None)
        return EncodedCorpus(
            vocabulary=vocabulary,
            stream=np.empty(0, np.int32),
            path=directory,
            token_count=self._shards.tokens,
            text=text,
            sources=reader.describe(),
            timings={"vocabulary": counted_at - started, "encode": time.perf_counter() - counted_at},
            from_cache=False,
            warnings=warnings,
            checksum=self._shards.checksum,
        )

    def trainer(self, encoded: EncodedCorpus, settings: Settings, ngrams: NgramRows | None) -> ClusterTrainer:
        """The trainer of a corpus that `encode` has read."""
        assert self._job is not None and self._shards is not None
        counts = encoded.vocabulary.counts
        self._trainer = ClusterTrainer(self.workers, self._job, self._shards, counts, settings, ngrams, self._inform)
        return self._trainer

    def measure(self, heldout: Heldout) -> Measure:
        """What computes the held-out loss of the last trainer's parameters: the workers, which have them."""

        def loss(input: np.ndarray, output: np.ndarray, bias: np.ndarray) -> dict[str, Any]:
            assert self._trainer is not None
            return heldout.mean(self._trainer.sums_of_losses(heldout.batches))

        return loss

    def threads_of_a_worker(self) -> int:
        """The threads of the worker that has most."""
        return max(self.workers.usable().values())

    def round_cost(self) -> RoundCost:
        """What a round of the last trainer costs, once it has compiled."""
        assert self._trainer is not None and self._trainer.cost is not None
        return self._trainer.cost


@contextlib.contextmanager
def connect(address: str, warn: OnMessage, inform: OnMessage) -> Iterator[Cluster]:
    """Connect to a scheduler, or start workers on this machine and stop them at the end.

    The address is such as `tcp://host:8786` or `tls://…`; or `local:N` for N processes of this machine. InputError is
    raised when it is malformed, or no scheduler or worker answers.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_quiet())
        where: Any = address
        is_local = address.startswith(LOCAL)
        if is_local:
            where = stack.enter_context(_local_cluster(address))
        elif "://" not in address:
            raise InputError(f"--cluster {address} is neither tcp://HOST:PORT (or tls://) of a scheduler nor local:N.")
        try:
            client = stack.enter_context(Client(where, timeout=CONNECT_SECONDS, direct_to_workers=True))
        except (OSError, TimeoutError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"No Dask scheduler answers at {address}: {reason}.") from None
        except TypeError:  # without certificates for tls://
            raise InputError(
                f"{address} needs certificates, and Dask's configuration names none: set distributed.comm.tls.ca-file, "
                "distributed.comm.tls.client.cert and distributed.comm.tls.client.key."
            ) from None
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except OSError:  # a TimeoutError, mostly
            if is_local:
                message = f"--cluster {address}: no worker process has started within {CONNECT_SECONDS:.0f} s."
            else:
                message = f"The scheduler at {address} has no workers: start some with dask worker {address}"
            raise InputError(message) from None
        workers, threads = len(client.nthreads()), sum(client.nthreads().values())
        size = f"{count_of(workers, 'worker')}, {count_of(threads, 'thread')}"
        inform(f"cluster {client.scheduler.address}: {size}{'' if is_local else _dashboard_of(client)}")
        if client.scheduler.address.startswith("tcp://"):
            warn(
                f"The scheduler at {address} is open: whoever can connect to it can run code on its machines; keep it "
                "in a trusted network, or use tls:// with Dask's certificates."
            )
        yield Cluster(client, warn, inform)


@contextlib.contextmanager
def _local_cluster(address: str) -> Iterator[LocalCluster]:
    """Workers on this machine that nobody else can reach: Dask runs whatever code it is sent.

    They listen on the loopback interface, speak TLS with a certificate that only they have, and serve no web pages.
    """
    count = address.removeprefix(LOCAL)
    if not (count.isascii() and count.isdecimal()) or int(count) < 1:
        raise InputError(f"--cluster {address}: local:N needs a number of worker processes, at least 1.")
    options: dict[str, Any] = {
        "n_workers": int(count),
        "threads_per_worker": 1,
        "memory_limit": 0,  # Dask would stop workers that come near it, and training needs what it needs
        "host": "127.0.0.1",
        "protocol": "tls://",
        "security": Security.temporary(),
        "dashboard_address": "127.0.0.1:0",
        "preload": [_IGNORE_SIGNALS],
        "silence_logs": logging.CRITICAL,
    }
    _start_resource_tracker()
    # Dask's own directory for such files may belong to another user, who could replace what the workers import.
    with tempfile.TemporaryDirectory(prefix="nce-train-") as scratch:
        private = {**_NO_WEB_PAGES, "temporary-directory": scratch}
        with dask.config.set(private), LocalCluster(**options) as cluster:
            yield cluster


def _start_resource_tracker() -> None:
    """Start the process that Python has beside others such that signals to the process group do not end it.

    It inherits which signals are blocked. In this process they wait meanwhile.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        resource_tracker.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _dashboard_of(client: Client) -> str:
    if importlib.util.find_spec("bokeh") is None:
        return "; no dashboard without bokeh"
    return f"; dashboard {client.dashboard_link}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the log lines of Dask and its dependencies off stderr: our own messages report what matters."""
    # Dask sets the levels of some of its loggers, so those of the packages do not suffice
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in _LOGGING_PACKAGES]
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
