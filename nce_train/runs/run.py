"""A whole training run: text to ids, ids to parameters, parameters to a model directory.

`train_model` is what the command line and `nce_train.train` call, `resume_model` goes on with an interrupted run. They
tell a `Watcher` what goes on; the library itself prints nothing.
"""

import contextlib
import dataclasses
import functools
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nce_train.errors import InputError, LostError, RunError
from nce_train.memory import MemoryGauge
from nce_train.runs import run_record
from nce_train.runs.checkpoint import RUN, checksum, newest_checkpoint, remove_states, states
from nce_train.runs.checkpointing import Checkpoints, checksum_of, resume_command, way_on_told
from nce_train.runs.early_stopping import EarlyStopping, Heldout
from nce_train.runs.evaluations import Evaluations, Report
from nce_train.runs.executor import Executor
from nce_train.runs.interruption import FirstSignal
from nce_train.runs.limits import refuse_without_memory, refuse_without_pairs
from nce_train.runs.manifest import manifest_of
from nce_train.runs.model_directory import MANIFEST, METRICS, VOCABULARY, claim, claim_interrupted, save_model
from nce_train.runs.preparation import CompileMeanwhile, check_heldout, encode, new_trainer, told_when_long
from nce_train.runs.warm_start import FindStart, WarmStart, found_again, provenance
from nce_train.runs.watcher import Watcher
from nce_train.text.corpus import TOKEN_FILE, EncodedCorpus
from nce_train.text.sources import Corpus
from nce_train.text.vocabulary import Vocabulary
from nce_train.training.readings import Callback, MetricsFile, Reading, TrainingState
from nce_train.training.settings import Settings

if TYPE_CHECKING:
    from nce_train.training.trainer import BaseTrainer, Trained


# Given a held-out text, the vocabulary and the settings: what can be measured on it
ReadHeldout = Callable[[str, Vocabulary, Settings], Heldout]
# Given the paths of evaluation sets, which it reads at once: what measures the input embeddings of a vocabulary
Evaluation = Callable[[list[str]], Callable[[Vocabulary, np.ndarray], Report]]


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
    check_heldout(corpus, settings, watcher)
    record = run_record.new_record(corpus, settings)
    record["start"] = None if start is None else start.record
    record["cache"] = cache
    hooks = _Hooks(heldout, evaluation, callback)
    if output is None:
        with tempfile.TemporaryDirectory(prefix="nce-train-") as scratch:
            session = Session(record, settings, None, Path(scratch), watcher, False, hooks, cluster)
            return session.train_anew(corpus, cache, start)
    with contextlib.closing(claim(output, overwrite)) as claimed, way_on_told(output, claimed.checkpoint):
        session = Session(record, settings, output, claimed.checkpoint, watcher, keep_checkpoint, hooks, cluster)
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
    with contextlib.closing(claim_interrupted(output)) as claimed, way_on_told(output, claimed.checkpoint):
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
        doubts: list[str] = []
        corpus_found = run_record.find_corpus(record, corpus, settings, output, doubts.append)
        keep = keep_checkpoint or bool(record.get("keep_checkpoint"))
        cache = cache and bool(record.get("cache", True))
        hooks = _Hooks(heldout, evaluation, callback)
        session = Session(record, settings, output, claimed.checkpoint, watcher, keep, hooks, cluster)
        if checkpoint is not None:
            for doubt in doubts:
                watcher.note(f"{doubt}; the ids kept of it are used.")
            return session.go_on(checkpoint.arrays, corpus_found, cache, find_start)
        if corpus_found is None:
            why = doubts[0] if doubts else "The corpus was standard input or came from Python"
            raise InputError(f"The run in {output} has no whole checkpoint to go on from. {why}: start anew.")
        watcher.note("There is no whole checkpoint: the run starts from the beginning.")
        before = record.get("start")
        return session.train_anew(corpus_found, cache, None if before is None else found_again(before, find_start))


@dataclass(frozen=True)
class _Hooks:
    """What other rooms have a run do; see `train_model`."""

    heldout: ReadHeldout | None
    evaluation: Evaluation | None
    callback: Callback | None


class Session:
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
            with CompileMeanwhile(self.settings) as kernel:

                def scanning(done: int, total: int | None, phase: str) -> None:
                    kernel.start()
                    self.watcher.scanning(done, total, phase)

                encoded = encode(
                    corpus, self.settings, self.directory, self.watcher, scanning, cache, start, self._cluster
                )
                kernel.wait(self.watcher.compiling)
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
            refuse_without_memory(len(encoded.vocabulary), self.settings, self._cluster)
            trainer = self._new_trainer(encoded)
            try:
                trainer.restore(state)
            except (KeyError, ValueError):
                raise InputError(
                    f"The checkpoint in {self.output} is of another version of nce-train: resume it with that, or "
                    "start anew."
                ) from None
            is_saved = self._is_saved(trainer)
            if trainer.finished and is_saved:
                raise InputError(
                    f"The model in {self.output} is finished, nothing is left to resume: --epochs gives it more."
                )
            if is_saved:  # it is to be trained further than its callback let it
                self.record.pop("stopped_early", None)
            elif self.record.get("stopped_early") is not None:
                self._stopped_early = self.record["stopped_early"]
                trainer.end_early()
            self.watcher.resumed(trainer.totals.blocks, trainer.progress())
            return self._train(encoded, trainer, gauge)

    def _is_saved(self, trainer: "BaseTrainer") -> bool:
        """Whether the model at the output is what this run has come to, not an older one."""
        if self.output is None:
            return False
        try:
            manifest = json.loads((self.output / MANIFEST).read_text(encoding="utf-8"))
            return bool(manifest["run"] == self.record["id"] and manifest["steps"] == trainer.totals.blocks)
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
        encoded = encode(corpus, self.settings, self.directory, self.watcher, scanning, cache, start, self._cluster)
        if not self._is_the_runs(encoded.vocabulary, checksum_of(encoded)):
            raise InputError(
                f"The corpus gives other ids than when the run in {self.output} began: put the old one back, or start "
                "anew with --overwrite."
            )
        return encoded

    def _is_the_runs(self, vocabulary: Vocabulary, stream: int) -> bool:
        return bool(vocabulary.fingerprint == self.record["vocabulary"] and stream == self.record["stream"])

    def _new_trainer(self, encoded: EncodedCorpus) -> "BaseTrainer":
        started = time.perf_counter()
        if self._cluster is None:
            trainer = new_trainer(encoded, self.settings)
            with told_when_long(self.watcher.compiling):
                trainer.compile()
        else:  # whose time goes to sending parameters too
            trainer = self._cluster.trainer(encoded, self.settings)
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
        if stopping is not None and stopping.out_of_patience and self._is_saved(trainer):
            raise InputError(
                f"The model in {self.output} is finished, its --patience was out after epoch "
                f"{stopping.looks[-1]['epoch']}: more epochs do not change that; train anew with a larger one."
            )
        checkpoints = Checkpoints(self, encoded, trainer, stopping)

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
        run = functools.partial(trainer.run, *hooks)
        if self.output is None:
            with contextlib.closing(metrics):
                trained = run()
            return self._finish(encoded, trained, trainer, stopping, gauge)
        with FirstSignal(trainer.stop) as first:
            with contextlib.closing(metrics):
                trained = self._run_with_checkpoints(run, trainer, checkpoints, first)
            model = self._finish(encoded, trained, trainer, stopping, gauge)
            if first.received is not None:
                first.pass_on(f"interrupted when all was done: the model in {self.output} is whole")
        return model

    def _finish(
        self,
        encoded: EncodedCorpus,
        trained: "Trained",
        trainer: "BaseTrainer",
        stopping: EarlyStopping | None,
        gauge: MemoryGauge,
    ) -> TrainedModel:
        """Choose the parameters and save what there is."""
        if self._callback_failure is not None:
            raise self._callback_failure
        refuse_without_pairs(trained.totals.pairs, self.settings)
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
                self._stopped_early = self.record["stopped_early"] = "callback"
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
        self,
        run: Callable[[], "Trained"],
        trainer: "BaseTrainer",
        checkpoints: "Checkpoints",
        first: FirstSignal,
    ) -> "Trained":
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
        elif not trainer.finished:
            checkpoints.save()
            first.pass_on(checkpoints.way_on())
        elif self.keep_checkpoint:
            checkpoints.save()
        return trained

    def _save(self, encoded: EncodedCorpus, trained: "Trained", gauge: MemoryGauge) -> TrainedModel:
        save_started = time.perf_counter()
        self.timings["train"] = trained.seconds
        tables = trained.tables

        def manifest() -> dict[str, Any]:
            self.timings["save"] += time.perf_counter() - save_started
            timings = self.timings_now()
            complete = manifest_of(encoded, self.settings, trained, timings, gauge.peak())
            return {
                **complete,
                "run": self.record["id"],
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
                    what_stays = f"go on from the last checkpoint with: {resume_command(self.output)}"
                raise RunError(
                    f"The model cannot be written to {self.output}: {error.strerror}; mend this and {what_stays}."
                ) from None
            if not self.keep_checkpoint:
                remove_states(self.directory)
                (self.directory / RUN).unlink(missing_ok=True)
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
