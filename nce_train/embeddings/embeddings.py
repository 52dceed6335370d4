"""`Embeddings`: words with their vectors, as training returns them and files hold them, to look up.

`most_similar`, `most_similar_cosmul`, `similarity` and `doesnt_match` answer as those of gensim 4's `KeyedVectors`.
"""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nce_train.arguments import check_integer, check_path, check_words, format_value
from nce_train.embeddings.formats.registry import read_table, write_table
from nce_train.embeddings.formats.table import Table, check_table
from nce_train.embeddings.keys import Key, Word, with_weights
from nce_train.embeddings.nearest import largest, nearest_rows
from nce_train.embeddings.postprocess import unit_length, vector_norms
from nce_train.embeddings.spelling import UnknownWordError
from nce_train.errors import InputError, NceTrainWarning

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

    from nce_train.embeddings.approximate import ApproximateIndex

_TOLD = 3  # unknown words that are told one by one


class Embeddings:
    """Words with vectors.

    Parameters
    ----------
    index_to_key : sequence of str
        The words, distinct; by decreasing frequency where the source says.
    vectors : array [len(index_to_key), dim]
        Finite numbers; kept without a copy when they are float32.
    counts : array [len(index_to_key)], optional
        How often each word occurs in the corpus.
    settings : mapping, or callable that returns it, optional
        The settings of the run that trained them, by name.

    Attributes
    ----------
    index_to_key : list of str
    vectors : float32 [len(index_to_key), dim]
        A read-only memory map where `load` was told so.
    counts : int64 [len(index_to_key)] or None

    Raises
    ------
    InputError
        When sizes disagree, a word repeats, a number is not finite or a count is not from 0 to 10^18 - 1.
    TypeError
        When a word is no str, or a number no real number.

    Examples
    --------
    >>> model = Embeddings(["east", "west", "north"], [[1, 0], [-1, 0], [0, 1]])
    >>> "west" in model, len(model), model.similarity("east", "west")
    (True, 3, -1.0)
    """

    def __init__(
        self,
        index_to_key: Sequence[str],
        vectors: ArrayLike,
        counts: ArrayLike | None = None,
        settings: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None,
    ) -> None:
        check_words("index_to_key", index_to_key)
        words = list(index_to_key)
        for row, word in enumerate(words):
            if not isinstance(word, str):
                raise TypeError(f"the word of row {row} is {word!r}, of type {type(word).__name__}; words are str")
        self._take(
            Table(
                words,
                _real_numbers("vectors", vectors).astype(np.float32, copy=False),
                None if counts is None else _whole_counts(counts),
                settings=settings if callable(settings) else partial(dict, settings or {}),
            )
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str], mmap: bool = True, vectors: str = "input") -> Self:
        """Read a model directory, a projector's, or a vectors file of any known format, told by its contents.

        Parameters
        ----------
        path : str or os.PathLike
            Numbers of other types than float32 (float16, float64; bfloat16 in `.safetensors`; int8 as `save` writes
            it) become float32.
        mmap : bool
            Map the vectors of a model directory or plain `.npy` file read-only instead of reading them.
        vectors : {"input", "output", "sum"}
            Which vectors of a model directory; a vectors file has input vectors only.

        Raises
        ------
        InputError
            When the file is absent, of no known format, or damaged (names file and line), or the model unfinished.
        """
        check_path("path", path)
        embeddings = cls.__new__(cls)
        embeddings._take(read_table(path, mmap=mmap, vectors=vectors))
        return embeddings

    def save(self, path: str | os.PathLike[str], format: str | None = None, dtype: str = "float32") -> None:
        """Write a vectors file; it appears whole or not at all.

        Parameters
        ----------
        path : str or os.PathLike
            A further ending `.gz`, `.bz2`, `.xz` or `.zst` compresses. For `projector` a directory.
        format : {"word2vec", "word2vec-binary", "glove", "npy", "safetensors", "projector"}, optional
            Without it the ending tells: `.txt` and `.vec` (word2vec), `.bin`, `.glove`, `.npy`, `.safetensors`.
        dtype : {"float32", "float16", "int8"}
            The type of the numbers written; all but the first for `npy` and `safetensors` only. int8 comes with one
            scale a row: a number is off by at most 1/254 of the largest of its row.

        Raises
        ------
        InputError
            When the format cannot be told or does not hold the type, there are no words, or nothing can be written at
            `path`.

        Examples
        --------
        >>> import nce_train
        >>> nce_train.Embeddings(["red", "blue"], [[1, 0], [0, 1]]).save("colours.vec.gz")
        >>> nce_train.Embeddings.load("colours.vec.gz").index_to_key
        ['red', 'blue']
        """
        check_path("path", path)
        write_table(path, self._table(), format, dtype)

    @classmethod
    def from_gensim(cls, vectors: Any) -> Self:
        """Take over gensim 4's vectors.

        Parameters
        ----------
        vectors : KeyedVectors, or a model that has them as `wv`
            Float32 vectors are shared with gensim, not copied. Words of fastText models come without their n-grams.

        Raises
        ------
        InputError
            When a number is not finite.
        TypeError
            When it is nothing of gensim 4, or a key is no str.
        """
        keyed = getattr(vectors, "wv", vectors)
        if not hasattr(keyed, "index_to_key") or not hasattr(keyed, "vectors"):
            raise TypeError(f"{type(vectors).__name__} is given; give gensim 4's KeyedVectors, or a model with them")
        counts = getattr(keyed, "expandos", {}).get("count")
        # gensim makes up counts from n to 1 for vectors that come without.
        if counts is not None and np.array_equal(counts, np.arange(len(counts), 0, -1)):
            counts = None
        return cls(keyed.index_to_key, keyed.vectors, counts)

    def to_gensim(self) -> "KeyedVectors":
        """Copy into gensim 4's KeyedVectors, with the counts, where known, as its attribute `count`.

        Raises
        ------
        InputError
            When gensim is not installed.
        """
        try:
            from gensim.models import KeyedVectors
        except ImportError:
            raise InputError("to_gensim needs gensim; pip install 'nce-train[bench]', or gensim alone") from None
        keyed = KeyedVectors(self.vectors.shape[1], dtype=np.float32)
        keyed.add_vectors(self.index_to_key, np.asarray(self.vectors))
        if self.counts is not None:  # gensim 4.4's add_vectors fails when it is given them
            keyed.expandos["count"] = self.counts.copy()
        return keyed

    @cached_property
    def key_to_index(self) -> dict[str, int]:
        """The row of each word."""
        return dict(zip(self.index_to_key, range(len(self.index_to_key)), strict=True))

    def __len__(self) -> int:
        return len(self.index_to_key)

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and word in self.key_to_index

    def __iter__(self) -> Iterator[str]:
        """Yield the words, row by row."""
        return iter(self.index_to_key)

    def __getitem__(self, words: Word | Iterable[Word]) -> NDArray[np.float32]:
        """Look up the vector [dim] of a word or row (see `get_vector`), or a copy [words, dim] of several.

        Raises
        ------
        KeyError
            When a word is not in the vocabulary.
        TypeError
            For anything but words and rows.
        """
        if isinstance(words, (str, bytes)) or not isinstance(words, Iterable):
            return self.get_vector(cast(Word, words))
        return self.vectors[np.array([self._row(word) for word in words], np.intp)]

    def get_vector(self, word: Word) -> NDArray[np.float32]:
        """Look up the vector of a word, or of a row given by its number.

        Returns
        -------
        float32 [dim]
            Not a copy; it cannot be written to.

        Raises
        ------
        KeyError
            When the word is not in the vocabulary.
        TypeError
            When it is neither a str nor an int.
        """
        vector = np.asarray(self.vectors[self._row(word)])
        vector.flags.writeable = False
        return vector

    def __repr__(self) -> str:
        return f"Embeddings({len(self)} words, dim {self.vectors.shape[1]})"

    def most_similar(
        self,
        positive: Key | Sequence[Key] = (),
        negative: Key | Sequence[Key] = (),
        topn: int | None = 10,
        restrict_vocab: int | None = None,
    ) -> list[tuple[str, float]] | NDArray[np.float32]:
        """Find the words nearest to a word, or to a sum of words (3CosAdd): king + woman - man.

        Parameters
        ----------
        positive, negative : word, row, vector, a tuple of one of them and a weight, or a sequence of them
            The mean of these words' unit-length vectors and the vectors [dim], weighted 1 and -1 (or as told), is
            what words are compared with. The words given are not among the answers.
        topn : int or None
            How many answers; None for the similarities to all words.
        restrict_vocab : int, optional
            Look only among so many first rows; None or 0 for all.

        Returns
        -------
        list of (str, float)
            Words and cosine similarities, the nearest first, none for a `topn` below 1; with `topn=None` float32
            [rows].

        Raises
        ------
        KeyError
            When a word is not in the vocabulary.
        TypeError
            For a key that is no word, row or vector, a weight that is no real number, or a `topn` or `restrict_vocab`
            that is no whole number.
        ValueError
            When nothing is given to compare with, a vector is not of length dim, a number is not finite, or
            `restrict_vocab` is negative.

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
        rows = self._searched(restrict_vocab)
        weighted = with_weights(positive, 1.0) + with_weights(negative, -1.0)
        if not weighted:
            raise ValueError("most_similar needs at least one positive or negative word; 0 were given")
        given = set()
        target = np.zeros(self.vectors.shape[1])
        for key, weight in weighted:
            vector, row = self._compared(key)
            target += weight * vector
            given.add(row)
        length = np.linalg.norm(target) or 1.0
        similarities = rows @ (target / length).astype(np.float32) / self._norms[: len(rows)]
        return similarities if topn is None else self._best(similarities, topn, given)

    def most_similar_cosmul(
        self,
        positive: Key | Sequence[Key] = (),
        negative: Key | Sequence[Key] = (),
        topn: int | None = 10,
        restrict_vocab: int | None = None,
    ) -> list[tuple[str, float]] | NDArray[np.float32]:
        """Find the words nearest to a product of words (3CosMul), in which no single similarity outweighs the others.

        O. Levy, Y. Goldberg: "Linguistic Regularities in Sparse and Explicit Word Representations", 2014, equation 4.

        Parameters
        ----------
        positive, negative : word, row, vector, or a sequence of them
            With each cosine x taken as (1 + x) / 2, a word's score is the product of those to `positive` over
            the product of those to `negative` (plus 0.000001). Vectors [dim] are taken as they are; give them unit
            length. The words given are not among the answers.
        topn : int or None
            How many answers; None for the scores of all words.
        restrict_vocab : int, optional
            Look only among so many first rows; None or 0 for all.

        Returns
        -------
        list of (str, float)
            Words and scores, the best first, none for a `topn` below 1; with `topn=None` float32 [rows].

        Raises
        ------
        KeyError
            When a word is not in the vocabulary.
        TypeError
            For a key that is no word, row or vector, or a `topn` or `restrict_vocab` that is no whole number.
        ValueError
            When nothing positive is given, a key has a weight other than 1, a vector is not of length dim or holds a
            number that is not finite, or `restrict_vocab` is negative.
        """
        check_integer("topn", topn, or_none=True)
        if topn is not None and topn < 1:
            return []
        rows = self._searched(restrict_vocab)
        given = set()
        products = []
        for keys in (positive, negative):
            product = np.ones(len(rows), np.float32)
            for key, weight in with_weights(keys, 1.0):
                if weight != 1:
                    raise ValueError(f"most_similar_cosmul was given a weight of {weight}; it knows none but 1")
                vector, row = self._compared(key)
                product *= (1 + rows @ vector.astype(np.float32) / self._norms[: len(rows)]) / 2
                given.add(row)
            products.append(product)
            if not given:
                raise ValueError("most_similar_cosmul needs at least one positive word; 0 were given")
        scores = products[0] / (products[1] + np.float32(0.000001))
        return scores if topn is None else self._best(scores, topn, given)

    def neighbours(
        self,
        words: Sequence[Word],
        topn: int = 10,
        restrict_vocab: int | None = None,
        index: "ApproximateIndex | None" = None,
    ) -> list[list[tuple[str, float]]]:
        """Find the nearest words of each of many words; ten times as fast as `most_similar` one by one.

        Parameters
        ----------
        words : sequence of words or rows
        topn : int
            How many neighbours of each.
        restrict_vocab : int, optional
            Look only among so many first rows; None or 0 for all.
        index : ApproximateIndex, optional
            Search with it: faster for large tables, and it misses a neighbour now and then.

        Returns
        -------
        list of list of (str, float)
            For each word the others and their cosine similarities, the nearest first.

        Raises
        ------
        KeyError
            When a word is not in the vocabulary.
        TypeError
            When a word is neither a str nor an int, `words` is a str, or `topn` or `restrict_vocab` no whole number.
        ValueError
            When `restrict_vocab` is negative.
        InputError
            When `restrict_vocab` is given with an index, or the index is of other vectors.
        """
        check_words("words", words)
        check_integer("topn", topn)
        searched = self._searched(restrict_vocab)
        if topn < 1:
            return [[] for _ in words]
        rows = np.array([self._row(word) for word in words], np.intp)
        targets = self.vectors[rows] / self._norms[rows, None]
        if index is None:
            found = nearest_rows(targets, searched, self._norms[: len(searched)], rows, topn)
        elif restrict_vocab:
            raise InputError(
                f"restrict_vocab is {restrict_vocab}, but an index searches all words; leave one of them out"
            )
        elif index.vectors is not self.vectors:
            raise InputError("the index is of other vectors; build or load it with `vectors` of these embeddings")
        else:
            found = index.nearest_rows(targets, self._norms, rows, topn)
        return [
            list(zip(map(self.index_to_key.__getitem__, best.tolist()), similarities.tolist(), strict=True))
            for best, similarities in found
        ]

    def similarity(self, first: str, second: str) -> float:
        """Compute the cosine of the angle between two words' vectors.

        Raises
        ------
        KeyError
            When a word is not in the vocabulary.
        """
        one, other = unit_length(self[[first, second]])
        return float(one @ other)

    def doesnt_match(self, words: Sequence[str]) -> str:
        """Find the word whose vector is farthest from the mean of all of them.

        As gensim's, it leaves unknown words out, with a warning.

        Raises
        ------
        TypeError
            When `words` is a str: its letters are hardly meant; or when a word is no str.
        ValueError
            When none of the words is in the vocabulary.

        Examples
        --------
        >>> import nce_train
        >>> model = nce_train.Embeddings(["red", "blue", "paris"], [[1, 0], [1, 0.1], [0, 1]])
        >>> model.doesnt_match(["red", "blue", "paris"])
        'paris'
        """
        check_words("words", words)
        words = list(words)
        for word in words:
            if not isinstance(word, str):
                raise TypeError(f"{format_value(word)} is of type {type(word).__name__}; give words (str)")
        known = [word for word in words if word in self]
        if not known:
            raise ValueError(f"doesnt_match needs a word in the vocabulary; of {len(words)} words 0 are")
        if unknown := [word for word in words if word not in self]:
            told = "; ".join(str(UnknownWordError(word, self.index_to_key)) for word in unknown[:_TOLD])
            more = f" (and {len(unknown) - _TOLD} more)" if len(unknown) > _TOLD else ""
            warnings.warn(f"doesnt_match leaves a word out: {told}{more}", NceTrainWarning, stacklevel=2)
        units = unit_length(self[known])
        return min(zip((units @ units.mean(axis=0)).tolist(), known, strict=True))[1]

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """The settings of the run that trained these vectors, by name; empty when they are not known.

        Raises
        ------
        InputError
            When the `config.yaml` that came with them is damaged.
        """
        return self._settings()

    @cached_property
    def _norms(self) -> NDArray[np.float32]:
        return vector_norms(self.vectors)

    def _take(self, table: Table) -> None:
        check_table(table)
        self.index_to_key = table.words
        self.vectors: NDArray[np.float32] = table.vectors
        self.counts = table.counts
        self._settings = table.settings

    def _table(self) -> Table:
        return Table(self.index_to_key, self.vectors, self.counts, settings=self._settings)

    def _row(self, word: object) -> int:
        if isinstance(word, str):
            if word not in self.key_to_index:
                raise UnknownWordError(word, self.index_to_key)
            return self.key_to_index[word]
        if isinstance(word, (int, np.integer)) and not isinstance(word, bool):
            if not 0 <= word < len(self):
                raise KeyError(f"the row {word} is not in the vocabulary of {len(self)} words")
            return int(word)
        raise TypeError(f"{word!r} is of type {type(word).__name__}; give a word (str) or a row (int)")

    def _searched(self, restrict_vocab: int | None) -> NDArray[np.float32]:
        """The vectors among which answers are looked for."""
        check_integer("restrict_vocab", restrict_vocab, or_none=True)
        if restrict_vocab is not None and restrict_vocab < 0:
            raise ValueError(f"restrict_vocab is {restrict_vocab}; give a number of words, or 0 for all")
        return self.vectors[: restrict_vocab or None]

    def _compared(self, key: Word | NDArray) -> tuple[NDArray, int | None]:
        """What others are compared with: a word's vector at unit length and its row, or a vector as it is."""
        if isinstance(key, np.ndarray):
            return self._checked(key), None
        row = self._row(key)
        return self.vectors[row] / self._norms[row], row

    def _best(self, scores: NDArray[np.float32], topn: int, given: set[int | None]) -> list[tuple[str, float]]:
        best = largest(scores, topn + len(given)).tolist()
        answers = [(self.index_to_key[row], float(scores[row])) for row in best if row not in given]
        return answers[:topn]

    def _checked(self, vector: NDArray) -> NDArray:
        if vector.dtype.kind not in "fiu":
            raise TypeError(f"a vector of type {vector.dtype} was given; a vector holds real numbers")
        if vector.shape != self.vectors.shape[1:]:
            raise ValueError(
                f"a vector of shape {vector.shape} was given; the vectors here have {self.vectors.shape[1:]}"
            )
        if not np.isfinite(vector).all():
            raise ValueError("a vector was given that holds a number that is not finite (NaN or infinity)")
        return vector


def with_vectors(model: Embeddings, vectors: NDArray[np.float32]) -> Embeddings:
    """The first words of a model with other vectors [rows, dim]; their counts and the settings go with them."""
    counts = None if model.counts is None else model.counts[: len(vectors)]
    return Embeddings(model.index_to_key[: len(vectors)], vectors, counts, model._settings)


def _real_numbers(name: str, values: ArrayLike) -> NDArray:
    try:
        array = np.asarray(values)
        if array.dtype == object:  # Python's own kinds of numbers
            array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} cannot be taken as an array of numbers ({error}); give real numbers") from None
    if array.dtype.kind in "cSUmM":  # complex, text, dates
        raise TypeError(f"{name} are of type {array.dtype}; give real numbers")
    return array


def _whole_counts(counts: ArrayLike) -> NDArray[np.int64]:
    array = _real_numbers("counts", counts)
    whole = array.astype(np.int64, copy=False)
    if not np.array_equal(whole, array) or (whole < 0).any():
        raise InputError("counts hold a number that is negative or not whole; give how often each word occurs")
    return whole
