"""Writing `.npy` files."""

from collections.abc import Callable
from typing import IO

import numpy as np

_NUMBERS_AT_ONCE = 2**20


def write_npy(file: IO[bytes], array: np.ndarray, advance: Callable[[int], None] | None = None) -> None:
    """Write an array as `.npy` a block of rows at a time, and leave errors of the operating system as they are.

    A view of a wider table is never copied whole; `numpy.save` would, and hides what was wrong with a disk.

    Parameters
    ----------
    file : binary file
    array : ndarray
    advance : callable, optional
        Called with the number of bytes of each block.
    """
    header = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape}
    np.lib.format.write_array_header_1_0(file, header)
    rows = max(1, _NUMBERS_AT_ONCE // max(1, array[:1].size))
    for first in range(0, len(array), rows):
        block = np.ascontiguousarray(array[first : first + rows])
        file.write(block.data)
        if advance is not None:
            advance(block.nbytes)
