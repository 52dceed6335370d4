"""Evaluation on a schedule while a model is trained: when it is due, and what is kept of it for a run that goes on.

In: what measures word vectors, and the setting `eval_every`. The threads pause meanwhile, so it takes no training time.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nce_train.training.settings import parse_interval

if TYPE_CHECKING:
    from nce_train.training.trainer import BaseTrainer

Report = dict[str, Any]
Measure = Callable[[np.ndarray], Report]  # of the input embeddings [vocabulary, dim]


class Evaluations:
    """Evaluates a run when that is due; an `Evaluator` of the trainer.

    Parameters
    ----------
    measure : callable
    interval : str
        The setting `eval_every`.
    trainer : BaseTrainer
    last : dict
        `tokens` and `seconds` of training at the last evaluation, of this or an earlier session: kept up to date.
    tell : callable
        Called with each report.
    """

    def __init__(
        self,
        measure: Measure,
        interval: str,
        trainer: "BaseTrainer",
        last: dict[str, Any],
        tell: Callable[[Report], None],
    ) -> None:
        self._seconds, self._tokens = parse_interval(interval, trainer.token_count)
        self._measure = measure
        self._trainer = trainer
        self._last = last
        self._tell = tell

    def due_at(self) -> float:
        """The next multiple of the interval in tokens."""
        return (self._last["tokens"] // self._tokens + 1) * self._tokens if self._tokens else math.inf

    def due(self, at_end: bool = False) -> bool:
        """Whether it is time, or, `at_end`, whether anything was trained since the last time."""
        tokens = self._trainer.totals.tokens
        if tokens <= self._last["tokens"]:
            return False
        if self._tokens:
            return at_end or tokens >= self.due_at()
        return at_end or self._trainer.seconds_now() >= self._last["seconds"] + self._seconds

    def evaluate(self) -> None:
        """Measure the embeddings as they are."""
        self._trainer.check()
        report = self._measure(self._trainer.state()["input"])
        self._last.update(tokens=self._trainer.totals.tokens, seconds=self._trainer.seconds)
        self._tell(report)
