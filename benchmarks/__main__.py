"""Train the same text with nce-train's presets and with the installed peers, in turn, several times; print one table.

    python -m benchmarks --corpus corpus.txt.xz --eval-dir sets --repeats 3 --presets default,fast,longer,quality

Each run is a process of its own; the trainers take turns (A, B, C, A, B, C). "Cold" starts with empty caches, so that
the kernel is compiled; "warm" has it compiled. All read the text anew. Vectors of all are evaluated by `nce-eval`.
"""

import tempfile
from pathlib import Path
from typing import Any

from benchmarks._common import (
    MIB,
    SETS,
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
from benchmarks._setting import plain_text, setting, setting_lines
from benchmarks.trainers import PACKAGES, Task, chosen_trainers
from nce_train.errors import InputError
from nce_train.training.settings_files import load_settings

Runs = dict[str, list[dict[str, Any]]]


def main() -> None:
    """Run everything; the results are written after every round, so that a long run can be given up."""
    parser = new_parser("benchmarks", __doc__ or "")
    parser.add_argument("--dim", type=positive, default=128)
    parser.add_argument("--window", type=positive, default=5)
    parser.add_argument("--subsample", type=float, default=1e-4)
    parser.add_argument("--epochs", type=positive, help="for all; without it each preset's own, and 5 for the peers")
    parser.add_argument(
        "--ngrams", metavar="MIN-MAX|off", help="for all; without it each preset's own, and words for the peers"
    )
    parser.add_argument("--model", choices=["skipgram", "cbow"], help="for all; without it each preset's own")
    parser.add_argument("--repeats", type=positive, default=3)
    parser.add_argument("--presets", type=comma_list, default="default,fast,longer,quality")
    parser.add_argument("--no-cold", action="store_true", help="warm runs only, with this user's compile cache")
    parser.add_argument("--peers", type=comma_list, default=",".join(PACKAGES), help="'' for none")
    parser.add_argument("--gensim-lr", type=comma_list, default="0.05", help="one or several; its own default is 0.025")
    parser.add_argument("--eval-dir", type=Path, help=f"directory of {', '.join(SETS.values())}")
    options = parser.parse_args()
    for peer in options.peers:
        if peer not in PACKAGES:
            parser.error(f"there is no peer {peer}; there are {', '.join(PACKAGES)}")
    for preset in options.presets:
        try:
            load_settings(preset, {})
        except InputError as error:
            parser.error(str(error))
    sets = evaluation_sets(options.eval_dir)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        scratch = Path(name)
        with plain_text(options.corpus, scratch) as (text, corpus):
            names = ("threads", "dim", "window", "subsample", "epochs", "ngrams", "model")
            task = Task(text, scratch, sets=sets, **{name: getattr(options, name) for name in names})
            trainers, notes = chosen_trainers(options, task)
            notes += sets.notes
            if not trainers:
                parser.error("there is nothing to run: no preset was asked for, and no peer is installed")
            described = setting(corpus, *(PACKAGES[peer] for peer in options.peers))
            # names only: the results are committed, and the directories of this machine say nothing to others
            described["settings"] = {
                name: value.name if isinstance(value, Path) else str(value) for name, value in vars(options).items()
            }
            runs: Runs = {}
            for number in range(1, options.repeats + 1):
                for trainer in trainers:
                    say(f"run {number} of {options.repeats}: {trainer.name}")
                    runs.setdefault(trainer.name, []).append(trainer.train(number))
                markdown = report(runs, sets, task, [*setting_lines(described), *(f"- {note}" for note in notes)])
                result = {**described, "notes": notes, "runs": runs}
                write_results(options.out, "side_by_side", markdown, result, show=number == options.repeats)


def report(runs: Runs, sets: EvaluationSets, task: Task, about: list[str]) -> list[str]:
    """The whole text: what was asked, two tables, where."""
    pairs_per_token = _pairs_per_token(runs)
    quality_rows, cost_rows = [], []
    for name, done in runs.items():
        rates = [run["tokens_per_second"] for run in done]
        quality_rows.append(
            [
                name,
                spread((rate / 1e6 for rate in rates), "{:.2f} M"),
                spread((rate * pairs_per_token / 1e6 for rate in rates), "{:.1f} M") if pairs_per_token else "–",
                spread((run["train_seconds"] for run in done), "{:.1f}"),
                *(spread((run["quality"][column] for run in done), "{:.3f}") for column in sets.paths),
            ]
        )
        cost_rows.append(
            [
                name,
                spread((run["whole_seconds"] for run in done), "{:.1f}"),
                spread((run["compile_seconds"] for run in done), "{:.1f}"),
                spread((_in(run["peak_resident_bytes"], MIB) for run in done), "{:.0f}"),
                spread((_in(run["peak_anonymous_bytes"], MIB) for run in done), "{:.0f}"),
                spread((trip for run in done for trip in run["line_round_trips"]), "{:.0f}"),
            ]
        )
    repeats = max(map(len, runs.values()))
    return [
        f"# Side by side: dim {task.dim}, window {task.window}, subsample {task.subsample:g}, {task.threads} threads, "
        + (f"{task.epochs} epochs" if task.epochs else "each preset's own epochs, peers 5"),
        "",
        f"Medians of {repeats}, and (least–greatest). Tokens are in-vocabulary tokens of the text, and tokens/s is of "
        "training alone. Peers do not count pairs: theirs are what as many tokens hold in our runs.",
        "",
        *table(["trainer", "tokens/s", "pairs/s", "training, s", *sets.paths], quality_rows),
        "",
        "Whole commands, from start to end; compiling goes on beside the reading. Memory as the system shows it: what "
        "is resident, mapped files included, and the anonymous part. Line: a cache line's way to the other core and "
        "back, before and after each run; where that takes long, threads that share parameters are slower.",
        "",
        *table(
            ["trainer", "whole command, s", "compiling, s", "resident, MiB", "anonymous, MiB", "line, ns"], cost_rows
        ),
        "",
        *about,
    ]


def _pairs_per_token(runs: Runs) -> float | None:
    for done in runs.values():
        for run in done:
            if run["pairs_per_second"] is not None:
                return float(run["pairs_per_second"] / run["tokens_per_second"])
    return None


def _in(number: int | None, unit: int) -> float | None:
    return None if number is None else number / unit


if __name__ == "__main__":
    main()
