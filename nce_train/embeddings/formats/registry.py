"""The formats of vectors files: the one place where they are listed and distinguished.

A file is recognised by its contents when it is read; when it is written, the format is given by name or by the file's
ending. To add a format:

1. Write a module in this directory with three functions, `recognises(path, head)`, `read(path, mmap)` and
   `write(path, table)`, as `Format` describes them. `glove` is the shortest example. Open files with `compression`,
   and escape words with `escape` if the format cannot hold all of them.
2. Add a `Format` to `FORMATS` below. `Embeddings.load`, `Embeddings.save`, `nce_train.api.export` and all messages then
   know it.
3. Add its name to `FORMAT_NAMES` in `cli/export.py`, and a row to the table of formats in `docs/vectors.md`.

`tests/embeddings/test_embeddings_round_trip.py` and `tests/fuzz` run on every format of `FORMATS`. What only one format
does (files of other programs, its own kinds of damage) gets a `tests/embeddings/test_embeddings_NAME.py`.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from nce_train.embeddings.formats import glove, model_directory, npy, projector, safetensors, word2vec
from nce_train.embeddings.formats.compression import check_writable, open_reading, without_ending
from nce_train.embeddings.formats.precision import DTYPES, with_precision
from nce_train.embeddings.formats.table import Table, check_table
from nce_train.embeddings.formats.text_lines import LONGEST_LINE
from nce_train.errors import InputError
from nce_train.files import check_output_path, report_write_failure


class Format(NamedTuple):
    """A format of vectors files.

    Attributes
    ----------
    name : str
        As `nce-export --format` takes it.
    endings : tuple of str
        The file endings that stand for it, without one of a compression.
    recognises : callable
        `recognises(path, head)` returns whether a file that begins with the bytes `head` (decompressed, at least two
        lines or the whole file) has this format. For a directory `head` is empty.
    read : callable
        `read(path, mmap)` returns the file's table, or raises InputError naming file and line. `mmap` allows vectors
        that are a read-only memory map.
    write : callable
        `write(path, table)` writes the file so that it appears whole or not at all.
    dtypes : tuple of str
        The types of numbers that it can hold, of `precision.DTYPES`.
    is_directory : bool
        Whether it is a directory of several files.
    """

    name: str
    endings: tuple[str, ...]
    recognises: Callable[[Path, bytes], bool]
    read: Callable[[Path, bool], Table]
    write: Callable[[Path, Table], None]
    dtypes: tuple[str, ...] = ("float32",)
    is_directory: bool = False


# A file is tried for these in order: a format whose description is looser comes later.
FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        Format("npy", (".npy",), npy.recognises, npy.read, npy.write, DTYPES),
        Format("safetensors", (".safetensors",), safetensors.recognises, safetensors.read, safetensors.write, DTYPES),
        Format("word2vec", (".txt", ".vec"), word2vec.recognises_text, word2vec.read_text, word2vec.write_text),
        Format("word2vec-binary", (".bin",), word2vec.recognises_binary, word2vec.read_binary, word2vec.write_binary),
        Format("glove", (".glove",), glove.recognises, glove.read, glove.write),
        Format("projector", (), projector.recognises, projector.read, projector.write, is_directory=True),
    )
}

VECTORS = ("input", "output", "sum")

_FASTTEXT_MODEL = (793712314).to_bytes(4, "little")  # how fastText's own `.bin` begins

# Enough for the first two lines of any table up to dim 4096 in text, unless a word is very long.
_HEAD_BYTES = 1 << 18


def read_table(path: str | os.PathLike[str], *, mmap: bool = True, vectors: str = "input") -> Table:
    """Read a model directory, or a vectors file of any format in `FORMATS`, recognised by its contents.

    Parameters
    ----------
    path : str or os.PathLike
    mmap : bool
        Map the vectors of a model directory or plain `.npy` file read-only instead of reading them.
    vectors : {"input", "output", "sum"}
        Which vectors of a model directory; a file has input vectors only.

    Returns
    -------
    Table
        Checked by `check_table`.

    Raises
    ------
    InputError
        When the file is absent, has no known format or is damaged, or does not have these vectors.
    """
    path = Path(path)
    if vectors not in VECTORS:
        raise InputError(f"vectors is {vectors!r}; give one of {', '.join(VECTORS)}")
    try:
        is_directory = path.is_dir()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    if is_directory and _recognised(path, b"", is_directory) is None:
        table = model_directory.read(path, mmap, vectors)
    else:
        table = _read_file(path, is_directory, mmap, vectors)
    check_table(table)
    return table


def write_table(path: str | os.PathLike[str], table: Table, format: str | None = None, dtype: str = "float32") -> None:
    """Write a vectors file in the named format or in that of the file's ending.

    A further ending `.gz`, `.bz2`, `.xz` or `.zst` compresses. Case does not matter in endings. The file appears whole
    or not at all.

    Parameters
    ----------
    path : str or os.PathLike
    table : Table
    format : str, optional
        A name in `FORMATS`.
    dtype : str
        One of `DTYPES`.

    Raises
    ------
    InputError
        When neither name nor ending is that of a format, the format does not hold numbers of type `dtype`, there are no
        words, or `path` cannot be written.
    RunError
        When writing fails, for example because the disk is full; a file that was there before is unchanged.
    """
    path = Path(path)
    if format is not None and format not in FORMATS:
        raise InputError(f"{format!r} is not a format that can be written; give one of {', '.join(FORMATS)}")
    if dtype not in DTYPES:
        raise InputError(f"dtype is {dtype!r}; give one of {', '.join(DTYPES)}")
    check_writable(path)
    chosen = _format_of_ending(path) if format is None else FORMATS[format]
    if dtype not in chosen.dtypes:
        able = " or ".join(name for name, other in FORMATS.items() if dtype in other.dtypes)
        raise InputError(f"{path}: the format {chosen.name} does not hold {dtype}; take {able}, or leave dtype out")
    if not table.words:
        raise InputError(f"{path}: there are no words to write; a vectors file has at least one")
    check_output_path(path, chosen.is_directory)
    with report_write_failure(path):
        chosen.write(path, with_precision(table, dtype))


def _read_file(path: Path, is_directory: bool, mmap: bool, vectors: str) -> Table:
    if vectors != "input":
        raise InputError(f"{path}: a vectors file has no {vectors} vectors; give the model directory that it came from")
    head = b"" if is_directory else _head(path)
    format = _recognised(path, head, is_directory)
    if format is not None:
        return format.read(path, mmap)
    if head.startswith(_FASTTEXT_MODEL):
        raise InputError(
            f"{path}: a whole fastText model, which cannot be read; take the .vec that fastText wrote with it"
        )
    raise InputError(
        f"{path}: neither a model directory nor a vectors file that can be read "
        f"({', '.join(FORMATS)}); its first line is not words and numbers"
    )


def _recognised(path: Path, head: bytes, is_directory: bool) -> Format | None:
    for format in FORMATS.values():
        if format.is_directory == is_directory and format.recognises(path, head):
            return format
    return None


def _head(path: Path) -> bytes:
    with open_reading(path) as file:
        head = file.read(_HEAD_BYTES)
        if head.count(b"\n") < 2:
            head += file.read(LONGEST_LINE)
    return head


def _format_of_ending(path: Path) -> Format:
    ending = without_ending(path).suffix.lower()
    for format in FORMATS.values():
        if ending in format.endings:
            return format
    endings = ", ".join(ending for format in FORMATS.values() for ending in format.endings)
    raise InputError(
        f"{path}: the ending is not that of a format (known: {endings}); name the format (nce-export --format), one of "
        f"{', '.join(FORMATS)}"
    )
