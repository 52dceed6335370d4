"""`WordVectors`: words with vectors in memory, from and to files and gensim, and looked up by word or row.

With sub-words, the vector of an unknown word is composed of its n-grams. `embeddings.Embeddings` adds the search for
similar words.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nce_train.arguments import check_output, check_path
from nce_train.embeddings.formats.registry import read_table, write_table
from nce_train.embeddings.formats.table import Table, make_table
from nce_train.embeddings.gensim_subwords import subwords_of, to_fasttext_vectors
from nce_train.embeddings.postprocess import unit_length, vector_norms
from nce_train.embeddings.spelling import UnknownWordError
from nce_train.embeddings.subwords import SubWords
from nce_train.errors import InputError

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

Word = str | int | np.integer  # a word or its row


class Found(NamedTuple):
    """A word's row, None for an unknown one, and its vector [dim], for an unknown one composed of its n-grams."""

    row: int | None
    vector: NDArray[np.float32]


class WordVectors:
    """The part of `Embeddings` that holds words and vectors; `Embeddings` describes parameters and attributes."""

    def __init__(
        self,
        index_to_key: Sequence[str],
        vectors: ArrayLike,
        counts: ArrayLike | None = None,
        settings: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None,
        subwords: SubWords | None = None,
    ) -> None:
        get_settings = settings if callable(settings) else partial(dict, settings or {})
        self._take(make_table(index_to_key, vectors, counts, get_settings, subwords))

    @classmethod
    def load(cls, path: str | os.PathLike[str], mmap: bool = True, vectors: str = "input") -> Self:
        """Read a model directory, a projector's directory, or a vectors file, whose format is detected by its contents.

        Parameters
        ----------
        path : str or os.PathLike
            Numbers of other types (float16, float64; bfloat16 in `.safetensors`; int8 as `save` writes it) are
            converted to float32.
        mmap : bool
            Map the vectors of a model directory or plain `.npy` file read-only instead of reading them.
        vectors : {"input", "output", "sum"}
            Which vectors of a model directory; a vectors file has input vectors only. Sub-words come with these only.

        Raises
        ------
        InputError
            When the file is absent, has no known format or is damaged (the message names file and line), or the model
            is unfinished.
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
            A further ending `.gz`, `.bz2`, `.xz` or `.zst` compresses. For `projector` this is a directory.
        format : {"word2vec", "word2vec-binary", "glove", "npy", "fasttext", "safetensors", "projector"}, optional
            By default the format of the ending: `.txt` and `.vec` (word2vec), `.bin`, `.glove`, `.npy`,
            `.fasttext.bin`, `.safetensors`. Only `npy`, `fasttext` and `safetensors` hold sub-words; the others leave
            them out with a warning.
        dtype : {"float32", "float16", "int8"}
            The type of the numbers written; only `npy` and `safetensors` hold float16 and int8. int8 has one scale a
            row: the error of a number is at most 1/254 of the largest number of its row.

        Raises
        ------
        InputError
            When the ending is not that of a format, the format does not hold the type, there are no words, or `path`
            cannot be written.

        Examples
        --------
        >>> import nce_train
        >>> nce_train.Embeddings(["red", "blue"], [[1, 0], [0, 1]]).save("colours.vec.gz")
        >>> nce_train.Embeddings.load("colours.vec.gz").index_to_key
        ['red', 'blue']
        """
        check_output("path", path)
        table = Table(
            self.index_to_key,
            self.vectors,
            self.counts,
            settings=self._settings,
            subwords=self.subwords,
            output=self._output,
        )
        write_table(path, table, format, dtype)

    @classmethod
    def from_gensim(cls, vectors: Any) -> Self:
        """Convert gensim 4's vectors.

        Parameters
        ----------
        vectors : KeyedVectors, or a model that has them as `wv`
            Float32 vectors are shared with gensim, not copied. fastText models come with their n-grams, as sub-words.

        Raises
        ------
        InputError
            When a number is not finite.
        TypeError
            When this is not an object of gensim 4, or a key is not a str.
        """
        keyed = getattr(vectors, "wv", vectors)
        if not hasattr(keyed, "index_to_key") or not hasattr(keyed, "vectors"):
            raise TypeError(f"{type(vectors).__name__} is given; give gensim 4's KeyedVectors, or a model with them")
        counts = getattr(keyed, "expandos", {}).get("count")
        words, vectors = keyed.index_to_key, keyed.vectors
        invented = np.arange(len(words), 0, -1)  # by gensim, for vectors that have none
        if None in words:  # at the end, when the file that gensim read has a word twice
            words = words[: words.index(None)]
            vectors, invented = vectors[: len(words)], invented[: len(words)]
            counts = None if counts is None else counts[: len(words)]
        if counts is not None and np.array_equal(counts, invented):
            counts = None
        return cls(words, vectors, counts, subwords=subwords_of(keyed))

    def to_gensim(self) -> "KeyedVectors":
        """Copy to gensim 4's KeyedVectors, with the counts, if known, as its attribute `count`.

        With sub-words they are FastTextKeyedVectors, which have a row for each of all buckets in memory.

        Raises
        ------
        InputError
            When gensim is not installed, or there is no memory for the rows of all buckets.
        """
        try:
            from gensim.models import KeyedVectors
        except ImportError:
            raise InputError("to_gensim needs gensim; pip install 'nce-train[bench]', or gensim alone") from None
        if self.subwords is not None:
            keyed = to_fasttext_vectors(self.index_to_key, self.vectors, self.subwords)
        else:
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

    def __contains__(self, key: object) -> bool:
        """Whether a word, or a row given by its number, is in the vocabulary; see also `is_known`."""
        if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
            return 0 <= int(key) < len(self)
        return isinstance(key, str) and key in self.key_to_index

    def is_known(self, word: str) -> bool:
        """Whether a word is in the vocabulary, so that its vector was trained.

        False for an unknown word, although with sub-words `model[word]` may compose a vector for it. `word in model`
        answers the same for words, but takes row numbers too; in gensim's fastText models it is true of every word.

        Raises
        ------
        TypeError
            When `word` is not a str.

        Examples
        --------
        >>> import nce_train
        >>> model = nce_train.Embeddings(["red", "blue"], [[1, 0], [0, 1]])
        >>> model.is_known("red"), model.is_known("reddish")
        (True, False)
        """
        if not isinstance(word, str):
            raise TypeError(f"{word!r} is of type {type(word).__name__}; give a word (str)")
        return word in self.key_to_index

    def __iter__(self) -> Iterator[str]:
        """Yield the words, row by row."""
        return iter(self.index_to_key)

    def __getitem__(self, words: Word | Iterable[Word]) -> NDArray[np.float32]:
        """Look up the vector [dim] of a word or row (see `get_vector`), or a copy [words, dim] of several.

        Raises
        ------
        KeyError
            When a word is not in the vocabulary and has no known n-gram.
        TypeError
            For anything other than words and rows.
        """
        if isinstance(words, (str, bytes)) or not isinstance(words, Iterable):
            return self.get_vector(cast(Word, words))
        return self._look_up(words)[1]

    def get_vector(self, key: Word, norm: bool = False) -> NDArray[np.float32]:
        """Look up the vector of a word, or of a row given by its number.

        With sub-words, the vector of an unknown word is composed: it is the mean of the rows of its n-grams.

        Parameters
        ----------
        key : word or row
        norm : bool
            Scale it to length 1; a vector of zeros is unchanged.

        Returns
        -------
        float32 [dim]
            Not a copy unless it is scaled, and read-only.

        Raises
        ------
        KeyError
            When the word is not in the vocabulary and has no known n-gram.
        TypeError
            When it is neither a str nor an int.
        """
        found = self._find(key)
        vector = np.asarray(self._unit(found) if norm else found.vector)
        vector.flags.writeable = False
        return vector

    def __repr__(self) -> str:
        return f"Embeddings({len(self)} words, dim {self.vectors.shape[1]})"

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """The settings of the run that trained these vectors, by name; empty when they are unknown.

        Raises
        ------
        InputError
            When the `config.yaml` that came with them is damaged.
        """
        return self._settings()

    @cached_property
    def _norms(self) -> NDArray[np.float32]:
        """The length of each row; 1 for a row of zeros."""
        return vector_norms(self.vectors)

    def _take(self, table: Table) -> None:
        self.index_to_key = table.words
        self.vectors: NDArray[np.float32] = table.vectors
        self.counts = table.counts
        self.subwords = table.subwords
        self._settings = table.settings
        self._output = table.output

    def _find(self, word: object) -> Found:
        """Look up a word or row, or compose the vector of an unknown word."""
        composed = self._composed(word)
        if composed is not None:
            return Found(None, composed)
        row = self._row(word)
        return Found(row, self.vectors[row])

    def _look_up(self, words: Iterable[object]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Look up many words as `_find` does; return their rows, -1 for none, and their vectors [words, dim]."""
        words = list(words)
        rows = np.full(len(words), -1, np.intp)
        vectors = np.empty((len(words), self.vectors.shape[1]), np.float32)
        for number, word in enumerate(words):
            composed = self._composed(word)
            if composed is None:
                rows[number] = self._row(word)
            else:
                vectors[number] = composed
        known = rows >= 0
        vectors[known] = self.vectors[rows[known]]
        return rows, vectors

    def _composed(self, word: object) -> NDArray[np.float32] | None:
        """The vector of an unknown word; None for everything else, and without sub-words."""
        if self.subwords is None or not isinstance(word, str) or word in self.key_to_index:
            return None
        vector = self.subwords.vector_of(word)
        if vector is None:
            raise UnknownWordError(word, self.index_to_key)
        return vector

    def _unit(self, found: Found) -> NDArray[np.float32]:
        """Scale what `_find` returned to length 1."""
        if found.row is None:
            return unit_length(found.vector[None])[0]
        return found.vector / self._norms[found.row]

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
