"""Checkpoints: the whole state of a run in one file.

A checkpoint is an `.npz` archive `state-N.npz` of named arrays, joined by `run.json`, which says what run it is of. It
is written beside the older one, flushed to the disk and renamed; the archive's table of contents comes last and every
member has a checksum, so a file that is cut or damaged is detected. `numpy.load` reads it too.
"""

import json
import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nce_train.files import atomic_write
from nce_train.mapped_files import map_array
from nce_train.model_files import RUN
from nce_train.npy_file import write_npy

FORMAT = 2
_NUMBERS_AT_ONCE = 2**20
_MAPPED_FROM = 2**20  # bytes: larger arrays are not read into memory
_LOCAL_HEADER = struct.Struct("<26xHH")  # of a member: the lengths of its name and of what is extra
# What a cut or altered archive may raise, by what it hits: a missing member (KeyError), the flags for compression and
# encryption (RuntimeError and its kinds), the table of contents, a header or the numbers (the others).
DAMAGED = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint."""

    path: Path
    run: dict[str, Any]  # what was written as `run.json`
    arrays: dict[str, np.ndarray]  # large ones are read-only maps of the file


def write_checkpoint(
    directory: Path, run: Mapping[str, Any], arrays: Mapping[str, np.ndarray], progress: Progress | None = None
) -> Path:
    """Write a checkpoint; an older one stays whole until the new one is.

    `run` is whatever JSON can hold; `arrays` may be views; `progress(done, total)` is called with bytes. Raises OSError
    when it cannot be written; the newest of the older ones is still there.
    """
    directory.mkdir(parents=True, exist_ok=True)  # somebody may have removed it meanwhile
    remove_checkpoint_files(directory, but=1)  # with the new one there are two, and never a third to need room
    older = checkpoint_files(directory)
    path = directory / f"state-{(_number(older[-1]) if older else 0) + 1:06}.npz"
    write_archive(path, run, arrays, progress)
    return path


def write_archive(
    path: Path, run: Mapping[str, Any], arrays: Mapping[str, np.ndarray], progress: Progress | None = None
) -> None:
    """Write one file of arrays, whole or not at all; see `write_checkpoint`."""
    total = sum(array.nbytes for array in arrays.values())
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, total)

    with atomic_write(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(RUN, json.dumps(run, allow_nan=False))
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                write_npy(member, array, advance)


def newest_checkpoint(directory: Path) -> tuple[Checkpoint | None, list[Path]]:
    """The newest whole checkpoint, or None, and the damaged ones that were found on the way to it."""
    damaged: list[Path] = []
    for path in reversed(checkpoint_files(directory)):
        try:
            return read_archive(path), damaged
        except DAMAGED:
            damaged.append(path)
    return None, damaged


def read_archive(path: Path) -> Checkpoint:
    """Read a file of arrays; raises one of `DAMAGED` unless every byte is as it was written."""
    with zipfile.ZipFile(path) as archive:
        if archive.testzip() is not None:
            raise ValueError("a checksum is wrong")
        run = json.loads(archive.read(RUN))
        if not isinstance(run, dict):
            raise ValueError(f"{RUN} is no object")
        members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
        arrays = {member.filename.removesuffix(".npy"): _array(path, archive, member) for member in members}
    return Checkpoint(path, run, arrays)


def checkpoint_files(directory: Path) -> list[Path]:
    """The checkpoints of a directory, damaged or not, the newest last."""
    return sorted((path for path in directory.glob("state-*.npz") if path.stem[6:].isdecimal()), key=_number)


def remove_checkpoint_files(directory: Path, but: int = 0) -> None:
    """Remove all checkpoints but the newest `but`."""
    found = checkpoint_files(directory)
    for path in found[: len(found) - but]:
        path.unlink(missing_ok=True)


def checksum(array: np.ndarray, crc: int = 0) -> int:
    """CRC-32 of the bytes of a one-dimensional array, which may be a map of a file larger than the memory.

    `crc` is that of an array before it, where the two are parts of one.
    """
    for first in range(0, len(array), _NUMBERS_AT_ONCE):
        crc = zlib.crc32(np.ascontiguousarray(array[first : first + _NUMBERS_AT_ONCE]).data, crc)
    return crc


def _number(path: Path) -> int:
    return int(path.stem[6:])


def _array(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("an array of another format")
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
        size = math.prod(shape) * dtype.itemsize
        header = file.tell()
        if dtype.hasobject or is_fortran or header + size != member.file_size or member.compress_type:
            raise ValueError("not an array that was written here")
        if size < _MAPPED_FROM:
            return np.frombuffer(file.read(), dtype).reshape(shape)
    with open(path, "rb") as raw:
        raw.seek(member.header_offset)
        name, extra = _LOCAL_HEADER.unpack(raw.read(_LOCAL_HEADER.size))
        offset = member.header_offset + _LOCAL_HEADER.size + name + extra + header
        return map_array(raw, dtype, shape, offset)
