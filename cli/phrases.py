"""nce-phrases: join words that belong together, such as new york, before training."""

import click

from nce_train.cli._command import command, print_warning
from nce_train.cli._options import (
    OUT_FILE,
    choice_option,
    corpus_argument,
    file_option,
    number_option,
    reading_options,
)
from nce_train.cli._usage import Number

_HELP = """Join neighbouring words of CORPUS that occur together more often than chance predicts, as in new_york, and
write the text to OUT, for nce-train.

CORPUS is read as by nce-train: files, directories, or - for standard input, compressed or not. OUT has the same
lines, except those without a word, with one space between words.
"""


@command("nce-phrases", _HELP)
@corpus_argument
@file_option(
    "-o",
    "--output",
    metavar="OUT",
    type=OUT_FILE,
    required=True,
    help="The text to write; an ending .gz, .bz2, .xz or .zst compresses it; - for standard output.",
)
@choice_option(
    "--score", ["word2vec", "npmi"], help="How pairs are scored: as by word2vec's word2phrase, or by NPMI (-1 to 1)."
)
@click.option(
    "--threshold",
    metavar="X",
    type=Number(),
    help="Join pairs with a higher score; by default 10 for word2vec and 0.5 for npmi.",
)
@number_option("--min-count", default=5, help="Do not join pairs that occur less often.")
@number_option("--passes", default=1, help="Each further pass can join phrases too: 2 give phrases of up to 4 words.")
@click.option("--delimiter", metavar="TEXT", default="_", show_default=True, help="Text between joined words.")
@file_option("--list", "list_file", type=OUT_FILE, help="Write a list of the phrases here (TSV).")
@reading_options
def main(
    corpus: tuple[str, ...],
    output: str,
    score: str,
    threshold: float | None,
    min_count: int,
    passes: int,
    delimiter: str,
    list_file: str | None,
    tokens: str,
    lowercase: bool,
    normalize: str,
    threads: int | None,
    quiet: bool,
) -> None:
    from nce_train.api import phrases
    from nce_train.api.progress_bar import ProgressBar

    with ProgressBar(disable=True if quiet else None) as bar:
        joined = phrases(
            list(corpus),
            output,
            score=score,
            threshold=threshold,
            min_count=min_count,
            passes=passes,
            delimiter=delimiter,
            tokens=tokens,
            lowercase=lowercase,
            normalize=normalize,
            list_file=list_file,
            threads=threads,
            progress=lambda done, total, phase: bar.show(phase, done, total),
        )
    if not quiet:
        for warning in joined.warnings:
            print_warning(warning)
        num_bytes = sum(source["bytes"] for source in joined.sources)
        click.echo(
            f"{output}: {len(joined.phrases):,} phrases; {joined.tokens_read:,} tokens became "
            f"{joined.tokens_written:,}, from {num_bytes:,} bytes",
            err=True,
        )


if __name__ == "__main__":
    main()
