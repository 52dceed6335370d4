"""A whole training run: text to ids, ids to parameters, parameters to a model directory.

`train_model` is what the command line and `nce_train.train` call; `estimate` is the dry run. Both tell a `Watcher`
what goes on; the library itself prints nothing.
"""

import contextlib
import os
import platform
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from nce_train.errors import InputError, RunError
from nce_train.memory import MemoryGauge, available_memory
from nce_train.text.corpus import EncodedCorpus, encode_corpus
from nce_train.text.sources import Corpus
from nce_train.text.vocabulary import Vocabulary
from nce_train.training.config import Settings
from nce_train.training.metrics import MetricsFile, Reading
from nce_train.training.model_directory import FORMAT, METRICS, claim, save_model

if TYPE_CHECKING:
    from nce_train.training.trainer import Trained, Trainer

TRIAL_SECONDS = 1.5


class Watcher(Protocol):
    """Who is told what goes on; called from the thread that called `train_model`, or from one at a time."""

    def note(self, sentence: str) -> None:
        """Something a person should know: a warning, what was reused."""

    def scanning(self, done: int, total: int | None, phase: str) -> None:
        """Bytes of the corpus read, of how many (None when unknown)."""

    def scanned(self, corpus: EncodedCorpus) -> None:
        """The vocabulary stands."""

    def training(self, done: int, total: int) -> None:
        """Tokens consumed, of how many over all epochs; with `max_steps` in proportion."""

    def reading(self, reading: Reading, progress: float) -> None:
        """A reading was taken, when `progress` (from 0 to 1) of the run was done."""

    def finished(self, manifest: dict[str, Any]) -> None:
        """Everything is written."""


@dataclass(frozen=True)
class TrainedModel:
    """A finished run in memory.

    Attributes
    ----------
    vocabulary : Vocabulary
    input, output : float32 [vocabulary, dim]
    bias : float32 [vocabulary]
    manifest : dict
        See the model directory's `manifest.json`.
    """

    vocabulary: Vocabulary
    input: np.ndarray
    output: np.ndarray
    bias: np.ndarray
    manifest: dict[str, Any]


@dataclass(frozen=True)
class Estimate:
    """What a run would take.

    Attributes
    ----------
    vocabulary, tokens : int
        Words, and in-vocabulary tokens of an epoch.
    pairs : int
        (centre, context) pairs over all epochs, expected.
    memory_bytes : int
        Of anonymous memory at the peak.
    disk_bytes : int
        Of the model directory at its largest, the token file included.
    tokens_per_second : float
        In a short trial of the real thing on this machine.
    seconds : float
        Of training.
    """

    vocabulary: int
    tokens: int
    pairs: int
    memory_bytes: int
    disk_bytes: int
    tokens_per_second: float
    seconds: float


def train_model(
    corpus: Corpus,
    settings: Settings,
    output: Path | None,
    watcher: Watcher,
    *,
    overwrite: bool = False,
    cache: bool = True,
) -> TrainedModel:
    """Train on a corpus and, if `output` is given, write the model directory.

    Parameters
    ----------
    corpus : path, list of paths, or iterable of token sequences
    settings : Settings
    output : Path or None
    watcher : Watcher
    overwrite : bool
        Replace a model that is at `output`.
    cache : bool
        Reuse the ids of an earlier run on the same files.

    Returns
    -------
    TrainedModel

    Raises
    ------
    InputError, RunError
        One sentence each; what was begun at `output` is removed.
    """
    if output is None:
        with tempfile.TemporaryDirectory(prefix="nce-train-") as scratch:
            return _train(corpus, settings, None, Path(scratch), watcher, cache)
    with contextlib.closing(claim(output, overwrite)) as claimed:
        return _train(corpus, settings, output, claimed.checkpoint, watcher, cache)


def estimate(corpus: Corpus, settings: Settings, watcher: Watcher, *, cache: bool = True) -> Estimate:
    """Count the corpus, train for a moment, and say what the whole run would take; nothing is kept.

    Parameters are those of `train_model`.
    """
    settings = settings.resolved()
    with tempfile.TemporaryDirectory(prefix="nce-train-") as scratch:
        encoded = _encode(corpus, settings, Path(scratch), watcher, watcher.scanning, cache)
        memory = memory_needed(len(encoded.vocabulary), settings)
        trial = _new_trainer(encoded, settings.model_copy(update={"log_every_steps": None}))
        trial.compile()
        timer = threading.Timer(TRIAL_SECONDS, trial.stop)
        timer.start()
        trial.run()
        timer.cancel()
        done = trial.totals
        _refuse_without_pairs(done.pairs, settings)
        tokens = encoded.token_count * settings.epochs
        disk = 4 * len(encoded.stream) + _parameter_bytes(len(encoded.vocabulary), settings.dim)
        share = 1.0 if settings.max_steps is None else min(1.0, settings.max_steps / done.blocks * done.tokens / tokens)
        rate = done.tokens / trial.seconds
        return Estimate(
            vocabulary=len(encoded.vocabulary),
            tokens=encoded.token_count,
            pairs=round(done.pairs / done.tokens * tokens * share),
            memory_bytes=memory,
            disk_bytes=disk,
            tokens_per_second=rate,
            seconds=tokens * share / rate,
        )


def memory_needed(vocabulary: int, settings: Settings) -> int:
    """Anonymous memory in bytes that training takes: parameters, tables per word, and what the program has anyway."""
    base = 250 * 2**20  # the interpreter, NumPy and the compiler, measured
    width = -(-settings.dim // 16) * 16
    return base + vocabulary * (2 * 4 * width + 4 + 4 + 4 + 4 + 8 + 8 + 200)


def _train(
    corpus: Corpus, settings: Settings, output: Path | None, scratch: Path, watcher: Watcher, cache: bool
) -> TrainedModel:
    started = time.perf_counter()
    settings = settings.resolved()
    timings: dict[str, float] = {}
    with MemoryGauge() as gauge:
        with _CompileMeanwhile(settings) as kernel:

            def scanning(done: int, total: int | None, phase: str) -> None:
                kernel.start()
                watcher.scanning(done, total, phase)

            encoded = _encode(corpus, settings, scratch, watcher, scanning, cache)
        compile_started = time.perf_counter()
        timings.update(encoded.timings)
        trainer = _new_trainer(encoded, settings)
        trainer.compile()
        # what the kernel took meanwhile counts too, though the reading went on beside it
        timings["compile"] = kernel.seconds + time.perf_counter() - compile_started

        readings: list[dict[str, Any]] = []
        total_tokens = encoded.token_count * settings.epochs

        def on_reading(reading: Reading) -> None:
            readings.append(reading.as_dict())
            metrics.write(readings[-1])
            watcher.reading(reading, trainer.progress())

        metrics = MetricsFile(scratch / METRICS)
        try:
            trained = trainer.run(
                on_reading, lambda: watcher.training(round(trainer.progress() * total_tokens), total_tokens)
            )
        finally:
            metrics.close()
        _refuse_without_pairs(trained.totals.pairs, settings)
        timings["train"] = trained.seconds
        save_started = time.perf_counter()
        tables = trained.tables

        def manifest() -> dict[str, Any]:
            now = time.perf_counter()
            timings["save"] = now - save_started
            timings["total"] = now - started
            return _manifest(encoded, settings, trained, timings, gauge.peak())

        if output is None:
            complete = manifest()
        else:
            try:
                complete = save_model(
                    output, tables, settings.dim, encoded.vocabulary, settings.to_yaml(), readings, manifest
                )
            except OSError as error:
                raise RunError(
                    f"The model cannot be written to {output}: {error.strerror}; mend this and train again (a model "
                    "that was there is unchanged)."
                ) from None
    watcher.finished(complete)
    return TrainedModel(
        vocabulary=encoded.vocabulary,
        input=tables.input[:, : settings.dim],
        output=tables.output[:, : settings.dim],
        bias=tables.bias,
        manifest=complete,
    )


def _refuse_without_pairs(pairs: int, settings: Settings) -> None:
    if pairs == 0:
        raise InputError(
            "No word of the corpus has a context, so nothing can be learnt: its lines hold one word each "
            f"(--line-breaks ignore joins them), or --subsample {settings.subsample:g} drops nearly all."
        )


def _manifest(
    encoded: EncodedCorpus,
    settings: Settings,
    trained: "Trained",
    timings: dict[str, float],
    peak_memory: int,
) -> dict[str, Any]:
    totals = trained.totals
    return {
        "format": FORMAT,
        "timings": timings,
        "tokens": encoded.token_count,
        "tokens_trained": totals.tokens,
        "vocabulary": len(encoded.vocabulary),
        "epochs": settings.epochs,
        "steps": totals.blocks,
        "pairs": totals.pairs,
        "loss": totals.loss / totals.pairs if totals.pairs else None,
        "tokens_per_second": totals.tokens / max(trained.seconds, 1e-9),
        "peak_memory_bytes": peak_memory,
        "threads": settings.threads,
        "seed": settings.seed,
        "config": settings.model_dump(),
        "corpus": encoded.sources,
        "packages": package_versions(),
        "machine": machine_description(),
    }


def _encode(
    corpus: Corpus,
    settings: Settings,
    directory: Path,
    watcher: Watcher,
    scanning: Callable[[int, int | None, str], None],
    cache: bool,
) -> EncodedCorpus:
    given = None if settings.vocab is None else Vocabulary.load(settings.vocab, unknown=settings.unknown)
    if given is not None and not given.counts.any():
        raise InputError(f"{settings.vocab}: all counts are 0; the start and the noise of training need them.")
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
        threads=int(settings.threads),
        cache=cache,
        progress=scanning,
    )
    for warning in encoded.warnings:
        watcher.note(warning)
    watcher.scanned(encoded)
    needed, available = memory_needed(len(encoded.vocabulary), settings), available_memory()
    if available is not None and needed > available:
        raise InputError(
            f"{len(encoded.vocabulary):,} words at dim {settings.dim} need {needed / 2**20:,.0f} MiB of memory, but "
            f"only {available / 2**20:,.0f} MiB are available: raise --min-count, set --max-vocab or lower --dim."
        )
    return encoded


class _CompileMeanwhile:
    """Has the kernel compiled, or loaded, in a thread while the text is read; leaving waits for it.

    It starts with the reading and not before, so that a wrong path is told at once.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread: threading.Thread | None = None
        self.seconds = 0.0

    def __enter__(self) -> "_CompileMeanwhile":
        return self

    def __exit__(self, *failure: object) -> None:
        if self._thread is not None:
            self._thread.join()

    def start(self) -> None:
        """Start, if that has not been done."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._compile)
            self._thread.start()

    def _compile(self) -> None:
        started = time.perf_counter()
        from nce_train.training.trainer import Trainer

        stream = np.array([0, 1, -1], np.int32)
        stream.flags.writeable = False  # as the token file is mapped: another type to the compiler
        settings = self._settings.model_copy(update={"unique": False, "threads": 1})
        Trainer(stream, 2, np.array([1, 1]), settings).compile()
        self.seconds = time.perf_counter() - started


def _new_trainer(encoded: EncodedCorpus, settings: Settings) -> "Trainer":
    from nce_train.training.trainer import Trainer  # numba: only when it is needed

    return Trainer(encoded.stream, encoded.token_count, encoded.vocabulary.counts, settings)


def _parameter_bytes(vocabulary: int, dim: int) -> int:
    return 4 * vocabulary * (2 * dim + 1)


def package_versions() -> dict[str, str]:
    """Versions of what the numbers of a run depend on."""
    versions = {"python": platform.python_version()}
    for package in ("nce-train", "numpy", "numba", "llvmlite"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def machine_description() -> dict[str, Any]:
    """The machine a run was made on."""
    from llvmlite.binding import get_host_cpu_name

    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": get_host_cpu_name(),
        "cpus": os.cpu_count(),
    }
