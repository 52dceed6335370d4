"""The formats of vector files, one module each: found by name or ending for writing, by contents for reading.

A new format is a module with a `FORMAT` and a line in `FORMATS`.
"""

import os
from pathlib import Path

from nce_train.embeddings.formats import directory, glove, npy, projector, safetensors, word2vec_binary, word2vec_text
from nce_train.embeddings.formats.compression import check_writable, open_reading, without_ending
from nce_train.embeddings.formats.format import Format
from nce_train.embeddings.formats.precision import DTYPES, with_precision
from nce_train.embeddings.formats.table import Table
from nce_train.embeddings.formats.text_lines import LONGEST_LINE
from nce_train.errors import InputError
from nce_train.files import check_output_path, report_write_failure

# In this order a file's contents are looked at; the looser description comes last.
FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        npy.FORMAT,
        safetensors.FORMAT,
        word2vec_text.FORMAT,
        word2vec_binary.FORMAT,
        glove.FORMAT,
        projector.FORMAT,
    )
}

VECTORS = ("input", "output", "sum")

_FASTTEXT_MODEL = (793712314).to_bytes(4, "little")  # how its `.bin` begins

# Enough for the first two lines of any table up to dim 4096 in text, unless a word is very long.
_HEAD_BYTES = 1 << 18


def read_table(path: str | os.PathLike[str], *, mmap: bool = True, vectors: str = "input") -> Table:
    """Read a model directory, a projector's, or a vectors file of any known format, told by its contents.

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
        Not yet checked by `check_table`.

    Raises
    ------
    InputError
        When the file is absent, of no known format, or damaged, or there are no such vectors.
    """
    path = Path(path)
    if vectors not in VECTORS:
        raise InputError(f"vectors is {vectors!r}; give one of {', '.join(VECTORS)}")
    try:
        is_directory = path.is_dir()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    if is_directory and projector.is_projector(path):
        _refuse_other_vectors(path, vectors)
        return projector.FORMAT.read(path, mmap)
    if is_directory:
        return directory.read(path, mmap, vectors)
    _refuse_other_vectors(path, vectors)
    with open_reading(path) as file:
        head = file.read(_HEAD_BYTES)
        if head.count(b"\n") < 2:
            head += file.read(LONGEST_LINE)
    for format in FORMATS.values():
        if format.recognises(head):
            return format.read(path, mmap)
    if head.startswith(_FASTTEXT_MODEL):
        raise InputError(
            f"{path}: a whole fastText model, which is not read; take the .vec that fastText wrote with it"
        )
    raise InputError(
        f"{path}: neither a model directory nor a vectors file that can be read "
        f"({', '.join(FORMATS)}); its first line tells no words and numbers"
    )


def write_table(path: str | os.PathLike[str], table: Table, format: str | None = None, dtype: str = "float32") -> None:
    """Write a vectors file in the named format or in that of the file's ending.

    An ending `.gz`, `.bz2`, `.xz` or `.zst` after it compresses; case does not matter in endings. The file appears
    whole or not at all.

    Raises
    ------
    InputError
        When the format cannot be told, does not hold numbers of type `dtype`, there are no words, or nothing can be
        written at `path`.
    RunError
        When writing fails, for want of space say; what stood there before is still there.
    """
    path = Path(path)
    if format is not None and format not in FORMATS:
        raise InputError(f"{format!r} is no format that can be written; name one of {', '.join(FORMATS)}")
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


def _refuse_other_vectors(path: Path, vectors: str) -> None:
    if vectors != "input":
        raise InputError(f"{path}: a vectors file has no {vectors} vectors; give the model directory that it came from")


def _format_of_ending(path: Path) -> Format:
    ending = without_ending(path).suffix.lower()
    for format in FORMATS.values():
        if ending in format.endings:
            return format
    endings = ", ".join(ending for format in FORMATS.values() for ending in format.endings)
    raise InputError(
        f"{path}: the ending tells no format (known: {endings}); name the format (nce-export --format), one of "
        f"{', '.join(FORMATS)}"
    )
