"""Words of evaluation sets that are not in a model's vocabulary: with sub-words their vectors are composed."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings import Embeddings
from nce_train.embeddings.spelling import find_composable


class Finder(Protocol):
    """A look-up of words among some rows of a model."""

    def find(self, word: str) -> int:
        """Return the row of a word; -1 when it is not there."""


class AnyWord:
    """The rows of a model's words, and further numbers for unknown words with a composed vector.

    Parameters
    ----------
    embeddings : Embeddings
        With sub-words.
    finders : sequence of Finder
        A word is unknown when none of them finds it; the first that does counts.
    """

    def __init__(self, embeddings: Embeddings, finders: Sequence[Finder]) -> None:
        self._embeddings = embeddings
        self._finders = finders
        self._numbers: dict[str, int] = {}
        self._composed: list[NDArray[np.float32]] = []

    def find(self, word: str) -> int:
        """Return the row of a word, or a number from the vocabulary's size on; -1 when it has no vector."""
        for finder in self._finders:
            row = finder.find(word)
            if row >= 0:
                return row
        if word not in self._numbers:
            self._numbers[word] = self._compose(word)
        return self._numbers[word]

    def vectors_of(self, numbers: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the vectors [numbers, dim] of what `find` returned, other than -1."""
        known = numbers < len(self._embeddings)
        vectors = np.empty((len(numbers), self._embeddings.vectors.shape[1]), np.float32)
        vectors[known] = self._embeddings.vectors[numbers[known]]
        for place in np.flatnonzero(~known).tolist():
            vectors[place] = self._composed[numbers[place] - len(self._embeddings)]
        return vectors

    def _compose(self, word: str) -> int:
        subwords = self._embeddings.subwords
        spelling = None if subwords is None else find_composable(word, subwords)
        if spelling is None:
            return -1
        self._composed.append(self._embeddings.get_vector(spelling))
        return len(self._embeddings) + len(self._composed) - 1
