"""Readings of a run in progress, and the file they are written to.

A reading is what `metrics.jsonl` holds a line of; its keys are public (`Reading.as_dict`).
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import IO, Any


@dataclass(frozen=True)
class Reading:
    """The state of training at one moment.

    Attributes
    ----------
    step : int
        Blocks done.
    epoch : int
        From 0: of the tokens consumed so far.
    tokens : int
        In-vocabulary tokens consumed, over all epochs, before subsampling.
    loss : float or None
        Mean NCE loss per data sample (a target of the window objective, a pair of the pairs objective), its noise
        terms included, since the previous reading; None when nothing was trained.
    learning_rate : float
    tokens_per_second : float
        Since the previous reading.
    seconds : float
        Of training so far.
    """

    step: int
    epoch: int
    tokens: int
    loss: float | None
    learning_rate: float
    tokens_per_second: float
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The JSON object of `metrics.jsonl`."""
        return asdict(self)


@dataclass(frozen=True)
class TrainingState(Reading):
    """What a callback is called with: a reading, or an evaluation and what a reading at its moment would say.

    `loss` and `tokens_per_second` are since the last reading, or, where nothing was trained since, those of that
    reading; `loss` is None only before anything was trained.

    Attributes
    ----------
    progress : float
        How much of the run is done, from 0 to 1.
    heldout : dict or None
        `pairs` and `nce_loss` of the held-out text, where that was measured just now.
    evaluation : dict or None
        What `nce_train.evaluate` returns, where that was done just now.
    """

    progress: float
    heldout: dict[str, Any] | None = None
    evaluation: dict[str, Any] | None = None


# Called at each reading, held-out loss and evaluation; training stops early where it returns True.
Callback = Callable[[TrainingState], Any]


class MetricsFile:
    """`metrics.jsonl` of a run at work: one JSON object a line, each written out at once, for whoever follows the run.

    The finished model's file is written from memory, so a full disk does not end a run here: the file then stops short.

    Parameters
    ----------
    path : str or os.PathLike
    readings : iterable of dict
        Of the run before it was interrupted.
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
            self._file.writelines(json.dumps(reading, allow_nan=False) + "\n" for reading in readings)
            self._file.flush()
        except OSError:
            self.close()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None
