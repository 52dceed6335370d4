"""When a session writes its checkpoints, and how an interrupted run goes on from them."""

import contextlib
import os
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nce_train.runs.checkpoint import checksum, states, write_checkpoint
from nce_train.runs.early_stopping import EarlyStopping
from nce_train.runs.model_directory import VOCABULARY
from nce_train.text.corpus import EncodedCorpus
from nce_train.training.settings import parse_interval

if TYPE_CHECKING:
    from nce_train.runs.run import Session
    from nce_train.training.trainer import BaseTrainer

RETRY_SECONDS = 60.0  # after a checkpoint that could not be written


class Checkpoints:
    """Writes the checkpoints of a session when they are due; a full disk costs a warning and a later try."""

    def __init__(
        self, session: "Session", encoded: EncodedCorpus, trainer: "BaseTrainer", stopping: EarlyStopping | None
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
        self._session.record["stream"] = checksum_of(self._encoded)

    def _wait(self) -> None:
        self._due_at_time = time.monotonic() + self._seconds
        self._due_at_tokens = self._trainer.totals.tokens + self._tokens


@contextlib.contextmanager
def way_on_told(output: Path, checkpoints: Path) -> Iterator[None]:
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
    return f"{sentence}; go on from the last checkpoint{where} with: {resume_command(checkpoints.parent)}"


def resume_command(output: Path) -> str:
    """The command that goes on with an interrupted run."""
    return f"nce-train --resume {shlex.quote(os.fspath(output))}"


def checksum_of(encoded: EncodedCorpus) -> int:
    """The checksum of a corpus's ids."""
    return checksum(encoded.stream) if encoded.checksum is None else encoded.checksum
