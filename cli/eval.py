"""nce-eval: measure embeddings on analogies, word similarities and held-out text; prints tables or JSON."""

import json

import click

from nce_train.cli._command import command, print_result
from nce_train.cli._options import FILE, file_option, model_argument, number_option

_HELP = """Evaluate MODEL, a model directory or a vectors file, on each SET.

A SET holds analogies or similarities; which is detected from its contents. Analogies: ": section" lines and four
words a line; MSR's .questions beside its .answers; or, as BATS, a directory of files of word pairs. Similarities: a
table with two words and a score a line (FILE:COLUMN names the scores). Without a SET, the project's own analogies
are used.
"""


@command("nce-eval", _HELP)
@model_argument
@click.argument("sets", metavar="[SET]...", nargs=-1, type=FILE)
@file_option(
    "--analogies", multiple=True, help="A set of analogies: a file, or a directory of files of pairs (repeatable)."
)
@file_option(
    "--similarity",
    metavar="FILE[:COLUMN]",
    multiple=True,
    help="A set of scored word pairs, with the name or number of the column of scores (repeatable).",
)
@number_option(
    "--restrict-vocab",
    default=30_000,
    least=0,
    help="Evaluate among the N most frequent words, and then among all; 0 for all words only.",
)
@click.option(
    "--fold-case",
    is_flag=True,
    help="Compare words in any case, as gensim does by default; for vectors of cased words.",
)
@click.option(
    "--oov",
    is_flag=True,
    help="Evaluate also with words outside of the vocabulary; for models with sub-words.",
)
@file_option(
    "--heldout", help="A text that was not trained on: NCE loss, full sigmoid loss, perplexity and log Z on it."
)
@number_option(
    "--heldout-pairs",
    default=100_000,
    help="Use at most N examples of the held-out text: (centre, context) pairs, or with CBOW words in context.",
)
@file_option(
    "--compare", metavar="MODEL", multiple=True, help="Compare with another model, with a paired test (repeatable)."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def main(
    model: str,
    sets: tuple[str, ...],
    analogies: tuple[str, ...],
    similarity: tuple[str, ...],
    restrict_vocab: int,
    fold_case: bool,
    oov: bool,
    heldout: str | None,
    heldout_pairs: int,
    compare: tuple[str, ...],
    as_json: bool,
) -> None:
    from nce_train.api import evaluate
    from nce_train.api.progress_bar import ProgressBar
    from nce_train.cli._eval_tables import format_report
    from nce_train.names import readable

    with ProgressBar(disable=None, delay=1) as bar:
        report = evaluate(
            model,
            sets,
            analogies=analogies,
            similarity=similarity,
            restrict_vocab=restrict_vocab,
            fold_case=fold_case,
            oov=oov,
            heldout=heldout,
            heldout_pairs=heldout_pairs,
            compare=compare,
            progress=bar.show,
        )
    for line in [json.dumps(readable(report), indent=2, allow_nan=False)] if as_json else format_report(report):
        print_result(line)


if __name__ == "__main__":
    main()
