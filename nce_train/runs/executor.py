"""Who reads and trains in the place of this process's threads, such as a cluster."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from nce_train.runs.early_stopping import Heldout, Measure
from nce_train.text.corpus import EncodedCorpus
from nce_train.text.sources import Corpus
from nce_train.text.vocabulary import Vocabulary
from nce_train.training.settings import Settings

if TYPE_CHECKING:
    from nce_train.training.trainer import BaseTrainer


class Executor(Protocol):
    """Who reads the corpus and trains on other processes or machines, as `nce_train.cluster` does."""

    def encode(
        self,
        corpus: Corpus,
        settings: Settings,
        given: Vocabulary | None,
        extend: Vocabulary | None,
        directory: Path,
        progress: Callable[[int, int | None, str], None],
    ) -> EncodedCorpus:
        """As `encode_corpus`, but the ids stay where they are trained on; the result has their checksum."""

    def trainer(self, encoded: EncodedCorpus, settings: Settings) -> "BaseTrainer":
        """The trainer of what `encode` has read; `settings` has `deterministic`."""

    def measure(self, heldout: Heldout) -> Measure:
        """What measures the parameters of the last `trainer`, as they are, on held-out text."""

    def threads_of_a_worker(self) -> int:
        """Of the worker that has most of them."""

    def round_cost(self) -> "RoundCost":
        """What a round of the last `trainer` costs, as measured when it was compiled."""


class RoundCost(Protocol):
    """What a round costs elsewhere, for a person."""

    def transfer_summary(self) -> str:
        """What a round trains and transfers, and the time for both."""

    def speedup_summary(self) -> str:
        """How fast the cluster is, and whether this machine is faster."""
