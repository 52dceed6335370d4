"""What rounds on a cluster cost, on paper: bytes a round, time a round, and where the coordinator is the limit.

    python -m benchmarks.cluster --corpus corpus.txt.xz

The rows that a shard touches in a round are counted in the first round on the corpus, beside what `expected_touched`
gives; that formula then gives the bytes for other vocabularies. A simulation moves them over machines with one
full-duplex link each, for three ways to combine: at the coordinator, as `--cluster` does; in a tree of sums; at owners
of vocabulary ranges, each of which combines its rows and sends them to all. It needs no cluster.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._common import comma_list, new_parser, positive, say, table, write_results
from benchmarks._setting import plain_text, setting, setting_lines
from nce_train.kernel.schedule import Schedule
from nce_train.kernel.state import TOKENS
from nce_train.text.corpus import EncodedCorpus, encode_corpus
from nce_train.training.noise import noise_probability, noise_tables
from nce_train.training.parameters import initial_tables, keep_probability, keep_threshold
from nce_train.training.rounds import ShardWorkspace, next_position, shard_cuts
from nce_train.training.settings import Settings
from nce_train.training.trainer import NO_LIMIT, kernel_plan

GIGABIT = 1e9 / 8


def main() -> None:
    """Measure, simulate, print, write."""
    parser = new_parser("benchmarks.cluster", __doc__ or "")
    parser.add_argument("--dim", type=positive, default=128)
    parser.add_argument("--shards", type=positive, default=16)
    parser.add_argument("--gigabits", type=_numbers, default="1,10,25,100", help="network speeds")
    parser.add_argument("--workers", type=_numbers, default="2,4,8,16", help="machines, a thread of each at work")
    parser.add_argument("--vocabularies", type=_numbers, default="74000,1000000,10000000")
    parser.add_argument("--dims", type=_numbers, default="128,300")
    options = parser.parse_args()
    settings = Settings(deterministic=True, ngrams="off", dim=options.dim, shards=options.shards, threads=1).resolved()
    with (
        tempfile.TemporaryDirectory(prefix="benchmarks-") as name,
        plain_text(options.corpus, Path(name)) as (text, about),
    ):
        described = setting(about)
        say("reading")
        encoded = encode_corpus(text, name, cache=False, threads=options.threads)
        settings = settings.with_rounds(len(encoded.vocabulary), encoded.token_count)
        say("training rounds")
        real = measured_rounds(encoded, settings)
    sizes = [_round_bytes(classes, dim, options.shards) for classes in options.vocabularies for dim in options.dims]
    times = [
        {"gigabits": gigabits, "workers": workers, **_times(real, options.shards, workers, gigabits * GIGABIT)}
        for gigabits in options.gigabits
        for workers in options.workers
    ]
    lone = options.shards * real["seconds"]
    markdown = [
        f"# Rounds over a network: {options.shards} shards",
        "",
        f"Rounds of {settings.round_tokens:,} tokens a shard, dim {options.dim}, on the corpus below: a shard takes "
        f"{real['seconds'] * 1000:,.0f} ms on one thread. Rows it touched, and all shards together, beside what is "
        "expected from the counts:",
        "",
        *table(
            ["", "input rows", "expected", "output rows", "expected", "MB"],
            [
                [
                    who,
                    *(f"{number:,.0f}" for number in (rows[0], wanted[0], rows[1], wanted[1])),
                    f"{bytes_of_rows(*rows, options.dim) / 1e6:.1f}",
                ]
                for who, rows, wanted in (
                    ("a shard", real["touched"], real["expected"]),
                    ("all shards", real["touched_by_all"], real["expected_by_all"]),
                )
            ],
        ),
        "",
        "Expected MB a round for other vocabularies (counts by Zipf's law, `round_tokens` as chosen for them): in at "
        "the coordinator, what all shards send; out, the rows that have changed, once to each worker.",
        "",
        *table(
            ["vocabulary", "dim", "round_tokens", "a shard", "in", "out", "whole table"],
            [
                [f"{row['classes']:,}", str(row["dim"]), f"{row['tokens']:,}"]
                + [f"{row[name] / 1e6:,.0f}" for name in ("shard", "in", "out", "table")]
                for row in sizes
            ],
        ),
        "",
        f"Seconds a round of {options.shards} shards, simulated with the bytes measured on the corpus, and in brackets "
        "how many times as fast as one thread alone.",
        "",
        *table(
            ["network", "workers", *WAYS],
            [
                [f"{row['gigabits']} Gbit/s", str(row["workers"])]
                + [f"{row[way]:.2f} ({lone / row[way]:.1f})" for way in WAYS]
                for row in times
            ],
        ),
        "",
        "The coordinator is the limit when shards are trained faster than their changes come in: from "
        + ", ".join(f"{_limit(real, gigabits):.1f} threads at {gigabits} Gbit/s" for gigabits in options.gigabits)
        + ".",
        "",
        *setting_lines(described),
    ]
    write_results(options.out, "cluster", markdown, {**described, "measured": real, "bytes": sizes, "times": times})


def measured_rounds(encoded: EncodedCorpus, settings: Settings) -> dict[str, Any]:
    """Mean rows touched and median processor seconds of a shard's rounds, and what is expected."""
    counts = encoded.vocabulary.counts
    plan, keep = kernel_plan(settings, counts), keep_threshold(keep_probability(counts, settings.subsample))
    tables, noise = initial_tables(counts, settings), noise_tables(counts, settings)
    workspace = ShardWorkspace(tables, noise, plan, settings.dim)
    schedule = Schedule(float(settings.lr), 0, encoded.token_count * settings.epochs, 0, NO_LIMIT, settings.shards)
    tokens, seconds, rows = [], [], []
    by_all = np.zeros((2, len(counts)), np.bool_)
    for number, (begin, end) in enumerate(shard_cuts(encoded.stream, settings.shards)):
        stop = next_position(encoded.stream, begin, end, int(settings.round_tokens))
        for _ in range(2):  # the first time pays for compiling and for fresh memory
            started = time.thread_time()
            workspace.begin(begin, stop, number)
            workspace.train(keep, encoded.stream, plan, schedule, NO_LIMIT)
            taken = time.thread_time() - started
        places = (workspace.shard_rows.input_place, workspace.shard_rows.output_place)
        by_all |= np.stack([place >= 0 for place in places])
        rows.append([int((place >= 0).sum()) for place in places])
        seconds.append(taken)
        tokens.append(int(workspace.thread.cursor[TOKENS]))
    return {
        "seconds": statistics.median(seconds),
        "tokens": statistics.mean(tokens),
        "touched": np.mean(rows, axis=0).tolist(),
        "expected": expected_touched(counts, settings, statistics.mean(tokens)),
        "touched_by_all": by_all.sum(axis=1).tolist(),
        "expected_by_all": expected_touched(counts, settings, sum(tokens)),
        "shard_bytes": bytes_of_rows(*np.mean(rows, axis=0).tolist(), settings.dim),
        "base_bytes": bytes_of_rows(*by_all.sum(axis=1).tolist(), settings.dim),
    }


def expected_touched(counts: np.ndarray, settings: Settings, tokens: float) -> tuple[float, float]:
    """The expected number of rows of the input and of the output table that training on some tokens touches.

    Parameters
    ----------
    counts : int64 [vocabulary]
    settings : Settings
    tokens : float
        Before subsampling.

    Notes
    -----
    A row that is drawn u times on average is touched with probability 1 − exp(−u). A word is a centre, and a context,
    u = tokens · f · keep times; S noise words for each block of G centres have probability q each.
    """
    kept = tokens * counts / counts.sum() * keep_probability(counts, settings.subsample)
    draws = kept.sum() / settings.block_size * settings.num_sampled * noise_probability(counts, settings)
    return float(-np.expm1(-kept).sum()), float(-np.expm1(-(kept + draws)).sum())


def bytes_of_rows(inputs: float, outputs: float, dim: int) -> float:
    """The bytes to send rows of both tables: vectors, biases and row numbers."""
    return 4 * ((inputs + outputs) * (dim + 1) + outputs)


def _round_bytes(classes: int, dim: int, shards: int) -> dict[str, Any]:
    """Expected for a vocabulary whose k-th word has 1/(k + 2.7) of the tokens, and as many that round_tokens fits."""
    counts = np.maximum(1, 1e12 / (np.arange(classes) + 3.7)).astype(np.int64)
    settings = (
        Settings(deterministic=True, ngrams="off", dim=dim, shards=shards).resolved().with_rounds(classes, 10**12)
    )
    tokens = int(settings.round_tokens)
    shard = bytes_of_rows(*expected_touched(counts, settings, tokens), dim)
    out = bytes_of_rows(*expected_touched(counts, settings, shards * tokens), dim)
    whole = 4.0 * classes * (2 * dim + 1)
    return {
        "classes": classes,
        "dim": dim,
        "tokens": tokens,
        "shard": shard,
        "in": shards * shard,
        "out": out,
        "table": whole,
    }


# --- the simulation ---------------------------------------------------------------------------------------------


@dataclass
class Network:
    """Machines with a full-duplex link each; a message is sent when both ends are free, and then arrives whole."""

    bytes_per_second: float
    out_free: dict[int, float] = field(default_factory=dict)
    in_free: dict[int, float] = field(default_factory=dict)

    def send(self, sender: int, receiver: int, size: float, ready: float) -> float:
        """When a message arrives that is ready at `ready`."""
        if sender == receiver:
            return ready
        start = max(ready, self.out_free.get(sender, 0.0), self.in_free.get(receiver, 0.0))
        self.out_free[sender] = self.in_free[receiver] = start + size / self.bytes_per_second
        return start + size / self.bytes_per_second

    def spread(self, sender: int, receivers: range, size: float, ready: float) -> dict[int, float]:
        """When each has what `sender` has; those who have it pass it on."""
        has = {sender: ready}
        for receiver in receivers:
            if receiver not in has:
                giver = min(has, key=lambda machine: max(has[machine], self.out_free.get(machine, 0.0)))
                has[receiver] = self.send(giver, receiver, size, has[giver])
        return has


@dataclass(frozen=True)
class Load:
    """A round: shard k is trained by worker 1 + k mod workers; machine 0 is the coordinator."""

    workers: int
    shards: int
    seconds: float  # of one shard
    shard_bytes: float
    base_bytes: float

    def trained(self, has_base: dict[int, float]) -> list[tuple[float, int]]:
        """When each shard is trained, and by whom, in the order of time."""
        done = [
            (has_base[1 + shard % self.workers] + (1 + shard // self.workers) * self.seconds, 1 + shard % self.workers)
            for shard in range(self.shards)
        ]
        return sorted(done)


def at_the_coordinator(load: Load, network: Network) -> float:
    """Every worker sends what its shards have changed to the coordinator, which adds up in the order of the shards."""
    has_base = network.spread(0, range(1, load.workers + 1), load.base_bytes, 0.0)
    return max(network.send(worker, 0, load.shard_bytes, ready) for ready, worker in load.trained(has_base))


def in_a_tree(load: Load, network: Network) -> float:
    """Sums of two are sent on, up to the first worker; a sum has no more bytes than all changes together."""
    ready = network.spread(1, range(1, load.workers + 1), load.base_bytes, 0.0)
    for moment, worker in load.trained(dict(ready)):
        ready[worker] = max(ready[worker], moment)
    own = load.shards / load.workers
    step = 1
    while step < load.workers:
        size = min(load.base_bytes, load.shard_bytes * own * step)
        for worker in range(1, load.workers + 1 - step, 2 * step):
            arrived = network.send(worker + step, worker, size, ready[worker + step])
            ready[worker] = max(ready[worker], arrived)
        step *= 2
    return ready[1]


def at_owners_of_ranges(load: Load, network: Network) -> float:
    """Each worker adds up, in the order of the shards, the rows of its range of words, and sends them to all others."""
    everyone = range(1, load.workers + 1)
    complete = dict.fromkeys(everyone, 0.0)
    for moment, worker in load.trained(dict.fromkeys(everyone, 0.0)):
        for distance in range(load.workers):
            owner = 1 + (worker - 1 + distance) % load.workers
            arrived = network.send(worker, owner, load.shard_bytes / load.workers, moment)
            complete[owner] = max(complete[owner], arrived)
    end = 0.0
    for distance in range(1, load.workers):
        for owner in everyone:
            receiver = 1 + (owner - 1 + distance) % load.workers
            end = max(end, network.send(owner, receiver, load.base_bytes / load.workers, complete[owner]))
    return max(end, *complete.values())


WAYS: dict[str, Callable[[Load, Network], float]] = {
    "at the coordinator": at_the_coordinator,
    "in a tree": in_a_tree,
    "at owners of ranges": at_owners_of_ranges,
}


def _times(real: dict[str, Any], shards: int, workers: int, bytes_per_second: float) -> dict[str, float]:
    load = Load(workers, shards, real["seconds"], real["shard_bytes"], real["base_bytes"])
    return {name: way(load, Network(bytes_per_second)) for name, way in WAYS.items()}


def _limit(real: dict[str, Any], gigabits: int) -> float:
    """So many threads send as much as the coordinator's link takes."""
    return float(real["seconds"] * gigabits * GIGABIT / real["shard_bytes"])


def _numbers(names: str) -> list[int]:
    return [positive(name) for name in comma_list(names)]


if __name__ == "__main__":
    main()
