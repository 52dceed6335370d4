"""`Comparisons`: how similar given words are: of two, of two sets, and of one to all others.

These methods give the same results as those of gensim 4's `KeyedVectors`. With sub-words, an unknown word has a
vector too, composed of its n-grams, unless none of them is known. `embeddings.Embeddings` adds the search for the most
similar words.
"""

import warnings
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nce_train.arguments import check_words
from nce_train.embeddings.postprocess import unit_length, vector_norms
from nce_train.embeddings.spelling import UnknownWordError
from nce_train.embeddings.word_vectors import Word, WordVectors
from nce_train.errors import NceTrainWarning

_MOST_NAMED = 3  # unknown words in a warning


class Comparisons(WordVectors):
    """The part of `Embeddings` that compares given words."""

    def similarity(self, w1: Word, w2: Word) -> float:
        """Compute the cosine of the angle between two words' vectors.

        Raises
        ------
        KeyError
            When a word has no vector.
        """
        one, other = unit_length(self[[w1, w2]])
        return float(one @ other)

    def distance(self, w1: Word, w2: Word) -> float:
        """Compute 1 minus the `similarity` of two words.

        Raises
        ------
        KeyError
            When a word has no vector.
        """
        return 1 - self.similarity(w1, w2)

    def distances(self, word_or_vector: Word | NDArray[np.floating], other_words: Iterable[Word] = ()) -> NDArray:
        """Compute 1 minus the cosine of a word, or vector [dim], and each of other words.

        Parameters
        ----------
        word_or_vector : word, row or vector
        other_words : iterable of words or rows
            All words when it is empty.

        Returns
        -------
        float32 [len(other_words)]
            In their order; [rows] for all words.

        Raises
        ------
        KeyError
            When a word has no vector.
        """
        if isinstance(word_or_vector, np.ndarray):
            vector = check_vector(word_or_vector, self.vectors.shape[1])
        else:
            vector = self.get_vector(word_or_vector)
        unit = unit_length(np.asarray(vector, np.float32)[None])[0]
        others = list(other_words)
        if not others:
            return 1 - self.vectors @ unit / self._norms
        vectors = self[others]
        return 1 - vectors @ unit / vector_norms(vectors)

    def n_similarity(self, ws1: Sequence[Word], ws2: Sequence[Word]) -> float:
        """Compute the cosine of the mean vectors of two sets of words; unknown ones are left out with a warning.

        Raises
        ------
        ZeroDivisionError
            When one of the sets is empty, as in gensim.
        TypeError
            When one of them is a str, or a word is neither a str nor an int.
        """
        check_words("ws1", ws1)
        check_words("ws2", ws2)
        if not len(ws1) or not len(ws2):
            raise ZeroDivisionError("n_similarity was given no word for one of the two sets; give one or more for each")
        known = [self._known("n_similarity", words) for words in (ws1, ws2)]
        one, other = (self[words].sum(axis=0, keepdims=True) for words in known)
        return float(unit_length(one)[0] @ unit_length(other)[0])

    def get_mean_vector(
        self,
        keys: Sequence[Word | NDArray[np.floating]],
        weights: ArrayLike | None = None,
        pre_normalize: bool = True,
        post_normalize: bool = False,
        ignore_missing: bool = True,
    ) -> NDArray[np.float32]:
        """Compute the weighted mean of words' vectors.

        Parameters
        ----------
        keys : sequence of words, rows or vectors [dim]
        weights : array [len(keys)], optional
            The mean is divided by the sum of their absolute values; by default each is 1.
        pre_normalize : bool
            Scale the words' vectors to length 1 before; vectors that are given stay as they are.
        post_normalize : bool
            Scale the mean to length 1.
        ignore_missing : bool
            Leave words without a vector out.

        Returns
        -------
        float32 [dim]
            Zeros when no word is known.

        Raises
        ------
        KeyError
            When a word has no vector and `ignore_missing` is False.
        TypeError
            When `keys` is a str, or a key is neither a word, a row nor a vector.
        ValueError
            When there is no key, or `weights` has another length.
        """
        check_words("keys", keys)
        given = np.ones(len(keys)) if weights is None else np.asarray(weights, np.float64)
        if not len(keys) or given.shape != (len(keys),):
            raise ValueError(
                f"get_mean_vector was given {len(keys)} keys and weights of shape {given.shape}; give one key or more, "
                "and a weight for each"
            )
        total, weight_sum = np.zeros(self.vectors.shape[1]), 0.0
        for key, weight in zip(keys, given.tolist(), strict=True):
            if isinstance(key, np.ndarray):
                vector = check_vector(key, self.vectors.shape[1])
            else:
                try:
                    vector = self.get_vector(key, norm=pre_normalize)
                except KeyError:
                    if ignore_missing:
                        continue
                    raise
            total += weight * vector
            weight_sum += abs(weight)
        mean = (total / (weight_sum or 1.0)).astype(np.float32)
        return unit_length(mean[None])[0] if post_normalize else mean

    def closer_than(self, key1: Word, key2: Word) -> list[str]:
        """Find all words that are closer to `key1` than `key2` is, in the order of their rows.

        Raises
        ------
        KeyError
            When a word has no vector.
        """
        own, other = self._find(key1).row, self._find(key2).row
        distances = self.distances(key1)
        limit = self.distances(key1, [key2])[0] if other is None else distances[other]
        return [self.index_to_key[row] for row in np.flatnonzero(distances < limit).tolist() if row != own]

    def rank(self, key1: Word, key2: Word) -> int:
        """Count the words that are closer to `key1` than `key2` is, and `key2` itself: 1 for the nearest neighbour.

        Raises
        ------
        KeyError
            When a word has no vector.
        """
        return len(self.closer_than(key1, key2)) + 1

    def doesnt_match(self, words: Sequence[Word]) -> Word:
        """Find the word whose vector is farthest from the mean of all of them.

        Unknown words without a vector are left out with a warning, as in gensim.

        Returns
        -------
        str or int
            The word or row, as given.

        Raises
        ------
        TypeError
            When `words` is a str (whose letters are hardly meant), or a word is neither a str nor an int.
        ValueError
            When none of the words has a vector.

        Examples
        --------
        >>> import nce_train
        >>> model = nce_train.Embeddings(["red", "blue", "paris"], [[1, 0], [1, 0.1], [0, 1]])
        >>> model.doesnt_match(["red", "blue", "paris"])
        'paris'
        """
        check_words("words", words)
        known = self._known("doesnt_match", words)
        if not known:
            raise ValueError(f"doesnt_match needs a word in the vocabulary; of {len(words)} words 0 are")
        units = unit_length(self[known])
        cosines = (units @ units.mean(axis=0)).tolist()
        return min(zip(cosines, known, strict=True), key=lambda pair: (pair[0], str(pair[1])))[1]

    def _known(self, method: str, words: Iterable[Word]) -> list[Word]:
        """The words that have a vector; a warning names the others."""
        known: list[Word] = []
        unknown: list[str] = []
        for word in words:
            try:
                self._find(word)
                known.append(word)
            except KeyError as error:
                unknown.append(str(error) if isinstance(error, UnknownWordError) else error.args[0])
        if unknown:
            more = f" (and {len(unknown) - _MOST_NAMED} more)" if len(unknown) > _MOST_NAMED else ""
            warnings.warn(
                f"{method} leaves a word out: {'; '.join(unknown[:_MOST_NAMED])}{more}", NceTrainWarning, stacklevel=3
            )
        return known


def check_vector(vector: NDArray, dim: int) -> NDArray:
    """Return a vector, unless it is not of real finite numbers [dim]."""
    if vector.dtype.kind not in "fiu":
        raise TypeError(f"a vector of type {vector.dtype} was given; a vector holds real numbers")
    if vector.shape != (dim,):
        raise ValueError(f"a vector of shape {vector.shape} was given; the vectors here have {(dim,)}")
    if not np.isfinite(vector).all():
        raise ValueError("a vector was given that holds a number that is not finite (NaN or infinity)")
    return vector
