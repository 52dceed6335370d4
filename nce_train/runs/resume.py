"""Resuming an interrupted run, from its newest whole checkpoint or, without one, from the beginning."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nce_train.errors import InputError
from nce_train.mapped_files import map_npy
from nce_train.memory import MemoryGauge
from nce_train.model_files import MANIFEST, VOCABULARY
from nce_train.runs.checkpoints import checksum_of, kept_for_resume
from nce_train.runs.context import RunContext
from nce_train.runs.early_stopping import EarlyStopping
from nce_train.runs.finish import TrainedModel
from nce_train.runs.inputs import check_same_heldout, find_corpus
from nce_train.runs.limits import refuse_without_memory
from nce_train.runs.model_directory import claim_interrupted
from nce_train.runs.protocols import Executor, Hooks, Watcher
from nce_train.runs.read_corpus import ReadCorpus, compiled_trainer, read_corpus, with_ngram_rows
from nce_train.runs.record import RunRecord, changed_settings, read_record
from nce_train.runs.run import train_and_save, train_from_beginning
from nce_train.runs.state_file import Checkpoint, checksum, newest_checkpoint
from nce_train.runs.timings import Timings
from nce_train.runs.warm_start import FindStart, same_start
from nce_train.text.corpus import TOKEN_FILE, EncodedCorpus, TextSize
from nce_train.text.sources import Corpus
from nce_train.text.vocabulary import Vocabulary
from nce_train.training.settings import Settings

if TYPE_CHECKING:
    from nce_train.training.trainer import Trainer


def resume_model(
    output: Path,
    changes: Mapping[str, Any],
    watcher: Watcher,
    *,
    corpus: Corpus | None = None,
    cache: bool = True,
    keep_checkpoint: bool = False,
    hooks: Hooks,
    find_start: FindStart,
    cluster: Executor | None = None,
) -> TrainedModel:
    """Resume the interrupted run in a model directory.

    `changes` are settings that differ from those of the run; `record.CHANGEABLE` may. `corpus`, if given, must be that
    of the run. `find_start` is needed for a run with a warm start that has no checkpoint, or whose ids are damaged.
    Everything else is as in `train_model`.

    Raises
    ------
    InputError
        When there is nothing to resume, or corpus, vocabulary or settings do not fit it.
    RunError, KeyboardInterrupt
        See `train_model`.
    """
    with contextlib.closing(claim_interrupted(output)) as claimed, kept_for_resume(claimed):
        checkpoint = _newest_whole_checkpoint(output, claimed.run_directory, watcher)
        kept = None if checkpoint is None else checkpoint.run
        record = read_record(claimed.run_directory) if kept is None else RunRecord.from_dict(kept, output)
        settings = changed_settings(record, changes, output)
        if cluster is not None and not settings.deterministic:
            raise InputError(f"The run in {output} is not one in rounds: resume it without --cluster.")
        check_same_heldout(record)
        warnings: list[str] = []
        found_corpus = find_corpus(record, corpus, settings, output, warnings.append)
        record.config = settings.model_dump()
        record.cache = record.cache and cache
        record.keep_checkpoint = record.keep_checkpoint or keep_checkpoint
        context = RunContext(output, claimed.run_directory, record, Timings(record.timings), watcher, hooks, cluster)
        if checkpoint is not None:
            return _go_on(context, settings, checkpoint.arrays, found_corpus, warnings, find_start)
        if found_corpus is None:
            why = warnings[0] if warnings else "The corpus was standard input or came from Python"
            raise InputError(f"The run in {output} has no whole checkpoint to resume from. {why}: start anew.")
        watcher.note("There is no whole checkpoint: the run starts from the beginning.")
        start = None if record.start is None else same_start(record.start, find_start)
        return train_from_beginning(context, found_corpus, settings, start)


def _newest_whole_checkpoint(output: Path, directory: Path, watcher: Watcher) -> Checkpoint | None:
    """The newest whole checkpoint, if there is one; damaged ones are removed."""
    checkpoint, damaged = newest_checkpoint(directory)
    if checkpoint is None and damaged and (output / MANIFEST).exists():
        raise InputError(
            f"The checkpoint {damaged[0]} is damaged, and no other is whole; the model in {output} stays as it is: "
            "start anew with --overwrite."
        )
    for path in damaged:
        watcher.note(f"{path} is damaged and is removed.")
        path.unlink(missing_ok=True)
    return checkpoint


def _go_on(
    context: RunContext,
    settings: Settings,
    state: Mapping[str, np.ndarray],
    corpus: Corpus | None,
    warnings: list[str],
    find_start: FindStart,
) -> TrainedModel:
    """Train on from a state; the corpus, about which there are `warnings`, is read only if its ids are not kept."""
    evaluate = context.hooks.evaluation_for(settings)
    with MemoryGauge() as gauge:
        kept = _kept_encoding(context, settings)
        if kept is None:
            read = _encode_again(context, settings, corpus, find_start)
        else:
            read = with_ngram_rows(kept, settings)
            for warning in warnings:
                context.watcher.note(f"{warning}; the ids kept of it are used.")
        refuse_without_memory(read.sizes, settings, context.cluster)
        trainer = compiled_trainer(context, read)
        try:
            trainer.restore(state)
        except (KeyError, ValueError):
            raise InputError(
                f"The checkpoint in {context.output} is of another version of nce-train: resume it with that, or "
                "start anew."
            ) from None
        _refuse_finished(context, settings, trainer)
        context.watcher.resumed(trainer.totals.blocks, trainer.progress())
        if context.hooks.resumed is not None:
            context.hooks.resumed(trainer.totals.blocks)
        return train_and_save(context, settings, read.encoded, trainer, evaluate, gauge)


def _refuse_finished(context: RunContext, settings: Settings, trainer: "Trainer") -> None:
    """Refuse a run with nothing left to train; end one that was to end early and has not been saved."""
    record, output = context.record, context.output
    if not _is_saved(record.id, trainer, output):
        if record.stopped_early is not None:
            trainer.end_early()
        return
    if trainer.finished:
        raise InputError(f"The model in {output} is finished, nothing is left to resume: --epochs gives it more.")
    stopping = EarlyStopping(settings.patience, context.directory, record.heldout["looks"], context.watcher.note)
    if stopping.out_of_patience:
        raise InputError(
            f"The model in {output} is finished, its --patience was out after epoch {stopping.last_epoch}: more "
            "epochs do not change that; train anew with a larger one."
        )
    record.stopped_early = None  # it is to be trained further than its callback let it


def _is_saved(run: str, trainer: "Trainer", output: Path | None) -> bool:
    """Whether the model at the output is what this run has come to, not an older one."""
    if output is None:
        return False
    try:
        manifest = json.loads((output / MANIFEST).read_text(encoding="utf-8"))
        return bool(manifest["run"] == run and manifest["steps"] == trainer.totals.blocks)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _kept_encoding(context: RunContext, settings: Settings) -> EncodedCorpus | None:
    """The ids and the vocabulary that lie beside the checkpoint; None when they are not whole."""
    record, path = context.record, context.directory / TOKEN_FILE
    if context.cluster is not None:  # its workers have their own
        return None
    try:
        vocabulary = Vocabulary.load(context.directory / VOCABULARY, unknown=settings.unknown)
        stream = map_npy(path)
    except (OSError, ValueError, EOFError):
        return None
    if stream.dtype != np.int32 or stream.ndim != 1 or not _is_the_runs(record, vocabulary, checksum(stream)):
        return None
    sources = [{name: source[name] for name in ("name", "bytes", "sha256")} for source in record.sources]
    assert record.tokens is not None
    timings = {"vocabulary": 0.0, "encode": 0.0}
    text = TextSize(None, record.tokens) if record.text is None else TextSize(**record.text)  # None: an older version
    return EncodedCorpus(vocabulary, stream, path, record.tokens, text, sources, timings, True, [])


def _encode_again(context: RunContext, settings: Settings, corpus: Corpus | None, find_start: FindStart) -> ReadCorpus:
    if corpus is None:
        raise InputError(
            f"The ids of the corpus, {context.directory / TOKEN_FILE}, are missing or damaged, and so is the corpus: "
            "the run cannot go on."
        )
    record = context.record
    continues = record.start is not None and record.start["how"] == "continue"  # the words of the model are needed
    read = read_corpus(
        corpus,
        settings,
        context.directory,
        context.watcher,
        cache=record.cache,
        start=same_start(record.start, find_start) if record.start is not None and continues else None,
        cluster=context.cluster,
    )
    if not _is_the_runs(record, read.encoded.vocabulary, checksum_of(read.encoded)):
        raise InputError(
            f"The corpus gives other ids than when the run in {context.output} began: put the old one back, resume the "
            "run with the version of nce-train that began it (others may divide text into words in another way), or "
            "start anew with --overwrite."
        )
    return read


def _is_the_runs(record: RunRecord, vocabulary: Vocabulary, stream: int) -> bool:
    return vocabulary.fingerprint == record.vocabulary and stream == record.stream
