"""Whether cost grows in proportion: with the text, and with the threads.

    python -m benchmarks.scale --corpus corpus.txt.xz --factors 1,3,9 --eval-dir sets

Longer texts are the corpus written over and over into a temporary directory, as often as `--factors` says (9 makes
17 M tokens 153 M), with `min_count` as many times larger, so that the vocabulary and the memory for parameters stay
what they are. Then the corpus itself is trained on with each number of `--thread-counts`; more threads than CPUs show
what threads that share parameters cost in quality. Every run is a process of its own, with the kernel compiled
beforehand; medians of `--repeats`. The numbers of threads take turns, and their ratio is the median of each turn's.
"""

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks._common import (
    MIB,
    EvaluationSets,
    comma_list,
    evaluation_sets,
    new_parser,
    positive,
    say,
    spread,
    table,
    write_results,
)
from benchmarks._processes import train
from benchmarks._setting import plain_text, setting, setting_lines
from nce_train.training.settings_files import load_settings

Runs = list[dict[str, Any]]


def main() -> None:
    """Measure, print, write."""
    parser = new_parser("benchmarks.scale", __doc__ or "")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--dim", type=positive, default=128)
    parser.add_argument("--epochs", type=positive, default=1, help="of the longer texts")
    parser.add_argument("--factors", type=_numbers, default="1,3,9")
    parser.add_argument("--thread-counts", type=_numbers, default="1,2,4,8,16")
    parser.add_argument("--thread-epochs", type=positive, default=5, help="of the runs by threads")
    parser.add_argument("--repeats", type=positive, default=3)
    parser.add_argument("--eval-dir", type=Path, help="questions-words.txt, wordsim353.tsv and simlex999.txt")
    options = parser.parse_args()
    sets = evaluation_sets(options.eval_dir)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        scratch = Path(name)
        with plain_text(options.corpus, scratch) as (text, corpus):
            described = setting(corpus)
            say("compiling")
            train(text, scratch / "model.nce", "--config", options.preset, "--dim", options.dim, "--max-steps", 1)
            by_size = {factor: _by_size(text, scratch, options, factor) for factor in options.factors}
            by_threads = _by_threads(text, scratch, options, sets)
    markdown = [
        f"# Scale: preset {options.preset}, dim {options.dim}",
        "",
        f"The text written over and over, {options.threads} threads, {options.epochs} epochs. Beside the anonymous "
        "memory stands that of the parameters. Line: a cache line's way to the other core and back, before and after "
        "each run.",
        "",
        *table(
            [
                "tokens",
                "tokens/s in training",
                "reading, s",
                "whole command, s",
                "anonymous, MiB",
                "parameters, MiB",
                "line, ns",
            ],
            [_size_row(runs) for runs in by_size.values()],
        ),
        "",
        f"Threads, {options.thread_epochs} epochs of the text itself. Beyond the CPUs threads cannot be faster; what "
        "counts there is quality.",
        "",
        *table(
            [
                "threads",
                "tokens/s in training",
                "times that of the first row in the same turn",
                "line, ns",
                *sets.paths,
            ],
            _thread_rows(by_threads, sets),
        ),
        "",
        *setting_lines(described),
        *(f"- {note}" for note in sets.notes),
    ]
    write_results(options.out, "scale", markdown, {**described, "by_size": by_size, "by_threads": by_threads})


def _numbers(names: str) -> list[int]:
    return [positive(name) for name in comma_list(names)]


def _by_size(text: Path, scratch: Path, options: argparse.Namespace, factor: int) -> Runs:
    longer = scratch / "longer.txt"
    with open(longer, "wb") as file:
        for _ in range(factor):
            with open(text, "rb") as once:
                shutil.copyfileobj(once, file, 1 << 20)
            file.write(b"\n")  # should the text end without
    runs = []
    for number in range(1, options.repeats + 1):
        say(f"{factor} times the text, run {number} of {options.repeats}")
        min_count = factor * load_settings(options.preset).min_count
        runs.append(_train(longer, scratch, options, number, options.threads, options.epochs, min_count))
    longer.unlink()
    return runs


def _by_threads(text: Path, scratch: Path, options: argparse.Namespace, sets: EvaluationSets) -> dict[int, Runs]:
    """Each number of threads in turn, over and over: a machine that is slow for a while is so for all of them."""
    runs: dict[int, Runs] = {threads: [] for threads in options.thread_counts}
    for number in range(1, options.repeats + 1):
        for threads in options.thread_counts:
            say(f"{threads} threads, run {number} of {options.repeats}")
            run = _train(text, scratch, options, number, threads, options.thread_epochs)
            runs[threads].append({**run, "quality": sets.measure(scratch / "model.nce")})
    return runs


def _train(
    text: Path,
    scratch: Path,
    options: argparse.Namespace,
    seed: int,
    threads: int,
    epochs: int,
    min_count: int | None = None,
) -> dict[str, Any]:
    settings = ["--config", options.preset, "--dim", options.dim, "--epochs", epochs]
    if min_count is not None:
        settings += ["--min-count", min_count]
    manifest = train(text, scratch / "model.nce", *settings, "--threads", threads, "--seed", seed)
    kept = ("tokens", "vocabulary", "tokens_per_second", "timings", "process")
    tables = [scratch / "model.nce" / name for name in manifest["files"] if name.endswith(".npy")]
    return {key: manifest[key] for key in kept} | {"parameter_bytes": sum(path.stat().st_size for path in tables)}


def _size_row(runs: Runs) -> list[str]:
    anonymous = [run["process"]["peak_anonymous_bytes"] for run in runs]
    return [
        f"{runs[0]['tokens'] / 1e6:,.1f} M",
        spread((run["tokens_per_second"] / 1e6 for run in runs), "{:.2f} M"),
        spread((run["timings"]["vocabulary"] + run["timings"]["encode"] for run in runs), "{:.1f}"),
        spread((run["process"]["whole_seconds"] for run in runs), "{:.1f}"),
        spread((None if size is None else size / MIB for size in anonymous), "{:.0f}"),
        f"{runs[0]['parameter_bytes'] / MIB:.0f}",
        _lines(runs),
    ]


def _lines(runs: Runs) -> str:
    """What a cache line took to the other core and back."""
    return spread((trip for run in runs for trip in run["process"]["line_round_trips"]), "{:.0f}")


def _thread_rows(by_threads: dict[int, Runs], sets: EvaluationSets) -> list[list[str]]:
    rows = []
    first: list[float] = []
    for threads, runs in by_threads.items():
        rates = [run["tokens_per_second"] for run in runs]
        first = first or rates
        times = statistics.median(rate / one for rate, one in zip(rates, first, strict=True))
        qualities = [spread((run["quality"][column] for run in runs), "{:.3f}") for column in sets.paths]
        rate = spread((rate / 1e6 for rate in rates), "{:.2f} M")
        rows.append([str(threads), rate, f"{times:.2f}", _lines(runs), *qualities])
    return rows


if __name__ == "__main__":
    main()
