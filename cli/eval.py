"""nce-eval: how well embeddings answer analogies and order word pairs, as a table or as JSON."""

import json
from typing import Any

import click

from nce_train.cli._common import command, print_result


@command("nce-eval")
@click.argument("model", metavar="MODEL", type=click.Path(readable=False))
@click.argument("sets", metavar="[SET]...", nargs=-1, type=click.Path(readable=False))
@click.option(
    "--analogies",
    metavar="FILE",
    multiple=True,
    type=click.Path(readable=False),
    help="A set of analogies: a file, or a directory of files of pairs; may be repeated.",
)
@click.option(
    "--similarity",
    metavar="FILE[:COLUMN]",
    multiple=True,
    type=click.Path(readable=False),
    help="A set of scored word pairs, and the name or number of the column of scores; may be repeated.",
)
@click.option(
    "--restrict-vocab",
    metavar="N",
    type=click.IntRange(min=0),
    default=30_000,
    show_default=True,
    help="Ask among the N most frequent words, and then among all; 0 for all at once.",
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
@click.option(
    "--compare",
    metavar="MODEL",
    multiple=True,
    type=click.Path(readable=False),
    help="Another model, side by side and with a paired test; may be repeated.",
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
    compare: tuple[str, ...],
    as_json: bool,
) -> None:
    """Evaluate MODEL, a model directory or a vectors file, on each SET.

    A SET holds analogies (": section" lines and four words a line; MSR's .questions beside its .answers; or, as BATS, a
    directory of files of word pairs) or similarities (a table with two words and a score a line, FILE:COLUMN to name
    the scores); its contents tell which. Without a set, the project's own analogies are asked.
    """
    from nce_train.api import evaluate
    from nce_train.cli._eval_tables import lines_of

    with _Bar() as bar:
        report = evaluate(
            model,
            sets,
            analogies=analogies,
            similarity=similarity,
            restrict_vocab=restrict_vocab,
            heldout=heldout,
            heldout_pairs=heldout_pairs,
            compare=compare,
            progress=bar.show,
        )
    for line in [json.dumps(report, indent=2, allow_nan=False)] if as_json else lines_of(report):
        print_result(line)


class _Bar:
    """A bar for what takes longer than a second, on a terminal."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._of: tuple[str, int] | None = None

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *failure: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, what: str, done: int, total: int) -> None:
        # The same set may be asked again, among other words or of a further model.
        if (what, total) != self._of or done < self._bar.n:
            from tqdm import tqdm

            if self._bar is not None:
                self._bar.close()
            self._bar = tqdm(total=total, desc=what, leave=False, disable=None, delay=1)
            self._of = (what, total)
        self._bar.update(done - self._bar.n)


if __name__ == "__main__":
    main()
