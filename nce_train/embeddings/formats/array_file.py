"""Array files (`.npy`) of numbers, mapped or read: vectors, biases, and the buckets of n-gram rows.

A file may hold floating-point numbers of any size, or int8 with scales: an array [rows] of records, each with its
`scale` (float32) and `values` (int8 [dim]). It may be compressed. Its size is checked before anything is allocated.
"""

import math
import os
import warnings
from pathlib import Path
from typing import IO, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings.formats.compression import is_compressed, most_bytes, open_reading
from nce_train.embeddings.formats.precision import dequantise
from nce_train.embeddings.formats.table import check_memory
from nce_train.errors import InputError
from nce_train.mapped_files import map_array

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
        header = _read_header(file, path)
        if not (header.dtype.kind == "f" or _is_scaled(header.dtype)) or len(header.numbers) != axes:
            wanted = "vectors" if axes == 2 else "biases"
            shape = "(rows, dim)" if axes == 2 else "(rows,)"
            raise _other_array(path, header, f"{wanted} are floating-point numbers of shape {shape}")
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


def read_buckets(path: Path) -> NDArray[np.int32]:
    """Read a `.npy` file of the buckets of n-gram rows, int32 [n], which is not compressed."""
    with open_reading(path) as file:
        header = _read_header(file, path)
        if header.dtype != np.int32 or len(header.shape) != 1:
            raise _other_array(path, header, "buckets are whole numbers (int32) of shape (rows,)")
        rest = os.fstat(file.fileno()).st_size - file.tell()
        if rest != header.array_bytes or is_compressed(path):
            raise _wrong_size(path, header, f"{rest} bytes follow")
        check_memory(path, *header.shape)
        return _read_numbers(file, path, header)


def as_records(values: NDArray[np.int8], scales: NDArray[np.float32]) -> NDArray:
    """Pack int8 numbers [rows, dim] and their scales [rows] as `read_array` reads them."""
    records = np.empty(len(values), [("scale", "<f4"), ("values", "i1", values.shape[1:])])
    records["scale"], records["values"] = scales, values
    return records


def _as_float32(stored: NDArray, copy: bool) -> NDArray[np.float32]:
    if stored.dtype.names:
        return dequantise(stored["values"], stored["scale"])
    with np.errstate(over="ignore", invalid="ignore"):
        return stored.astype(np.float32, order="C", subok=False, copy=copy)


def _is_scaled(dtype: np.dtype) -> bool:
    """Whether these are the records that `as_records` makes."""
    return (
        dtype.names == ("scale", "values")
        and dtype["scale"] == np.float32
        and dtype["values"].base == np.int8
        and len(dtype["values"].shape) == 1
    )


def _read_header(file: IO[bytes], path: Path) -> _Header:
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
    if min(shape, default=0) < 0:
        raise _other_array(path, header, "sizes are not negative")
    return header


def _read_numbers(file: IO[bytes], path: Path, header: _Header) -> NDArray:
    numbers = np.empty(math.prod(header.shape), header.dtype)
    count = file.readinto(numbers.view(np.uint8).data)  # type: ignore[attr-defined]
    if count < header.array_bytes or file.read(1):
        raise _wrong_size(path, header, "fewer or more bytes follow")
    return numbers.reshape(header.shape, order=header.order)


def _other_array(path: Path, header: _Header, wanted: str) -> InputError:
    return InputError(f"{path}: an array of shape {header.shape} and type {str(header.dtype)[:80]}; {wanted}")


def _wrong_size(path: Path, header: _Header, actual: str) -> InputError:
    return InputError(
        f"{path}: not an array file that can be read (its header states {header.array_bytes} bytes of shape "
        f"{header.shape}, but {actual}); it is damaged or cut short"
    )
