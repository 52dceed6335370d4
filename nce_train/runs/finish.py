"""The end of a run: the parameters are chosen and saved."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nce_train.errors import RunError
from nce_train.memory import MemoryGauge
from nce_train.model_files import RUN
from nce_train.runs.checkpoints import resume_command
from nce_train.runs.context import RunContext
from nce_train.runs.early_stopping import EarlyStopping
from nce_train.runs.limits import refuse_without_pairs
from nce_train.runs.manifest import manifest_of
from nce_train.runs.model_directory import save_model
from nce_train.runs.protocols import EvaluateVectors
from nce_train.runs.run_log import RunLog
from nce_train.runs.state_file import checkpoint_files, remove_checkpoint_files
from nce_train.text.corpus import EncodedCorpus
from nce_train.text.vocabulary import Vocabulary
from nce_train.training.settings import Settings

if TYPE_CHECKING:
    from nce_train.training.trainer import Trained, Trainer


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


def finish_run(
    context: RunContext,
    settings: Settings,
    encoded: EncodedCorpus,
    trainer: "Trainer",
    log: RunLog,
    stopping: EarlyStopping | None,
    evaluate: EvaluateVectors | None,
    gauge: MemoryGauge,
    trained: "Trained",
) -> TrainedModel:
    """Choose the parameters and save the model; raises what the callback raised."""
    if log.callback_failure is not None:
        raise log.callback_failure
    refuse_without_pairs(trained.totals.pairs, settings)
    if stopping is not None:
        _take_best(context, stopping, encoded.vocabulary, trainer, evaluate)
    manifest = _save(context, settings, encoded, trained, gauge)
    context.watcher.finished(manifest)
    tables, dim = trained.tables, settings.dim
    return TrainedModel(encoded.vocabulary, tables.input[:, :dim], tables.output[:, :dim], tables.bias, manifest)


def _take_best(
    context: RunContext,
    stopping: EarlyStopping,
    vocabulary: Vocabulary,
    trainer: "Trainer",
    evaluate: EvaluateVectors | None,
) -> None:
    """Give the model the best parameters, and say which these are."""
    are_others = stopping.take_best(trainer.state())
    if summary := stopping.summary():
        context.watcher.note(summary)
    if are_others and stopping.best is not None and evaluate is not None:
        with context.timings.measure("evaluation"):
            report = evaluate(vocabulary, trainer.state()["input"])
        context.watcher.evaluated_best(stopping.best["epoch"], report)


def _save(
    context: RunContext, settings: Settings, encoded: EncodedCorpus, trained: "Trained", gauge: MemoryGauge
) -> dict[str, Any]:
    """Write the model directory, if there is one, and return the manifest."""
    started = time.perf_counter()

    def manifest() -> dict[str, Any]:
        context.timings.add("save", time.perf_counter() - started)
        timings = context.timings.now(trained.seconds)
        return manifest_of(context.record, encoded, settings, trained, timings, gauge.peak())

    if context.output is None:
        return manifest()
    directory = context.directory
    remove_checkpoint_files(directory, but=1)
    readings = context.record.readings
    try:
        complete = save_model(
            context.output, trained.tables, settings.dim, encoded.vocabulary, settings.to_yaml(), readings, manifest
        )
    except OSError as error:
        what_stays = "train again (a model that was there is unchanged)"
        if checkpoint_files(directory):
            what_stays = f"resume from the last checkpoint with: {resume_command(context.output)}"
        raise RunError(
            f"The model cannot be written to {context.output}: {error.strerror}; fix this and {what_stays}."
        ) from None
    if not context.record.keep_checkpoint:
        remove_checkpoint_files(directory)
        (directory / RUN).unlink(missing_ok=True)
    return complete
