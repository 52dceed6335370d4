"""What a run needs from outside, as protocols: a watcher, measurements, and an executor that trains elsewhere."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from nce_train.text.corpus import EncodedCorpus
from nce_train.text.sources import Corpus
from nce_train.text.vocabulary import Vocabulary
from nce_train.training.ngram_rows import NgramRows
from nce_train.training.readings import Callback, Reading
from nce_train.training.settings import Settings
from nce_train.training.trainer import Trainer

Report = dict[str, Any]  # what `nce_train.evaluate` returns
EvaluateVectors = Callable[[Vocabulary, np.ndarray], Report]  # of input embeddings [vocabulary, dim]


class Watcher(Protocol):
    """Follows a run. The library prints nothing; what a person sees is up to the watcher.

    Its methods are called from the thread that called `train_model`, or from one thread at a time.
    """

    def note(self, sentence: str) -> None:
        """A warning or a hint."""

    def scanning(self, done: int, total: int | None, phase: str) -> None:
        """Bytes of the corpus read, of how many (None when unknown)."""

    def scanned(self, corpus: EncodedCorpus) -> None:
        """The corpus is read and encoded."""

    def chose_ngrams(self, settings: Settings, share_of_letters: float) -> None:
        """The setting `ngrams` was auto and is resolved, since so many of the words consist of letters."""

    def compiling(self) -> None:
        """Training waits for its kernel to be compiled."""

    def training(self, done: int, total: int) -> None:
        """Tokens trained, of how many over all epochs; with `max_steps` in proportion."""

    def reading(self, reading: Reading, progress: float) -> None:
        """A reading was taken when `progress` (from 0 to 1) of the run was done."""

    def heldout(self, epoch: int, loss: float) -> None:
        """The loss of the held-out text after an epoch."""

    def evaluated(self, tokens: int, report: Report) -> None:
        """The embeddings were evaluated when `tokens` were trained."""

    def evaluated_best(self, epoch: int, report: Report) -> None:
        """The embeddings of the model, which are those after an earlier epoch, were evaluated."""

    def resumed(self, step: int, progress: float) -> None:
        """An interrupted run is resumed."""

    def saving(self, done: int, total: int) -> None:
        """Bytes of a checkpoint written, of how many."""

    def finished(self, manifest: dict[str, Any]) -> None:
        """The model is written."""


Measure = Callable[[np.ndarray, np.ndarray, np.ndarray], dict[str, Any]]  # of input, output, bias: with `nce_loss`


class Heldout(Protocol):
    """A held-out text. Its loss is a mean over batches of pairs, whose sums may be computed apart."""

    @property
    def batches(self) -> Sequence[Any]:
        """The batches."""

    def loss(self, input: np.ndarray, output: np.ndarray, bias: np.ndarray) -> dict[str, Any]:
        """Measure parameters; the result has `nce_loss`."""

    def mean(self, sums: Iterable[float]) -> dict[str, Any]:
        """The same result, from the sums of all batches, in their order."""


@dataclass(frozen=True)
class Hooks:
    """What other rooms measure during a run, and what a caller wants to be called with.

    Attributes
    ----------
    heldout : callable or None
        Given a held-out text, the vocabulary and the settings: what measures losses on it. Needed for the setting
        `heldout`.
    evaluation : callable or None
        Given the paths of evaluation sets, which it reads at once: what measures the input embeddings of a
        vocabulary. Needed for the setting `eval_every`.
    callback : callable or None
        Called with a `TrainingState` at each reading, held-out loss and evaluation, by the thread that took it. When
        it returns True, training ends and the model is written; when it raises, training ends as after Ctrl-C.
    resumed : callable or None
        Called with the step of the checkpoint from which an interrupted run is resumed.
    saved : callable or None
        Called with the `TrainedModel` of `nce_train.runs.finish` when the model is complete.
    """

    heldout: Callable[[str, Vocabulary, Settings], Heldout] | None = None
    evaluation: Callable[[list[str]], EvaluateVectors] | None = None
    callback: Callback | None = None
    resumed: Callable[[int], None] | None = None
    saved: Callable[[Any], None] | None = None

    def evaluation_for(self, settings: Settings) -> EvaluateVectors | None:
        """What evaluates embeddings during a run; sets are read now, so that a mistake in them is reported early."""
        if settings.eval_every is None or self.evaluation is None:
            return None
        return self.evaluation(settings.eval_set)


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

    def trainer(self, encoded: EncodedCorpus, settings: Settings, ngrams: NgramRows | None) -> Trainer:
        """The trainer of what `encode` has read; `settings` has `deterministic`."""

    def measure(self, heldout: Heldout) -> Measure:
        """What measures the parameters of the last `trainer`, as they are, on held-out text."""

    def threads_of_a_worker(self) -> int:
        """The threads of the worker that has most of them."""

    def round_cost(self) -> "RoundCost":
        """What a round of the last `trainer` costs, as measured when it was compiled."""


class RoundCost(Protocol):
    """What a round costs elsewhere, in sentences."""

    def transfer_summary(self) -> str:
        """What a round trains and transfers, and the time for both."""

    def speedup_summary(self) -> str:
        """How fast the cluster is, and whether this machine is faster."""
