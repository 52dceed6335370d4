"""Analogy questions (a is to b as c is to ?) answered by 3CosAdd, in matrix blocks.

T. Mikolov, W. Yih, G. Zweig: "Linguistic Regularities in Continuous Space Word Representations", 2013.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings import Embeddings
from nce_train.embeddings.postprocess import unit_length
from nce_train.errors import InputError
from nce_train.evaluation.sets import Question

# Questions at once: their similarities to 30,000 words fill 61 MB.
_BLOCK_NUMBERS = 1 << 24


def answer_analogies(
    embeddings: Embeddings, questions: Sequence[Question], restrict_vocab: int | None = 30_000
) -> dict[str, Any]:
    """Count the questions that 3CosAdd answers rightly.

    The answer is the word d, other than a, b and c, of the largest cosine between d's vector and b - a + c,
    over unit-length vectors of the `restrict_vocab` most frequent words. A question is asked when all four
    words are among them, as given or else lower-cased.

    Parameters
    ----------
    embeddings : Embeddings
        By decreasing frequency.
    questions : sequence of Question
    restrict_vocab : int or None
        0 or None for all words.

    Returns
    -------
    dict
        `correct`, `asked`, `questions`, `accuracy` (correct ÷ asked, None when none was), `coverage`
        (asked ÷ questions), and `sections`: the same keys for each section.

    Raises
    ------
    InputError
        When `restrict_vocab` is negative.
    """
    if restrict_vocab is not None and restrict_vocab < 0:
        raise InputError(f"restrict_vocab is {restrict_vocab}; give a number of words, or 0 for all")
    rows = min(restrict_vocab or len(embeddings), len(embeddings))
    ids = np.array(
        [[row_of(embeddings.key_to_index, word, rows) for word in question[1:]] for question in questions]
    ).reshape(-1, 4)
    asked = ids.min(axis=1) >= 0
    right = np.zeros(len(questions), bool)
    units = unit_length(embeddings.vectors[:rows])
    right[asked] = answers(units, ids[asked, :3]) == ids[asked, 3]

    sections: dict[str, list[int]] = {}
    for number, question in enumerate(questions):
        sections.setdefault(question.section, []).append(number)
    return {
        **_counts(right, asked),
        "sections": {name: _counts(right[numbers], asked[numbers]) for name, numbers in sections.items()},
    }


def answers(units: NDArray[np.float32], questions: NDArray[np.intp]) -> NDArray[np.intp]:
    """Answer each question (a, b, c) with the row nearest to b - a + c that is none of the three.

    Parameters
    ----------
    units : float32 [rows, dim]
        Unit-length vectors.
    questions : int [questions, 3]
        Rows of a, b and c.

    Returns
    -------
    int [questions]
    """
    found = np.empty(len(questions), np.intp)
    at_once = max(1, _BLOCK_NUMBERS // max(1, len(units)))
    for start in range(0, len(questions), at_once):
        a, b, c = questions[start : start + at_once].T
        similarities = (units[b] - units[a] + units[c]) @ units.T
        numbers = np.arange(len(a))
        for row in (a, b, c):
            similarities[numbers, row] = -np.inf
        found[start : start + at_once] = similarities.argmax(axis=1)
    return found


def row_of(index: Mapping[str, int], word: str, rows: int) -> int:
    """Find a word as given or else lower-cased among the first `rows` rows; -1 when it is not there."""
    for form in (word, word.lower()):
        row = index.get(form, rows)
        if row < rows:
            return row
    return -1


def _counts(right: NDArray[np.bool_], asked: NDArray[np.bool_]) -> dict[str, Any]:
    correct, number_asked, questions = int(right.sum()), int(asked.sum()), len(asked)
    return {
        "correct": correct,
        "asked": number_asked,
        "questions": questions,
        "accuracy": correct / number_asked if number_asked else None,
        "coverage": number_asked / questions,
    }
