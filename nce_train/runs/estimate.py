"""The dry run: what a run would take, from a count of the corpus and a moment of training."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from nce_train.memory import MemoryGauge
from nce_train.runs.inputs import check_heldout
from nce_train.runs.limits import TableSizes, bytes_at_most, memory_at_peak, memory_needed, refuse_without_pairs
from nce_train.runs.protocols import Executor, Watcher
from nce_train.runs.read_corpus import new_trainer, read_corpus
from nce_train.runs.warm_start import WarmStart
from nce_train.text.corpus import TextSize
from nce_train.text.sources import Corpus
from nce_train.training.observers import Observer
from nce_train.training.readings import Reading
from nce_train.training.settings import Settings
from nce_train.training.trainer import Trainer

TRIAL_SECONDS = 1.5


@dataclass(frozen=True)
class Estimate:
    """What a run would take."""

    vocabulary: int  # words
    ngrams: int  # rows of n-grams
    tokens: int  # in-vocabulary tokens of an epoch
    text: TextSize  # all of the corpus
    pairs: int  # (centre, context) pairs, or with CBOW centres that have contexts, over all epochs, expected
    memory_bytes: int  # anonymous memory at the peak; on a cluster, of this machine
    disk_bytes: int  # of the model directory at its largest, the token file included
    tokens_per_second: float  # in a short trial
    seconds: float  # of training
    on_cluster: "OnCluster | None" = None


@dataclass(frozen=True)
class OnCluster:
    """What a run would take of a cluster."""

    worker_memory_bytes: int  # of the worker with most threads, at most
    transfer: str  # see `RoundCost`
    speedup: str


def estimate(
    corpus: Corpus,
    settings: Settings,
    watcher: Watcher,
    *,
    cache: bool = True,
    start: WarmStart | None = None,
    cluster: Executor | None = None,
) -> Estimate:
    """Count the corpus, train for a moment, and say what the whole run would take; nothing is kept.

    Parameters are those of `train_model`.
    """
    settings = settings.resolved()
    if warning := check_heldout(corpus, settings):
        watcher.note(warning)
    with tempfile.TemporaryDirectory(prefix="nce-train-") as scratch:
        with MemoryGauge() as gauge:
            read = read_corpus(corpus, settings, Path(scratch), watcher, cache=cache, start=start, cluster=cluster)
        encoded, settings, sizes = read.encoded, read.settings, read.sizes
        if start is not None:
            settings = start.with_lr(settings, encoded.token_count)
        memory = max(gauge.peak(), memory_at_peak(sizes, settings, cluster))  # a text of many words takes more
        # a reading behind each round, or, with shared parameters, when the trial is over
        every = 1 if settings.deterministic else None
        settings_of_trial = settings.model_copy(update={"log_every_steps": every, "log_every": TRIAL_SECONDS})
        read = read._replace(settings=settings_of_trial)
        trial = new_trainer(read) if cluster is None else cluster.trainer(*read)
        trial.compile()
        if start is not None:
            start.fill_trainer(trial, encoded.vocabulary)
            watcher.note(start.summary())

        trial.run([_StopAfterTrial(trial)])
        done = trial.totals
        refuse_without_pairs(done.pairs, settings)
        tokens = encoded.token_count * settings.epochs
        disk = 4 * len(encoded.stream) + bytes_at_most(sizes, settings)
        share = 1.0 if settings.max_steps is None else min(1.0, settings.max_steps / done.blocks * done.tokens / tokens)
        rate = done.tokens / trial.seconds
        return Estimate(
            vocabulary=sizes.words,
            ngrams=sizes.ngrams,
            tokens=encoded.token_count,
            text=encoded.text,
            pairs=round(done.pairs / done.tokens * tokens * share),
            memory_bytes=memory,
            disk_bytes=disk,
            tokens_per_second=rate,
            seconds=tokens * share / rate,
            on_cluster=None if cluster is None else _estimate_on(cluster, sizes, settings),
        )


def _estimate_on(cluster: Executor, sizes: TableSizes, settings: Settings) -> OnCluster:
    cost = cluster.round_cost()
    memory = memory_needed(sizes, settings, cluster.threads_of_a_worker())
    return OnCluster(memory, cost.transfer_summary(), cost.speedup_summary())


class _StopAfterTrial(Observer):
    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer

    def on_reading(self, reading: Reading) -> None:
        if reading.seconds >= TRIAL_SECONDS:
            self._trainer.stop()
