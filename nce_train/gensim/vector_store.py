"""`VectorStore`: the part of `KeyedVectors` that holds keys, vectors and attributes, and changes them.

Keys are looked up as in gensim: first as keys, then whole numbers as rows.
"""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nce_train.arguments import PathLike
from nce_train.embeddings import Embeddings
from nce_train.embeddings.formats.table import Table, no_output
from nce_train.embeddings.postprocess import vector_norms
from nce_train.embeddings.spelling import UnknownWordError
from nce_train.embeddings.subwords import SubWords
from nce_train.errors import InputError


class VectorStore(Embeddings):
    """Keys with vectors that can be added and replaced; `KeyedVectors` describes parameters and attributes."""

    index_to_key: list[Any]
    key_to_index: dict[Any, int]

    def __init__(self, vector_size: int, count: int = 0, dtype: Any = np.float32, mapfile_path: Any = None) -> None:
        if vector_size < 1:
            raise InputError(f"vector_size is {vector_size}; give at least 1")
        self._hold([None] * count, np.zeros((count, int(vector_size)), dtype))
        self.key_to_index = {}
        self.next_index = 0

    def _hold(self, keys: list[Any], vectors: NDArray, subwords: SubWords | None = None) -> None:
        self.index_to_key = keys
        self.key_to_index = {key: row for row, key in enumerate(keys)}
        self.vectors = vectors
        self.norms: NDArray[np.float32] | None = None
        self.expandos: dict[str, NDArray] = {}
        self.subwords = subwords
        self.next_index = len(keys)  # the row that add_vector fills, if its key is None
        self._settings = dict
        self._output = no_output

    def _take(self, table: Table) -> None:
        """Hold what a file has; `Embeddings.load` calls it."""
        self._hold(list(table.words), table.vectors, table.subwords)
        self._settings, self._output = table.settings, table.output
        if table.counts is not None and table.counts.any():
            self.expandos["count"] = np.array(table.counts)

    @classmethod
    def from_gensim(cls, vectors: Any) -> Self:
        """Convert the real gensim's vectors; see `nce_train.Embeddings.from_gensim`."""
        made = Embeddings.from_gensim(vectors)
        store = cls.__new__(cls)
        store._take(Table(made.index_to_key, made.vectors, made.counts, subwords=made.subwords))
        return store

    @property
    def vector_size(self) -> int:
        """The length of the vectors."""
        return int(self.vectors.shape[1])

    @property
    def counts(self) -> NDArray[np.int64] | None:  # type: ignore[override]
        """The attribute `count` of all keys, where it is known."""
        return self.expandos.get("count")

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings of the run that trained these vectors, by name; empty when they are unknown."""
        return self._settings()

    @property
    def _norms(self) -> NDArray[np.float32]:
        """The length of each row; 1 for a row of zeros."""
        if self.norms is None or len(self.norms) != len(self.vectors):
            self.norms = vector_norms(np.asarray(self.vectors, np.float32))
        return self.norms

    def __repr__(self) -> str:
        return f"{type(self).__name__}<vector_size={self.vector_size}, {len(self)} keys>"

    __str__ = __repr__

    def __contains__(self, key: object) -> bool:
        return self.has_index_for(key)

    def has_index_for(self, key: Any) -> bool:
        """Whether this is a key, or the number of a row."""
        return self.get_index(key, -1) >= 0

    def get_index(self, key: Any, default: int | None = None) -> int:
        """Return the row of a key, or of a row itself.

        Raises
        ------
        KeyError
            When there is none, and no default.
        """
        row = self.key_to_index.get(key, -1) if isinstance(key, Hashable) else -1
        if row >= 0:
            return row
        if isinstance(key, (int, np.integer)) and not isinstance(key, bool) and 0 <= key < len(self):
            return int(key)
        if default is not None:
            return default
        if isinstance(key, str):
            raise UnknownWordError(key, [word for word in self.index_to_key if isinstance(word, str)])
        raise KeyError(f"Key '{key}' not present in vocabulary")

    def _row(self, word: object) -> int:
        return self.get_index(word)

    def __setitem__(self, keys: Any, weights: ArrayLike) -> None:
        """Replace the vectors of some keys, or add them."""
        self.add_vectors(keys if isinstance(keys, (list, tuple, np.ndarray)) else [keys], weights, replace=True)

    def add_vector(self, key: Any, vector: ArrayLike) -> int:
        """Add or replace one vector, a new one in the first row whose key is None; return its row."""
        row = self.next_index
        if key not in self.key_to_index and row < len(self.index_to_key) and self.index_to_key[row] is None:
            self.index_to_key[row], self.key_to_index[key] = key, row
            self.next_index += 1
        self.add_vectors([key], np.asarray(vector).reshape(1, -1), replace=True)
        return self.key_to_index[key]

    def add_vectors(
        self, keys: Any, weights: ArrayLike, extras: Mapping[str, Any] | None = None, replace: bool = False
    ) -> None:
        """Add keys with their vectors, in rows behind those that there are.

        Parameters
        ----------
        keys : key or list of keys
        weights : array [keys, vector_size]
        extras : mapping, optional
            Attributes of the keys, by name.
        replace : bool
            Replace the vectors of keys that are there; otherwise these keep theirs.

        Raises
        ------
        InputError
            When numbers or lengths disagree.
        """
        if not isinstance(keys, (list, tuple, np.ndarray)):
            keys = [keys]
        keys = keys.tolist() if isinstance(keys, np.ndarray) else list(keys)
        given = np.asarray(weights, self.vectors.dtype)
        given = given.reshape(1, -1) if given.ndim == 1 else given
        if given.shape != (len(keys), self.vector_size):
            raise InputError(
                f"vectors of shape {given.shape} were given for {len(keys)} keys; give "
                f"({len(keys)}, {self.vector_size})"
            )
        new = [key for key in dict.fromkeys(keys) if key not in self.key_to_index]
        for key in new:
            self.key_to_index[key] = len(self.index_to_key)
            self.index_to_key.append(key)
        self._make_room()
        is_new = set(new)
        chosen = [number for number, key in enumerate(keys) if replace or key in is_new]
        rows = [self.key_to_index[keys[number]] for number in chosen]
        self.vectors[rows] = given[chosen]
        for name, values in (extras or {}).items():
            values = np.asarray(values)
            self.allocate_vecattrs([name], [values.dtype])
            self.expandos[name][rows] = values[chosen]
        self.norms = None

    def _make_room(self) -> None:
        """Have vectors that can be changed, and attributes, for all keys."""
        more = len(self.index_to_key) - len(self.vectors)
        if more > 0:
            self.vectors = np.concatenate([self.vectors, np.zeros((more, self.vector_size), self.vectors.dtype)])
        elif not self.vectors.flags.writeable:
            self.vectors = np.array(self.vectors)
        self.allocate_vecattrs()

    def allocate_vecattrs(self, attrs: Iterable[str] | None = None, types: Iterable[Any] | None = None) -> None:
        """Make room for all keys in the attributes that there are, and in those named here, of these types."""
        wanted = {name: values.dtype for name, values in self.expandos.items()}
        wanted |= dict(zip(attrs or (), types or (), strict=True))
        for name, kind in wanted.items():
            before = self.expandos.get(name, np.zeros(0, kind))
            room = np.zeros(len(self.index_to_key), before.dtype)
            room[: len(before)] = before[: len(room)]
            self.expandos[name] = room

    def set_vecattr(self, key: Any, attr: str, val: Any) -> None:
        """Set an attribute of a key."""
        self.allocate_vecattrs([attr], [np.int64 if isinstance(val, (int, np.integer)) else np.asarray(val).dtype])
        self.expandos[attr][self.get_index(key)] = val

    def get_vecattr(self, key: Any, attr: str) -> Any:
        """Return an attribute of a key; a `count` that is not known is 0.

        Raises
        ------
        KeyError
            When there is no such key or attribute.
        """
        row = self.get_index(key)
        if attr == "count" and attr not in self.expandos:
            return 0
        return self.expandos[attr][row]

    def resize_vectors(self, seed: int = 0) -> None:
        """Make room for vectors of all keys, new ones at random from -0.5/vector_size to 0.5/vector_size."""
        first, rows = len(self.vectors), len(self.index_to_key)
        generator = np.random.default_rng(seed)
        more = (generator.random((max(0, rows - first), self.vector_size)) - 0.5) / self.vector_size
        self.vectors = np.concatenate([self.vectors[:rows], more.astype(self.vectors.dtype)])
        self.norms = None

    def sort_by_descending_frequency(self) -> None:
        """Sort the keys by their attribute `count`, with their vectors and attributes."""
        if "count" not in self.expandos:
            return
        order = np.argsort(-self.expandos["count"], kind="stable")
        self.index_to_key = [self.index_to_key[row] for row in order.tolist()]
        self.key_to_index = {key: row for row, key in enumerate(self.index_to_key)}
        self.vectors = self.vectors[order]
        self.expandos = {name: values[order] for name, values in self.expandos.items()}
        self.norms = None

    def fill_norms(self, force: bool = False) -> None:
        """Compute the lengths of the vectors, if that has not been done, or with `force` again."""
        if force:
            self.norms = None
        _ = self._norms

    def get_normed_vectors(self) -> NDArray[np.float32]:
        """Return all vectors scaled to length 1, float32 [keys, vector_size]."""
        return np.asarray(self.vectors / self._norms[:, None])

    def unit_normalize_all(self) -> None:
        """Scale all vectors to length 1, for good."""
        self.fill_norms(force=True)
        self.vectors = self.get_normed_vectors()
        self.fill_norms(force=True)

    # --- files ----------------------------------------------------------------------------------------------------

    def save(self, fname: PathLike, *_: Any, **__: Any) -> None:  # type: ignore[override]
        """Write a directory that `load`, `nce_train.Embeddings.load` and the commands read; an older one is replaced.

        Further arguments of gensim have no effect. `save_word2vec_format` writes a vectors file.

        Raises
        ------
        InputError
            When `fname` is a file or holds something else, or a key is no text that fits on a line.
        """
        from nce_train.gensim.model_files import save_vectors

        save_vectors(self, fname)

    @classmethod
    def load(cls, fname: PathLike, mmap: str | None = None, **_: Any) -> Self:  # type: ignore[override]
        """Read what `save` of vectors or of a model wrote, or any vectors file that nce-train reads.

        Parameters
        ----------
        fname : path
        mmap : str, optional
            Map the vectors instead of reading them; they cannot be changed then.
        """
        from nce_train.gensim.model_files import load_vectors

        store = cls.__new__(cls)
        store._take(load_vectors(fname, mmap is not None))
        return store

    def save_word2vec_format(
        self,
        fname: PathLike,
        fvocab: PathLike | None = None,
        binary: bool = False,
        total_vec: int | None = None,
        write_header: bool = True,
        prefix: str = "",
        append: bool = False,
        sort_attr: str = "count",
    ) -> None:
        """Write the word2vec format.

        Parameters
        ----------
        fname : path
            An ending `.gz`, `.bz2`, `.xz` or `.zst` compresses.
        fvocab : path, optional
            Write lines of a word and its count here.
        binary : bool
        total_vec
            Without effect: the header has the number of keys.
        write_header : bool
            Without it, only text.
        prefix : str
            Stands before each word.
        append : bool
            Refused.
        sort_attr : str
            The attribute by which the words are sorted, the largest first.

        Raises
        ------
        InputError
            When a key is no str, or something is asked that is not supported.
        """
        from nce_train.gensim.vector_files import write_word2vec

        write_word2vec(self, fname, fvocab, binary, write_header, prefix, append, sort_attr)

    @classmethod
    def load_word2vec_format(
        cls,
        fname: PathLike,
        fvocab: PathLike | None = None,
        binary: bool = False,
        encoding: str = "utf8",
        unicode_errors: str = "strict",
        limit: int | None = None,
        datatype: Any = np.float32,
        no_header: bool = False,
    ) -> Self:
        """Read the word2vec format, or any other that nce-train reads: the contents say which.

        Parameters
        ----------
        fname : path
            Plain or compressed.
        fvocab : path, optional
            Lines of a word and its count; without them counts fall from the number of words to 1, as in gensim.
        binary, no_header
            Without effect, as the contents say it.
        encoding, unicode_errors : str
            Of the words.
        limit : int, optional
            Keep only so many words.
        datatype : type
            Of the numbers in memory.

        Raises
        ------
        InputError
            When the file is absent or damaged.
        UnicodeDecodeError
            When a word is not in this encoding.
        """
        from nce_train.gensim.vector_files import read_word2vec

        words, vectors, counts = read_word2vec(fname, fvocab, encoding, unicode_errors, limit, datatype)
        store = cls.__new__(cls)
        store._hold(words, vectors)
        store.expandos["count"] = counts
        return store

    def intersect_word2vec_format(
        self,
        fname: PathLike,
        lockf: float = 0.0,
        binary: bool = False,
        encoding: str = "utf8",
        unicode_errors: str = "strict",
    ) -> None:
        """Take over the vectors that a file has of keys that are here. They are trained further: `lockf` has no effect.

        Raises
        ------
        InputError
            When its vectors are of another length.
        """
        other = type(self).load_word2vec_format(fname, None, binary, encoding, unicode_errors)
        if other.vector_size != self.vector_size:
            raise InputError(f"{fname}: its vectors have {other.vector_size} numbers, and these {self.vector_size}")
        known = [key for key in other.index_to_key if key in self.key_to_index]
        self.add_vectors(known, other[known], replace=True)
