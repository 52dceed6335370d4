"""A whole training run: text to ids, ids to parameters, parameters to a model directory.

`train_model` begins a run; `nce_train.runs.resume` resumes an interrupted one. Both end in `train_and_save`.
"""

import contextlib
import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nce_train.errors import DivergedError, LostError, NceTrainError, RunError
from nce_train.memory import MemoryGauge
from nce_train.runs.checkpoints import Checkpoints, kept_for_resume
from nce_train.runs.context import RunContext
from nce_train.runs.early_stopping import EarlyStopping, HeldoutLosses
from nce_train.runs.evaluations import Evaluations
from nce_train.runs.finish import TrainedModel, save_trained, show_results
from nce_train.runs.inputs import check_heldout, new_record
from nce_train.runs.model_directory import claim
from nce_train.runs.protocols import EvaluateVectors, Executor, Hooks, Watcher
from nce_train.runs.read_corpus import compiled_trainer, read_and_compile
from nce_train.runs.run_log import RunLog
from nce_train.runs.signals import FirstSignal
from nce_train.runs.state_file import checkpoint_files, remove_checkpoint_files
from nce_train.runs.timings import Timings
from nce_train.runs.warm_start import WarmStart
from nce_train.text.corpus import EncodedCorpus
from nce_train.text.sources import Corpus
from nce_train.text.vocabulary import Vocabulary
from nce_train.training.observers import Observer
from nce_train.training.settings import Settings

if TYPE_CHECKING:
    from nce_train.training.trainer import Trained, Trainer


def train_model(
    corpus: Corpus,
    settings: Settings,
    output: Path | None,
    watcher: Watcher,
    *,
    overwrite: bool = False,
    cache: bool = True,
    keep_checkpoint: bool = False,
    hooks: Hooks,
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
    hooks : Hooks
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
        Whatever the callback raised.
    KeyboardInterrupt
        After Ctrl-C, with a sentence that says how to resume, if there is a checkpoint.
    """
    settings = settings.resolved()
    if warning := check_heldout(corpus, settings):
        watcher.note(warning)
    record = new_record(corpus, settings, cache=cache, keep_checkpoint=keep_checkpoint)
    with _place_for(output, overwrite) as directory:
        context = RunContext(output, directory, record, Timings({}), watcher, hooks, cluster)
        return train_from_beginning(context, corpus, settings, start)


@contextlib.contextmanager
def _place_for(output: Path | None, overwrite: bool) -> Iterator[Path]:
    """The directory for the token file and the checkpoints of a run that begins."""
    if output is None:
        with tempfile.TemporaryDirectory(prefix="nce-train-") as scratch:
            yield Path(scratch)
    else:
        with contextlib.closing(claim(output, overwrite)) as claimed, kept_for_resume(claimed):
            yield claimed.run_directory


def train_from_beginning(
    context: RunContext, corpus: Corpus, settings: Settings, start: WarmStart | None
) -> TrainedModel:
    """Read, compile, train and save."""
    evaluate = context.hooks.evaluation_for(settings)
    context.record.start = None if start is None else start.record
    if context.output is not None:
        context.record.write(context.directory)
    with MemoryGauge() as gauge:
        read = read_and_compile(context, corpus, settings, start)
        encoded, settings = read.encoded, read.settings
        remove_checkpoint_files(context.directory)  # of a run that this one replaces
        context.record.add_encoded(encoded)
        vocabulary, token_count = encoded.vocabulary, encoded.token_count
        for warning in settings.warnings(len(vocabulary), token_count):
            context.watcher.note(warning)
        if start is not None:
            settings = start.with_lr(settings, token_count)
        context.record.config = settings.model_dump()
        trainer = compiled_trainer(context, read._replace(settings=settings))
        if start is not None:
            start.fill_trainer(trainer, vocabulary)
            context.watcher.note(start.summary())
        return train_and_save(context, settings, encoded, trainer, evaluate, gauge)


def train_and_save(
    context: RunContext,
    settings: Settings,
    encoded: EncodedCorpus,
    trainer: "Trainer",
    evaluate: EvaluateVectors | None,
    gauge: MemoryGauge,
) -> TrainedModel:
    """Train to the end, choose the parameters, and save the model.

    `settings` are without any `auto`; the trainer stands at the beginning, or where an earlier session stopped;
    `evaluate` is what `Hooks.evaluation_for` returns.
    """
    log = RunLog(context, trainer, encoded.token_count * settings.epochs)
    stopping, observers = _observers(context, settings, encoded.vocabulary, trainer, log, evaluate)
    if context.output is None:
        with log:
            trained = trainer.run(observers)
        log.raise_callback_failure()
        model = save_trained(context, settings, encoded, trainer, trained, stopping, None, gauge)
        show_results(context, model, stopping, evaluate)
        return model
    checkpoints = Checkpoints(context, encoded, trainer, stopping, settings.checkpoint_every)
    with FirstSignal(trainer.stop) as first:
        with log, _checkpoint_at_failure(trainer, checkpoints, "training stopped"):
            trained = _train_with_checkpoints(trainer, [*observers, checkpoints], checkpoints, log, first, context)
        log.raise_callback_failure()
        with _checkpoint_at_failure(trainer, checkpoints, f"The model cannot be written to {context.output}"):
            model = save_trained(context, settings, encoded, trainer, trained, stopping, checkpoints, gauge)
        with _model_is_complete(context.output):
            show_results(context, model, stopping, evaluate)
        if first.received is not None:
            first.pass_on(f"interrupted when all was done: the model in {context.output} is complete")
    return model


@contextlib.contextmanager
def _checkpoint_at_failure(trainer: "Trainer", checkpoints: Checkpoints, what_failed: str) -> Iterator[None]:
    """When there is no memory or no room, leave a checkpoint and say how to resume."""
    try:
        yield
    except (MemoryError, OSError) as error:
        if not trainer.has_failed:
            checkpoints.save()
        raise RunError(f"{checkpoints.resume_hint(f'{what_failed} ({_reason(error)})')}.") from error


@contextlib.contextmanager
def _model_is_complete(output: Path) -> Iterator[None]:
    """Say in every failure that the model is complete."""
    try:
        yield
    except (NceTrainError, MemoryError, OSError) as error:
        raise RunError(f"The model in {output} is complete, but what follows failed: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    return (isinstance(error, OSError) and error.strerror) or str(error).rstrip(".")


def _observers(
    context: RunContext,
    settings: Settings,
    vocabulary: Vocabulary,
    trainer: "Trainer",
    log: RunLog,
    evaluate: EvaluateVectors | None,
) -> tuple[EarlyStopping | None, list[Observer]]:
    """Who follows the run, but for its checkpoints."""
    stopping = None
    observers: list[Observer] = [log]
    text, read_heldout = context.record.heldout["path"], context.hooks.heldout
    if text is not None and read_heldout is not None:
        losses = context.record.heldout["looks"]
        stopping = EarlyStopping(settings.patience, context.directory, losses, context.watcher.note)
        with context.timings.measure("heldout"):
            heldout = read_heldout(text, vocabulary, settings)
            measure = heldout.loss if context.cluster is None else context.cluster.measure(heldout)
        observers.append(HeldoutLosses(context, trainer, log, measure, stopping))
    if evaluate is not None and settings.eval_every is not None:
        measure_vectors = functools.partial(evaluate, vocabulary)
        observers.append(Evaluations(context, trainer, log, measure_vectors, settings.eval_every))
    return stopping, observers


def _train_with_checkpoints(
    trainer: "Trainer",
    observers: list[Observer],
    checkpoints: Checkpoints,
    log: RunLog,
    first: FirstSignal,
    context: RunContext,
) -> "Trained":
    """Train; when that does not come to its end, leave a checkpoint and say how to resume."""
    try:
        trained = trainer.run(observers)
    except LostError as error:
        checkpoints.save()
        raise RunError(checkpoints.resume_hint(str(error).rstrip("."))) from None
    except DivergedError as error:
        if kept := checkpoint_files(context.directory):
            raise RunError(f"{str(error).rstrip('.')}; the last good checkpoint stays: {kept[-1]}.") from None
        raise
    if log.callback_failure is not None:
        checkpoints.save()
        log.callback_failure.add_note(checkpoints.resume_hint())
    elif not trainer.finished:
        checkpoints.save()
        first.pass_on(checkpoints.resume_hint())
    elif context.record.keep_checkpoint:
        checkpoints.save()
    return trained
