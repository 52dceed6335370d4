"""Where the readings of a run go: its record, `metrics.jsonl`, the watcher, and the caller's callback."""

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterable
from typing import IO, Any

from nce_train.model_files import METRICS
from nce_train.names import readable
from nce_train.runs.context import RunContext
from nce_train.runs.protocols import Report
from nce_train.training.observers import Observer
from nce_train.training.readings import Reading, TrainingState
from nce_train.training.trainer import Trainer


class RunLog(Observer):
    """Hands on readings, held-out losses and evaluations; a context manager that closes `metrics.jsonl`.

    When the callback returns True, training is ended; when it raises, training is stopped, and it is not called again.
    """

    def __init__(self, context: RunContext, trainer: Trainer, total_tokens: int) -> None:
        self.callback_failure: BaseException | None = None  # what the callback raised
        self._record = context.record
        self._watcher = context.watcher
        self._callback = context.hooks.callback
        self._trainer = trainer
        self._total_tokens = total_tokens
        self._path = context.directory / METRICS

    def __enter__(self) -> "RunLog":
        self._metrics = MetricsFile(self._path, self._record.readings)
        return self

    def __exit__(self, *_: object) -> None:
        self._metrics.close()

    def on_reading(self, reading: Reading) -> None:
        """Hand on a reading."""
        self._add(reading.as_dict())
        self._watcher.reading(reading, self._trainer.progress())
        self._call_back(reading)

    def wants_pause(self) -> bool:
        """Never; but the watcher shows how far training is."""
        self._watcher.training(round(self._trainer.progress() * self._total_tokens), self._total_tokens)
        return False

    def raise_callback_failure(self) -> None:
        """Raise what the callback raised, if it did."""
        if self.callback_failure is not None:
            raise self.callback_failure

    def add_heldout(self, epoch: int, measured: dict[str, Any]) -> None:
        """Hand on the loss of the held-out text after an epoch."""
        self._add({"step": self._trainer.totals.blocks, "heldout": measured})
        self._watcher.heldout(epoch, measured["nce_loss"])
        self._call_back(self._trainer.now(), heldout=measured)

    def add_evaluation(self, report: Report) -> None:
        """Hand on an evaluation of the embeddings."""
        self._add({"step": self._trainer.totals.blocks, "evaluation": report})
        self._watcher.evaluated(self._trainer.totals.tokens, report)
        self._call_back(self._trainer.now(), evaluation=report)

    def _add(self, line: dict[str, Any]) -> None:
        self._record.readings.append(line)
        self._metrics.write(line)

    def _call_back(
        self, reading: Reading, heldout: dict[str, Any] | None = None, evaluation: Report | None = None
    ) -> None:
        if self._callback is None or self.callback_failure is not None:
            return
        if reading.loss is None:  # nothing was trained since the last reading
            lines = reversed(self._record.readings)
            last: dict[str, Any] = next((line for line in lines if line.get("loss") is not None), {})
            known = {name: last[name] for name in ("loss", "tokens_per_second") if name in last}
            reading = dataclasses.replace(reading, **known)
        try:
            state = TrainingState(
                **reading.as_dict(), progress=self._trainer.progress(), heldout=heldout, evaluation=evaluation
            )
            if self._callback(state):
                self._record.stopped_early = "callback"
                self._trainer.end_early()
        except BaseException as failure:  # SystemExit too ends the run as Ctrl-C does
            self.callback_failure = failure
            self._trainer.stop()


class MetricsFile:
    """`metrics.jsonl` of a run in progress: one JSON object a line, each written out at once.

    The finished model's file is written from memory, so a full disk does not end a run here: the file then stops short.
    """

    def __init__(self, path: str | os.PathLike[str], readings: Iterable[dict[str, Any]] = ()) -> None:
        self._file: IO[str] | None = None
        with contextlib.suppress(OSError):
            self._file = open(path, "w", encoding="utf-8")  # noqa: SIM115 (held open for the run)
        self.write(*readings)

    def write(self, *readings: dict[str, Any]) -> None:
        """Append readings."""
        if self._file is None:
            return
        try:
            self._file.writelines(json.dumps(readable(reading), allow_nan=False) + "\n" for reading in readings)
            self._file.flush()
        except OSError:
            self.close()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None
