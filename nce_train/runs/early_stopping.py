"""Held-out text during training: its loss after each epoch, the best parameters so far, and when to stop.

What is known stands in the run's record, so that an interrupted run goes on with it; the best parameters lie beside the
checkpoints in `best-EPOCH.npz`.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from nce_train.errors import RunError
from nce_train.runs.checkpoint import DAMAGED, read_archive, write_archive

Measure = Callable[[np.ndarray, np.ndarray, np.ndarray], dict[str, Any]]  # of input, output, bias: with `nce_loss`
PARAMETERS = ("input", "output", "bias")


class Heldout(Protocol):
    """A held-out text, whose loss is a mean over batches of pairs that may be summed apart."""

    @property
    def batches(self) -> Sequence[Any]:
        """What `sums` are of."""

    def loss(self, input: np.ndarray, output: np.ndarray, bias: np.ndarray) -> dict[str, Any]:
        """What is measured of parameters, with `nce_loss`."""

    def mean(self, sums: Iterable[float]) -> dict[str, Any]:
        """The same, from the sums of all batches, in their order."""


class EarlyStopping:
    """Looks at a run after each epoch.

    Parameters
    ----------
    measure : callable
    patience : int or None
        Stop after so many epochs without a lower loss; None: never, and keep no parameters.
    directory : Path
        For the best parameters.
    looks : list of dict
        Of the sessions before: added to.
    note : callable
        Told when the best parameters cannot be written.

    Attributes
    ----------
    looks : list of dict
        `epoch`, `pairs`, `nce_loss` and `best`, whether it was the best so far, after each epoch.
    """

    def __init__(
        self,
        measure: Measure,
        patience: int | None,
        directory: Path,
        looks: list[dict[str, Any]],
        note: Callable[[str], None],
    ) -> None:
        self.looks = looks
        self._measure = measure
        self._patience = patience
        self._directory = directory
        self._note = note

    @property
    def best(self) -> dict[str, Any] | None:
        """The look at the best parameters."""
        return next((look for look in reversed(self.looks) if look["best"]), None)

    @property
    def out_of_patience(self) -> bool:
        """Whether the loss has not fallen for too long."""
        best = self.best
        return self._patience is not None and best is not None and self._since(best) >= self._patience

    def look(self, epoch: int, parameters: Mapping[str, np.ndarray]) -> dict[str, Any] | None:
        """Take the loss after an epoch; None when that was done before the run was interrupted."""
        if self.looks and self.looks[-1]["epoch"] == epoch:
            return None
        measured = self._measure(*(parameters[name] for name in PARAMETERS))
        if not math.isfinite(measured["nce_loss"]):
            raise RunError(
                f"The loss of the held-out text after epoch {epoch} is {measured['nce_loss']}: most likely the "
                "learning rate is too high; lower --lr and train again."
            )
        look = {"epoch": epoch, **measured, "best": self._is_best(measured["nce_loss"])}
        if look["best"] and self._patience is not None:
            look["best"] = self._keep(epoch, parameters)
        self.looks.append(look)
        return measured

    def take_best(self, parameters: Mapping[str, np.ndarray]) -> bool:
        """Overwrite parameters by the best ones, where these are others; whether they are."""
        best = self.best
        if self._patience is None or best is None or self._since(best) == 0:
            return False
        path = self._path(best["epoch"])
        try:
            kept = read_archive(path).arrays
            for name in PARAMETERS:
                parameters[name][...] = kept[name]
        except DAMAGED:
            raise RunError(f"The best parameters, {path}, are damaged or gone: train again.") from None
        return True

    def kept_sentence(self) -> str | None:
        """Say at the end which epoch's parameters the model has; None when it was not to be chosen."""
        best = self.best
        if self._patience is None or best is None:
            return None
        if self.out_of_patience:
            return (
                f"Training stopped after epoch {self.looks[-1]['epoch']}: the held-out loss has not fallen since epoch "
                f"{best['epoch']}, whose parameters the model has."
            )
        return f"The held-out loss was lowest after epoch {best['epoch']}, whose parameters the model has."

    @property
    def kept(self) -> set[int]:
        """The epochs whose parameters are kept."""
        return {int(path.stem.removeprefix("best-")) for path in self._directory.glob("best-*.npz")}

    def remove_but(self, epochs: set[int]) -> None:
        """Remove the kept parameters of all other epochs."""
        for epoch in self.kept - epochs:
            self._path(epoch).unlink(missing_ok=True)

    def _is_best(self, loss: float) -> bool:
        best = self.best
        return best is None or loss < best["nce_loss"]

    def _since(self, best: Mapping[str, Any]) -> int:
        return int(self.looks[-1]["epoch"]) - int(best["epoch"])

    def _keep(self, epoch: int, parameters: Mapping[str, np.ndarray]) -> bool:
        try:
            write_archive(self._path(epoch), {"epoch": epoch}, {name: parameters[name] for name in PARAMETERS})
        except OSError as error:
            self._note(
                f"The parameters after epoch {epoch}, the best so far, could not be written to {self._directory} "
                f"({error.strerror}); those kept before count as the best."
            )
            return False
        return True

    def _path(self, epoch: int) -> Path:
        return self._directory / f"best-{epoch:06}.npz"
