"""The questions of `nce-query`, on the command line and at its prompt: their words, their options and their answers."""

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click

from nce_train.cli._command import print_result
from nce_train.cli._options import choice_option, number_option

if TYPE_CHECKING:
    from nce_train.embeddings import Embeddings
    from nce_train.embeddings.approximate import ApproximateIndex
    from nce_train.embeddings.questions import Method

F = TypeVar("F", bound=Callable[..., Any])

# The words of each question: the fewest, the most, and how messages call them.
QUESTIONS = {
    "neighbours": (1, None, "WORD..."),
    "analogy": (3, 3, "A B C"),
    "similarity": (2, 2, "A B"),
    "odd-one-out": (3, None, "A B C..."),
}
_WORDS_AT_ONCE = 4096
_ANSWERS_AT_ONCE = 1 << 20
_MAX_NAMED = 10  # unknown words that are reported one by one


class Options(TypedDict):
    """The values of `question_options`."""

    top: int
    restrict_vocab: int
    method: "Method"


def question_options(function: F) -> F:
    """Declare the options of a question, which are the same on the command line and at the prompt."""
    for declare in (
        choice_option(
            "--method",
            ["3cosadd", "3cosmul"],
            help="How analogies are scored: by the sum of word vectors or the product of similarities.",
        ),
        number_option("--restrict-vocab", default=0, least=0, help="Search only the N most frequent words; 0 for all."),
        number_option("--top", default=10, help="Number of answers."),
    ):
        function = declare(function)
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


class AnswerPrinter:
    """Answers questions with one table of embeddings, and prints the answers.

    Parameters
    ----------
    embeddings : Embeddings
    index : ApproximateIndex or None
        Finds neighbours approximately.
    as_json : bool
        Print a JSON object for each question instead of lines for people.
    """

    def __init__(self, embeddings: "Embeddings", index: "ApproximateIndex | None", as_json: bool) -> None:
        self._embeddings = embeddings
        self._index = index
        self._as_json = as_json

    def answer(self, question: str, words: Iterable[str], options: Options, with_heading: bool) -> bool:
        """Print the answer to a question.

        Parameters
        ----------
        question : str
            One of `QUESTIONS`.
        words : iterable of str
        options : Options
        with_heading : bool
            Print the question above its answer.

        Returns
        -------
        bool
            Whether all words have a vector.

        Raises
        ------
        InputError
            When a word has no vector and the question is not `neighbours`.
        RunError
            When the answer cannot be written.
        """
        from nce_train.embeddings import questions

        if question == "neighbours":
            return self._print_neighbours(words, options, with_heading)
        if question == "analogy":
            answer = questions.analogy(self._embeddings, *words, **options)
            lines = _score_lines(answer["answers"], "score")
        elif question == "similarity":
            answer = questions.similarity(self._embeddings, *words)
            lines = [f"{answer['similarity']:.4f}"]
        else:
            answer = questions.odd_one_out(self._embeddings, list(words))
            lines = [_printable(answer["odd_one_out"])]
        _report_other_spellings(answer["words"])
        _report_composed([pair for pair in answer["words"] if "composed" in pair])
        if self._as_json:
            print_result(json.dumps(answer))
        else:
            heading = " ".join([question, *(_printable(pair["asked"]) for pair in answer["words"])])
            print_result("\n".join(_under(heading, lines) if with_heading else lines))
        return True

    def _print_neighbours(self, words: Iterable[str], options: Options, with_heading: bool) -> bool:
        """Answer and print thousands of words at a time, so that memory does not grow with their number."""
        from nce_train.embeddings.questions import neighbours

        top, restrict_vocab = options["top"], options["restrict_vocab"]
        at_once = max(1, min(_WORDS_AT_ONCE, _ANSWERS_AT_ONCE // min(top, len(self._embeddings))))
        words = iter(words)
        num_words, separator = 0, '{"neighbours": ['
        other_spellings: list[dict[str, str]] = []
        composed: list[dict[str, Any]] = []
        unknown: list[dict[str, Any]] = []
        while block := list(islice(words, at_once)):
            num_words += len(block)
            spelled = _MAX_NAMED - len(unknown) - len(composed)
            answer = neighbours(self._embeddings, block, top, restrict_vocab, self._index, spelled)
            results = answer["neighbours"]
            other_spellings += [
                {"asked": result["asked"], "word": result["word"]}
                for result in results
                if result["word"] != result["asked"] and "composed" not in result
            ]
            composed += [
                {key: result[key] for key in ("asked", "spellings", "known_ngrams")}
                for result in results
                if "composed" in result
            ]
            unknown += answer["unknown"]
            if self._as_json and results:
                print_result(separator + ", ".join(map(json.dumps, results)), end="")
                separator = ", "
            elif results:
                print_result("\n".join(line for result in results for line in _result_lines(result, with_heading)))
        if self._as_json:
            print_result(f'{separator if separator != ", " else ""}], "unknown": {json.dumps(unknown)}}}')
        _report_other_spellings(other_spellings)
        _report_composed(composed)
        _report_unknown(unknown, num_words)
        return not unknown


def _result_lines(result: dict[str, Any], with_heading: bool) -> list[str]:
    lines = _score_lines(result["nearest"], "similarity")
    return _under(_printable(result["asked"]), lines) if with_heading else lines


def _score_lines(answers: Sequence[dict[str, Any]], score: str) -> list[str]:
    # The number first: words have any width and can contain blanks.
    return [f"{answer[score]:7.4f}  {_printable(answer['word'])}" for answer in answers]


def _under(heading: str, lines: Sequence[str]) -> list[str]:
    return [heading, *(f"  {line}" for line in lines)]


def _printable(word: str) -> str:
    from nce_train.embeddings.spelling import printable  # imports NumPy

    return printable(word)


def _report_other_spellings(pairs: Sequence[dict[str, str]]) -> None:
    """Report the words that were found in another spelling, such as lower case."""
    other = [pair for pair in pairs if pair["asked"] != pair["word"] and "composed" not in pair]
    if len(other) > _MAX_NAMED:
        click.echo(f"Note: {len(other):,} words are not in the vocabulary; answered for them in lower case", err=True)
        return
    for pair in other:
        asked, word = _printable(pair["asked"]), _printable(pair["word"])
        click.echo(f"Note: '{asked}' is not in the vocabulary; answered for '{word}'", err=True)


def _report_composed(pairs: Sequence[dict[str, Any]]) -> None:
    """Report the words that are not in the vocabulary, and whose vectors are composed of n-grams."""
    from nce_train.embeddings.spelling import not_in_vocabulary

    for pair in pairs[:_MAX_NAMED]:
        message = not_in_vocabulary(pair["asked"], pair["spellings"], pair["known_ngrams"])
        click.echo(f"Note: {message}", err=True)
    if len(pairs) > _MAX_NAMED:
        click.echo(
            f"Note: {len(pairs):,} words are not in the vocabulary, the first {_MAX_NAMED} named above; their vectors "
            "are composed of their known n-grams",
            err=True,
        )


def _report_unknown(unknown: Sequence[dict[str, Any]], num_words: int) -> None:
    from nce_train.embeddings.spelling import not_in_vocabulary

    for word in unknown[:_MAX_NAMED]:
        click.echo(f"Error: {not_in_vocabulary(word['asked'], word['spellings'])}", err=True)
    if len(unknown) > _MAX_NAMED:
        click.echo(
            f"Error: {len(unknown):,} of {num_words:,} words are not in the vocabulary, the first {_MAX_NAMED} named "
            "above; --json names all",
            err=True,
        )
