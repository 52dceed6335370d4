"""Who is told what goes on in a run.

The library prints nothing: what a person sees is up to the watcher.
"""

from typing import Any, Protocol

from nce_train.runs.evaluations import Report
from nce_train.text.corpus import EncodedCorpus
from nce_train.training.readings import Reading


class Watcher(Protocol):
    """Who is told what goes on; called from the thread that called `train_model`, or from one at a time."""

    def note(self, sentence: str) -> None:
        """Something a person should know: a warning, what was reused."""

    def scanning(self, done: int, total: int | None, phase: str) -> None:
        """Bytes of the corpus read, of how many (None when unknown)."""

    def scanned(self, corpus: EncodedCorpus) -> None:
        """The vocabulary stands."""

    def compiling(self) -> None:
        """Training waits for its kernel to be compiled."""

    def training(self, done: int, total: int) -> None:
        """Tokens consumed, of how many over all epochs; with `max_steps` in proportion."""

    def reading(self, reading: Reading, progress: float) -> None:
        """A reading was taken, when `progress` (from 0 to 1) of the run was done."""

    def heldout(self, epoch: int, loss: float) -> None:
        """The loss of the held-out text after an epoch."""

    def evaluated(self, tokens: int, report: Report) -> None:
        """The embeddings were evaluated when so many tokens were trained."""

    def evaluated_kept(self, epoch: int, report: Report) -> None:
        """The embeddings of the model, which are those after an earlier epoch, were evaluated."""

    def resumed(self, step: int, progress: float) -> None:
        """An interrupted run goes on."""

    def saving(self, done: int, total: int) -> None:
        """Bytes of a checkpoint written, of how many."""

    def finished(self, manifest: dict[str, Any]) -> None:
        """Everything is written."""
