"""`.npy`: the vectors as NumPy's array file, and the words in `NAME.npy.vocab.tsv` beside it.

That file holds `word<TAB>count` lines, row by row, words escaped as `escape` says; the count is 0 when it is
not known.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings.compression import is_compressed, open_reading, open_writing
from nce_train.embeddings.escape import escape_word, unescape_word, word_bytes
from nce_train.embeddings.format import Format
from nce_train.embeddings.numbers import parse_numbers
from nce_train.embeddings.table import Table
from nce_train.errors import InputError
from nce_train.text.vocabulary import Vocabulary

_MAGIC = b"\x93NUMPY"


def read_array(path: Path, mmap: bool) -> NDArray[np.float32]:
    """Read a two-dimensional array of floating-point numbers as float32.

    Parameters
    ----------
    path : Path
        A `.npy` file, possibly compressed.
    mmap : bool
        Map it read-only where it is float32, in C order and not compressed.

    Raises
    ------
    InputError
        When it is absent, no such array, holds Python objects, or is shorter than its header says.
    """
    try:
        if is_compressed(path):
            with open_reading(path) as file:
                array = np.lib.format.read_array(file, allow_pickle=False)
        else:
            # Mapping compares the size that the header claims with the file's before anything is allocated.
            array = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, EOFError, MemoryError) as error:
        raise InputError(f"{path}: not an array file that can be read ({_reason(error)})") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if array.ndim != 2 or array.dtype.kind != "f":
        raise InputError(
            f"{path}: an array of shape {array.shape} and type {array.dtype}; vectors are floating-point "
            "numbers of shape (rows, dim)"
        )
    if mmap and array.dtype == np.float32 and array.flags.c_contiguous:
        return array
    with np.errstate(over="ignore"):
        return np.array(array, dtype=np.float32, order="C")


def read_vocabulary(path: Path) -> tuple[list[str], NDArray[np.int64]]:
    """Read the words and counts of a `vocab.tsv`, whatever the order of its counts.

    Four times as fast as `Vocabulary.load`, which is asked for the sentence when something is wrong.

    Raises
    ------
    InputError
        Naming the line that is wrong.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: the words cannot be read ({error.strerror}); it belongs to the vectors") from None
    raw = np.frombuffer(content, np.uint8)
    separators = raw[(raw == ord("\t")) | (raw == ord("\n"))]
    if separators.size >= 2 and separators.tobytes() == b"\t\n" * (separators.size // 2) and raw[-1] == ord("\n"):
        fields = content.decode("utf-8", "surrogateescape").replace("\n", "\t").split("\t")
        words = fields[:-1:2]
        counts = parse_numbers(" ".join(fields[1::2]), np.int64)
        if counts is not None and counts.size == len(words) and counts.min() >= 0 and all(words):
            return words, counts
    first_word = content.partition(b"\t")[0].decode("utf-8", "surrogateescape")
    vocabulary = Vocabulary.load(path, unknown=first_word)
    return vocabulary.words, vocabulary.counts


def _recognises(head: bytes) -> bool:
    return head.startswith(_MAGIC)


def _read(path: Path, mmap: bool) -> Table:
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


def _write(path: Path, table: Table) -> None:
    words = [escape_word(word).decode("utf-8", "surrogateescape") for word in table.words]
    counts = np.zeros(len(words), np.int64) if table.counts is None else table.counts
    Vocabulary(words, counts).save(_vocabulary_path(path))
    with open_writing(path) as file:
        np.lib.format.write_array(file, np.ascontiguousarray(table.vectors), allow_pickle=False)


def _vocabulary_path(path: Path) -> Path:
    return path.with_name(path.name + ".vocab.tsv")


def _reason(error: BaseException) -> str:
    """The first sentence of NumPy's message, or the error's kind where it has none."""
    return str(error).split(". ")[0].split("\n")[0].rstrip(".") or type(error).__name__


FORMAT = Format("npy", (".npy",), _recognises, _read, _write)
