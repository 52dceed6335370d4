"""`.npy`: the vectors as NumPy's array file, and the words in `NAME.npy.vocab.tsv` beside it.

That file holds a line `word<TAB>count` for each row, with words escaped as in `escape`; the count is 0 when it is not
known. int8 vectors are an array [rows] of records, each with its `scale` (float32) and `values` (int8 [dim]). The model
directory holds its arrays and its vocabulary in the same form, but without escapes.
"""

import math
import os
import re
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import IO, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings.formats.compression import is_compressed, most_bytes, open_reading, open_writing
from nce_train.embeddings.formats.escape import escape_word, unescape_word, word_bytes
from nce_train.embeddings.formats.precision import dequantise
from nce_train.embeddings.formats.table import LARGEST_COUNT, Table, check_memory
from nce_train.errors import InputError
from nce_train.files import sync_directory
from nce_train.mapped_files import map_array
from nce_train.model_files import BIAS, INPUT, OUTPUT, VOCABULARY
from nce_train.npy_file import write_npy
from nce_train.text.vocabulary import Vocabulary

_MAGIC = b"\x93NUMPY"
_OF_GENSIM = re.compile(r"\.(vectors\w*|syn[01]\w*|expElogbeta|norms)\.npy$")
_HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class _Header(NamedTuple):
    """The header of an array file."""

    shape: tuple[int, ...]
    dtype: np.dtype
    order: Literal["C", "F"]

    @property
    def array_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def numbers(self) -> tuple[int, ...]:
        """The shape of the numbers; `shape` is that of the records when they are int8 with scales."""
        return self.shape + (self.dtype["values"].shape if self.dtype.names else ())


def read_array(path: Path, mmap: bool, axes: int = 2) -> NDArray[np.float32]:
    """Read a `.npy` file of floating-point numbers, or of int8 with scales, as float32; it may be compressed.

    `mmap` maps it read-only where it is float32, in C order and not compressed. It must have `axes` axes: 2 for
    vectors, 1 for biases.
    """
    with open_reading(path) as file:
        header = _read_header(file, path, axes)
        if not is_compressed(path):
            start = file.tell()
            rest = os.fstat(file.fileno()).st_size - start
            if rest != header.array_bytes:
                raise _wrong_size(path, header, f"{rest} bytes follow")
            mapped = map_array(file, header.dtype, header.shape, start, header.order)
            if mmap and header.dtype == np.float32 and header.order == "C":
                return mapped
            check_memory(path, *header.numbers)
            return _as_float32(mapped, copy=True)
        if header.array_bytes > most_bytes(path):
            raise _wrong_size(path, header, "far fewer bytes follow")
        check_memory(path, *header.numbers)
        return _as_float32(_read_numbers(file, path, header), copy=False)


def read_vocabulary(path: Path) -> tuple[list[str], NDArray[np.int64]]:
    """Read the words and counts of a `vocab.tsv`, whose counts may be in any order.

    This is four times as fast as `Vocabulary.load`, which is called when something is wrong, to name the line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: the words cannot be read ({error.strerror}); this file must lie beside the vectors"
        ) from None
    raw = np.frombuffer(content, np.uint8)
    separators = raw[(raw == ord("\t")) | (raw == ord("\n"))]
    if separators.size >= 2 and separators.tobytes() == b"\t\n" * (separators.size // 2) and raw[-1] == ord("\n"):
        fields = content.decode("utf-8", "surrogateescape").replace("\n", "\t").split("\t")
        words, digits = fields[:-1:2], fields[1::2]
        if all(words) and all(digits) and (joined := "".join(digits)).isascii() and joined.isdigit():
            counts = np.fromstring(" ".join(digits), np.int64, sep=" ")  # what is too large becomes the largest int64
            if counts.max() <= LARGEST_COUNT:
                return words, counts
    first_word = content.partition(b"\t")[0].decode("utf-8", "surrogateescape")
    vocabulary = Vocabulary.load(path, unknown=first_word)
    return vocabulary.words, vocabulary.counts


def recognises(_path: Path, head: bytes) -> bool:
    """Whether this is NumPy's array file."""
    return head.startswith(_MAGIC)


def read(path: Path, mmap: bool) -> Table:
    """Read both files; a plain float32 array is mapped if `mmap` is set."""
    _refuse_without_words(path)
    vectors = read_array(path, mmap)
    words, counts = read_vocabulary(_vocabulary_path(path))
    if len(words) != len(vectors):
        raise InputError(
            f"{_vocabulary_path(path)}: {len(words)} words for the {len(vectors)} vectors of {path.name}; "
            "they are of different tables"
        )
    return Table(
        [unescape_word(word_bytes(word)) for word in words],
        vectors,
        counts if counts.any() else None,
        place=lambda row: f"{path}, row {row}",
    )


def write(path: Path, table: Table) -> None:
    """Write both files completely, then rename both.

    The old words are removed first: a process that is killed between the steps leaves vectors without words, which are
    refused, and never vectors beside the words of another table.
    """
    words_path = _vocabulary_path(path)
    for place in (path, words_path):
        if place.is_symlink() or (place.exists() and not place.is_file()):
            raise InputError(
                f"{place}: a link or no regular file, but npy is written as two files; choose another path"
            )
    words = [escape_word(word).decode("utf-8", "surrogateescape") for word in table.words]
    counts = np.zeros(len(words), np.int64) if table.counts is None else table.counts
    beside = Path(tempfile.mkdtemp(prefix=".npy.", suffix=".partial", dir=path.parent))
    try:
        new = beside / f"vectors{path.suffix}"
        new_words = beside / "words"
        Vocabulary(words, counts).save(new_words)
        with open_writing(new) as file:
            write_npy(file, table.vectors if table.scales is None else _records(table.vectors, table.scales))
        words_path.unlink(missing_ok=True)
        os.replace(new, path)
        os.replace(new_words, words_path)
        sync_directory(path.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _records(values: NDArray[np.int8], scales: NDArray[np.float32]) -> NDArray:
    records = np.empty(len(values), [("scale", "<f4"), ("values", "i1", values.shape[1:])])
    records["scale"], records["values"] = scales, values
    return records


def _as_float32(stored: NDArray, copy: bool) -> NDArray[np.float32]:
    if stored.dtype.names:
        return dequantise(stored["values"], stored["scale"])
    with np.errstate(over="ignore", invalid="ignore"):
        return stored.astype(np.float32, order="C", subok=False, copy=copy)


def _is_scaled(dtype: np.dtype) -> bool:
    """Whether these are the records that `_records` makes."""
    return (
        dtype.names == ("scale", "values")
        and dtype["scale"] == np.float32
        and dtype["values"].base == np.int8
        and len(dtype["values"].shape) == 1
    )


def _refuse_without_words(path: Path) -> None:
    """Refuse a part of a model directory, and what gensim's save() writes beside a pickle."""
    if _vocabulary_path(path).exists():
        return
    if path.name in (INPUT, OUTPUT, BIAS) and (path.parent / VOCABULARY).exists():
        raise InputError(f"{path}: this is a part of a model directory; name the directory {path.parent}")
    if _OF_GENSIM.search(path.name):
        raise InputError(
            f"{path}: this is an array that gensim's save() writes beside a pickle, and has no words; in gensim, call "
            "model.wv.save_word2vec_format('v.bin', binary=True)"
        )


def _vocabulary_path(path: Path) -> Path:
    return path.with_name(path.name + ".vocab.tsv")


def _read_header(file: IO[bytes], path: Path, axes: int) -> _Header:
    """Read the header and leave the file positioned at the first number."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # for headers that Python 2 wrote
            version = np.lib.format.read_magic(file)
            shape, is_fortran, dtype = _HEADER_READERS[version](file)
    except Exception as error:  # NumPy evaluates the header as Python text: damage may raise anything
        reason = str(error).split(". ")[0].split("\n")[0].rstrip(".") or type(error).__name__  # the first sentence
        raise InputError(f"{path}: not an array file that can be read ({reason})") from None
    if dtype.hasobject:
        raise InputError(f"{path}: not an array file that can be read (it holds pickled objects)")
    header = _Header(shape, dtype, "F" if is_fortran else "C")
    if not (dtype.kind == "f" or _is_scaled(dtype)) or len(header.numbers) != axes or min(shape) < 0:
        wanted = "vectors" if axes == 2 else "biases"
        raise InputError(
            f"{path}: an array of shape {shape} and type {str(dtype)[:80]}; {wanted} are floating-point numbers of "
            f"shape {'(rows, dim)' if axes == 2 else '(rows,)'}"
        )
    return header


def _read_numbers(file: IO[bytes], path: Path, header: _Header) -> NDArray[np.floating]:
    numbers = np.empty(math.prod(header.shape), header.dtype)
    count = file.readinto(numbers.view(np.uint8).data)  # type: ignore[attr-defined]
    if count < header.array_bytes or file.read(1):
        raise _wrong_size(path, header, "fewer or more bytes follow")
    return numbers.reshape(header.shape, order=header.order)


def _wrong_size(path: Path, header: _Header, actual: str) -> InputError:
    return InputError(
        f"{path}: not an array file that can be read (its header states {header.array_bytes} bytes of shape "
        f"{header.shape}, but {actual}); it is damaged or cut short"
    )
