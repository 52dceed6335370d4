"""The picture of quality against time, from the committed results of `python -m benchmarks`.

    python -m benchmarks.plot        # writes docs/quality_time.png; needs matplotlib (extra report)

Each trainer is a point: the median seconds of its whole command, and the mean quality of its runs. Warm and cold runs
of a preset are one point for quality; its time is the warm one, with a line to the cold one.
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks._common import RESULTS

PICTURE = Path(__file__).parents[1] / "docs" / "quality_time.png"
OURS, PEER = "#1f6f8b", "#c05621"
SIMILARITIES = ("WS-353", "SimLex", "MEN", "MTurk-771")


def main() -> None:
    """Read the results, draw, write."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.plot", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS / "side_by_side.json")
    parser.add_argument("--out", type=Path, default=PICTURE)
    options = parser.parse_args()
    draw(points(json.loads(options.results.read_text(encoding="utf-8"))["runs"]), options.out)


def points(runs: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """For each preset or peer the seconds of its whole command (of cold ones too) and its mean quality."""
    found: dict[str, dict[str, Any]] = {}
    for trainer, done in runs.items():
        name, _, state = trainer.removeprefix("nce-train ").partition(", ")
        point = found.setdefault(name, {"ours": trainer.startswith("nce-train"), "cold": None, "runs": []})
        point["runs"] += done
        point["cold" if state == "cold" else "seconds"] = statistics.median(run["whole_seconds"] for run in done)
    for point in found.values():
        quality = [run["quality"] for run in point["runs"]]
        point["analogies"] = statistics.mean(each["analogies"] for each in quality)
        point["similarity"] = statistics.mean(each[name] for each in quality for name in SIMILARITIES)
    return found


def draw(found: dict[str, dict[str, Any]], out: Path) -> None:
    """Two panels over the same logarithmic time: analogies, and the mean of the similarity sets."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True)
    titles = {"analogies": "analogies, accuracy", "similarity": "four similarity sets, mean Spearman correlation"}
    for axes, (measure, title) in zip(panels, titles.items(), strict=True):
        by_value = sorted(found.items(), key=lambda item: item[1][measure])
        for number, (name, point) in enumerate(by_value):
            colour, value = OURS if point["ours"] else PEER, point[measure]
            label_offset = -15 if number % 2 else 7  # neighbours in quality do not cover each other's names
            if point["cold"] is not None:  # with compiling, at the first run
                axes.plot([point["seconds"], point["cold"]], [value, value], color=colour, linewidth=1, alpha=0.5)
            axes.plot(point["seconds"], value, "o", color=colour)
            axes.annotate(
                name, (point["seconds"], value), textcoords="offset points", xytext=(0, label_offset), ha="center"
            )
        axes.set_xscale("log")
        axes.set_xticks([5, 10, 20, 50, 100, 200, 500], labels=["5", "10", "20", "50", "100", "200", "500"])
        axes.minorticks_off()
        axes.set_xlabel("whole command, seconds")
        axes.set_title(title, fontsize=10)
        axes.grid(alpha=0.25)
        axes.margins(0.15)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, dpi=150, facecolor="white")


if __name__ == "__main__":
    main()
