"""What `nce-query` asks on the command line and at its prompt alike: the questions, their options, how answers look."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click

from nce_train.cli._common import print_result

if TYPE_CHECKING:
    from nce_train.embeddings import Embeddings
    from nce_train.embeddings.approximate import ApproximateIndex
    from nce_train.embeddings.questions import Method

F = TypeVar("F", bound=Callable[..., Any])

# The words that each question takes: the fewest, the most, and how they are called.
QUESTIONS = {
    "neighbours": (1, None, "WORD..."),
    "analogy": (3, 3, "A B C"),
    "similarity": (2, 2, "A B"),
    "odd-one-out": (3, None, "A B C..."),
}
_WORDS_AT_ONCE = 4096
_ANSWERS_AT_ONCE = 1 << 20
_NAMED = 10  # unknown words that are told one by one


class Options(TypedDict):
    """The values of `question_options`."""

    top: int
    restrict_vocab: int
    method: "Method"


def question_options(function: F) -> F:
    """Declare the options that a question has on the command line and at the prompt."""
    for option in (
        click.option(
            "--method",
            type=click.Choice(["3cosadd", "3cosmul"]),
            default="3cosadd",
            show_default=True,
            help="How an analogy is answered: by the sum of its words or the product of their similarities.",
        ),
        click.option(
            "--restrict-vocab",
            metavar="N",
            type=click.IntRange(min=0),
            default=0,
            show_default=True,
            help="Look for answers among the N most frequent words; 0 for all.",
        ),
        click.option(
            "--top", metavar="N", type=click.IntRange(min=1), default=10, show_default=True, help="How many answers."
        ),
    ):
        function = option(function)
    return function


def check_number(question: str, words: Sequence[str]) -> None:
    """Refuse a question with too few or too many words.

    Raises
    ------
    click.UsageError
    """
    fewest, most, names = QUESTIONS[question]
    if len(words) < fewest or (most is not None and len(words) > most):
        at_least = "" if most else "at least "
        raise click.UsageError(
            f"{question} takes {at_least}{fewest} word{'s'[: fewest > 1]}, {len(words)} given: {question} {names}"
        )


class Asker:
    """Asks one table of embeddings and prints the answers.

    Parameters
    ----------
    embeddings : Embeddings
    index : ApproximateIndex or None
        What neighbours are searched with.
    as_json : bool
        Print a JSON object for each question instead of lines for people.
    """

    def __init__(self, embeddings: "Embeddings", index: "ApproximateIndex | None", as_json: bool) -> None:
        self._embeddings = embeddings
        self._index = index
        self._as_json = as_json

    def ask(self, question: str, words: Iterable[str], options: Options, headed: bool) -> bool:
        """Print the answer to a question.

        Parameters
        ----------
        question : str
            One of `QUESTIONS`.
        words : iterable of str
        options : Options
        headed : bool
            Write above the answer to what it is one.

        Returns
        -------
        bool
            Whether all words were known.

        Raises
        ------
        InputError
            When a word of another question than `neighbours` is not in the vocabulary.
        RunError
            When the answer cannot be written.
        """
        from nce_train.embeddings import questions

        if question == "neighbours":
            return self._neighbours(words, options, headed)
        if question == "analogy":
            answer = questions.analogy(self._embeddings, *words, **options)
            lines = _table(answer["answers"], "score")
        elif question == "similarity":
            answer = questions.similarity(self._embeddings, *words)
            lines = [f"{answer['similarity']:.4f}"]
        else:
            answer = questions.odd_one_out(self._embeddings, list(words))
            lines = [_shown(answer["odd_one_out"])]
        _tell_other_spellings(answer["words"])
        if self._as_json:
            print_result(json.dumps(answer))
        else:
            asked = " ".join(_shown(pair["asked"]) for pair in answer["words"])
            print_result("\n".join(_under(f"{question} {asked}", lines) if headed else lines))
        return True

    def _neighbours(self, words: Iterable[str], options: Options, headed: bool) -> bool:
        """Answer words by the thousand and print as they are answered, so that memory does not grow with them."""
        from nce_train.embeddings.questions import neighbours

        top, restrict_vocab = options["top"], options["restrict_vocab"]
        at_once = max(1, min(_WORDS_AT_ONCE, _ANSWERS_AT_ONCE // min(top, len(self._embeddings))))
        words = iter(words)
        asked, separator = 0, '{"neighbours": ['
        known: list[dict[str, str]] = []
        unknown: list[dict[str, Any]] = []
        while block := list(islice(words, at_once)):
            asked += len(block)
            spelled = _NAMED - len(unknown)
            answer = neighbours(self._embeddings, block, top, restrict_vocab, self._index, spelled)
            for found in answer["neighbours"]:
                if found["word"] != found["asked"]:
                    known.append({"asked": found["asked"], "word": found["word"]})
            unknown += answer["unknown"]
            if self._as_json and answer["neighbours"]:
                print_result(separator + ", ".join(map(json.dumps, answer["neighbours"])), end="")
                separator = ", "
            elif answer["neighbours"]:
                print_result("\n".join(_lines(answer["neighbours"], headed)))
        if self._as_json:
            print_result(f'{separator if separator != ", " else ""}], "unknown": {json.dumps(unknown)}}}')
        _tell_other_spellings(known)
        _tell_unknown(unknown, asked)
        return not unknown


def _lines(neighbours: Sequence[dict[str, Any]], headed: bool) -> Iterator[str]:
    for found in neighbours:
        lines = _table(found["nearest"], "similarity")
        yield from _under(_shown(found["asked"]), lines) if headed else lines


def _table(answers: Sequence[dict[str, Any]], score: str) -> list[str]:
    # The number first: words may be of any width and hold blanks.
    return [f"{answer[score]:7.4f}  {_shown(answer['word'])}" for answer in answers]


def _under(heading: str, lines: Sequence[str]) -> list[str]:
    return [heading, *(f"  {line}" for line in lines)]


def _shown(word: str) -> str:
    from nce_train.embeddings.spelling import printable

    return printable(word)


def _tell_other_spellings(pairs: Sequence[dict[str, str]]) -> None:
    """Say which words were answered for in other dress."""
    other = [pair for pair in pairs if pair["asked"] != pair["word"]]
    if len(other) > _NAMED:
        click.echo(f"Note: {len(other):,} words are not in the vocabulary; answered for them in lower case", err=True)
        return
    for pair in other:
        asked, word = _shown(pair["asked"]), _shown(pair["word"])
        click.echo(f"Note: '{asked}' is not in the vocabulary; answered for '{word}'", err=True)


def _tell_unknown(unknown: Sequence[dict[str, Any]], asked: int) -> None:
    from nce_train.embeddings.spelling import not_in_vocabulary

    for word in unknown[:_NAMED]:
        click.echo(f"Error: {not_in_vocabulary(word['asked'], word['spellings'])}", err=True)
    if len(unknown) > _NAMED:
        click.echo(
            f"Error: {len(unknown):,} of {asked:,} words are not in the vocabulary, the first {_NAMED} named above; "
            "--json names all",
            err=True,
        )
