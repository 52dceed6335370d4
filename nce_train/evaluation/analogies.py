"""Analogy questions (a is to b as c is to ?): which of them a model is asked and which it answers rightly."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings import Embeddings
from nce_train.errors import InputError
from nce_train.evaluation.analogy_sets import Question
from nce_train.evaluation.answers import answers
from nce_train.evaluation.resampling import proportion_interval

Progress = Callable[[int, int], None]


class AnalogyOutcome(NamedTuple):
    """A set's questions among a model's first `words` words: bool [questions] each.

    `add` and `mul` are those that 3CosAdd and 3CosMul answer rightly, of those `asked`.
    """

    words: int
    asked: NDArray[np.bool_]
    add: NDArray[np.bool_]
    mul: NDArray[np.bool_]


def answer_analogies(
    embeddings: Embeddings,
    questions: Sequence[Question],
    restrict_vocab: int | None = 30_000,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Count the questions that 3CosAdd and 3CosMul answer rightly.

    The answer is the word, other than a, b and c, that is best by the measure (see `nce_train.evaluation.answers`)
    among the `restrict_vocab` most frequent words. A question is asked when a, b, c and an answer are among them, as
    given or else lower-cased.

    Parameters
    ----------
    embeddings : Embeddings
        By decreasing frequency.
    questions : sequence of Question
    restrict_vocab : int or None
        0 or None for all words.
    progress : callable, optional
        Called as `progress(done, total)`, first among the most frequent words and then among all.

    Returns
    -------
    dict
        See `count_analogies`.

    Raises
    ------
    InputError
        When `restrict_vocab` is negative.
    """
    return count_analogies(questions, *ask_analogies(embeddings, questions, restrict_vocab, progress))


def ask_analogies(
    embeddings: Embeddings,
    questions: Sequence[Question],
    restrict_vocab: int | None = 30_000,
    progress: Progress | None = None,
) -> tuple[AnalogyOutcome, AnalogyOutcome]:
    """Ask as `answer_analogies` does: among the `restrict_vocab` most frequent words, and among all.

    Raises
    ------
    InputError
        When `restrict_vocab` is negative.
    """
    rows = rows_among(embeddings, restrict_vocab)
    among_frequent = _ask(embeddings, questions, rows, progress)
    if rows == len(embeddings):
        return among_frequent, among_frequent
    return among_frequent, _ask(embeddings, questions, len(embeddings), progress)


def count_analogies(questions: Sequence[Question], frequent: AnalogyOutcome, whole: AnalogyOutcome) -> dict[str, Any]:
    """Count what `ask_analogies` found.

    Returns
    -------
    dict
        `words` (the answer is one of so many), `correct` (by 3CosAdd), `asked`, `questions`, `accuracy` (correct ÷
        asked, None when none was), `coverage` (asked ÷ questions), `interval` (of the accuracy, see
        `nce_train.evaluation.resampling`), `cosmul` (`correct`, `accuracy` and `interval` of 3CosMul), `sections` (the
        same keys for each section), and `whole_vocabulary` (the same keys, for questions asked among all words).
    """
    sections: dict[str, list[int]] = {}
    for number, question in enumerate(questions):
        sections.setdefault(question.section, []).append(number)
    every = slice(None)
    return {
        "words": frequent.words,
        **_counts(frequent, every),
        "sections": {name: _counts(frequent, numbers) for name, numbers in sections.items()},
        "whole_vocabulary": {"words": whole.words, **_counts(whole, every)},
    }


def rows_among(embeddings: Embeddings, restrict_vocab: int | None) -> int:
    """Give the number of the first `restrict_vocab` words that there are; 0 and None stand for all.

    Raises
    ------
    InputError
        When `restrict_vocab` is negative.
    """
    if restrict_vocab is not None and restrict_vocab < 0:
        raise InputError(f"restrict_vocab is {restrict_vocab}; give a number of words, or 0 for all")
    return min(restrict_vocab or len(embeddings), len(embeddings))


def row_of(index: Mapping[str, int], word: str, rows: int) -> int:
    """Find a word as given or else lower-cased among the first `rows` rows; -1 when it is not there."""
    for form in (word, word.lower()):
        row = index.get(form, rows)
        if row < rows:
            return row
    return -1


def _ask(embeddings: Embeddings, questions: Sequence[Question], rows: int, progress: Progress | None) -> AnalogyOutcome:
    index = embeddings.key_to_index
    ids = np.array([[row_of(index, word, rows) for word in question[1:4]] for question in questions], np.intp)
    ids = ids.reshape(-1, 3)
    # Many questions have the same answers: each line of a file of pairs is the second in many of them.
    rows_of = {
        expected: {row_of(index, word, rows) for word in expected} - {-1}
        for expected in {(question.expected, *question.also) for question in questions}
    }
    accepted = [rows_of[question.expected, *question.also] for question in questions]
    asked = (ids.min(axis=1) >= 0) & np.array(list(map(bool, accepted)), bool)
    found = answers(embeddings.vectors[:rows], ids[asked], progress)
    right = np.zeros((2, len(questions)), bool)
    for number, add, mul in zip(np.flatnonzero(asked).tolist(), *map(np.ndarray.tolist, found), strict=True):
        right[:, number] = add in accepted[number], mul in accepted[number]
    return AnalogyOutcome(rows, asked, *right)


def _counts(outcome: AnalogyOutcome, which: slice | list[int]) -> dict[str, Any]:
    asked, questions = int(outcome.asked[which].sum()), len(outcome.asked[which])
    add, mul = (_accuracy(right[which], asked) for right in (outcome.add, outcome.mul))
    return {
        "correct": add["correct"],
        "asked": asked,
        "questions": questions,
        "accuracy": add["accuracy"],
        "coverage": asked / questions,
        "interval": add["interval"],
        "cosmul": mul,
    }


def _accuracy(right: NDArray[np.bool_], asked: int) -> dict[str, Any]:
    correct = int(right.sum())
    return {
        "correct": correct,
        "accuracy": correct / asked if asked else None,
        "interval": proportion_interval(correct, asked),
    }
