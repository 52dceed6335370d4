"""nce-phrases: join the words that belong together, such as new york, before training."""

import click

from nce_train.cli._common import command
from nce_train.cli._options import corpus_argument, reading_options


@command("nce-phrases")
@corpus_argument
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=click.Path(readable=False),
    required=True,
    help="Where to write the text; an ending .gz, .bz2, .xz or .zst compresses.",
)
@click.option(
    "--score",
    type=click.Choice(["word2vec", "npmi"]),
    default="word2vec",
    show_default=True,
    help="How neighbours are scored: as by word2vec's word2phrase, or by NPMI (from -1 to 1).",
)
@click.option(
    "--threshold",
    metavar="X",
    type=float,
    help="Join above this score; a higher one gives fewer phrases. Default: 10 for word2vec, 0.5 for npmi.",
)
@click.option(
    "--min-count",
    metavar="N",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Do not join pairs that occur less often.",
)
@click.option(
    "--passes",
    metavar="N",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="With each further pass phrases are joined too: 2 give phrases of up to 4 words.",
)
@click.option("--delimiter", metavar="TEXT", default="_", show_default=True, help="What stands between joined words.")
@click.option(
    "--list", "list_file", metavar="FILE", type=click.Path(readable=False), help="List the phrases here (TSV)."
)
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
    threads: int | None,
    quiet: bool,
) -> None:
    """Join the words of CORPUS that stand side by side more often than chance would have it, as new_york, and write
    the text to OUT, for nce-train.

    CORPUS is read as nce-train reads it: files, directories, or - for standard input, compressed or not. OUT has the
    same lines, but for those without a word; words are separated by one space.
    """
    from tqdm import tqdm

    from nce_train.api import phrases

    shown = ""
    with tqdm(unit="", unit_scale=True, leave=False, disable=True if quiet else None) as bar:

        def show(done: int, total: int | None, phase: str) -> None:
            nonlocal shown
            if phase != shown:
                shown = phase
                bar.set_description(phase, refresh=False)
                bar.total = total
                bar.reset()
            bar.total = total
            bar.update(done - bar.n)

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
            list_file=list_file,
            threads=threads,
            progress=show,
        )
    if not quiet:
        for warning in joined.warnings:
            click.echo(f"Warning: {warning}", err=True)
        num_bytes = sum(source["bytes"] for source in joined.sources)
        click.echo(
            f"{output}: {len(joined.phrases):,} phrases; {joined.tokens_read:,} tokens became "
            f"{joined.tokens_written:,}, from {num_bytes:,} bytes",
            err=True,
        )


if __name__ == "__main__":
    main()
