"""fastText's `.bin`: words with counts, their own rows, the rows of all n-gram buckets, and output vectors.

fastText composes a word's vector of its own row and those of its n-grams; `subwords` has the formulas. When vectors
are written, the own rows follow from them, so that fastText and gensim give the same vectors for all words, known and
unknown. Buckets without a row are written as zeros, and rows of zeros are left out when a file is read. The output
vectors are those of the model directory that the vectors come from, else zeros; they are not read. Without sub-words,
the own rows are the vectors, and the numbers of buckets and of characters are 0.

All numbers are little-endian: magic number and version (int32); the training's arguments (twelve int32 and a double);
words, words without labels, labels (int32), tokens, entries of a pruned index (int64); for each word its bytes, NUL,
count (int64), kind (int8, 0); then two tables, each with whether it is quantised (int8, 0), rows and dim (int64) and
float32 numbers: own rows and n-gram rows, and output vectors. Classifiers (models of labels), and pruned or quantised
tables, are refused.
"""

import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings.formats.compression import is_compressed, most_bytes, open_reading, open_writing
from nce_train.embeddings.formats.escape import escape_entry, unescape_entry
from nce_train.embeddings.formats.table import Table, check_memory, quote
from nce_train.embeddings.formats.text_lines import LONGEST_LINE
from nce_train.embeddings.subwords import SubWords, composed_vectors, own_rows
from nce_train.errors import InputError

_MAGIC = (793712314).to_bytes(4, "little")
_VERSION = 12
_READ_VERSIONS = (11, 12)  # which differ for classifiers only
_ARGUMENTS = struct.Struct("<i12id")  # after the version
_DICTIONARY = struct.Struct("<3i2q")
_ENTRY = struct.Struct("<qb")  # after the word
_TABLE = struct.Struct("<b2q")
_LEAST_ENTRY = 1 + _ENTRY.size  # bytes, of an empty word

_CBOW, _SKIPGRAM, _CLASSIFIER = 1, 2, 3
_NEGATIVE_SAMPLING = 2
_UPDATE_RATE = 100  # fastText's default; it matters to the training program only
_LARGEST_INT32 = 2**31 - 1
_LARGEST_INT64 = 2**63 - 1

_BLOCK_BYTES = 1 << 20
_BLOCK_ROWS = 1 << 12


class _Arguments(NamedTuple):
    """The arguments of the training, in the order of the file."""

    version: int
    dim: int
    window: int
    epochs: int
    min_count: int
    num_sampled: int
    word_ngrams: int
    loss: int
    model: int
    buckets: int
    least: int
    most: int
    update_rate: int
    subsample: float

    def has_subwords(self) -> bool:
        """Whether vectors are composed of n-grams; fastText takes those of at least one character."""
        return self.buckets > 0 and self.most >= max(1, self.least)


def recognises(_path: Path, head: bytes) -> bool:
    """Whether the file begins with fastText's magic number."""
    return head.startswith(_MAGIC)


def read(path: Path, _mmap: bool) -> Table:
    """Read words, counts, composed vectors and sub-words."""
    with open_reading(path) as file:
        source = _Source(file, path)
        source.take(len(_MAGIC))
        arguments = _Arguments(*source.unpack(_ARGUMENTS))
        _check_arguments(path, arguments)
        entries, counts = _read_entries(source)
        own, rows, ngrams = _read_input(source, arguments, len(entries))
        _check_output(source)
    subwords = None
    if arguments.has_subwords():
        lengths = max(1, arguments.least), arguments.most
        subwords = SubWords(*lengths, arguments.buckets, rows, ngrams, f"{path}, n-grams")
        names = [entry.decode("utf-8", "surrogateescape") for entry in entries]
        first = 0
        for vectors in composed_vectors(names, own, subwords):
            own[first : first + len(vectors)] = vectors
            first += len(vectors)
    return Table(
        list(map(unescape_entry, entries)),
        own,
        None if np.array_equal(counts, _falling(len(counts))) else counts,
        place=lambda row: f"{path}, row {row}",
        subwords=subwords,
    )


def write(path: Path, table: Table) -> None:
    """Write the file, a block of rows at a time."""
    entries = list(map(escape_entry, table.words))
    output = table.output()
    rows, dim = table.vectors.shape
    arguments = _arguments_of(table.settings(), dim, table.subwords)
    with open_writing(path) as file:
        file.write(_MAGIC + _ARGUMENTS.pack(*arguments))
        _write_entries(file, entries, table)
        file.write(_TABLE.pack(0, rows + arguments.buckets, dim))
        for block in _own_rows(entries, table):
            if not np.isfinite(block).all():
                raise InputError(
                    f"{path}: the own row of a word is beyond the range of float32, since the numbers of its vector "
                    "are near the largest; scale the vectors first"
                )
            _write_rows(file, block)
        if table.subwords is not None:
            for first in range(0, arguments.buckets, _BLOCK_ROWS):
                stop = min(first + _BLOCK_ROWS, arguments.buckets)
                _write_rows(file, table.subwords.rows_by_bucket(first, stop))
        file.write(_TABLE.pack(0, rows, dim))
        for first in range(0, rows, _BLOCK_ROWS):
            number = min(_BLOCK_ROWS, rows - first)
            zeros = np.zeros((number, dim), np.float32)
            _write_rows(file, zeros if output is None else output[first : first + number])


def _write_rows(file: IO[bytes], rows: NDArray[np.float32]) -> None:
    file.write(np.ascontiguousarray(rows, "<f4").data)


def _arguments_of(settings: Mapping[str, Any], dim: int, subwords: SubWords | None) -> _Arguments:
    """The arguments that stand for the settings of the run, or else fastText's defaults."""

    def whole(name: str, default: int, least: int = 0) -> int:
        value = settings.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= _LARGEST_INT32:
            return value
        return default

    subsample = settings.get("subsample")
    return _Arguments(
        version=_VERSION,
        dim=dim,
        window=whole("window", 5),
        epochs=whole("epochs", 5),
        min_count=whole("min_count", 1, least=1),
        num_sampled=whole("num_sampled", 5),
        word_ngrams=1,
        loss=_NEGATIVE_SAMPLING,
        model=_CBOW if settings.get("model") == "cbow" else _SKIPGRAM,
        buckets=0 if subwords is None else subwords.buckets,
        least=0 if subwords is None else subwords.least,
        most=0 if subwords is None else subwords.most,
        update_rate=_UPDATE_RATE,
        subsample=float(subsample) if isinstance(subsample, (int, float)) else 1e-4,
    )


def _write_entries(file: IO[bytes], entries: list[bytes], table: Table) -> None:
    # gensim takes no word with a count of 0. Where counts are unknown, it invents falling ones itself.
    counts = table.counts
    if counts is None or counts.min() < 1:
        counts = _falling(len(entries))
    tokens = min(sum(counts.tolist()), _LARGEST_INT64)
    file.write(_DICTIONARY.pack(len(entries), len(entries), 0, tokens, -1))
    for first in range(0, len(entries), _BLOCK_ROWS):
        block = slice(first, first + _BLOCK_ROWS)
        file.write(
            b"".join(
                b"%b\0%b" % (entry, _ENTRY.pack(count, 0))
                for entry, count in zip(entries[block], counts[block].tolist(), strict=True)
            )
        )


def _own_rows(entries: list[bytes], table: Table) -> Iterator[NDArray[np.float32]]:
    """Yield the words' own rows; the n-grams are those of the words as other programs see them in the file."""
    if table.subwords is None:
        for first in range(0, len(entries), _BLOCK_ROWS):
            yield table.vectors[first : first + _BLOCK_ROWS]
    else:
        names = [entry.decode("utf-8", "surrogateescape") for entry in entries]
        yield from own_rows(names, table.vectors, table.subwords)


def _falling(number: int) -> NDArray[np.int64]:
    """The counts of words whose counts are unknown."""
    return np.arange(number, 0, -1)


def _check_arguments(path: Path, arguments: _Arguments) -> None:
    if arguments.version not in _READ_VERSIONS:
        raise InputError(
            f"{path}: a fastText model of version {arguments.version}, and versions that can be read are "
            f"{', '.join(map(str, _READ_VERSIONS))}; write it again with fastText 0.9"
        )
    if arguments.model == _CLASSIFIER:
        raise _classifier(path)
    if arguments.dim < 1 or arguments.buckets < 0 or arguments.model not in (_CBOW, _SKIPGRAM):
        raise InputError(
            f"{path}: a fastText model of kind {arguments.model} with {arguments.buckets} buckets and vectors of "
            f"{arguments.dim} numbers; it is damaged"
        )


def _classifier(path: Path) -> InputError:
    return InputError(
        f"{path}: a fastText classifier (supervised), whose vectors are of its labels' task; train vectors with "
        "fasttext skipgram or cbow, or take its .vec"
    )


def _read_entries(source: "_Source") -> tuple[list[bytes], NDArray[np.int64]]:
    """Read the words as they are in the file, and their counts."""
    path = source.path
    number, without_labels, labels, _, pruned = source.unpack(_DICTIONARY)
    if labels > 0:
        raise _classifier(path)
    if pruned > 0:
        raise InputError(f"{path}: a pruned fastText model, whose n-grams cannot be read; take the model before")
    if number < 1 or (without_labels, labels) != (number, 0) or pruned < -1:
        raise InputError(f"{path}: its header states {number} words, {without_labels} without labels; it is damaged")
    if number * _LEAST_ENTRY > most_bytes(path):
        raise InputError(f"{path}: its header states {number} words, for which the file is too small; it is damaged")
    entries, counts = [], np.empty(number, np.int64)
    for row in range(number):
        entries.append(source.entry())
        counts[row], kind = source.unpack(_ENTRY)
        if kind != 0:
            word = quote(entries[-1].decode("utf-8", "surrogateescape"))
            raise InputError(f"{path}, row {row}: {word} is of kind {kind}, and words of kind 0; it is damaged")
    return entries, counts


def _read_input(
    source: "_Source", arguments: _Arguments, words: int
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
    """Read the own rows of the words, the buckets with a row other than zeros, and their rows."""
    path, dim = source.path, arguments.dim
    rows, numbers = source.table()
    if (rows, numbers) != (words + arguments.buckets, dim):
        raise InputError(
            f"{path}: a table of {rows} rows of {numbers} numbers for {words} words, {arguments.buckets} buckets and "
            f"vectors of {dim} numbers; it is damaged"
        )
    if 4 * rows * dim > most_bytes(path):
        raise InputError(f"{path}: it states {rows} rows of {dim} numbers, for which it is too small; it is cut short")
    check_memory(path, rows, dim)
    own = np.empty((words, dim), np.float32)
    for first, block in source.rows(words, dim):
        own[first : first + len(block)] = block
    buckets: list[NDArray[np.int32]] = [np.empty(0, np.int32)]
    ngrams = np.empty((arguments.buckets, dim), np.float32)  # what is not written to takes no memory
    kept = 0
    for first, block in source.rows(arguments.buckets, dim):
        touched = np.flatnonzero(block.view("<u4").any(axis=1))  # as bits: NaN in damaged files would cause a warning
        ngrams[kept : kept + len(touched)] = block[touched]
        kept += len(touched)
        buckets.append((first + touched).astype(np.int32))
    return own, np.concatenate(buckets), ngrams[:kept]


def _check_output(source: "_Source") -> None:
    """Make sure that the output vectors are there, and that nothing follows them."""
    rows, numbers = source.table()
    if rows < 0 or numbers < 0 or not source.ends_after(4 * rows * numbers):
        raise InputError(
            f"{source.path}: the file does not end with the output vectors that it states ({rows} rows of {numbers} "
            "numbers); it is damaged or cut short"
        )


class _Source:
    """A file of which exact numbers of bytes are read; InputError is raised when it ends before."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self.path = path
        self._file = file
        self._data = b""
        self._at = 0  # of what is read next in `_data`

    def take(self, size: int) -> bytes:
        """Read `size` bytes."""
        while len(self._data) - self._at < size:
            self._read_more()
        self._at += size
        return self._data[self._at - size : self._at]

    def unpack(self, form: struct.Struct) -> tuple[Any, ...]:
        """Read numbers."""
        return form.unpack(self.take(form.size))

    def entry(self) -> bytes:
        """Read the bytes before the next NUL."""
        end = self._data.find(b"\0", self._at)
        while end < 0:
            if len(self._data) - self._at > LONGEST_LINE:
                raise InputError(f"{self.path}: a word is longer than {LONGEST_LINE >> 20} MiB; the file is damaged")
            self._read_more()
            end = self._data.find(b"\0", self._at)
        entry = self._data[self._at : end]
        self._at = end + 1
        return entry

    def table(self) -> tuple[int, int]:
        """Read the rows and the numbers of a row of a table, and refuse one that is quantised."""
        quantised, rows, numbers = self.unpack(_TABLE)
        if quantised:
            raise InputError(
                f"{self.path}: a quantised fastText model (.ftz), which cannot be read; take the model before"
            )
        return rows, numbers

    def rows(self, number: int, dim: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Read rows, and yield some at a time with the number of the first."""
        for first in range(0, number, _BLOCK_ROWS):
            block = min(_BLOCK_ROWS, number - first)
            yield first, np.frombuffer(self.take(4 * block * dim), "<f4").reshape(block, dim)

    def ends_after(self, size: int) -> bool:
        """Whether exactly `size` more bytes follow."""
        left = len(self._data) - self._at
        if not is_compressed(self.path):
            return os.fstat(self._file.fileno()).st_size - self._file.tell() + left == size
        while left <= size and (more := self._file.read(_BLOCK_BYTES)):
            left += len(more)
        return left == size

    def _read_more(self) -> None:
        more = self._file.read(_BLOCK_BYTES)
        if not more:
            raise InputError(f"{self.path}: the file ends too early; it is cut short")
        self._data, self._at = self._data[self._at :] + more, 0
