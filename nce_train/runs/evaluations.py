"""Evaluation on a schedule while a model is trained. The threads pause meanwhile, so it takes no training time."""

import math
from collections.abc import Callable

import numpy as np

from nce_train.runs.context import RunContext
from nce_train.runs.protocols import Report
from nce_train.runs.run_log import RunLog
from nce_train.training.observers import Observer, Pause
from nce_train.training.setting_types import parse_interval
from nce_train.training.trainer import Trainer


class Evaluations(Observer):
    """Evaluates the input embeddings [vocabulary, dim] at the interval `eval_every`, and at the end."""

    def __init__(
        self,
        context: RunContext,
        trainer: Trainer,
        log: RunLog,
        measure: Callable[[np.ndarray], Report],
        interval: str,
    ) -> None:
        self._seconds, self._tokens = parse_interval(interval, trainer.token_count)
        self._timings = context.timings
        self._warn = context.watcher.note
        self._last = context.record.evaluated
        self._trainer = trainer
        self._log = log
        self._measure = measure

    def pause_at(self) -> float:
        """The next multiple of the interval in tokens."""
        return (self._last["tokens"] // self._tokens + 1) * self._tokens if self._tokens else math.inf

    def wants_pause(self) -> bool:
        """Whether an evaluation is due."""
        tokens = self._trainer.totals.tokens
        if tokens <= self._last["tokens"]:
            return False
        if self._tokens:
            return tokens >= self.pause_at()
        return self._trainer.seconds_now() >= self._last["seconds"] + self._seconds

    def on_pause(self, pause: Pause) -> None:
        """Evaluate if it is due, or, at the end, if anything was trained since the last time."""
        is_last = pause.finished and self._trainer.totals.tokens > self._last["tokens"]
        if pause.stopped or not (is_last or self.wants_pause()):
            return
        self._trainer.check()
        self._last.update(tokens=self._trainer.totals.tokens, seconds=self._trainer.seconds)
        try:
            with self._timings.measure("evaluation"):
                report = self._measure(self._trainer.word_vectors())
        except MemoryError:  # what is trained is worth more
            self._warn("There was not enough memory to evaluate the embeddings; training goes on without it.")
            return
        self._log.add_evaluation(report)
