"""`Embeddings`: words with their vectors, which training returns and files hold.

This class finds similar words. It extends `Comparisons`, which compares given words, and `WordVectors`, which holds the
words and vectors, and reads and writes them. Methods that gensim 4's `KeyedVectors` has too give the same results.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nce_train.arguments import check_integer, check_words
from nce_train.embeddings.comparisons import Comparisons, check_vector
from nce_train.embeddings.nearest import largest, nearest_rows
from nce_train.embeddings.postprocess import unit_length
from nce_train.embeddings.word_vectors import Word
from nce_train.errors import InputError

if TYPE_CHECKING:
    from nce_train.embeddings.approximate import ApproximateIndex

# In `most_similar`: a word, a vector, or either of them with a weight.
Key = Word | NDArray[np.floating] | tuple[Word | NDArray[np.floating], float]


class Embeddings(Comparisons):
    """Words with vectors.

    Parameters
    ----------
    index_to_key : sequence of str
        The words, distinct; by decreasing frequency if the source is so ordered.
    vectors : array [len(index_to_key), dim]
        Finite numbers; not copied if they are float32.
    counts : array [len(index_to_key)], optional
        How often each word occurs in the corpus.
    settings : mapping, or callable that returns one, optional
        The settings of the run that trained them, by name.
    subwords : SubWords, optional
        The rows of n-grams: with them, the vector of an unknown word is composed wherever a word is given.

    Attributes
    ----------
    index_to_key : list of str
    vectors : float32 [len(index_to_key), dim]
        A read-only memory map if `load` mapped them.
    counts : int64 [len(index_to_key)] or None
    subwords : SubWords or None

    Raises
    ------
    InputError
        When sizes disagree, a word repeats, a number is not finite or a count is not from 0 to 10^18 - 1.
    TypeError
        When a word is not a str, or a number not a real number.

    Examples
    --------
    >>> model = Embeddings(["east", "west", "north"], [[1, 0], [-1, 0], [0, 1]])
    >>> "west" in model, len(model), model.similarity("east", "west")
    (True, 3, -1.0)
    """

    def most_similar(
        self,
        positive: Key | Sequence[Key] | None = None,
        negative: Key | Sequence[Key] | None = None,
        topn: int | None = 10,
        clip_start: int = 0,
        clip_end: int | None = None,
        restrict_vocab: int | None = None,
    ) -> list[tuple[str, float]] | NDArray[np.float32]:
        """Find the words nearest to a word, or to a sum of words (3CosAdd): king + woman - man.

        Parameters
        ----------
        positive, negative : word, row, vector, a tuple of one of them and a weight, or a sequence of them
            Words are compared with the sum of these words' unit-length vectors and of the vectors [dim], weighted 1 and
            -1, or as given. The words given are not among the answers.
        topn : int or None
            The number of answers; None for the similarities to all words that are searched.
        clip_start, clip_end : int, optional
            Search only the rows from `clip_start` to before `clip_end`; None or 0 for the end.
        restrict_vocab : int, optional
            Search only this many first rows, whatever `clip_start` and `clip_end` are; None or 0 for all.

        Returns
        -------
        list of (str, float)
            Words and cosine similarities, the nearest first, empty for a `topn` below 1; with `topn=None` float32
            [rows].

        Raises
        ------
        KeyError
            When a word has no vector.
        TypeError
            For a key that is not a word, row or vector, a weight that is not a real number, or a number of words
            or rows that is not a whole number.
        ValueError
            When there is nothing to compare with, a vector is not of length dim, a number is not finite, or
            a row or `restrict_vocab` is negative.

        Examples
        --------
        >>> import nce_train
        >>> words = ["paris", "france", "rome", "italy"]
        >>> model = nce_train.Embeddings(words, [[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 1, 1]])
        >>> [word for word, _ in model.most_similar(positive=["france", "rome"], negative=["paris"], topn=1)]
        ['italy']
        """
        check_integer("topn", topn, or_none=True)
        if topn is not None and topn < 1:
            return []
        start, stop = self._searched(restrict_vocab, clip_start, clip_end)
        targets = self._targets(positive, 1.0) + self._targets(negative, -1.0)
        if not targets:
            raise ValueError("most_similar needs at least one positive or negative word; 0 were given")
        total = np.zeros(self.vectors.shape[1])
        for target in targets:
            total += target.weight * target.vector
        similarities = self._cosines(start, stop, total / (np.linalg.norm(total) or 1.0))
        return similarities if topn is None else self._best(similarities, topn, targets, start)

    def similar_by_key(
        self, key: Word, topn: int | None = 10, restrict_vocab: int | None = None
    ) -> list[tuple[str, float]] | NDArray[np.float32]:
        """Find the words nearest to a word or row; see `most_similar`."""
        return self.most_similar([key], topn=topn, restrict_vocab=restrict_vocab)

    similar_by_word = similar_by_key

    def similar_by_vector(
        self, vector: ArrayLike, topn: int | None = 10, restrict_vocab: int | None = None
    ) -> list[tuple[str, float]] | NDArray[np.float32]:
        """Find the words nearest to a vector [dim]; see `most_similar`."""
        return self.most_similar([np.asarray(vector)], topn=topn, restrict_vocab=restrict_vocab)

    def most_similar_cosmul(
        self,
        positive: Key | Sequence[Key] | None = None,
        negative: Key | Sequence[Key] | None = None,
        topn: int | None = 10,
        restrict_vocab: int | None = None,
    ) -> list[tuple[str, float]] | NDArray[np.float32]:
        """Find the words nearest to several words by a product of similarities (3CosMul), so that none dominates.

        O. Levy, Y. Goldberg: "Linguistic Regularities in Sparse and Explicit Word Representations", 2014, equation 4.

        Parameters
        ----------
        positive, negative : word, row, vector, or a sequence of them
            Each cosine x becomes (1 + x) / 2. A word's score is the product of its values for `positive`, divided by
            the product of its values for `negative` plus 0.000001. Vectors [dim] are not scaled; give them unit length.
            The words given are not among the answers.
        topn : int or None
            The number of answers; None for the scores of all words.
        restrict_vocab : int, optional
            Search only this many first rows; None or 0 for all.

        Returns
        -------
        list of (str, float)
            Words and scores, the best first, empty for a `topn` below 1; with `topn=None` float32 [rows].

        Raises
        ------
        KeyError
            When a word has no vector.
        TypeError
            For a key that is not a word, row or vector, or a `topn` or `restrict_vocab` that is not a whole number.
        ValueError
            When `positive` is empty, a key has a weight other than 1, a vector is not of length dim or holds a
            number that is not finite, or `restrict_vocab` is negative.
        """
        check_integer("topn", topn, or_none=True)
        if topn is not None and topn < 1:
            return []
        start, stop = self._searched(restrict_vocab)
        wanted = self._targets(positive, 1.0)
        if not wanted:
            raise ValueError("most_similar_cosmul needs at least one positive word; 0 were given")
        unwanted = self._targets(negative, 1.0)
        products = []
        for targets in (wanted, unwanted):
            product = np.ones(stop - start, np.float32)
            for target in targets:
                if target.weight != 1:
                    raise ValueError(f"most_similar_cosmul was given a weight of {target.weight}; it allows only 1")
                product *= (1 + self._cosines(start, stop, target.vector)) / 2
            products.append(product)
        scores = products[0] / (products[1] + np.float32(0.000001))
        return scores if topn is None else self._best(scores, topn, wanted + unwanted, start)

    def neighbours(
        self,
        words: Sequence[Word],
        topn: int = 10,
        restrict_vocab: int | None = None,
        index: "ApproximateIndex | None" = None,
    ) -> list[list[tuple[str, float]]]:
        """Find the nearest words of each of many words, ten times as fast as `most_similar` called for each.

        Parameters
        ----------
        words : sequence of words or rows
        topn : int
            The number of neighbours of each.
        restrict_vocab : int, optional
            Search only this many first rows; None or 0 for all.
        index : ApproximateIndex, optional
            Search with this index: faster for large tables, but it misses a neighbour now and then.

        Returns
        -------
        list of list of (str, float)
            For each word its neighbours and their cosine similarities, the nearest first.

        Raises
        ------
        KeyError
            When a word has no vector.
        TypeError
            When a word is neither a str nor an int, `words` is a str, or `topn` or `restrict_vocab` not a whole number.
        ValueError
            When `restrict_vocab` is negative.
        InputError
            When `restrict_vocab` is given with an index, or the index is of other vectors.
        """
        check_words("words", words)
        check_integer("topn", topn)
        searched = self.vectors[slice(*self._searched(restrict_vocab))]
        if topn < 1:
            return [[] for _ in words]
        rows, vectors = self._look_up(words)
        targets = unit_length(vectors)
        if index is None:
            nearest = nearest_rows(targets, searched, self._norms[: len(searched)], rows, topn)
        elif restrict_vocab:
            raise InputError(
                f"restrict_vocab is {restrict_vocab}, but an index searches all words; leave one of them out"
            )
        elif index.vectors is not self.vectors:
            raise InputError("the index is of other vectors; build or load it with `vectors` of these embeddings")
        else:
            nearest = index.nearest_rows(targets, self._norms, rows, topn)
        return [
            list(zip(map(self.index_to_key.__getitem__, best.tolist()), similarities.tolist(), strict=True))
            for best, similarities in nearest
        ]

    def _searched(
        self, restrict_vocab: int | None, clip_start: int = 0, clip_end: int | None = None
    ) -> tuple[int, int]:
        """The first row that is searched, and the one after the last."""
        check_integer("restrict_vocab", restrict_vocab, or_none=True)
        if restrict_vocab is not None and restrict_vocab < 0:
            raise ValueError(f"restrict_vocab is {restrict_vocab}; give a number of words, or 0 for all")
        if restrict_vocab:
            return 0, min(restrict_vocab, len(self))
        check_integer("clip_start", clip_start)
        check_integer("clip_end", clip_end, or_none=True)
        if clip_start < 0 or (clip_end or 0) < 0:
            raise ValueError(f"clip_start is {clip_start} and clip_end {clip_end}; give rows, which count from 0")
        stop = min(clip_end or len(self), len(self))
        return min(clip_start, stop), stop

    def _targets(self, keys: Key | Sequence[Key] | None, weight: float) -> list["_Target"]:
        """Look up what to compare with: words at unit length, vectors unchanged."""
        targets = []
        for key, weight_given in _with_weights(keys, weight):
            if isinstance(key, np.ndarray):
                check_vector(key, self.vectors.shape[1])
                targets.append(_Target(key, weight_given, None))
            else:
                found = self._find(key)
                targets.append(_Target(self._unit(found), weight_given, found.row))
        return targets

    def _cosines(self, start: int, stop: int, target: NDArray) -> NDArray[np.float32]:
        """Divide the products of rows and a target of length 1 by the rows' lengths."""
        return self.vectors[start:stop] @ target.astype(np.float32) / self._norms[start:stop]

    def _best(
        self, scores: NDArray[np.float32], topn: int, targets: Sequence["_Target"], start: int
    ) -> list[tuple[str, float]]:
        """The words with the largest scores, of the rows from `start`, without those of the targets."""
        excluded = {target.row - start for target in targets if target.row is not None}
        best = largest(scores, topn + len(excluded)).tolist()
        return [(self.index_to_key[start + row], float(scores[row])) for row in best if row not in excluded][:topn]


def with_vectors(model: Embeddings, vectors: NDArray[np.float32]) -> Embeddings:
    """Return the first words of a model with other vectors [rows, dim], their counts and the model's settings.

    Sub-words and output vectors, which are of the model's own vectors, are left out.
    """
    counts = None if model.counts is None else model.counts[: len(vectors)]
    return Embeddings(model.index_to_key[: len(vectors)], vectors, counts, model._settings)


def first_words(model: Embeddings, number: int | None) -> Embeddings:
    """Return the first words of a model, all for None, with all that it has of them, and its sub-words."""
    first = with_vectors(model, model.vectors[:number])
    first.subwords = model.subwords
    first._output = partial(_first_rows, model._output, number)
    return first


def _first_rows(table: Callable[[], NDArray[np.float32] | None], number: int | None) -> NDArray[np.float32] | None:
    rows = table()
    return None if rows is None else rows[:number]


class _Target(NamedTuple):
    """A word or vector that others are compared with."""

    vector: NDArray
    weight: float
    row: int | None


def _with_weights(keys: Key | Iterable[Key] | None, default: float) -> Iterator[tuple[Any, float]]:
    """Yield one key or several, each with its weight; a tuple of a key and a number is one key, None is no key."""
    several: Iterable[Any] = keys if isinstance(keys, Iterable) else [] if keys is None else [keys]
    if (
        isinstance(keys, (str, bytes))
        or (isinstance(keys, np.ndarray) and keys.ndim == 1)
        or (isinstance(keys, tuple) and len(keys) == 2 and isinstance(keys[1], Real))
    ):
        several = [keys]
    for key in several:
        if not isinstance(key, tuple):
            yield key, default
            continue
        if len(key) != 2 or not isinstance(key[1], Real):
            raise TypeError(f"{key!r} is not a pair of a word or vector and a weight")
        weight = float(key[1])
        if not np.isfinite(weight):
            raise ValueError(f"the weight {weight} of {key[0]!r} is not finite")
        yield key[0], weight
