"""Train the same corpus with this package and with gensim, in turn, several times; print one table.

    python -m benchmarks corpus.txt --epochs 5 --runs 3 --set questions-words.txt --set wordsim353.tsv

Each run is a process of its own. Speeds are in-vocabulary corpus tokens per second of training; "whole command" is the
process from start to end, with an empty compile cache (cold) or a filled one (warm). The corpus is unpacked first for
gensim's `corpus_file`. Results go to benchmarks/results/ as Markdown and JSON.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run everything and write the table."""
    options = _options()
    text = Path(options.text)
    if not text.is_file():
        sys.exit(f"There is no text {text}: give a plain text file to train on.")
    for needed in options.set:
        if not Path(needed).is_file():
            sys.exit(f"There is no evaluation set {needed}.")
    rows: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(options.runs):
            for preset in options.preset:
                for warmth in ("cold", "warm") if number == 0 else ("warm",):
                    name = f"nce-train --config {preset} ({warmth})"
                    print(f"run {number + 1}: {name}", file=sys.stderr)
                    rows.setdefault(name, []).append(_ours(options, preset, warmth, Path(scratch), number + 1))
            if not options.no_peers:
                print(f"run {number + 1}: gensim", file=sys.stderr)
                rows.setdefault("gensim corpus_file, 5 negatives, lr 0.05", []).append(
                    _gensim(options, Path(scratch), number + 1)
                )
    table = _table(rows, options)
    print(table)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{options.name}.md").write_text(table + "\n", encoding="utf-8")
    (RESULTS / f"{options.name}.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("text", help="plain text, one sentence or paragraph a line")
    parser.add_argument("--name", default="latest", help="of the result files")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--window", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="for all; without it each preset's own, and 5 for the peers")
    parser.add_argument("--subsample", type=float, default=1e-4)
    parser.add_argument("--preset", action="append", help="default: default", default=None)
    parser.add_argument("--set", action="append", default=[], help="an evaluation set")
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    options.preset = options.preset or ["default"]
    return options


def _ours(options: argparse.Namespace, preset: str, warmth: str, scratch: Path, seed: int) -> dict[str, Any]:
    output = scratch / "ours.nce"
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(scratch / "numba")}
    if warmth == "cold":
        shutil.rmtree(scratch / "numba", ignore_errors=True)
    command = [
        sys.executable,
        "-m",
        "nce_train.cli.train",
        options.text,
        "-o",
        str(output),
        "--config",
        preset,
    ]
    command += [
        "--overwrite",
        "--quiet",
        "--no-cache",
        "--threads",
        str(options.threads),
        "--seed",
        str(seed),
    ]
    command += [
        "--dim",
        str(options.dim),
        "--window",
        str(options.window),
        "--subsample",
        str(options.subsample),
    ]
    if options.epochs is not None:
        command += ["--epochs", str(options.epochs)]
    started = time.perf_counter()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    whole = time.perf_counter() - started
    manifest = json.loads((output / "manifest.json").read_text())
    return {
        "tokens_per_second": manifest["tokens_per_second"],
        "train_seconds": manifest["timings"]["train"],
        "whole_seconds": whole,
        "peak_memory_bytes": manifest["peak_memory_bytes"],
        "pairs_per_second": manifest["pairs"] / manifest["timings"]["train"],
        "timings": manifest["timings"],
        **_quality(output, options.set),
    }


def _gensim(options: argparse.Namespace, scratch: Path, seed: int) -> dict[str, Any]:
    vectors = scratch / "gensim.txt"
    command = [
        sys.executable,
        "-m",
        "benchmarks.peer_gensim",
        options.text,
        str(vectors),
        "--seed",
        str(seed),
    ]
    for name in ("threads", "dim", "window", "subsample"):
        command += [f"--{name}", str(getattr(options, name))]
    command += ["--epochs", str(options.epochs or 5)]
    started = time.perf_counter()
    finished = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    whole = time.perf_counter() - started
    return {**json.loads(finished.stdout), "whole_seconds": whole, **_quality(vectors, options.set)}


def _quality(model: Path, sets: list[str]) -> dict[str, float]:
    if not sets:
        return {}
    command = [sys.executable, "-m", "nce_train.cli.eval", str(model), *sets, "--json"]
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    found = {name: result["accuracy"] for name, result in report.get("analogies", {}).items()}
    found.update({name: result["spearman"] for name, result in report.get("similarity", {}).items()})
    return {f"set {name}": value for name, value in found.items()}


def _table(rows: dict[str, list[dict[str, Any]]], options: argparse.Namespace) -> str:
    sets = [f"set {Path(path).stem}" for path in options.set]
    lines = [
        f"{Path(options.text).name}, dim {options.dim}, window {options.window}, subsample {options.subsample:g}, "
        f"{options.threads} threads, {options.epochs or 'own'} epochs; {_machine()}",
        "",
        "| trainer | runs | tokens/s in training | training, s | whole command, s | memory, MiB | "
        + " | ".join(name.removeprefix("set ") for name in sets)
        + " |",
        "|---" * (6 + len(sets)) + "|",
    ]
    for name, runs in rows.items():
        cells = [name, str(len(runs))]
        cells.append(_spread(runs, "tokens_per_second", 1e6, "{:.2f} M"))
        cells.append(_spread(runs, "train_seconds", 1, "{:.1f}"))
        cells.append(_spread(runs, "whole_seconds", 1, "{:.1f}"))
        cells.append(_spread(runs, "peak_memory_bytes", 2**20, "{:.0f}"))
        cells += [_spread(runs, key, 1, "{:.3f}") for key in sets]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "Medians, and (least–greatest) of the runs."]
    return "\n".join(lines)


def _spread(runs: list[dict[str, Any]], key: str, unit: float, form: str) -> str:
    values = [run[key] / unit for run in runs]
    middle = form.format(statistics.median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({form.format(min(values))}–{form.format(max(values))})"


def _machine() -> str:
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return f"{name}, {os.cpu_count()} CPUs, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
