"""Runs of a small text for tests, and a watcher that remembers what it is told."""

import os
import signal
from pathlib import Path

from nce_train.api import train_or_resume

SETTINGS = {"dim": 48, "threads": 1, "epochs": 8, "checkpoint_every": "1h", "log_every": 0.01}


class Watcher:
    """Remembers what it is told, and calls `at[event]` when told so for the first time."""

    def __init__(self, **at):
        self.notes, self.readings, self.heldout_losses, self.resumed_at, self.at = [], [], [], None, at
        self.evaluations = []

    def _happened(self, event):
        if event in self.at:
            self.at.pop(event)()

    def note(self, sentence):
        self.notes.append(sentence)
        self._happened("note")

    def scanning(self, done, total, phase):
        self._happened("scanning")

    def scanned(self, corpus):
        pass

    def chose_ngrams(self, settings, share_of_letters):
        pass

    def compiling(self):
        self._happened("compiling")

    def training(self, done, total):
        if done > total / 4:
            self._happened("training")

    def reading(self, reading, progress):
        self.readings.append(reading.step)

    def heldout(self, epoch, loss):
        self.heldout_losses.append(loss)
        self._happened("heldout")

    def evaluated(self, tokens, report):
        self.evaluations.append((tokens, report))
        self._happened("evaluated")

    def evaluated_best(self, epoch, report):
        self.evaluations.append((epoch, report))

    def resumed(self, step, progress):
        self.resumed_at = step

    def saving(self, done, total):
        self._happened("saving")

    def finished(self, manifest):
        pass


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def go(
    output,
    *,
    watcher=None,
    corpus=None,
    resume=False,
    keep_checkpoint=False,
    overwrite=False,
    cache=False,
    init=None,
    continue_from=None,
    **settings,
):
    output = Path(output)
    given = settings if resume else {**SETTINGS, **settings}
    return train_or_resume(
        corpus,
        None if resume else output,
        None,
        given,
        watcher or Watcher(),
        resume=output if resume else None,
        keep_checkpoint=keep_checkpoint,
        overwrite=overwrite,
        cache=cache,
        init=init,
        continue_from=continue_from,
    )
