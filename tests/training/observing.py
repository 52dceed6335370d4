"""Observers for tests: one that keeps readings, and one that calls functions."""

from nce_train.training.observers import Observer


class Readings(Observer, list):
    """Keeps the readings of a run."""

    def on_reading(self, reading):
        self.append(reading)


class Calling(Observer):
    """Calls functions: with each reading, at each poll, and with the number of epochs done."""

    def __init__(self, on_reading=None, on_poll=None, on_epoch=None):
        self._on_reading, self._on_poll, self._on_epoch = on_reading, on_poll, on_epoch
        self.after_epochs = on_epoch is not None

    def on_reading(self, reading):
        if self._on_reading is not None:
            self._on_reading(reading)

    def wants_pause(self):
        if self._on_poll is not None:
            self._on_poll()
        return False

    def on_pause(self, pause):
        if self._on_epoch is not None and pause.epochs_done is not None:
            self._on_epoch(pause.epochs_done)
