"""Smaller numbers in files: float16, or int8 with one scale a row, for the formats that hold them.

A writer gets a table of these numbers from `with_precision`; readers convert them back to float32.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings.formats.table import Table, quote
from nce_train.errors import InputError

DTYPES = ("float32", "float16", "int8")

_LARGEST_INT8 = 127
# 127 times this is finite, though the largest float32 divided by 127 and rounded is not.
_LARGEST_SCALE = np.nextafter(np.finfo(np.float32).max / np.float32(_LARGEST_INT8), np.float32(0))
_ROWS_AT_ONCE = 1 << 14


def with_precision(table: Table, dtype: str) -> Table:
    """Round the vectors of a table to a type of `DTYPES`, with `rounded`; writers round n-gram rows the same way."""
    if dtype == "float32":
        return table
    values, scales = rounded(
        table.vectors, dtype, lambda row: f"{table.place(row)}: the vector of {quote(table.words[row])}"
    )
    return table._replace(vectors=values, scales=scales)


def rounded(
    vectors: NDArray[np.float32], dtype: str, name: Callable[[int], str]
) -> tuple[NDArray, NDArray[np.float32] | None]:
    """Round vectors [rows, dim] to float16, or to int8 with scales [rows]; float32 leaves them unchanged.

    float16 keeps 11 bits of each number, and InputError says by `name(row)` which row has one beyond its range. int8
    has 255 steps from -max|v| to max|v| of each row, so that the error of a number is at most max|v| / 254 of its row.
    """
    if dtype == "int8":
        return quantise(vectors)
    if dtype == "float32":
        return vectors, None
    with np.errstate(over="ignore"):
        numbers = vectors.astype(np.float16)
    if not (finite := np.isfinite(numbers).all(axis=1)).all():
        raise InputError(
            f"{name(int(np.argmin(finite)))} has a number beyond the range of float16 "
            f"({np.finfo(np.float16).max:.0f}); scale the vectors to length 1 or take float32"
        )
    return numbers, None


def quantise(vectors: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round each row of [rows, dim] to whole numbers from -127 to 127 times a scale; return the numbers and scales.

    A row's scale is max|v| / 127, or 0 for a row of zeros. `dequantise` is the inverse, except for rounding.
    """
    values = np.empty(vectors.shape, np.int8)
    scales = np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        scales[rows] = np.minimum(np.abs(vectors[rows]).max(axis=1) / np.float32(_LARGEST_INT8), _LARGEST_SCALE)
        # In float64: a scale below the smallest normal float32 has few bits, and the result could be 128.
        steps = np.divide(
            vectors[rows],
            scales[rows, None],
            out=np.zeros(vectors[rows].shape),
            where=scales[rows, None] > 0,
            dtype=np.float64,
        )
        values[rows] = np.clip(np.rint(steps), -_LARGEST_INT8, _LARGEST_INT8)
    return values, scales


def dequantise(values: NDArray[np.int8], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """Multiply each row of `values` [rows, dim] by its scale."""
    with np.errstate(over="ignore", invalid="ignore"):  # check_table reports it, with the row
        return np.multiply(values, scales[:, None], dtype=np.float32)
