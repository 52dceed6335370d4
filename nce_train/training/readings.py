"""Readings of a run in progress. A reading is a line of `metrics.jsonl`; its keys are public (`Reading.as_dict`)."""

from collections.abc import Callable
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
        terms included, since the previous reading; None when nothing was trained. The last reading of a run begins at
        the one before the previous, when the previous is recent; so does its speed.
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
