"""nce-vocab: count the words of a corpus, for a look at them or for `nce-train --vocab`."""

import click

from nce_train.cli._common import command
from nce_train.cli._options import corpus_argument, reading_options


@command("nce-vocab")
@corpus_argument
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(readable=False), required=True, help="Where to write them."
)
@click.option(
    "--min-count",
    metavar="N",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Leave out words that occur less often.",
)
@click.option("--max-vocab", metavar="N", type=click.IntRange(min=2), help="At most N rows in all.")
@click.option("--unknown", metavar="WORD", help="A first row that counts for all words left out.")
@reading_options
def main(
    corpus: tuple[str, ...],
    output: str,
    tokens: str,
    lowercase: bool,
    min_count: int,
    max_vocab: int | None,
    unknown: str | None,
    threads: int | None,
    quiet: bool,
) -> None:
    """Count the words of CORPUS and write them to FILE as word<TAB>count, the most frequent first.

    CORPUS is read as nce-train reads it: files, directories, or - for standard input, compressed or not.
    """
    from tqdm import tqdm

    from nce_train.errors import InputError
    from nce_train.files import check_output_path, is_same_file, report_write_failure
    from nce_train.text.corpus import count_corpus
    from nce_train.text.sources import list_sources
    from nce_train.training.settings import usable_cpus

    check_output_path(output)
    read = [source.path for source in list_sources(list(corpus)).sources if source.path is not None]
    if any(is_same_file(path, output) for path in read):
        raise InputError(f"{output}: this file is read as corpus; name another one to write")
    with tqdm(unit="B", unit_scale=True, leave=False, disable=True if quiet else None) as bar:

        def show(done: int, total: int | None, _phase: str) -> None:
            bar.total = total
            bar.update(done - bar.n)

        vocabulary, sources, warnings = count_corpus(
            list(corpus),
            tokens=tokens,
            lowercase=lowercase,
            min_count=min_count,
            max_vocab=max_vocab,
            unknown=unknown,
            threads=threads or usable_cpus(),
            progress=show,
        )
    with report_write_failure(output):
        vocabulary.save(output)
    if not quiet:
        for warning in warnings:
            click.echo(f"Warning: {warning}", err=True)
        total_bytes = sum(source["bytes"] for source in sources)
        count = f"{len(vocabulary):,} words, {vocabulary.counts.sum():,} tokens"
        click.echo(f"{output}: {count}, from {total_bytes:,} bytes", err=True)


if __name__ == "__main__":
    main()
