"""nce-vocab: count the words of a corpus, for a look at them or for `nce-train --vocab`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nce_train.cli._common import command

if TYPE_CHECKING:
    from nce_train.text.vocabulary import Vocabulary


@command("nce-vocab")
@click.argument("corpus", metavar="CORPUS...", nargs=-1, required=True, type=click.Path(readable=False))
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(readable=False), required=True, help="Where to write them."
)
@click.option(
    "--tokens",
    type=click.Choice(["whitespace", "words"]),
    default="whitespace",
    show_default=True,
    help="What lies between white space, or the runs of letters and digits.",
)
@click.option("--lowercase", is_flag=True, help="Lower-case every word.")
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
@click.option("--threads", metavar="N", type=click.IntRange(min=1), help="Default: the CPUs it may use.")
@click.option("--quiet", is_flag=True, help="Say nothing but errors.")
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

    from nce_train.text.corpus import count_corpus
    from nce_train.training.config import usable_cpus

    _check_writable(output, corpus)
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
    _save(vocabulary, output)
    if not quiet:
        for warning in warnings:
            click.echo(f"Warning: {warning}", err=True)
        total_bytes = sum(source["bytes"] for source in sources)
        count = f"{len(vocabulary):,} words, {vocabulary.counts.sum():,} tokens"
        click.echo(f"{output}: {count}, from {total_bytes:,} bytes", err=True)


def _save(vocabulary: "Vocabulary", output: str) -> None:
    from nce_train.errors import RunError

    try:
        vocabulary.save(output)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise RunError(
            f"{output}: the words could not be written ({error.strerror}); a file that stood there before is still "
            "whole; mend this or choose another place"
        ) from error


def _check_writable(output: str, corpus: Sequence[str]) -> None:
    """Raise InputError before the work begins when a file cannot be written there."""
    from nce_train.errors import InputError
    from nce_train.files import is_same_file

    path = Path(output)
    if any(is_same_file(source, output) for source in corpus):
        raise InputError(f"cannot write {output}: it is the corpus; name another file with -o")
    if path.is_dir():
        raise InputError(f"cannot write {output}: it is a directory; name a file with -o")
    if path.exists() and not path.is_file():  # a device or a pipe, beside which nothing is written
        return
    if not path.parent.is_dir():
        raise InputError(f"cannot write {output}: there is no directory {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"cannot write {output}: the directory {path.parent} is not writable")


if __name__ == "__main__":
    main()
