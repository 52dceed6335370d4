"""Who follows a training run: readings, checkpoints, held-out losses and evaluations are observers of it.

A trainer is given a list of observers. It hands each reading to all of them, and it pauses where one of them asks for
that. During a pause no thread is at work, so parameters can be read, measured and saved.
"""

import math
from typing import NamedTuple

from nce_train.training.readings import Reading


class Pause(NamedTuple):
    """Where a run stands while no thread is at work."""

    epochs_done: int | None  # where an epoch has just ended; None within an epoch
    finished: bool  # nothing is left to train
    stopped: bool  # the run is to end early, such as after Ctrl-C


class Observer:
    """Follows a run. Every method does nothing here; an observer overrides what it needs."""

    after_epochs = False  # whether training pauses after each epoch

    def on_reading(self, reading: Reading) -> None:
        """A reading was taken; called by the thread that took it."""

    def wants_pause(self) -> bool:
        """Whether to pause as soon as possible; called several times a second by the thread that called `run`."""
        return False

    def pause_at(self) -> float:
        """The number of trained tokens at which to pause next; infinity for no pause.

        With one thread, or in rounds, the pause follows the same piece of work however often the run is interrupted.
        """
        return math.inf

    def on_pause(self, pause: Pause) -> None:
        """No thread is at work; called before the first piece of work, in each pause, and at the end.

        It may be called again with the same `epochs_done` when a run is resumed.
        """
