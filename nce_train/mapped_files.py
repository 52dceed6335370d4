"""Files as arrays without reading them, on every file system.

Some file systems know no shared memory maps (FUSE with direct I/O, some network file systems). A file is then mapped
privately, which is all that reading needs, or else read into memory.
"""

import errno
import math
import mmap
import os
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from nce_train.memory import available_memory

_NO_MAPS = {errno.ENODEV, errno.EINVAL, errno.EACCES, errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


def map_array(
    file: IO[bytes],
    dtype: np.dtype | type,
    shape: tuple[int, ...],
    offset: int = 0,
    order: Literal["C", "F"] = "C",
) -> np.ndarray:
    """Map an array in an open file, read-only; it stays when the file is closed.

    Raises
    ------
    ValueError
        When the file is too short.
    MemoryError
        When there is no address space for the map, or no memory where the file must be read.
    """
    count = math.prod(shape)
    if count == 0:
        return np.empty(shape, dtype, order)
    try:
        return np.memmap(file, dtype, "r", offset, shape, order)
    except OSError as error:
        if error.errno not in _NO_MAPS | {errno.ENOMEM}:
            raise
        if error.errno == errno.ENOMEM:
            raise _too_large(file, count * np.dtype(dtype).itemsize) from None
    private: dict[str, Any] = {"access": mmap.ACCESS_READ}
    if os.name == "posix":
        private = {"flags": mmap.MAP_PRIVATE, "prot": mmap.PROT_READ}
    array = np.frombuffer(_content(file, [private]), dtype, count, offset).reshape(shape, order=order)
    array.flags.writeable = False
    return array


def map_npy(path: str | os.PathLike[str]) -> np.ndarray:
    """Map an `.npy` file that nce-train wrote, read-only; raises OSError, ValueError, or what `map_array` raises."""
    with open(path, "rb") as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("an array file of another version")
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype.hasobject:
            raise ValueError("an array of objects")
        return map_array(file, dtype, shape, file.tell(), "F" if is_fortran else "C")


def map_writable(file: IO[bytes]) -> "mmap.mmap | bytearray":
    """Map a whole temporary file that this process alone reads and writes; changes need not get into the file."""
    return _content(file, [{"access": mmap.ACCESS_WRITE}, {"access": mmap.ACCESS_COPY}])


def can_be_mapped(path: Path) -> bool:
    """Whether other libraries, which map a file in the usual way, can open it."""
    with open(path, "rb") as file:
        try:
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ).close()
        except OSError as error:
            return error.errno not in _NO_MAPS
        except ValueError:  # an empty file, which they report
            return True
    return True


def _content(file: IO[bytes], ways: list[dict[str, Any]]) -> "mmap.mmap | bytearray":
    """A file's bytes, mapped in the first way that its file system knows, or else read."""
    for way in ways:
        try:
            return mmap.mmap(file.fileno(), 0, **way)
        except OSError as error:
            if error.errno not in _NO_MAPS:
                raise
    size, free = os.fstat(file.fileno()).st_size, available_memory()
    if free is not None and size > free:
        raise _too_large(file, size)
    content = bytearray(size)
    file.seek(0)
    if file.readinto(content) != size:  # type: ignore[attr-defined]
        raise ValueError("the file is shorter than it was")
    return content


def _too_large(file: IO[bytes], size: int) -> MemoryError:
    return MemoryError(f"{os.fsdecode(file.name)}, {size / 2**20:,.0f} MiB" if isinstance(file.name, str) else "")
