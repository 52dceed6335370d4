"""When a run writes its checkpoints, and how it can be resumed."""

import contextlib
import os
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

from nce_train.errors import DivergedError, InputError
from nce_train.files import sync_file
from nce_train.model_files import METRICS, VOCABULARY
from nce_train.runs.context import RunContext
from nce_train.runs.early_stopping import EarlyStopping
from nce_train.runs.model_directory import Claim
from nce_train.runs.state_file import checkpoint_files, checksum, write_checkpoint
from nce_train.text.corpus import EncodedCorpus
from nce_train.training.observers import Observer, Pause
from nce_train.training.setting_types import parse_interval
from nce_train.training.trainer import Trainer

RETRY_SECONDS = 60.0  # after a checkpoint that could not be written


class Checkpoints(Observer):
    """Writes checkpoints at the interval `checkpoint_every`. A full disk costs a warning, and it tries again later."""

    def __init__(
        self,
        context: RunContext,
        encoded: EncodedCorpus,
        trainer: Trainer,
        stopping: EarlyStopping | None,
        interval: str,
    ) -> None:
        self._context = context
        self._encoded = encoded
        self._trainer = trainer
        self._stopping = stopping
        self._seconds, self._tokens = parse_interval(interval)
        self._failure = ""  # why the last one could not be written
        self._reached = ""  # how far the run had come at the last one of this session
        self._wait()

    def wants_pause(self) -> bool:
        """Whether a checkpoint is due."""
        return time.monotonic() >= self._due_at_time and self._trainer.totals.tokens >= self._due_at_tokens

    def on_pause(self, pause: Pause) -> None:
        """Write a checkpoint if it is due. When training ends, the run itself decides."""
        if not (pause.finished or pause.stopped) and self.wants_pause():
            self.save(is_last=False)

    def save(self, is_last: bool = True) -> None:
        """Write a checkpoint, or warn; `is_last` when training has ended."""
        if self._stopping is not None and self._stopping.taken_epoch is not None:
            return  # the parameters are those of an earlier epoch; a checkpoint of the last ones was written before
        self._trainer.check()
        context = self._context
        try:
            if context.record.stream is None:
                self._keep_ids()
            context.record.timings = context.timings.now(self._trainer.seconds)
            with context.timings.measure("checkpoints"):
                write_checkpoint(
                    context.directory, context.record.as_dict(), self._trainer.state(), context.watcher.saving
                )
            if self._stopping is not None:
                self._stopping.checkpoint_written()
            now = self._trainer.now()
            self._failure = ""
            self._reached = f"{self._trainer.progress():.0%}: epoch {now.epoch + 1}, {now.tokens:,} tokens"
            self._wait()
        except OSError as error:
            self._failure = error.strerror or str(error)
            what_follows = "." if is_last else "; training goes on, and it is tried again later."
            context.watcher.note(
                f"The checkpoint could not be written to {context.directory} ({self._failure}){what_follows}"
            )
            self._due_at_time = time.monotonic() + min(RETRY_SECONDS, self._seconds or RETRY_SECONDS)
            self._due_at_tokens = 0

    def resume_hint(self, what_happened: str = "interrupted") -> str:
        """What happened to the run, and how to resume it."""
        if self._failure:
            newer = "newer " if checkpoint_files(self._context.directory) else ""
            what_happened += f", and no {newer}checkpoint could be written ({self._failure})"
        is_known = self._context.record.corpus is not None
        return resume_hint(self._context.directory, what_happened, self._reached, can_begin_anew=is_known)

    def _keep_ids(self) -> None:
        """Make sure that ids and vocabulary are on the disk before a checkpoint relies on them."""
        if self._encoded.checksum is None:
            with open(self._encoded.path, "rb") as file:
                sync_file(file)
        self._encoded.vocabulary.save(self._context.directory / VOCABULARY)
        self._context.record.stream = checksum_of(self._encoded)

    def _wait(self) -> None:
        self._due_at_time = time.monotonic() + self._seconds
        self._due_at_tokens = self._trainer.totals.tokens + self._tokens


@contextlib.contextmanager
def kept_for_resume(claimed: Claim) -> Iterator[None]:
    """Keep what a run has at its output when it ends before it is finished, and have its KeyboardInterrupt say so.

    A run is kept once it has begun to train. One that would end in the same way again is not.
    """
    try:
        yield
    except (InputError, DivergedError):
        raise
    except BaseException as error:
        has_trained = (claimed.run_directory / METRICS).exists()
        claimed.goes_on = claimed.goes_on or has_trained
        if isinstance(error, KeyboardInterrupt) and not error.args and has_trained:
            error.args = (resume_hint(claimed.run_directory, "interrupted"),)
        raise


def resume_hint(checkpoints: Path, what_happened: str, reached: str = "", can_begin_anew: bool = True) -> str:
    """What happened to a run with this directory, and how to resume it; `reached` is how far its checkpoint is.

    A run whose corpus was standard input, or came from Python, cannot begin anew by itself.
    """
    command = f"nce-train --resume {shlex.quote(os.fspath(checkpoints.parent))}"
    if not checkpoint_files(checkpoints) and not can_begin_anew:
        return f"{what_happened}; without a checkpoint nothing can be resumed"
    if not checkpoint_files(checkpoints):
        return f"{what_happened}; without a checkpoint it begins anew with: {command}"
    where = f" ({reached})" if reached else ""
    return f"{what_happened}; resume from the last checkpoint{where} with: {command}"


def checksum_of(encoded: EncodedCorpus) -> int:
    """The checksum of a corpus's ids."""
    return checksum(encoded.stream) if encoded.checksum is None else encoded.checksum
