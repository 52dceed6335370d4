"""A directory for TensorBoard's projector: `vectors.tsv`, and `metadata.tsv` with the words.

`tensorboard --logdir` finds it by the third file, `projector_config.pbtxt`; https://projector.tensorflow.org takes the
other two. TensorBoard reads the first line of the metadata as a header if it has several columns, and as a word if it
has one: with counts, the columns are `word` and `count`; without them, there is no header. Words are UTF-8, escaped
where a cell cannot hold them (`escape`).
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings.formats.compression import ENDINGS, open_reading
from nce_train.embeddings.formats.decimals import format_rows, parse_numbers
from nce_train.embeddings.formats.escape import escape_cell, unescape_word
from nce_train.embeddings.formats.table import LARGEST_COUNT, Table
from nce_train.embeddings.formats.text_lines import check_number, read_blocks
from nce_train.errors import InputError
from nce_train.files import atomic_write, sync_directory

VECTORS, METADATA = "vectors.tsv", "metadata.tsv"
_CONFIG = "projector_config.pbtxt"
_CONFIG_TEXT = f'''embeddings {{
  tensor_name: "words"
  tensor_path: "{VECTORS}"
  metadata_path: "{METADATA}"
}}
'''
_FILES = (VECTORS, METADATA, _CONFIG)
_BLOCK_ROWS = 1 << 12


def recognises(path: Path, _head: bytes) -> bool:
    """Whether a directory has one of the two files and is no model directory."""
    return any((path / name).is_file() for name in (VECTORS, METADATA)) and not (path / "input.npy").exists()


def read(path: Path, _mmap: bool) -> Table:
    """Read the words, the counts if there are any, and the vectors."""
    for name in (VECTORS, METADATA):
        if os.path.dirname(os.path.realpath(path / name)) != os.path.realpath(path):
            raise InputError(f"{path / name}: a link that leads out of the directory; copy the file itself")
    words, counts = _read_metadata(path / METADATA)
    blocks = list(_read_vectors(path / VECTORS))
    rows = sum(map(len, blocks))
    if rows != len(words):
        raise InputError(
            f"{path}: {len(words)} words in {METADATA} for {rows} vectors in {VECTORS}; one of them is cut short, or "
            "they are of different tables"
        )
    return Table(words, np.concatenate(blocks), counts, place=lambda row: f"{path}, row {row}")


def write(path: Path, table: Table) -> None:
    """Write the files into a new directory, then rename it to `path` or move its files into the directory there.

    In the latter case the old words are removed first: a process that is killed between the steps leaves vectors
    without words, which are refused, and never vectors beside the words of another table.
    """
    _check_place(path)
    path = Path(os.path.realpath(path))
    beside = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.partial")
    beside.mkdir()
    try:
        _write_vectors(beside / VECTORS, table.vectors)
        _write_metadata(beside / METADATA, table)
        with atomic_write(beside / _CONFIG, "w", encoding="utf-8") as file:
            file.write(_CONFIG_TEXT)
        if path.exists():
            (path / METADATA).unlink(missing_ok=True)
            for name in (_CONFIG, VECTORS, METADATA):
                os.replace(beside / name, path / name)
            sync_directory(path)
        else:
            os.rename(beside, path)
        sync_directory(path.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _check_place(path: Path) -> None:
    """Refuse a path where something other than an older directory of this format stands."""
    if path.suffix.lower() in ENDINGS:
        raise InputError(f"{path}: the projector's files are not compressed; name a directory without {path.suffix}")
    if not path.exists():
        return
    if not path.is_dir():
        raise InputError(f"{path}: a file stands here, and the projector needs a directory; name another place")
    others = sorted(set(os.listdir(path)) - set(_FILES))
    if others:
        raise InputError(
            f"{path}: a directory with other files ({others[0][:80]!r}) stands here; name a new one for the projector"
        )


def _write_vectors(path: Path, vectors: NDArray[np.float32]) -> None:
    with atomic_write(path) as file:
        for start in range(0, len(vectors), _BLOCK_ROWS):
            lines = format_rows(vectors[start : start + _BLOCK_ROWS])
            file.write(b"\n".join(lines).replace(b" ", b"\t") + b"\n")


def _write_metadata(path: Path, table: Table) -> None:
    cells = map(escape_cell, table.words)
    with atomic_write(path, "w", encoding="utf-8", newline="\n") as file:
        if table.counts is None:
            file.writelines(f"{cell}\n" for cell in cells)
        else:
            file.write("word\tcount\n")
            file.writelines(f"{cell}\t{count}\n" for cell, count in zip(cells, table.counts.tolist(), strict=True))


def _read_metadata(path: Path) -> tuple[list[str], NDArray[np.int64] | None]:
    """Read the words, and the counts if there are any."""
    with open_reading(path) as file:
        lines = [line.removesuffix(b"\r") for _, block in read_blocks(file, path, 1) for line in block]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise InputError(f"{path}: it is empty; it must hold a line for each vector")
    if b"\t" not in lines[0]:
        return [unescape_word(line) for line in lines], None
    columns = lines[0].split(b"\t")
    rows = [line.split(b"\t") for line in lines[1:]]
    for number, row in enumerate(rows, start=2):
        if len(row) != len(columns):
            raise InputError(
                f"{path}, line {number}: {len(row)} columns where the first line names {len(columns)}; correct the line"
            )
    at = columns.index(b"word") if b"word" in columns else 0
    counts = None
    if b"count" in columns:
        counts = _counts([row[columns.index(b"count")] for row in rows])
    return [unescape_word(row[at]) for row in rows], counts


def _counts(cells: list[bytes]) -> NDArray[np.int64] | None:
    """Read a column of counts; None if it holds anything else, as it may in files of other programs."""
    if all(cell.isdigit() and len(cell) <= len(str(LARGEST_COUNT)) for cell in cells):
        return np.array([int(cell) for cell in cells], np.int64)
    return None


def _read_vectors(path: Path) -> Iterator[NDArray[np.float32]]:
    dim = 0
    with open_reading(path) as file:
        for number, lines in read_blocks(file, path, 1):
            dim = dim or lines[0].count(b"\t") + 1
            yield _parse(lines, path, dim, number)
    if not dim:
        raise InputError(f"{path}: it is empty; it must hold a line of numbers for each word")


def _parse(lines: list[bytes], path: Path, dim: int, first_line: int) -> NDArray[np.float32]:
    lines = [line.removesuffix(b"\r") for line in lines]
    numbers = b"\t".join(lines)
    if all(line.count(b"\t") == dim - 1 for line in lines) and b" " not in numbers:
        vectors = parse_numbers(numbers.replace(b"\t", b" "), len(lines) * dim)
        if vectors is not None:
            return vectors.reshape(len(lines), dim)
    for number, line in enumerate(lines, start=first_line):
        fields = line.split(b"\t")
        if len(fields) != dim:
            raise InputError(
                f"{path}, line {number}: {len(fields)} numbers where the first line has {dim}; the file is damaged or "
                "cut short"
            )
        for field in fields:
            check_number(field, path, number)
    with np.errstate(over="ignore"):
        return np.array([[float(field) for field in line.split(b"\t")] for line in lines], np.float32)
