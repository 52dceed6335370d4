"""Answers to analogy questions by 3CosAdd and 3CosMul: rows of words go in, the rows nearest by both measures come out.

Few words make many questions, so cosines are taken once a word, in blocks of words and rows (a matrix product); a
question then costs a sum of three rows of that table and a search for its largest number:

    3CosAdd = cos(d, b) - cos(d, a) + cos(d, c)
    3CosMul = cos'(d, b) · cos'(d, c) / (cos'(d, a) + ε),   cos' = (cos + 1) / 2, summed as logarithms

T. Mikolov, W. Yih, G. Zweig: "Linguistic Regularities in Continuous Space Word Representations", 2013;
O. Levy, Y. Goldberg: "Linguistic Regularities in Sparse and Explicit Word Representations", 2014.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings.postprocess import unit_length

# A block's three tables take 3 · 512 · 16,384 float32 = 100 MB; a sum of their rows stays in a core's cache.
_WORDS_AT_ONCE = 512
_ROWS_AT_ONCE = 1 << 14

# Where cos' of a is 0. Levy and Goldberg take 0.001, gensim this.
_EPSILON = np.float32(1e-6)

# For a cos' of 0, or below it by rounding: its logarithm is finite, so that it does not count as excluded.
_LEAST = np.finfo(np.float32).tiny

Progress = Callable[[int, int], None]


class Answers(NamedTuple):
    """The answers to each question: a row, or -1 where there is no further word."""

    add: NDArray[np.intp]
    mul: NDArray[np.intp]


def answers(vectors: NDArray[np.float32], questions: NDArray[np.intp], progress: Progress | None = None) -> Answers:
    """Answer each question (a, b, c) with the rows that are best by 3CosAdd and by 3CosMul and none of the three.

    Parameters
    ----------
    vectors : float32 [rows, dim]
        Of any length; cosines are taken.
    questions : int [questions, 3]
        Rows of a, b and c.
    progress : callable, optional
        Called as `progress(done, total)` with numbers of questions.

    Returns
    -------
    Answers
        Two arrays int [questions].
    """
    found = Answers(np.empty(len(questions), np.intp), np.empty(len(questions), np.intp))
    for start, stop in _groups(questions):

        def tell(share: float, start: int = start, stop: int = stop) -> None:
            if progress is not None:
                progress(start + round((stop - start) * share), len(questions))

        found.add[start:stop], found.mul[start:stop] = _answer_group(vectors, questions[start:stop], tell)
    return found


def _groups(questions: NDArray[np.intp]) -> Iterator[tuple[int, int]]:
    """Cut the questions into ranges of at most `_WORDS_AT_ONCE` different words."""
    start = 0
    words: set[int] = set()
    for number, question in enumerate(questions.tolist()):
        words.update(question)
        if len(words) > _WORDS_AT_ONCE and number > start:
            yield start, number
            start, words = number, set(question)
    if start < len(questions):
        yield start, len(questions)


def _answer_group(
    vectors: NDArray[np.float32], questions: NDArray[np.intp], progress: Callable[[float], None]
) -> Answers:
    words, places = np.unique(questions, return_inverse=True)
    word_places = places.reshape(-1, 3).tolist()
    word_units = unit_length(vectors[words])
    by_add, by_mul = _nothing(len(questions)), _nothing(len(questions))
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        cosines = word_units @ unit_length(vectors[start : start + _ROWS_AT_ONCE]).T
        excluded = (questions - start).tolist()
        _improve(by_add, start, cosines, cosines, word_places, excluded)
        shifted = np.maximum((cosines + 1) / 2, _LEAST)
        _improve(by_mul, start, np.log(shifted), np.log(shifted + _EPSILON), word_places, excluded)
        progress(min(1.0, (start + _ROWS_AT_ONCE) / len(vectors)))
    return Answers(np.array(by_add.rows), np.array(by_mul.rows))


class _Best(NamedTuple):
    rows: list[int]
    scores: list[float]


def _nothing(questions: int) -> _Best:
    return _Best([-1] * questions, [-np.inf] * questions)


def _improve(
    best: _Best,
    start: int,
    plus: NDArray[np.float32],
    minus: NDArray[np.float32],
    places: list[list[int]],
    excluded: list[list[int]],
) -> None:
    """Look for better answers among the rows from `start` on.

    Their scores are plus[b] - minus[a] + plus[c]: `places` has the places of a, b and c in these tables, `excluded` has
    their rows, counted from `start`.
    """
    width = plus.shape[1]
    offset, scores = np.empty((2, width), np.float32)
    pair = (-1, -1)
    for number, (a, b, c) in enumerate(places):
        if (a, b) != pair:  # many questions in a row begin with the same pair
            np.subtract(plus[b], minus[a], out=offset)
            pair = (a, b)
        np.add(offset, plus[c], out=scores)
        for row in excluded[number]:
            if 0 <= row < width:
                scores[row] = -np.inf
        place = int(scores.argmax())
        if scores[place] > best.scores[number]:
            best.scores[number] = float(scores[place])
            best.rows[number] = start + place
