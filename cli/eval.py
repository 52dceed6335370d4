"""nce-eval: how well embeddings answer analogies and order word pairs, as a table or as JSON."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import click

from nce_train.cli._common import command


@command("nce-eval")
@click.argument("model", metavar="MODEL", type=click.Path(readable=False))
@click.argument("sets", metavar="[SET]...", nargs=-1, type=click.Path(readable=False))
@click.option(
    "--analogies",
    metavar="FILE",
    multiple=True,
    type=click.Path(readable=False),
    help="A set of analogies; may be repeated.",
)
@click.option(
    "--similarity",
    metavar="FILE",
    multiple=True,
    type=click.Path(readable=False),
    help="A set of scored word pairs; may be repeated.",
)
@click.option(
    "--restrict-vocab",
    metavar="N",
    type=click.IntRange(min=0),
    default=30_000,
    show_default=True,
    help="Ask analogies among the N most frequent words; 0 for all.",
)
@click.option(
    "--heldout",
    metavar="FILE",
    type=click.Path(readable=False),
    help="A text not trained on: NCE loss, full sigmoid loss, perplexity and log Z of the classifier.",
)
@click.option(
    "--heldout-pairs",
    metavar="N",
    type=click.IntRange(min=1),
    default=100_000,
    show_default=True,
    help="Look at no more than N (centre, context) pairs of the held-out text.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def main(
    model: str,
    sets: tuple[str, ...],
    analogies: tuple[str, ...],
    similarity: tuple[str, ...],
    restrict_vocab: int,
    heldout: str | None,
    heldout_pairs: int,
    as_json: bool,
) -> None:
    """Evaluate MODEL, a model directory or a vectors file, on each SET.

    A SET holds analogies (": section" lines and four words a line) or similarities (two words and a number a
    line); its contents tell which. Without a set, the project's own analogies are asked.
    """
    from nce_train.api import evaluate

    with _HeldoutBar() as bar:
        report = evaluate(
            model,
            sets,
            analogies=analogies,
            similarity=similarity,
            restrict_vocab=restrict_vocab,
            heldout=heldout,
            heldout_pairs=heldout_pairs,
            progress=bar.show,
        )
    _print([json.dumps(report, indent=2, allow_nan=False)] if as_json else _table(report, restrict_vocab))


def _print(lines: Iterable[str]) -> None:
    from nce_train.errors import RunError

    try:
        for line in lines:
            click.echo(line)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise RunError(f"standard output: the results could not be written ({error.strerror}); mend this") from error


def _table(report: dict[str, Any], restrict_vocab: int) -> Iterator[str]:
    words, dim = report["vocabulary"], report["dim"]
    yield f"{report['model']}: {words} words, dim {dim}"
    among = min(restrict_vocab or words, words)
    for name, result in report.get("analogies", {}).items():
        rows = [(section or "(no section)", counts) for section, counts in result["sections"].items()]
        rows.append(("all", result))
        width = max(len(name) for name, _ in rows)
        yield ""
        yield f"{name}: analogies among {among} words"
        yield f"  {'':{width}}   correct     asked questions  accuracy  coverage"
        for section, counts in rows:
            yield (
                f"  {section:{width}} {counts['correct']:9} {counts['asked']:9} {counts['questions']:9} "
                f"{_percent(counts['accuracy']):>9} {_percent(counts['coverage']):>9}"
            )
    similarities = report.get("similarity", {})
    if similarities:
        width = max(map(len, similarities))
        yield ""
        yield f"{'similarity':{width}}  Spearman     pairs        of  coverage"
        for name, result in similarities.items():
            spearman = "–" if result["spearman"] is None else f"{result['spearman']:.3f}"
            yield (
                f"{name:{width}} {spearman:>9} {result['pairs']:9} {result['of']:9} {_percent(result['coverage']):>9}"
            )
    if "heldout" in report:
        yield ""
        yield "held-out text, mean a pair"
        for key, value in report["heldout"].items():
            yield (f"  {key:{len('sigmoid_loss')}} {value:>12,}" if key == "pairs" else f"  {key:12} {value:12.4f}")


class _HeldoutBar:
    """A bar over the centres of the held-out text, on a terminal."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __enter__(self) -> "_HeldoutBar":
        return self

    def __exit__(self, *failure: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, done: int, total: int) -> None:
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=total, desc="held-out", unit="centre", leave=False, disable=None)
        self._bar.update(done - self._bar.n)


def _percent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{fraction:.1%}"


if __name__ == "__main__":
    main()
