"""From a corpus and settings to ids and a trainer, the kernel compiled meanwhile."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from nce_train.errors import InputError
from nce_train.runs import run_record
from nce_train.runs.executor import Executor
from nce_train.runs.limits import refuse_without_memory, shortage_of_room
from nce_train.runs.precompile import compile_elsewhere, compile_kernels, trainer_type
from nce_train.runs.warm_start import WarmStart
from nce_train.runs.watcher import Watcher
from nce_train.text.corpus import EncodedCorpus, encode_corpus, encoding_warnings
from nce_train.text.sources import Corpus
from nce_train.text.vocabulary import Vocabulary
from nce_train.training.settings import Settings

if TYPE_CHECKING:
    from nce_train.training.trainer import BaseTrainer

LONG = 2.0  # seconds: to load a compiled kernel takes less


def check_heldout(corpus: Corpus, settings: Settings, watcher: Watcher) -> None:
    """Have a wrong held-out text refused, and a doubtful one told, before the corpus is read."""
    if (doubt := run_record.check_heldout(corpus, settings)) is not None:
        watcher.note(doubt)


def encode(
    corpus: Corpus,
    settings: Settings,
    directory: Path,
    watcher: Watcher,
    scanning: Callable[[int, int | None, str], None],
    cache: bool,
    start: WarmStart | None,
    cluster: Executor | None = None,
) -> EncodedCorpus:
    """Read the corpus as the settings say, and refuse what will not fit into memory or on the disk."""
    given = None if settings.vocab is None else Vocabulary.load(settings.vocab, unknown=settings.unknown)
    if given is not None and not given.counts.any():
        raise InputError(f"{settings.vocab}: all counts are 0; the start and the noise of training need them.")
    extend = None if start is None else start.to_extend
    if cluster is not None:
        encoded = cluster.encode(corpus, settings, given, extend, directory, scanning)
    else:
        encoded = encode_corpus(
            corpus,
            directory,
            tokens=settings.tokens,
            lowercase=settings.lowercase,
            line_breaks=settings.line_breaks,
            min_count=settings.min_count,
            max_vocab=settings.max_vocab,
            unknown=settings.unknown,
            vocabulary=given,
            extend=extend,
            threads=int(settings.threads),
            cache=cache,
            progress=scanning,
        )
    for warning in [*encoded.warnings, *encoding_warnings(encoded.vocabulary)]:
        watcher.note(warning)
    watcher.scanned(encoded)
    refuse_without_memory(len(encoded.vocabulary), settings, cluster)
    if shortage := shortage_of_room(directory, len(encoded.vocabulary), settings):
        watcher.note(shortage)
    return encoded


@contextlib.contextmanager
def told_when_long(tell: Callable[[], None]) -> Iterator[None]:
    """Call `tell`, from another thread, when what is done here takes longer than `LONG`."""
    timer = threading.Timer(LONG, tell)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class CompileMeanwhile:
    """Has the kernel compiled, or loaded, in a thread while the text is read; leaving waits for it.

    It starts with the reading and not before, so that a wrong path is told at once.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread: threading.Thread | None = None
        self.seconds = 0.0

    def __enter__(self) -> "CompileMeanwhile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None and not isinstance(error, KeyboardInterrupt):
            self._thread.join()

    def wait(self, told: Callable[[], None]) -> None:
        """Wait for it; `told` is called when that takes long."""
        if self._thread is not None:
            with told_when_long(told):
                self._thread.join()

    def start(self) -> None:
        """Start, if that has not been done."""
        if self._thread is None:
            thread = threading.Thread(target=self._compile, daemon=True)
            thread.start()
            self._thread = thread

    def _compile(self) -> None:
        started = time.perf_counter()
        with contextlib.suppress(Exception):  # the trainer compiles too, and is where failures are told
            compile_elsewhere(self._settings)
            compile_kernels(self._settings)
        self.seconds = time.perf_counter() - started


def new_trainer(encoded: EncodedCorpus, settings: Settings) -> "BaseTrainer":
    """The trainer on this machine that the settings ask for."""
    return trainer_type(settings)(encoded.stream, encoded.token_count, encoded.vocabulary.counts, settings)
