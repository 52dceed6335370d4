"""What a round on a cluster costs, as measured in a trial, and whether the cluster is faster than this machine."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RoundCost:
    """A round of K shards.

    Attributes
    ----------
    shards, threads : int
        K, and the threads of the cluster that train them side by side.
    tokens, seconds, shard_bytes : float
        Of one shard in a round: the tokens it trains, the time for that, the bytes it sends to the coordinator.
    base_bytes : float
        What each worker is sent before a round.
    bytes_per_second : float
        Between the coordinator and the workers.
    local_threads : int
        Of this machine, which could train instead.
    """

    shards: int
    threads: int
    tokens: float
    seconds: float
    shard_bytes: float
    base_bytes: float
    bytes_per_second: float
    local_threads: int = 1

    @property
    def training_seconds(self) -> float:
        """Of a round, on all threads."""
        return self.seconds * -(-self.shards // self.threads)

    @property
    def transfer_seconds(self) -> float:
        """The coordinator sends the base once, since workers pass it on, and receives the changes of all shards."""
        return (self.base_bytes + self.shards * self.shard_bytes) / self.bytes_per_second

    @property
    def speedup(self) -> float:
        """Over one thread of a worker."""
        return self.seconds * self.shards / (self.training_seconds + self.transfer_seconds)

    @property
    def local_speedup(self) -> float:
        """The same for the threads of this machine, if they are as fast: they transfer nothing."""
        return self.shards / -(-self.shards // self.local_threads)

    def transfer_summary(self) -> str:
        """What a round trains and transfers, and the time for both."""
        return (
            f"a round trains {self.shards} × {self.tokens:,.0f} tokens in {_seconds(self.training_seconds)} on "
            f"{count_of(self.threads, 'thread')}, and transfers up to {self.base_bytes / 1e6:,.1f} MB out and "
            f"{self.shards * self.shard_bytes / 1e6:,.1f} MB in, {_seconds(self.transfer_seconds)} at "
            f"{self.bytes_per_second / 1e6:,.0f} MB/s"
        )

    def speedup_summary(self) -> str:
        """How fast the cluster is, and whether this machine is faster."""
        summary = f"about {self.speedup:.1f} times as fast as one thread of a worker"
        if self.speedup >= self.local_speedup:
            return summary
        return f"{summary}; --deterministic on {count_of(self.local_threads, 'thread')} of this machine will be faster"


def count_of(number: int, noun: str) -> str:
    """A number of things in words, such as `1 thread` and `2 threads`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"
