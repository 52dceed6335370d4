"""What rounds cost on a network, and whether a cluster pays: as measured before a run, or expected from counts."""

from dataclasses import dataclass

import numpy as np

from nce_train.training.noise import noise_probability
from nce_train.training.parameters import keep_probability
from nce_train.training.settings import Settings


@dataclass(frozen=True)
class RoundCost:
    """A round of K shards.

    Attributes
    ----------
    shards, threads : int
        K, and the threads of the cluster that work on them side by side.
    tokens, seconds, shard_bytes : float
        Of one shard in a round: what it trains, how long that takes, what it sends back.
    base_bytes : float
        What each worker is sent before a round.
    bytes_per_second : float
        Between the coordinator and the workers.
    threads_here : int
        Of this machine, which could train instead.
    """

    shards: int
    threads: int
    tokens: float
    seconds: float
    shard_bytes: float
    base_bytes: float
    bytes_per_second: float
    threads_here: int = 1

    @property
    def training_seconds(self) -> float:
        """Of a round, on the threads that there are."""
        return self.seconds * -(-self.shards // self.threads)

    @property
    def travel_seconds(self) -> float:
        """The base goes out once, workers pass it on; all changes come in at the coordinator."""
        return (self.base_bytes + self.shards * self.shard_bytes) / self.bytes_per_second

    @property
    def gain(self) -> float:
        """How many times as fast as one thread of a worker."""
        return self.seconds * self.shards / (self.training_seconds + self.travel_seconds)

    @property
    def gain_here(self) -> float:
        """The same for this machine's threads, were they as fast: nothing travels."""
        return self.shards / -(-self.shards // self.threads_here)

    def travels(self) -> str:
        """What moves in a round, and how long that and its training take."""
        return (
            f"a round trains {self.shards} × {self.tokens:,.0f} tokens in {_seconds(self.training_seconds)} on "
            f"{_threads(self.threads)}, and moves up to {self.base_bytes / 1e6:,.1f} MB out and "
            f"{self.shards * self.shard_bytes / 1e6:,.1f} MB in, {_seconds(self.travel_seconds)} at "
            f"{self.bytes_per_second / 1e6:,.0f} MB/s"
        )

    def verdict(self) -> str:
        """Whether it pays."""
        gain = f"about {self.gain:.1f} times one thread of a worker"
        if self.gain >= self.gain_here:
            return gain
        return f"{gain}; --deterministic on {_threads(self.threads_here)} of this machine will be faster"


def expected_touched(counts: np.ndarray, settings: Settings, tokens: float) -> tuple[float, float]:
    """How many rows of the input and of the output table so many tokens touch, on average.

    Parameters
    ----------
    counts : int64 [vocabulary]
    settings : Settings
    tokens : float
        Before subsampling.

    Notes
    -----
    A word that is drawn u times on average is touched with a chance of 1 − exp(−u): u = tokens · f · keep as a centre;
    as a context the same, and S noise words a block of G centres come with probability q each.
    """
    kept = tokens * counts / counts.sum() * keep_probability(counts, settings.subsample)
    draws = kept.sum() / settings.block_size * settings.num_sampled * noise_probability(counts, settings)
    return float(-np.expm1(-kept).sum()), float(-np.expm1(-(kept + draws)).sum())


def bytes_of_rows(inputs: float, outputs: float, dim: int) -> float:
    """What so many rows of both tables take on the way: numbers, biases, and which rows they are."""
    return 4 * ((inputs + outputs) * (dim + 1) + outputs)


def _threads(number: int) -> str:
    return f"{number} thread" if number == 1 else f"{number} threads"


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"
