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
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from nce_train.embeddings.formats import fasttext, glove, model_directory, npy, projector, safetensors, word2vec
from nce_train.embeddings.formats.compression import ENDINGS, check_writable, open_reading
from nce_train.embeddings.formats.precision import DTYPES, with_precision
from nce_train.embeddings.formats.table import Table, check_table, without_repeats
from nce_train.embeddings.formats.text_lines import LONGEST_LINE
from nce_train.errors import InputError, NceTrainWarning
from nce_train.files import check_output_path, report_write_failure
from nce_train.foreign_files import looks_like_vectors, refuse_foreign


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
    keeps_subwords : bool
        Whether it holds sub-words; where it does not, `write_table` leaves them out with a warning.
    """

    name: str
    endings: tuple[str, ...]
    recognises: Callable[[Path, bytes], bool]
    read: Callable[[Path, bool], Table]
    write: Callable[[Path, Table], None]
    dtypes: tuple[str, ...] = ("float32",)
    is_directory: bool = False
    keeps_subwords: bool = False


# A file is tried for these in order: a format whose description is looser comes later.
FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        Format("npy", (".npy",), npy.recognises, npy.read, npy.write, DTYPES, keeps_subwords=True),
        Format("fasttext", (".fasttext.bin",), fasttext.recognises, fasttext.read, fasttext.write, keeps_subwords=True),
        Format(
            "safetensors",
            (".safetensors",),
            safetensors.recognises,
            safetensors.read,
            safetensors.write,
            DTYPES,
            keeps_subwords=True,
        ),
        Format("word2vec", (".txt", ".vec"), word2vec.recognises_text, word2vec.read_text, word2vec.write_text),
        Format("word2vec-binary", (".bin",), word2vec.recognises_binary, word2vec.read_binary, word2vec.write_binary),
        Format("glove", (".glove",), glove.recognises, glove.read, glove.write),
        Format("projector", (), projector.recognises, projector.read, projector.write, is_directory=True),
    )
}

VECTORS = ("input", "output", "sum")

# Enough for the first two lines of any table up to dim 4096 in text, unless a word is very long.
_HEAD_BYTES = 1 << 18


def read_table(path: str | os.PathLike[str], *, mmap: bool = True, vectors: str = "input") -> Table:
    """Read a model directory, or a vectors file of any format in `FORMATS`, recognised by its contents.

    Parameters and errors are those of `Embeddings.load`.
    """
    path = Path(path)
    if vectors not in VECTORS:
        raise InputError(f"vectors is {vectors!r}; give one of {', '.join(VECTORS)}")
    try:
        is_directory = path.is_dir()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    head = b"" if is_directory or vectors != "input" else _head(path)
    candidates = [format for format in FORMATS.values() if format.is_directory == is_directory]
    format = next((format for format in candidates if format.recognises(path, head)), None)
    if format is None and is_directory:
        table = model_directory.read(path, mmap, vectors)
    elif vectors != "input":
        raise InputError(f"{path}: a vectors file has no {vectors} vectors; give the model directory that it came from")
    elif format is not None:
        table = without_repeats(format.read(path, mmap), path)
    else:
        refuse_foreign(path, head, "vectors")
        raise InputError(
            f"{path}: neither a model directory nor a vectors file that can be read "
            f"({', '.join(FORMATS)}); its first line is not words and numbers"
        )
    check_table(table)
    return table


def write_table(path: str | os.PathLike[str], table: Table, format: str | None = None, dtype: str = "float32") -> None:
    """Write a vectors file in the named format or in that of the file's ending.

    Parameters and errors are those of `Embeddings.save`. RunError is raised when writing fails, for example because the
    disk is full; a file that was there before is unchanged.
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
    if table.subwords is not None and not chosen.keeps_subwords:
        warn_without_subwords(path, f"the format {chosen.name} holds no n-grams")
        table = table._replace(subwords=None)
    with report_write_failure(path):
        chosen.write(path, with_precision(table, dtype))


def warn_without_subwords(path: str | os.PathLike[str], reason: str) -> None:
    """Warn that a file is written without the sub-words of its vectors."""
    *keeping, last = (name for name, format in FORMATS.items() if format.keeps_subwords)
    warnings.warn(
        f"{os.fspath(path)}: unknown words stay behind, as {reason}; {', '.join(keeping)} and {last} files of the "
        "unchanged vectors have vectors for them.",
        NceTrainWarning,
        stacklevel=4,
    )


def _head(path: Path) -> bytes:
    """The beginning of the file; archives, and lists of words with counts, which look like vectors, are refused."""
    with open_reading(path) as file:
        head = file.read(_HEAD_BYTES)
        if head.count(b"\n") < 2:
            head += file.read(LONGEST_LINE)
    if looks_like_vectors(head):
        refuse_foreign(path, head, "vectors")
    return head


def _format_of_ending(path: Path) -> Format:
    plain = path.with_suffix("") if path.suffix.lower() in ENDINGS else path
    for ending in ("".join(plain.suffixes[-2:]), plain.suffix):  # .fasttext.bin before .bin
        for format in FORMATS.values():
            if ending.lower() in format.endings:
                return format
    endings = ", ".join(ending for format in FORMATS.values() for ending in format.endings)
    raise InputError(
        f"{path}: the ending is not that of a format (known: {endings}); name the format (nce-export --format), one of "
        f"{', '.join(FORMATS)}"
    )
