"""The end of a run: the parameters are chosen and saved, and the results are shown."""

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nce_train.memory import MemoryGauge
from nce_train.model_files import BIAS, INPUT, NGRAM_BUCKETS, NGRAMS, OUTPUT, RUN
from nce_train.runs.checkpoints import Checkpoints
from nce_train.runs.context import RunContext
from nce_train.runs.early_stopping import EarlyStopping
from nce_train.runs.limits import refuse_without_pairs
from nce_train.runs.manifest import manifest_of
from nce_train.runs.model_directory import save_model
from nce_train.runs.protocols import EvaluateVectors
from nce_train.runs.state_file import remove_checkpoint_files
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
        Word vectors and class weights.
    bias : float32 [vocabulary]
    ngrams : float32 [n, dim], or None without sub-words
    ngram_buckets : int32 [n], or None
        The bucket that each row of `ngrams` stands for.
    manifest : dict
        See the model directory's `manifest.json`.
    """

    vocabulary: Vocabulary
    input: np.ndarray
    output: np.ndarray
    bias: np.ndarray
    ngrams: np.ndarray | None
    ngram_buckets: np.ndarray | None
    manifest: dict[str, Any]

    def files(self) -> dict[str, np.ndarray]:
        """The arrays by the names of their files."""
        arrays = {INPUT: self.input, OUTPUT: self.output, BIAS: self.bias}
        if self.ngrams is not None and self.ngram_buckets is not None:
            arrays |= {NGRAMS: self.ngrams, NGRAM_BUCKETS: self.ngram_buckets}
        return arrays


def save_trained(
    context: RunContext,
    settings: Settings,
    encoded: EncodedCorpus,
    trainer: "Trainer",
    trained: "Trained",
    stopping: EarlyStopping | None,
    checkpoints: Checkpoints | None,
    gauge: MemoryGauge,
) -> TrainedModel:
    """Choose the parameters and save the model.

    Raises OSError when it cannot be written; with `checkpoints`, what was trained can be saved as a checkpoint then.
    """
    refuse_without_pairs(trained.totals.pairs, settings)
    if stopping is not None:
        if checkpoints is not None and stopping.best_is_earlier:
            checkpoints.save()  # which needs the last parameters, until the model is saved
        has_best = not stopping.best_is_earlier or stopping.take_best(trainer.state())
        if has_best and (summary := stopping.summary()):
            context.watcher.note(summary)
    tables, dim, words = trained.tables, settings.dim, len(encoded.vocabulary)
    ngrams, buckets = (None, None) if trainer.ngrams is None else (tables.input[words:, :dim], trainer.ngrams.buckets)
    model = TrainedModel(
        encoded.vocabulary, trainer.word_vectors(), tables.output[:, :dim], tables.bias, ngrams, buckets, manifest={}
    )
    return dataclasses.replace(model, manifest=_save(context, settings, encoded, trained, model.files(), gauge))


def show_results(
    context: RunContext, model: TrainedModel, stopping: EarlyStopping | None, evaluate: EvaluateVectors | None
) -> None:
    """Evaluate the model, if its parameters are not the last ones, and hand it on."""
    if evaluate is not None and stopping is not None and stopping.taken_epoch is not None:
        context.watcher.evaluated_best(stopping.taken_epoch, evaluate(model.vocabulary, model.input))
    if context.hooks.saved is not None:
        context.hooks.saved(model)
    context.watcher.finished(model.manifest)


def _save(
    context: RunContext,
    settings: Settings,
    encoded: EncodedCorpus,
    trained: "Trained",
    parameters: Mapping[str, np.ndarray],
    gauge: MemoryGauge,
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
    complete = save_model(context.output, parameters, encoded.vocabulary, settings.to_yaml(), readings, manifest)
    if not context.record.keep_checkpoint:
        remove_checkpoint_files(directory)
        (directory / RUN).unlink(missing_ok=True)
    return complete
