"""Held-out text during training: its loss after each epoch, the best parameters so far, and when to stop.

What is known stands in the run's record, so that a resumed run continues with it. The best parameters lie beside the
checkpoints in `best-EPOCH.npz`.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nce_train.errors import DivergedError
from nce_train.runs.context import RunContext
from nce_train.runs.protocols import Measure
from nce_train.runs.run_log import RunLog
from nce_train.runs.state_file import DAMAGED, read_archive, write_archive
from nce_train.training.observers import Observer, Pause
from nce_train.training.trainer import Trainer, fill

PARAMETERS = ("input", "output", "bias")


class HeldoutLosses(Observer):
    """Measures the held-out text after each epoch, and ends training when its loss has not fallen for too long."""

    after_epochs = True

    def __init__(
        self, context: RunContext, trainer: Trainer, log: RunLog, measure: Measure, stopping: "EarlyStopping"
    ) -> None:
        self._context = context
        self._trainer = trainer
        self._log = log
        self._measure = measure
        self._stopping = stopping

    def on_pause(self, pause: Pause) -> None:
        """Measure the epoch that has just ended, unless that was done before the run was interrupted."""
        epoch = pause.epochs_done
        if epoch is None:
            return
        if not self._stopping.knows(epoch):
            parameters = self._trainer.state()
            try:
                with self._context.timings.measure("heldout"):
                    measured = self._measure(self._trainer.word_vectors(), parameters["output"], parameters["bias"])
            except MemoryError:  # what is trained is worth more
                self._stopping.missed_epoch = epoch
                self._context.watcher.note(f"There is not enough memory for the held-out loss after epoch {epoch}.")
                return
            with self._context.timings.measure("heldout"):
                self._stopping.add(epoch, measured, parameters)
            self._log.add_heldout(epoch, measured)
        if self._stopping.out_of_patience:
            self._context.record.stopped_early = "patience"
            self._trainer.end_early()


class EarlyStopping:
    """Keeps the parameters of the epoch with the lowest held-out loss, and says when patience is over.

    Parameters
    ----------
    patience : int or None
        Stop after so many epochs without a lower loss; None: never, and keep no parameters.
    directory : Path
        For the best parameters.
    losses : list of dict
        Of the sessions before; added to. Each has `epoch`, `pairs`, `nce_loss` and `best`, whether it was the lowest
        so far.
    warn : callable
        Called with a sentence when the best parameters cannot be written.
    """

    def __init__(
        self, patience: int | None, directory: Path, losses: list[dict[str, Any]], warn: Callable[[str], None]
    ) -> None:
        self._patience = patience
        self._directory = directory
        self._losses = losses
        self._warn = warn
        self.taken_epoch: int | None = None  # the earlier epoch whose parameters `take_best` has given the model
        self.missed_epoch = 0  # the last one that could not be measured
        # Epochs whose best parameters the last two checkpoints rely on, or that an earlier session left.
        self._needed = [self._kept() if losses else set(), self._best_epoch()]
        self._remove_unneeded()

    @property
    def best(self) -> dict[str, Any] | None:
        """The lowest loss."""
        return next((loss for loss in reversed(self._losses) if loss["best"]), None)

    @property
    def last_epoch(self) -> int:
        """The last epoch that was measured."""
        return int(self._losses[-1]["epoch"])

    @property
    def out_of_patience(self) -> bool:
        """Whether the loss has not fallen for too long."""
        best = self.best
        return self._patience is not None and best is not None and self.last_epoch - best["epoch"] >= self._patience

    def knows(self, epoch: int) -> bool:
        """Whether the loss after an epoch is known already."""
        return bool(self._losses) and self.last_epoch == epoch

    def add(self, epoch: int, measured: dict[str, Any], parameters: Mapping[str, np.ndarray]) -> None:
        """Add the loss after an epoch, and keep its parameters where it is the lowest."""
        loss = measured["nce_loss"]
        if not math.isfinite(loss):
            raise DivergedError(
                f"The loss of the held-out text after epoch {epoch} is {loss}: most likely the learning rate is too "
                "high; lower --lr and train again."
            )
        best = self.best
        is_best = best is None or loss < best["nce_loss"]
        if is_best and self._patience is not None:
            is_best = self._keep(epoch, parameters)
        self._losses.append({"epoch": epoch, **measured, "best": is_best})
        self._remove_unneeded()

    def checkpoint_written(self) -> None:
        """A checkpoint was written that relies on the best parameters as they are now."""
        self._needed = [self._needed[1], self._best_epoch()]
        self._remove_unneeded()

    @property
    def best_is_earlier(self) -> bool:
        """Whether the best parameters are those of an epoch before the last one."""
        best = self.best
        if self._patience is None or best is None:
            return False
        return best["epoch"] != max(self.last_epoch, self.missed_epoch)

    def take_best(self, parameters: Mapping[str, np.ndarray]) -> bool:
        """Overwrite parameters by those of an earlier epoch that was the best; False when these are damaged."""
        assert self.best is not None
        path = self._path(self.best["epoch"])
        try:
            kept = read_archive(path).arrays
            for name in PARAMETERS:
                fill(parameters[name], kept[name])
            self.taken_epoch = int(self.best["epoch"])
        except DAMAGED:
            self._warn(
                f"The best parameters, {path}, are damaged or gone: the model has those after epoch {self.last_epoch}."
            )
            return False
        return True

    def summary(self) -> str | None:
        """Which epoch's parameters the finished model has; None when these were not to be chosen."""
        best = self.best
        if self._patience is None or best is None:
            return None
        if self.out_of_patience:
            return (
                f"Training stopped after epoch {self.last_epoch}: the held-out loss has not fallen since epoch "
                f"{best['epoch']}, whose parameters the model has."
            )
        return f"The held-out loss was lowest after epoch {best['epoch']}, whose parameters the model has."

    def _keep(self, epoch: int, parameters: Mapping[str, np.ndarray]) -> bool:
        try:
            write_archive(self._path(epoch), {"epoch": epoch}, {name: parameters[name] for name in PARAMETERS})
        except OSError as error:
            what_follows = "no epoch counts as the best" if self.best is None else "those kept before count as the best"
            self._warn(
                f"The parameters after epoch {epoch}, the best so far, could not be written to {self._directory} "
                f"({error.strerror}); {what_follows}."
            )
            return False
        return True

    def _best_epoch(self) -> set[int]:
        best = self.best
        return set() if best is None else {best["epoch"]}

    def _kept(self) -> set[int]:
        """The epochs whose parameters lie in the directory."""
        return {int(path.stem.removeprefix("best-")) for path in self._directory.glob("best-*.npz")}

    def _remove_unneeded(self) -> None:
        for epoch in self._kept() - self._best_epoch().union(*self._needed):
            self._path(epoch).unlink(missing_ok=True)

    def _path(self, epoch: int) -> Path:
        return self._directory / f"best-{epoch:06}.npz"
