"""Writing `.npy` files."""

import io
from collections.abc import Callable
from typing import IO

import numpy as np

_NUMBERS_AT_ONCE = 2**20


def write_npy(file: IO[bytes], array: np.ndarray, advance: Callable[[int], None] | None = None) -> None:
    """Write an array as `.npy`, a block of rows at a time.

    Unlike `numpy.save`, this never copies a view of a wider table whole, and does not hide the operating system's
    error when the disk fails.

    Parameters
    ----------
    file : binary file
    array : ndarray
    advance : callable, optional
        Called with the number of bytes of each block.
    """
    file.write(npy_header(array.dtype, array.shape))
    rows = max(1, _NUMBERS_AT_ONCE // max(1, array[:1].size))
    for first in range(0, len(array), rows):
        block = np.ascontiguousarray(array[first : first + rows])
        file.write(block.data)
        if advance is not None:
            advance(block.nbytes)


def npy_header(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    """The header of an `.npy` file (version 1.0) with an array in C order."""
    header = io.BytesIO()
    fields = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, fields)
    return header.getvalue()
