"""nce-query: neighbours, analogies, similarities and the odd one out, asked on the command line or at a prompt."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nce_train.cli._ask import QUESTIONS, Asker, Options, check_number, question_options
from nce_train.cli._common import command

if TYPE_CHECKING:
    from nce_train.embeddings import Embeddings
    from nce_train.embeddings.approximate import ApproximateIndex
    from nce_train.embeddings.questions import Method

_LONGEST_WORD = 1 << 24  # bytes of a line of standard input


@command("nce-query")
@click.argument("model", metavar="MODEL", type=click.Path(readable=False))
@click.argument("question", metavar="[QUESTION]", required=False, type=click.Choice(list(QUESTIONS)))
@click.argument("words", metavar="[WORD]...", nargs=-1)
@question_options
@click.option(
    "--index",
    metavar="FILE",
    type=click.Path(readable=False),
    help="Find neighbours approximately with the index in FILE, built when it is absent: for many questions to large "
    "tables (extra ann).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object (at the prompt: one a question).")
def main(
    model: str,
    question: str | None,
    words: tuple[str, ...],
    top: int,
    restrict_vocab: int,
    method: "Method",
    index: str | None,
    as_json: bool,
) -> None:
    """Ask MODEL, a model directory or a vectors file, a QUESTION; without one, at a prompt.

    \b
    neighbours WORD...    the nearest words of each; - reads one word a line
    analogy A B C         A is to B as C is to ?
    similarity A B        the cosine of their angle
    odd-one-out A B C...  the word that does not belong to the others

    A word that is not in the vocabulary is looked for in lower case. If it is not there either, the nearest spellings
    are told and the exit code is 2; the other words' neighbours are given all the same. Put -- before words that
    begin with a dash. Control characters inside words are shown as \\n, \\x1b and so on, words that are no UTF-8 as
    %_caf%E9, as they may be asked for; JSON has them as they are.
    """
    from nce_train.embeddings import Embeddings

    if question is not None:
        check_number(question, words)
    if index is not None and (restrict_vocab or question not in (None, "neighbours")):
        raise click.UsageError("--index is for neighbours among all words; leave it or the other out")
    embeddings = Embeddings.load(model)
    asker = Asker(embeddings, None if index is None else _index(index, embeddings), as_json)
    options = Options(top=top, restrict_vocab=restrict_vocab, method=method)
    if question is None:
        from nce_train.cli._prompt import run_prompt

        title = f"{model}: {len(embeddings)} words, dim {embeddings.vectors.shape[1]}"
        all_answered = run_prompt(title, embeddings.index_to_key, asker, options)
    elif question == "neighbours" and words == ("-",):
        all_answered = asker.ask(question, _words_of_input(), options, headed=True)
    else:
        all_answered = asker.ask(question, words, options, headed=question == "neighbours" and len(words) > 1)
    if not all_answered:
        raise click.exceptions.Exit(2)


def _index(name: str, embeddings: "Embeddings") -> "ApproximateIndex":
    from tqdm import tqdm

    from nce_train.embeddings.approximate import ApproximateIndex
    from nce_train.errors import InputError

    if Path(name).exists():
        return ApproximateIndex.load(name, embeddings.vectors)
    directory = Path(name).absolute().parent
    if not os.access(directory, os.W_OK):
        raise InputError(f"{name}: no index is there, and none can be written into {directory}; name another file")
    with tqdm(total=len(embeddings), desc="index", unit="word", leave=False, disable=None) as bar:
        index = ApproximateIndex.build(embeddings.vectors, progress=lambda done, _: bar.update(done - bar.n))
    index.save(name)
    click.echo(f"{name}: an index of {len(embeddings):,} words was built", err=True)
    return index


def _words_of_input() -> Iterator[str]:
    from nce_train.errors import InputError

    if sys.stdin is None:
        raise InputError("standard input is closed; give it a word a line")
    lines = iter(lambda: sys.stdin.buffer.readline(_LONGEST_WORD), b"")
    number = 0
    for number, line in enumerate(lines, start=1):
        if len(line) == _LONGEST_WORD:
            raise InputError(f"standard input, line {number}: longer than any word; give one word a line")
        if word := line.rstrip(b"\r\n"):
            yield word.decode("utf-8", "surrogateescape")
    if number == 0:
        raise InputError("standard input is empty; give it a word a line")


if __name__ == "__main__":
    main()
