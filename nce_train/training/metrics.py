"""Readings of a run in progress, and the file they are written to.

A reading is what `metrics.jsonl` holds a line of; its keys are public (`Reading.as_dict`).
"""

import json
import os
from dataclasses import asdict, dataclass
from typing import Any


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


class MetricsFile:
    """`metrics.jsonl`: one JSON object a line, each written out at once."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = open(path, "w", encoding="utf-8")  # noqa: SIM115 (held open for the run)

    def write(self, reading: dict[str, Any]) -> None:
        """Append one reading."""
        self._file.write(json.dumps(reading, allow_nan=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Make sure that everything is on disk, and close."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
