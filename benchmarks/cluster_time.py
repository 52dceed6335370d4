"""What a cluster costs on this machine: reading on its workers beside threads, and what the time of a round goes to.

    python -m benchmarks.cluster_time --corpus corpus.txt.xz --copies 9

Reading is counting and encoding: the text so many times over, with `min_count` as many times 5 so that the vocabulary
is that of one copy, on workers that have read it once before. Then rounds are trained, and the process that keeps the
parameters notes what it waits for; the median of all rounds is told.
"""

import contextlib
import functools
import itertools
import os
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks._common import new_parser, positive, say, table, write_results
from benchmarks._setting import plain_text, setting, setting_lines
from nce_train.cluster.cluster import Cluster, connect
from nce_train.cluster.messages import TrainedShard
from nce_train.cluster.trainer import ClusterTrainer
from nce_train.text.corpus import EncodedCorpus, encode_corpus
from nce_train.training.settings import Settings

# What the coordinator does in a round, by the methods in which it does it.
STEPS = {
    "send_changes": "sending what the last round has changed",
    "gather": "fetching what shards have changed",
    "add": "adding it up",
    "combine": "combining",
}


def main() -> None:
    """Read, train rounds, print, write."""
    parser = new_parser("benchmarks.cluster_time", __doc__ or "")
    parser.add_argument("--cluster", default="local:2", help="as nce-train takes it")
    parser.add_argument("--copies", type=positive, default=1, help="of the text, to be read")
    parser.add_argument("--repeats", type=positive, default=3, help="readings, beside a first one that is not told")
    parser.add_argument("--shards", type=positive, default=8)
    parser.add_argument("--rounds", type=positive, default=30)
    parser.add_argument("--dim", type=positive, default=128)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="benchmarks-") as name,
        plain_text(options.corpus, Path(name)) as (text, about),
    ):
        described = setting(about)
        copies = Path(name) / "copies.txt"
        with copies.open("wb") as target:
            for _ in range(options.copies):
                with text.open("rb") as source:
                    shutil.copyfileobj(source, target)
        started = time.perf_counter()
        with connect(options.cluster, say, say) as cluster:
            starting = time.perf_counter() - started
            reading = [
                read_both(cluster, copies, options.copies, options.threads, Path(name))
                for _ in range(options.repeats + 1)
            ][1:]
            rounds = rounds_of(cluster, text, options.dim, options.shards, options.rounds, Path(name))
    ratios = [on_workers / on_threads for on_workers, on_threads in reading]
    whole = rounds["the whole round"]
    markdown = [
        f"# A cluster on this machine: {options.cluster}",
        "",
        f"Started in {starting:.1f} s. Counting and encoding {options.copies} × the text below on its workers, warm: "
        f"{_middle([each[0] for each in reading])} s; with {options.threads} threads of one process: "
        f"{_middle([each[1] for each in reading])} s; {_middle(ratios)} times.",
        "",
        f"A round of {options.shards} shards at dim {options.dim}, milliseconds (medians of {options.rounds} rounds):",
        "",
        *table(
            ["what", "ms", "share"],
            [[what, f"{1000 * seconds:,.0f}", f"{seconds / whole:.0%}"] for what, seconds in rounds.items()],
        ),
        "",
        *setting_lines(described),
    ]
    results = {"starting": starting, "reading": reading, "rounds": rounds, "setting": described}
    write_results(options.out, "cluster_time", markdown, results)


def read_both(cluster: Cluster, text: Path, copies: int, threads: int, scratch: Path) -> tuple[float, float]:
    """Seconds to count and encode a text on the workers, and on threads of this process."""
    say("reading")
    settings = Settings(deterministic=True, min_count=5 * copies).resolved()
    return (
        _seconds(lambda: cluster.encode(str(text), settings, None, None, scratch, _tell_nobody)),
        _seconds(
            lambda: encode_corpus(
                text, scratch / "ids", min_count=settings.min_count, threads=threads, cache=False, progress=_tell_nobody
            )
        ),
    )


def rounds_of(cluster: Cluster, text: Path, dim: int, shards: int, rounds: int, scratch: Path) -> dict[str, float]:
    """What the coordinator's time of a round goes to, in seconds."""
    say("training rounds")
    settings = Settings(deterministic=True, ngrams="off", dim=dim, shards=shards, log_every=1e9).resolved()
    encoded: EncodedCorpus = cluster.encode(str(text), settings, None, None, scratch, _tell_nobody)
    settings = settings.with_rounds(len(encoded.vocabulary), encoded.token_count)
    trainer = cluster.trainer(encoded, settings, None)
    trainer.compile()
    seconds: list[dict[str, float]] = []
    busy: dict[str, float] = defaultdict(float)  # seconds of training by worker, in this round
    receive = trainer._receive

    def note_seconds(shard: int, trained: TrainedShard) -> None:
        busy[trainer._owners[shard]] += trained.seconds
        receive(shard, trained)

    trainer._receive = note_seconds  # type: ignore[method-assign]
    with _timed(trainer, seconds):
        while len(seconds) < rounds and trainer._start_round():
            results = trainer._train_round()
            assert results is not None
            trainer._base.round_done(trainer._sum.combine(trainer._factors))
            trainer._end_round(results)
            seconds[-1]["training, of the busiest worker"] = max(busy.values())
            busy.clear()
            seconds[-1]["the whole round"] = time.perf_counter() - seconds[-1].pop("began")
    names = ["training, of the busiest worker", *STEPS.values(), "the whole round"]
    medians = {name: statistics.median(each.get(name, 0.0) for each in seconds[1:]) for name in names}
    rest = medians["the whole round"] - sum(medians[name] for name in names[:-1])
    return {
        **{name: medians[name] for name in names[:-1]},
        "handing out and waiting, less what goes on meanwhile": rest,
        names[-1]: medians[names[-1]],
    }


@contextlib.contextmanager
def _timed(trainer: ClusterTrainer, seconds: list[dict[str, float]]) -> Iterator[None]:
    """Have the steps of each round add their seconds to an entry of its own."""

    def begin_round(begin: Callable[[], None]) -> None:
        seconds.append(defaultdict(float, began=time.perf_counter()))
        begin()

    def timed(step: Callable[..., Any], what: str, *arguments: Any) -> Any:
        started = time.perf_counter()
        try:
            return step(*arguments)
        finally:
            seconds[-1][what] += time.perf_counter() - started

    steps = list(zip((trainer._base, trainer._workers, trainer._sum, trainer._sum), STEPS, strict=True))
    for owner, name in steps:
        setattr(owner, name, functools.partial(timed, getattr(owner, name), STEPS[name]))
    trainer._sum.begin = functools.partial(begin_round, trainer._sum.begin)  # type: ignore[method-assign]
    yield
    for owner, name in itertools.chain(steps, [(trainer._sum, "begin")]):
        delattr(owner, name)


def _seconds(work: Callable[[], Any]) -> float:
    os.sync()  # what was written before is no part of it
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _tell_nobody(_done: int, _total: int | None, _phase: str) -> None:
    pass


def _middle(numbers: list[float]) -> str:
    return f"{statistics.median(numbers):.2f} ({min(numbers):.2f}–{max(numbers):.2f})"


if __name__ == "__main__":
    main()
