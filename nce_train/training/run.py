"""A whole training run: text to ids, ids to parameters, parameters to a model directory.

`train_model` is what the command line and `nce_train.train` call, `resume_model` goes on with an interrupted run, and
`estimate` is the dry run. They tell a `Watcher` what goes on; the library itself prints nothing.
"""

import contextlib
import dataclasses
import functools
import json
import os
import platform
import shlex
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from nce_train.errors import InputError, LostError, RunError
from nce_train.memory import MemoryGauge, available_memory
from nce_train.text.corpus import TOKEN_FILE, EncodedCorpus, encode_corpus
from nce_train.text.sources import Corpus
from nce_train.text.vocabulary import Vocabulary
from nce_train.training import run_record
from nce_train.training.checkpoint import checksum, newest_checkpoint, remove_states, states, write_checkpoint
from nce_train.training.config import Settings, parse_interval
from nce_train.training.early_stopping import EarlyStopping, Heldout, Measure
from nce_train.training.evaluations import Evaluations, Report
from nce_train.training.interruption import FirstSignal
from nce_train.training.metrics import Callback, MetricsFile, Reading, TrainingState
from nce_train.training.model_directory import (
    FORMAT,
    MANIFEST,
    METRICS,
    VOCABULARY,
    claim,
    claim_interrupted,
    save_model,
)
from nce_train.training.warm_start import FindStart, WarmStart, found_again, provenance

if TYPE_CHECKING:
    from nce_train.training.base_trainer import BaseTrainer, Trained

TRIAL_SECONDS = 1.5
RETRY_SECONDS = 60.0  # after a checkpoint that could not be written


# Given a held-out text, the vocabulary and the settings: what can be measured on it
ReadHeldout = Callable[[str, Vocabulary, Settings], Heldout]
# Given the paths of evaluation sets, which it reads at once: what measures the input embeddings of a vocabulary
Evaluation = Callable[[list[str]], Callable[[Vocabulary, np.ndarray], Report]]


class Executor(Protocol):
    """Who reads the corpus and trains on other processes or machines, as `nce_train.cluster` does."""

    def encode(
        self,
        corpus: Corpus,
        settings: Settings,
        given: Vocabulary | None,
        extend: Vocabulary | None,
        directory: Path,
        progress: Callable[[int, int | None, str], None],
    ) -> EncodedCorpus:
        """As `encode_corpus`, but the ids stay where they are trained on; the result has their checksum."""

    def trainer(self, encoded: EncodedCorpus, settings: Settings) -> "BaseTrainer":
        """The trainer of what `encode` has read; `settings` has `deterministic`."""

    def measure(self, heldout: Heldout) -> Measure:
        """What measures the parameters of the last `trainer`, as they are, on held-out text."""

    def threads_of_a_worker(self) -> int:
        """Of the worker that has most of them."""

    def round_cost(self) -> "RoundCost":
        """What a round of the last `trainer` costs, as measured when it was compiled."""


class RoundCost(Protocol):
    """What a round costs elsewhere, for a person."""

    def travels(self) -> str:
        """What moves in a round, and how long that and its training take."""

    def verdict(self) -> str:
        """Whether it pays."""


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

    def heldout(self, epoch: int, loss: float) -> None:
        """The loss of the held-out text after an epoch."""

    def evaluated(self, tokens: int, report: Report) -> None:
        """The embeddings were evaluated when so many tokens were trained."""

    def evaluated_kept(self, epoch: int, report: Report) -> None:
        """The embeddings of the model, which are those after an earlier epoch, were evaluated."""

    def resumed(self, step: int, progress: float) -> None:
        """An interrupted run goes on."""

    def saving(self, done: int, total: int) -> None:
        """Bytes of a checkpoint written, of how many."""

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
        In a short trial of the real thing.
    seconds : float
        Of training.
    on_cluster : OnCluster or None
        What only a run on a cluster takes; the memory is then that of this machine.
    """

    vocabulary: int
    tokens: int
    pairs: int
    memory_bytes: int
    disk_bytes: int
    tokens_per_second: float
    seconds: float
    on_cluster: "OnCluster | None" = None


@dataclass(frozen=True)
class OnCluster:
    """What a run takes of a cluster.

    Attributes
    ----------
    worker_memory_bytes : int
        Of the worker with most threads, at most.
    travels, verdict : str
        See `RoundCost`.
    """

    worker_memory_bytes: int
    travels: str
    verdict: str


def train_model(
    corpus: Corpus,
    settings: Settings,
    output: Path | None,
    watcher: Watcher,
    *,
    overwrite: bool = False,
    cache: bool = True,
    keep_checkpoint: bool = False,
    heldout: ReadHeldout | None = None,
    evaluation: Evaluation | None = None,
    callback: Callback | None = None,
    start: WarmStart | None = None,
    cluster: Executor | None = None,
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
    keep_checkpoint : bool
        Keep the state at the end, so that the run can be given more epochs.
    heldout : callable, optional
        Needed for the setting `heldout`.
    evaluation : callable, optional
        Needed for the setting `eval_every`.
    callback : callable, optional
        Called with a `TrainingState` at each reading, held-out loss and evaluation, by whichever thread took it. When
        it returns True, training ends and the model is written; when it raises, training ends as after Ctrl-C.
    start : WarmStart, optional
        What to begin with; of the settings' dim.
    cluster : Executor, optional
        Who reads and trains in this process's stead; the settings must have `deterministic`.

    Returns
    -------
    TrainedModel

    Raises
    ------
    InputError, RunError
        One sentence each; what was begun at `output` is removed, but for checkpoints.
    Exception
        Whatever `callback` raised.
    KeyboardInterrupt
        After Ctrl-C, with a sentence that says how to go on, if there is a checkpoint.
    """
    settings = settings.resolved()
    _check_heldout(corpus, settings, watcher)
    record = run_record.new_record(corpus, settings)
    record["start"] = None if start is None else start.record
    hooks = _Hooks(heldout, evaluation, callback)
    if output is None:
        with tempfile.TemporaryDirectory(prefix="nce-train-") as scratch:
            session = _Session(record, settings, None, Path(scratch), watcher, False, hooks, cluster)
            return session.train_anew(corpus, cache, start)
    with contextlib.closing(claim(output, overwrite)) as claimed, _way_on_told(output, claimed.checkpoint):
        session = _Session(record, settings, output, claimed.checkpoint, watcher, keep_checkpoint, hooks, cluster)
        return session.train_anew(corpus, cache, start)


def resume_model(
    output: Path,
    changes: Mapping[str, Any],
    watcher: Watcher,
    *,
    corpus: Corpus | None = None,
    cache: bool = True,
    keep_checkpoint: bool = False,
    heldout: ReadHeldout | None = None,
    evaluation: Evaluation | None = None,
    callback: Callback | None = None,
    find_start: FindStart,
    cluster: Executor | None = None,
) -> TrainedModel:
    """Go on with the interrupted run in a model directory.

    Parameters
    ----------
    output : Path
    changes : mapping
        Settings that are to be other than those of the run: `run_record.CHANGEABLE` may be.
    watcher : Watcher
    corpus : path or list of paths, optional
        Must be that of the run.
    cache, keep_checkpoint, heldout, evaluation, callback, cluster
        See `train_model`.
    find_start : callable
        For a run with a warm start that has no checkpoint, or whose ids are damaged.

    Returns
    -------
    TrainedModel

    Raises
    ------
    InputError
        When there is nothing to go on with, or corpus, vocabulary or settings do not fit it.
    RunError, KeyboardInterrupt
        See `train_model`.
    """
    with contextlib.closing(claim_interrupted(output)) as claimed, _way_on_told(output, claimed.checkpoint):
        checkpoint, damaged = newest_checkpoint(claimed.checkpoint)
        if checkpoint is None and damaged and (output / MANIFEST).exists():
            raise InputError(
                f"The checkpoint {damaged[0]} is damaged, and no other is whole; the model in {output} stays as it is: "
                "start anew with --overwrite."
            )
        for path in damaged:
            watcher.note(f"{path} is damaged and is removed.")
            path.unlink(missing_ok=True)
        record = run_record.read_record(claimed.checkpoint) if checkpoint is None else checkpoint.run
        settings = run_record.settings_of(record, changes, output)
        if cluster is not None and not settings.deterministic:
            raise InputError(f"The run in {output} is not one in rounds: resume it without --cluster.")
        run_record.check_same_heldout(record)
        corpus_found = run_record.find_corpus(record, corpus, settings, output, watcher.note)
        keep = keep_checkpoint or bool(record.get("keep_checkpoint"))
        hooks = _Hooks(heldout, evaluation, callback)
        session = _Session(record, settings, output, claimed.checkpoint, watcher, keep, hooks, cluster)
        if checkpoint is not None:
            return session.go_on(checkpoint.arrays, corpus_found, cache, find_start)
        if corpus_found is None:
            raise InputError(f"The run in {output} has no checkpoint and its corpus is gone: start anew.")
        watcher.note("There is no whole checkpoint: the run starts from the beginning.")
        before = record.get("start")
        return session.train_anew(corpus_found, cache, None if before is None else found_again(before, find_start))


def estimate(
    corpus: Corpus,
    settings: Settings,
    watcher: Watcher,
    *,
    cache: bool = True,
    start: WarmStart | None = None,
    cluster: Executor | None = None,
) -> Estimate:
    """Count the corpus, train for a moment, and say what the whole run would take; nothing is kept.

    Parameters are those of `train_model`.
    """
    settings = settings.resolved()
    _check_heldout(corpus, settings, watcher)
    with tempfile.TemporaryDirectory(prefix="nce-train-") as scratch:
        encoded = _encode(corpus, settings, Path(scratch), watcher, watcher.scanning, cache, start, cluster)
        vocabulary = len(encoded.vocabulary)
        settings = settings.with_rounds(vocabulary, encoded.token_count)
        if start is not None:
            settings = start.with_lr(settings, encoded.token_count)
        memory = memory_needed(vocabulary, settings, _copies(vocabulary, settings, cluster))
        # rounds end where they end, so they are asked behind each; threads are asked when it is time
        every = 1 if settings.deterministic else None
        settings_of_trial = settings.model_copy(update={"log_every_steps": every, "log_every": TRIAL_SECONDS})
        trial = (_new_trainer if cluster is None else cluster.trainer)(encoded, settings_of_trial)
        trial.compile()
        if start is not None:
            trial.start_with(functools.partial(start.fill, vocabulary=encoded.vocabulary, settings=settings))
            watcher.note(start.sentence())

        def on_reading(reading: Reading) -> None:
            if reading.seconds >= TRIAL_SECONDS:
                trial.stop()

        trial.run(on_reading)
        done = trial.totals
        _refuse_without_pairs(done.pairs, settings)
        tokens = encoded.token_count * settings.epochs
        # two checkpoints while training, one and the model at the end
        disk = 4 * len(encoded.stream) + 2 * _parameter_bytes(vocabulary, settings.dim)
        share = 1.0 if settings.max_steps is None else min(1.0, settings.max_steps / done.blocks * done.tokens / tokens)
        rate = done.tokens / trial.seconds
        return Estimate(
            vocabulary=vocabulary,
            tokens=encoded.token_count,
            pairs=round(done.pairs / done.tokens * tokens * share),
            memory_bytes=memory,
            disk_bytes=disk,
            tokens_per_second=rate,
            seconds=tokens * share / rate,
            on_cluster=None if cluster is None else _estimate_on(cluster, vocabulary, settings),
        )


def _estimate_on(cluster: Executor, vocabulary: int, settings: Settings) -> OnCluster:
    cost = cluster.round_cost()
    memory = memory_needed(vocabulary, settings, cluster.threads_of_a_worker())
    return OnCluster(memory, cost.travels(), cost.verdict())


def memory_needed(vocabulary: int, settings: Settings, copies: float) -> int:
    """Anonymous memory in bytes that training takes: parameters, tables per word, and what the program has anyway.

    `copies` of the parameters are taken into account at their largest.
    """
    base = 250 * 2**20  # the interpreter, NumPy and the compiler, measured
    width = -(-settings.dim // 16) * 16
    return (
        base
        + vocabulary * (2 * 4 * width + 4 + 4 + 4 + 4 + 8 + 8 + 200)
        + int(vocabulary * copies) * (2 * 4 * width + 32)
    )


def _copies(vocabulary: int, settings: Settings, cluster: Executor | None) -> float:
    """How many copies of the parameters this process has beside them, at most."""
    if cluster is not None:
        return 2  # the sum of the changes, and the base on its way to a worker
    if settings.deterministic:
        return settings.shards
    from nce_train.training.hot_rows import hot_rows_of  # with the compiler

    threads = int(settings.threads)
    return hot_rows_of(vocabulary, threads) * threads / vocabulary  # each copy is twice there


@dataclass(frozen=True)
class _Hooks:
    """What other rooms have a run do; see `train_model`."""

    heldout: ReadHeldout | None
    evaluation: Evaluation | None
    callback: Callback | None


class _Session:
    """What one process does of a run.

    Parameters
    ----------
    record : dict
        What is known of the run so far, see `run_record`.
    settings : Settings
        Resolved.
    output : Path or None
    directory : Path
        For the token file, and for checkpoints when there is an output.
    watcher : Watcher
    keep_checkpoint : bool
    hooks : _Hooks
    cluster : Executor or None
    """

    def __init__(
        self,
        record: dict[str, Any],
        settings: Settings,
        output: Path | None,
        directory: Path,
        watcher: Watcher,
        keep_checkpoint: bool,
        hooks: _Hooks,
        cluster: Executor | None,
    ) -> None:
        self.settings = settings
        self.output = output
        self.directory = directory
        self.watcher = watcher
        self.keep_checkpoint = keep_checkpoint
        self._hooks = hooks
        self._measure_embeddings = None  # sets are read here, so that a mistake in them is told before the work
        if settings.eval_every is not None and hooks.evaluation is not None:
            self._measure_embeddings = hooks.evaluation(settings.eval_set)
        self._callback_failure: Exception | None = None
        self._stopped_early: str | None = None
        self._cluster = cluster
        self.record = {**record, "config": settings.model_dump(), "keep_checkpoint": keep_checkpoint}
        self.record["evaluated"] = dict(record.get("evaluated", {"tokens": 0, "seconds": 0.0}))
        self.readings: list[dict[str, Any]] = list(record["readings"])
        self.timings: dict[str, float] = {**run_record.no_timings(), **record["timings"]}
        self._seconds_before = self.timings["total"]
        self._started = time.perf_counter()

    def train_anew(self, corpus: Corpus, cache: bool, start: WarmStart | None) -> TrainedModel:
        """Train from the beginning."""
        if self.output is not None:
            run_record.write_record(self.directory, self.record)
        with MemoryGauge() as gauge:
            with _CompileMeanwhile(self.settings) as kernel:

                def scanning(done: int, total: int | None, phase: str) -> None:
                    kernel.start()
                    self.watcher.scanning(done, total, phase)

                encoded = _encode(
                    corpus, self.settings, self.directory, self.watcher, scanning, cache, start, self._cluster
                )
            # what the kernel took meanwhile counts too, though the reading went on beside it
            self.timings["compile"] += kernel.seconds
            remove_states(self.directory)  # of a run that this one replaces
            for name in ("vocabulary", "encode"):
                self.timings[name] += encoded.timings[name]
            run_record.note_encoded(self.record, encoded)
            for doubt in self.settings.doubts(len(encoded.vocabulary), encoded.token_count):
                self.watcher.note(doubt)
            self.settings = self.settings.with_rounds(len(encoded.vocabulary), encoded.token_count)
            if start is not None:
                self.settings = start.with_lr(self.settings, encoded.token_count)
            self.record["config"] = self.settings.model_dump()
            trainer = self._new_trainer(encoded)
            if start is not None:
                trainer.start_with(functools.partial(start.fill, vocabulary=encoded.vocabulary, settings=self.settings))
                self.record["start"] = start.record
                self.watcher.note(start.sentence())
            return self._train(encoded, trainer, gauge)

    def go_on(
        self, state: Mapping[str, np.ndarray], corpus: Corpus | None, cache: bool, find_start: FindStart
    ) -> TrainedModel:
        """Train on from a state; the corpus is read only if its ids are not kept."""
        with MemoryGauge() as gauge:
            encoded = self._kept_encoding()
            if encoded is None:
                encoded = self._encode_again(corpus, cache, find_start)
            _refuse_without_memory(len(encoded.vocabulary), self.settings, self._cluster)
            trainer = self._new_trainer(encoded)
            try:
                trainer.restore(state)
            except (KeyError, ValueError):
                raise InputError(
                    f"The checkpoint in {self.output} is of another version of nce-train: resume it with that, or "
                    "start anew."
                ) from None
            if trainer.finished and self.output is not None and (self.output / MANIFEST).exists():
                raise InputError(
                    f"The model in {self.output} is finished, nothing is left to resume: --epochs gives it more."
                )
            self.watcher.resumed(trainer.totals.blocks, trainer.progress())
            return self._train(encoded, trainer, gauge)

    def _is_saved(self, looks: list[dict[str, Any]]) -> bool:
        """Whether the model at the output is that of these looks at held-out text, not an older one."""
        if self.output is None:
            return False
        try:
            return bool(json.loads((self.output / MANIFEST).read_text(encoding="utf-8"))["heldout"] == looks)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _kept_encoding(self) -> EncodedCorpus | None:
        """The ids and the vocabulary that lie beside the checkpoint; None when they are not whole."""
        path = self.directory / TOKEN_FILE
        if self._cluster is not None:  # its workers have their own
            return None
        try:
            vocabulary = Vocabulary.load(self.directory / VOCABULARY, unknown=self.settings.unknown)
            stream = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        if stream.dtype != np.int32 or stream.ndim != 1 or not self._is_the_runs(vocabulary, checksum(stream)):
            return None
        sources = [{name: source[name] for name in ("name", "bytes", "sha256")} for source in self.record["sources"]]
        timings = {"vocabulary": 0.0, "encode": 0.0}
        return EncodedCorpus(vocabulary, stream, path, self.record["tokens"], sources, timings, True, [])

    def _encode_again(self, corpus: Corpus | None, cache: bool, find_start: FindStart) -> EncodedCorpus:
        if corpus is None:
            raise InputError(
                f"The ids of the corpus, {self.directory / TOKEN_FILE}, are missing or damaged, and so is the corpus: "
                "the run cannot go on."
            )
        before = self.record.get("start") or {"how": None}
        start = found_again(before, find_start) if before["how"] == "continue" else None  # the words of it are needed
        scanning = self.watcher.scanning
        encoded = _encode(corpus, self.settings, self.directory, self.watcher, scanning, cache, start, self._cluster)
        if not self._is_the_runs(encoded.vocabulary, _checksum_of(encoded)):
            raise InputError(
                f"The corpus gives other ids than when the run in {self.output} began: put the old one back, or start "
                "anew with --overwrite."
            )
        return encoded

    def _is_the_runs(self, vocabulary: Vocabulary, stream: int) -> bool:
        return bool(vocabulary.fingerprint == self.record["vocabulary"] and stream == self.record["stream"])

    def _new_trainer(self, encoded: EncodedCorpus) -> "BaseTrainer":
        started = time.perf_counter()
        new_trainer = _new_trainer if self._cluster is None else self._cluster.trainer
        trainer = new_trainer(encoded, self.settings)
        trainer.compile()
        self.timings["compile"] += time.perf_counter() - started
        return trainer

    def _train(self, encoded: EncodedCorpus, trainer: "BaseTrainer", gauge: MemoryGauge) -> TrainedModel:
        total_tokens = encoded.token_count * self.settings.epochs

        def on_reading(reading: Reading) -> None:
            keep(reading.as_dict())
            self.watcher.reading(reading, trainer.progress())
            self._call_back(trainer, reading)

        def keep(reading: dict[str, Any]) -> None:
            self.readings.append(reading)
            metrics.write(reading)

        def on_progress() -> None:
            self.watcher.training(round(trainer.progress() * total_tokens), total_tokens)

        with self.timed("heldout"):
            stopping = self._early_stopping(encoded.vocabulary)
        if stopping is not None and stopping.out_of_patience and self._is_saved(stopping.looks):
            raise InputError(
                f"The model in {self.output} is finished, its --patience was out after epoch "
                f"{stopping.looks[-1]['epoch']}: more epochs do not change that; train anew with a larger one."
            )
        checkpoints = _Checkpoints(self, encoded, trainer, stopping)

        def on_epoch(epoch: int) -> bool:
            assert stopping is not None
            with self.timed("heldout"):
                measured = stopping.look(epoch, trainer.state())
            if measured is not None:
                checkpoints.remove_old_bests()
                keep({"step": trainer.totals.blocks, "heldout": measured})
                self.watcher.heldout(epoch, measured["nce_loss"])
                self._call_back(trainer, trainer.now(), heldout=measured)
            if stopping.out_of_patience:
                self._stopped_early = "patience"
            return stopping.out_of_patience

        def on_evaluation(report: Report) -> None:
            keep({"step": trainer.totals.blocks, "evaluation": report})
            self.watcher.evaluated(trainer.totals.tokens, report)
            self._call_back(trainer, trainer.now(), evaluation=report)

        evaluations = self._evaluations(encoded.vocabulary, trainer, on_evaluation)
        metrics = MetricsFile(self.directory / METRICS, self.readings)
        hooks = (
            on_reading,
            on_progress,
            None if self.output is None else checkpoints,
            None if stopping is None else on_epoch,
            evaluations,
        )
        with contextlib.closing(metrics):
            run = functools.partial(trainer.run, *hooks)
            trained = run() if self.output is None else self._run_with_checkpoints(run, trainer, checkpoints)
        if self._callback_failure is not None:
            raise self._callback_failure
        _refuse_without_pairs(trained.totals.pairs, self.settings)
        if stopping is not None:
            self._take_best(stopping, encoded.vocabulary, trainer)
        return self._save(encoded, trained, gauge)

    def _take_best(self, stopping: EarlyStopping, vocabulary: Vocabulary, trainer: "BaseTrainer") -> None:
        """Give the model the best parameters, and say which these are."""
        are_others = stopping.take_best(trainer.state())
        if (kept := stopping.kept_sentence()) is not None:
            self.watcher.note(kept)
        if are_others and stopping.best is not None and self._measure_embeddings is not None:
            with self.timed("evaluation"):
                report = self._measure_embeddings(vocabulary, trainer.state()["input"])
            self.watcher.evaluated_kept(stopping.best["epoch"], report)

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add what is done within to a timing."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.timings[name] += time.perf_counter() - started

    def _call_back(
        self,
        trainer: "BaseTrainer",
        reading: Reading,
        heldout: dict[str, Any] | None = None,
        evaluation: Report | None = None,
    ) -> None:
        if self._hooks.callback is None or self._callback_failure is not None:
            return
        if reading.loss is None:  # nothing was trained since the last reading
            last: dict[str, Any] = next((line for line in reversed(self.readings) if line.get("loss") is not None), {})
            known = {name: last[name] for name in ("loss", "tokens_per_second") if name in last}
            reading = dataclasses.replace(reading, **known)
        try:
            state = TrainingState(
                **reading.as_dict(), progress=trainer.progress(), heldout=heldout, evaluation=evaluation
            )
            if self._hooks.callback(state):
                self._stopped_early = "callback"
                trainer.end_early()
        except Exception as failure:
            self._callback_failure = failure
            trainer.stop()

    def _evaluations(
        self, vocabulary: Vocabulary, trainer: "BaseTrainer", tell: Callable[[Report], None]
    ) -> Evaluations | None:
        if self._measure_embeddings is None or self.settings.eval_every is None:
            return None
        measure_embeddings = self._measure_embeddings

        def measure(vectors: np.ndarray) -> Report:
            with self.timed("evaluation"):
                return measure_embeddings(vocabulary, vectors)

        return Evaluations(measure, self.settings.eval_every, trainer, self.record["evaluated"], tell)

    def _early_stopping(self, vocabulary: Vocabulary) -> EarlyStopping | None:
        text = self.record["heldout"]["path"]
        if text is None or self._hooks.heldout is None:
            return None
        heldout = self._hooks.heldout(text, vocabulary, self.settings)
        measure = heldout.loss if self._cluster is None else self._cluster.measure(heldout)
        looks = self.record["heldout"]["looks"]
        stopping = EarlyStopping(measure, self.settings.patience, self.directory, looks, self.watcher.note)
        if not looks:
            stopping.remove_but(set())  # of a run that this one replaces
        return stopping

    def _run_with_checkpoints(
        self, run: Callable[[], "Trained"], trainer: "BaseTrainer", checkpoints: "_Checkpoints"
    ) -> "Trained":
        with FirstSignal(trainer.stop) as first:
            try:
                trained = run()
            except LostError as error:
                checkpoints.save()
                raise RunError(checkpoints.way_on(str(error).rstrip("."))) from None
            except RunError as error:
                if kept := states(self.directory):
                    raise RunError(f"{str(error).rstrip('.')}; the last good checkpoint stays: {kept[-1]}.") from None
                raise
            if failure := self._callback_failure:
                checkpoints.save()
                failure.add_note(checkpoints.way_on())
            elif trainer.finished:
                if self.keep_checkpoint:
                    checkpoints.save()
            else:
                checkpoints.save()
                first.pass_on(checkpoints.way_on())
        return trained

    def _save(self, encoded: EncodedCorpus, trained: "Trained", gauge: MemoryGauge) -> TrainedModel:
        save_started = time.perf_counter()
        self.timings["train"] = trained.seconds
        tables = trained.tables

        def manifest() -> dict[str, Any]:
            self.timings["save"] += time.perf_counter() - save_started
            timings = self.timings_now()
            complete = _manifest(encoded, self.settings, trained, timings, gauge.peak())
            return {
                **complete,
                **provenance(self.record.get("start")),
                "heldout": self.record["heldout"]["looks"],
                "stopped_early": self._stopped_early,
            }

        if self.output is None:
            complete = manifest()
        else:
            remove_states(self.directory, but=1)
            try:
                complete = save_model(
                    self.output,
                    tables,
                    self.settings.dim,
                    encoded.vocabulary,
                    self.settings.to_yaml(),
                    self.readings,
                    manifest,
                )
            except OSError as error:
                what_stays = "train again (a model that was there is unchanged)"
                if states(self.directory):
                    what_stays = f"go on from the last checkpoint with: {_resume_command(self.output)}"
                raise RunError(
                    f"The model cannot be written to {self.output}: {error.strerror}; mend this and {what_stays}."
                ) from None
            if not self.keep_checkpoint:
                remove_states(self.directory)
        self.watcher.finished(complete)
        return TrainedModel(
            vocabulary=encoded.vocabulary,
            input=tables.input[:, : self.settings.dim],
            output=tables.output[:, : self.settings.dim],
            bias=tables.bias,
            manifest=complete,
        )

    def timings_now(self) -> dict[str, float]:
        """Seconds of all sessions of the run."""
        return {**self.timings, "total": self._seconds_before + time.perf_counter() - self._started}


class _Checkpoints:
    """Writes the checkpoints of a session when they are due; a full disk costs a warning and a later try."""

    def __init__(
        self, session: _Session, encoded: EncodedCorpus, trainer: "BaseTrainer", stopping: EarlyStopping | None
    ) -> None:
        self._stopping = stopping
        # epochs whose best parameters checkpoints rely on: of the last two, or what an earlier session left
        self._needed = [set() if stopping is None else stopping.kept, self._best()]
        self._session = session
        self._encoded = encoded
        self._trainer = trainer
        self._seconds, self._tokens = parse_interval(session.settings.checkpoint_every)
        self.failure = ""
        self.reached = ""  # how far the run had come at the last one of this session
        self._wait()

    def due(self) -> bool:
        """Whether it is time for the next checkpoint."""
        if time.monotonic() < self._due_at_time:
            return False
        return self._trainer.totals.tokens >= self._due_at_tokens

    def save(self) -> None:
        """Write a checkpoint, or warn."""
        self._trainer.check()
        session = self._session
        try:
            if "stream" not in session.record:
                self._keep_encoding()
            record = {
                **session.record,
                "readings": session.readings,
                "timings": {**session.timings_now(), "train": self._trainer.seconds},
            }
            with session.timed("checkpoints"):
                write_checkpoint(session.directory, record, self._trainer.state(), session.watcher.saving)
            self.failure, self.reached = "", self._how_far()
            self._needed = [self._needed[1], self._best()]
            self.remove_old_bests()
            self._wait()
        except OSError as error:
            self.failure = error.strerror or str(error)
            session.watcher.note(
                f"The checkpoint could not be written to {session.directory} ({self.failure}); training goes on and "
                "tries again later."
            )
            self._wait()
            self._due_at_time = time.monotonic() + min(RETRY_SECONDS, self._seconds or RETRY_SECONDS)

    def way_on(self, what_happened: str = "interrupted") -> str:
        """Say of an interrupted run how to go on."""
        return _way_on(self._session.directory, self.failure, self.reached, what_happened)

    def _how_far(self) -> str:
        now = self._trainer.now()
        return f"{self._trainer.progress():.0%}: epoch {now.epoch + 1}, {now.tokens:,} tokens"

    def remove_old_bests(self) -> None:
        """Remove the best parameters of all epochs but the best one now and those that the checkpoints name."""
        if self._stopping is not None:
            self._stopping.remove_but(self._best().union(*self._needed))

    def _best(self) -> set[int]:
        best = None if self._stopping is None else self._stopping.best
        return set() if best is None else {best["epoch"]}

    def _keep_encoding(self) -> None:
        """Make sure that ids and vocabulary are on the disk before a checkpoint relies on them."""
        if self._encoded.checksum is None:
            with open(self._encoded.path, "rb") as file:
                os.fsync(file.fileno())
        self._encoded.vocabulary.save(self._session.directory / VOCABULARY)
        self._session.record["stream"] = _checksum_of(self._encoded)

    def _wait(self) -> None:
        self._due_at_time = time.monotonic() + self._seconds
        self._due_at_tokens = self._trainer.totals.tokens + self._tokens


@contextlib.contextmanager
def _way_on_told(output: Path, checkpoints: Path) -> Iterator[None]:
    """Give an interrupt that has no sentence yet one that says how to go on."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        if not interrupt.args and states(checkpoints):
            interrupt.args = (_way_on(checkpoints),)
        raise


def _way_on(checkpoints: Path, failure: str = "", reached: str = "", what_happened: str = "interrupted") -> str:
    sentence = what_happened
    if failure:
        sentence += f", and no checkpoint could be written ({failure})"
    if not states(checkpoints):
        return f"{sentence}; nothing was kept"
    where = f" ({reached})" if reached else ""
    return f"{sentence}; go on from the last checkpoint{where} with: {_resume_command(checkpoints.parent)}"


def _resume_command(output: Path) -> str:
    return f"nce-train --resume {shlex.quote(os.fspath(output))}"


def _checksum_of(encoded: EncodedCorpus) -> int:
    return checksum(encoded.stream) if encoded.checksum is None else encoded.checksum


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
    start: WarmStart | None,
    cluster: Executor | None = None,
) -> EncodedCorpus:
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
    for warning in encoded.warnings:
        watcher.note(warning)
    watcher.scanned(encoded)
    _refuse_without_memory(len(encoded.vocabulary), settings, cluster)
    if shortage := _shortage_of_room(directory, len(encoded.vocabulary), settings):
        watcher.note(shortage)
    return encoded


def _check_heldout(corpus: Corpus, settings: Settings, watcher: Watcher) -> None:
    if (doubt := run_record.check_heldout(corpus, settings)) is not None:
        watcher.note(doubt)


def _refuse_without_memory(vocabulary: int, settings: Settings, cluster: Executor | None) -> None:
    needed = memory_needed(vocabulary, settings, _copies(vocabulary, settings, cluster))
    available = available_memory()
    if available is not None and needed > available:
        raise InputError(
            f"{vocabulary:,} words at dim {settings.dim} need {needed / 2**20:,.0f} MiB of memory, but "
            f"only {available / 2**20:,.0f} MiB are available: raise --min-count, set --max-vocab or lower --dim."
        )


def _shortage_of_room(directory: Path, vocabulary: int, settings: Settings) -> str | None:
    """Refuse when the model cannot fit on the disk; a warning when checkpoints may not."""
    needed, free = _parameter_bytes(vocabulary, settings.dim), shutil.disk_usage(directory).free
    if needed > free:
        raise InputError(
            f"A model of {vocabulary:,} words at dim {settings.dim} takes {needed / 2**20:,.1f} MiB on the disk, but "
            f"only {free / 2**20:,.1f} MiB are free at {directory}: free some, choose another place with -o, or lower "
            "--dim."
        )
    if 2 * needed > free:  # two checkpoints while training, one and the model at the end
        return (
            f"Checkpoints and model together take up to {2 * needed / 2**20:,.1f} MiB on the disk, but only "
            f"{free / 2**20:,.1f} MiB are free at {directory}: free some, or checkpoints will fail."
        )
    return None


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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None and not isinstance(error, KeyboardInterrupt):
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
            self._compile_kernel()
        self.seconds = time.perf_counter() - started

    def _compile_kernel(self) -> None:
        stream = np.array([0, 1, -1], np.int32)
        stream.flags.writeable = False  # as the token file is mapped: another type to the compiler
        settings = self._settings.model_copy(update={"unique": False, "threads": 1}).with_rounds(2, 2)
        _trainer_for(settings)(stream, 2, np.array([1, 1]), settings).compile()


def _new_trainer(encoded: EncodedCorpus, settings: Settings) -> "BaseTrainer":
    return _trainer_for(settings)(encoded.stream, encoded.token_count, encoded.vocabulary.counts, settings)


def _trainer_for(settings: Settings) -> "type[BaseTrainer]":
    # numba: only when it is needed
    if settings.deterministic:
        from nce_train.training.rounds import RoundTrainer

        return RoundTrainer
    from nce_train.training.trainer import Trainer

    return Trainer


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
