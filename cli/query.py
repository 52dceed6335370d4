"""nce-query: neighbours, analogies, similarities and the odd one out, on the command line or at a prompt."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nce_train.cli._command import command
from nce_train.cli._options import OUT_DIRECTORY, file_option, model_argument
from nce_train.cli._questions import QUESTIONS, AnswerPrinter, Options, check_number, question_options

if TYPE_CHECKING:
    from nce_train.embeddings import Embeddings
    from nce_train.embeddings.approximate import ApproximateIndex
    from nce_train.embeddings.questions import Method

_MAX_WORD_BYTES = 1 << 24  # in a line of standard input


_HELP = """Ask MODEL, a model directory or a vectors file, a QUESTION. Without a QUESTION it shows a prompt.

\b
neighbours WORD...    the nearest words of each; - reads one word a line
analogy A B C         A is to B as C is to ?
similarity A B        their cosine similarity
odd-one-out A B C...  the word that does not fit with the others

A word that is not in the vocabulary is searched for in lower case. If that is unknown too, a model with sub-words
composes its vector of its n-grams, and says so. Otherwise the nearest spellings are reported and the exit code is 2;
the neighbours of the other words are still printed. Put -- before words that begin with a dash. Control characters in
words are printed as \\n, \\x1b and so on, and words that are not UTF-8 as %_caf%E9, which can also be given; JSON has
them unchanged.
"""


@command("nce-query", _HELP)
@model_argument
@click.argument("question", metavar="[QUESTION]", required=False, type=click.Choice(list(QUESTIONS)))
@click.argument("words", metavar="[WORD]...", nargs=-1)
@question_options
@file_option(
    "--index",
    type=OUT_DIRECTORY,
    help="Find neighbours approximately, for many words in large tables; FILE is made if absent (extra ann).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object (at the prompt: one for each question).")
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
    from nce_train.embeddings import Embeddings

    if question is not None:
        check_number(question, words)
    if index is not None and (restrict_vocab or question not in (None, "neighbours")):
        raise click.UsageError("--index is for neighbours among all words; leave --index or the other out")
    embeddings = Embeddings.load(model)
    answers = AnswerPrinter(embeddings, None if index is None else _open_index(index, embeddings), as_json)
    options = Options(top=top, restrict_vocab=restrict_vocab, method=method)
    if question is None:
        from nce_train.cli._prompt import run_prompt

        title = f"{model}: {len(embeddings)} words, dim {embeddings.vectors.shape[1]}"
        all_answered = run_prompt(title, embeddings.index_to_key, answers, options)
    elif question == "neighbours" and words == ("-",):
        all_answered = answers.answer(question, _words_from_stdin(), options, with_heading=True)
    else:
        several = question == "neighbours" and len(words) > 1
        all_answered = answers.answer(question, words, options, with_heading=several)
    if not all_answered:
        raise click.exceptions.Exit(2)


def _open_index(name: str, embeddings: "Embeddings") -> "ApproximateIndex":
    """Load an index, or build and save it when the file does not exist."""
    from nce_train.api.progress_bar import ProgressBar
    from nce_train.embeddings.approximate import ApproximateIndex
    from nce_train.errors import InputError

    if Path(name).exists():
        return ApproximateIndex.load(name, embeddings.vectors)
    directory = Path(name).absolute().parent
    if not os.access(directory, os.W_OK):
        raise InputError(f"{name}: no index is there, and none can be written into {directory}; name another file")
    with ProgressBar(disable=None) as bar:
        index = ApproximateIndex.build(
            embeddings.vectors, progress=lambda done, total: bar.show("index", done, total, "word")
        )
    index.save(name)
    click.echo(f"{name}: an index of {len(embeddings):,} words was built", err=True)
    return index


def _words_from_stdin() -> Iterator[str]:
    from nce_train.errors import InputError

    if sys.stdin is None:
        raise InputError("standard input is closed; give it a word a line")
    lines = iter(lambda: sys.stdin.buffer.readline(_MAX_WORD_BYTES), b"")
    number = 0
    for number, line in enumerate(lines, start=1):
        if len(line) == _MAX_WORD_BYTES:
            raise InputError(f"standard input, line {number}: longer than any word; give one word a line")
        if word := line.rstrip(b"\r\n"):
            yield word.decode("utf-8", "surrogateescape")
    if number == 0:
        raise InputError("standard input is empty; give it a word a line")


if __name__ == "__main__":
    main()
