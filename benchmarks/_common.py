"""What the benchmarks share: their options, the sets that vectors are evaluated on, and how results are written.

Every command writes `NAME.md` and `NAME.json` into `--out`, and prints the Markdown.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from benchmarks._processes import run
from nce_train.files import atomic_write

RESULTS = Path(__file__).parent / "results"
SAMPLE = resources.files("nce_train.sample")
MIB = 2**20


# --- command lines ----------------------------------------------------------------------------------------------


def new_parser(module: str, description: str) -> argparse.ArgumentParser:
    """A parser with the options that all benchmarks of a corpus take."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--corpus",
        type=existing_file,
        default=Path(str(SAMPLE / "sample.txt.xz")),
        help="text, plain or compressed, a sentence a line; default: the project's small sample",
    )
    parser.add_argument("--threads", type=positive, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS, help="directory of the results")
    return parser


def existing_file(name: str) -> Path:
    """An argument that has to be a file."""
    if not Path(name).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {name}")
    return Path(name)


def positive(number: str) -> int:
    """An argument that has to be a whole number above 0."""
    if not number.isdecimal() or int(number) < 1:
        raise argparse.ArgumentTypeError(f"{number} is no whole number above 0")
    return int(number)


def comma_list(names: str) -> list[str]:
    """An argument such as `gensim,fasttext`; empty for none."""
    return [name.strip() for name in names.split(",") if name.strip()]


# --- quality ----------------------------------------------------------------------------------------------------

SETS = {
    "analogies": "questions-words.txt",
    "WS-353": "wordsim353.tsv",
    "SimLex": "simlex999.txt",
    "MEN": "men.tsv",
    "MTurk-771": "mturk771.tsv",
}


@dataclass(frozen=True)
class EvaluationSets:
    """The sets that vectors are measured on, by the name of their column."""

    paths: dict[str, Path]
    notes: list[str]  # a sentence for what is missing

    def measure(self, vectors: Path) -> dict[str, float]:
        """Evaluate a model directory or a vectors file with `nce-eval`, in a process of its own."""
        if not self.paths:
            return {}
        sets = [str(path) for path in self.paths.values()]
        report = json.loads(run([sys.executable, "-m", "nce_train.cli.eval", str(vectors), *sets, "--json"]).stdout)
        found = {name: result["accuracy"] for name, result in report.get("analogies", {}).items()}
        found |= {name: result["spearman"] for name, result in report.get("similarity", {}).items()}
        return {column: found[path.stem] for column, path in self.paths.items()}


def evaluation_sets(directory: Path | None) -> EvaluationSets:
    """The usual five sets in a directory, or the project's own analogies when there is no directory."""
    if directory is None:
        own = {"own analogies": Path(str(SAMPLE / "analogies.txt"))}
        return EvaluationSets(own, ["Without --eval-dir only the project's own analogies are asked."])
    paths = {column: directory / name for column, name in SETS.items()}
    return EvaluationSets(
        {column: path for column, path in paths.items() if path.is_file()},
        [f"{path.name} is not in {directory.name}: not measured." for path in paths.values() if not path.is_file()],
    )


# --- results ----------------------------------------------------------------------------------------------------


def spread(values: Iterable[float | None], form: str = "{:.2f}") -> str:
    """The median, and (least–greatest) of more than one; – for what was not measured."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    middle = form.format(statistics.median(known))
    least, greatest = form.format(min(known)), form.format(max(known))
    return middle if least == greatest else f"{middle} ({least}–{greatest})"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return [f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows)]


def write_results(out: Path, name: str, markdown: Sequence[str], result: dict[str, Any], show: bool = True) -> None:
    """Write `name.md` and `name.json`, whole, and print the Markdown."""
    out.mkdir(parents=True, exist_ok=True)
    with atomic_write(out / f"{name}.md", "w", encoding="utf-8") as file:
        file.write("\n".join(markdown) + "\n")
    with atomic_write(out / f"{name}.json", "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1, allow_nan=False)
        file.write("\n")
    if show:
        print("\n".join(markdown))


def say(sentence: str) -> None:
    """Tell on stderr what goes on."""
    print(f"{time.strftime('%H:%M:%S')} {sentence}", file=sys.stderr)
