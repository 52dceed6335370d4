"""nce-vocab: count the words of a corpus, to inspect them or for `nce-train --vocab`."""

import click

from nce_train.cli._command import command, print_warning
from nce_train.cli._options import OUT_FILE, corpus_argument, file_option, number_option, reading_options

_HELP = """Count the words of CORPUS and write them to FILE as word<TAB>count, the most frequent first.

CORPUS is read as by nce-train: files, directories, or - for standard input, compressed or not.
"""


@command("nce-vocab", _HELP)
@corpus_argument
@file_option(
    "-o", "--output", type=OUT_FILE, required=True, help="The file to write or replace; - for standard output."
)
@number_option("--min-count", default=5, help="Drop words that occur less often.")
@number_option("--max-vocab", least=2, help="Keep at most N words, the most frequent ones, including --unknown.")
@click.option("--unknown", metavar="WORD", help="Count dropped words as this word, in the first row.")
@reading_options
def main(
    corpus: tuple[str, ...],
    output: str,
    tokens: str,
    lowercase: bool,
    normalize: str,
    min_count: int,
    max_vocab: int | None,
    unknown: str | None,
    threads: int | None,
    quiet: bool,
) -> None:
    from nce_train.api import count_words
    from nce_train.api.progress_bar import ProgressBar

    with ProgressBar(disable=True if quiet else None) as bar:
        counted = count_words(
            list(corpus),
            output,
            tokens=tokens,
            lowercase=lowercase,
            normalize=normalize,
            min_count=min_count,
            max_vocab=max_vocab,
            unknown=unknown,
            threads=threads,
            progress=lambda done, total, _: bar.show("reading", done, total, "B"),
        )
    if not quiet:
        for warning in counted.warnings:
            print_warning(warning)
        vocabulary, num_bytes = counted.vocabulary, sum(source["bytes"] for source in counted.sources)
        num_unknown = 0 if vocabulary.unknown is None else int(vocabulary.counts[0])
        numbers = len(vocabulary), int(vocabulary.counts.sum())
        count = counted.text.describe(*numbers, num_unknown=num_unknown)
        click.echo(f"{output}: {count}, from {num_bytes:,} bytes", err=True)


if __name__ == "__main__":
    main()
