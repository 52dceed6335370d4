"""Words of any case: which rows of a model are the same word but for upper and lower case.

The rules are those of gensim's `evaluate_word_analogies` and `evaluate_word_pairs`: words are compared in upper case,
and of several spellings the most frequent one counts.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings.postprocess import unit_length

_LOOKED_AT = 5  # gensim takes the first of these nearest rows that is not a word of the question


class AnyCase:
    """The rows of words that are by decreasing frequency, whatever their case.

    >>> words = AnyCase(["Paris", "the", "paris"])
    >>> words.find("PARIS"), words.find_all(["paris", "The"]), words.find("rome")
    (0, {0, 1, 2}, -1)
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._first: dict[str, int] = {}
        self._others: dict[str, list[int]] = {}
        for row, word in enumerate(words):
            if self._first.setdefault(word.upper(), row) != row:
                self._others.setdefault(word.upper(), []).append(row)

    def find(self, word: str) -> int:
        """Return the row of the most frequent spelling; -1 when there is none."""
        return self._first.get(word.upper(), -1)

    def find_all(self, words: Iterable[str]) -> set[int]:
        """Return the rows of all spellings of the words."""
        keys = [word.upper() for word in words]
        return {row for key in keys if key in self._first for row in (self._first[key], *self._others.get(key, ()))}

    def spellings(self, rows: Iterable[int]) -> list[int]:
        """Return the rows of all spellings of the words in these rows."""
        return sorted(self.find_all(self._words[row] for row in rows))


def drop_distant_answers(
    vectors: NDArray[np.float32],
    asked_vectors: NDArray[np.float32],
    questions: NDArray[np.intp],
    excluded: Sequence[Sequence[int]],
    answers: NDArray[np.intp],
) -> None:
    """Replace, in place, an answer by -1 where five other spellings of the question's words are nearer.

    gensim looks at the five rows nearest to b - a + c, without those of a, b and c in `questions` [questions, 3], and
    gives no answer when all of them are `excluded`. `asked_vectors` [questions, 3, dim] are those of a, b and c, and
    `answers` [questions] rows of `vectors`.
    """
    for number, (abc, rows) in enumerate(zip(questions.tolist(), excluded, strict=True)):
        others = [row for row in rows if row not in abc]
        if len(others) >= _LOOKED_AT:
            a, b, c = unit_length(asked_vectors[number])
            scores = unit_length(vectors[[answers[number], *others]]) @ (b - a + c)
            if np.count_nonzero(scores[1:] > scores[0]) >= _LOOKED_AT:
                answers[number] = -1
