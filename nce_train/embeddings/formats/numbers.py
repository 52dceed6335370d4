"""float32 numbers as decimal text and back, many at a time, in NumPy.

Text has nine significant digits, so that the very same float32 is read back, in plain notation and without
trailing zeros ("-0.0123456789"); magnitudes below 1e-7 or from 10 on are left to Python.
"""

import warnings

import numpy as np
from numpy.typing import NDArray

_SMALLEST, _LARGEST = 1e-7, 10.0
_SCALES = 10.0 ** np.arange(8, 16)
_NUL = b"\0"


def _cells(texts: list[bytes], kind: str) -> NDArray[np.unsignedinteger]:
    """Pack texts into cells of one width, filled up with NUL, which the finished text drops."""
    width = np.dtype(kind).itemsize
    return np.frombuffer(b"".join(text.ljust(width, _NUL) for text in texts), kind)


# A number is put together from six cells: blank, sign, digit before the point and point; zeros after the
# point (two cells); the nine significant digits by threes. The tables below give each cell's text.
_HEADS = _cells([b" %d." % whole for whole in range(10)] + [b" -%d." % whole for whole in range(10)], "u4")
_ZEROS = _cells([b""] + [b"0" * zeros for zeros in range(7)], "u8")
_THREES = [b"%03d" % digits for digits in range(1000)]
_TWOS = [b"%02d" % (digits % 100) for digits in range(1000)]  # where the first one stands before the point
# Followed by nothing but zeros, a cell drops its own; after the point one digit stays.
_LAST_THREES = [digits.rstrip(b"0") for digits in _THREES]
_LAST_CELLS = _cells(_THREES + _LAST_THREES, "u4")
_FIRST_CELLS = _cells(
    _THREES + [digits or b"0" for digits in _LAST_THREES] + _TWOS + [digits.rstrip(b"0") or b"0" for digits in _TWOS],
    "u4",
)
# Numbers laid out at once: their columns stay in the second-level cache (2**14: 78 ns a number; 2**18: 115).
_AT_ONCE = 1 << 14


def format_rows(vectors: NDArray[np.float32]) -> list[bytes]:
    """Write each row as numbers separated by one blank; reading them gives the same float32.

    Parameters
    ----------
    vectors : float32 [rows, dim]

    Returns
    -------
    list of bytes
        One a row, without a line break. Every number has a decimal point or an exponent.

    Examples
    --------
    >>> format_rows(np.array([[0.5, -1.0], [0.1, 12.0]], np.float32))
    [b'0.5 -1.0', b'0.100000001 12.0']
    """
    at_once = max(1, _AT_ONCE // vectors.shape[1])
    lines: list[bytes] = []
    for start in range(0, len(vectors), at_once):
        lines += _format_block(np.ascontiguousarray(vectors[start : start + at_once], np.float32))
    return lines


def parse_numbers(text: str | bytes, dtype: type[np.float32] | type[np.int64] = np.float32) -> NDArray | None:
    """Read numbers separated by white space, or return None when something else is among them.

    Returns
    -------
    array [numbers] or None
        A number beyond float32's range is infinite.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            return np.fromstring(text, dtype=dtype, sep=" ")
        except (DeprecationWarning, ValueError):
            return None


def _format_block(vectors: NDArray[np.float32]) -> list[bytes]:
    values = vectors.ravel().astype(np.float64)
    magnitudes = np.abs(values)
    # The power of ten above the magnitude: 0 for [1, 10), 1 for [0.1, 1), … 7 for all below 1e-6.
    below = np.zeros(values.size, np.uint8)
    for power in range(7):
        below += magnitudes < 10.0**-power
    below[magnitudes == 0] = 1
    plain = (magnitudes < _LARGEST) & ((magnitudes >= _SMALLEST) | (magnitudes == 0))
    # float64 has 53 bits for the 30 of nine digits: they are off by hardly more than half a unit, and the
    # next float32 is six units away.
    digits = np.rint(np.where(plain, magnitudes, 0.0) * _SCALES.take(below)).astype(np.uint32)
    thousands = digits // np.uint32(1_000)
    low = digits - thousands * np.uint32(1_000)
    high = thousands // np.uint32(1_000)
    middle = thousands - high * np.uint32(1_000)
    from_one = below == 0
    last_middle = low == 0
    last_high = last_middle & (middle == 0)

    cells = np.empty((values.size, 6), np.uint32)
    cells[:, 0] = _HEADS.take(high // np.uint32(100) * from_one + np.uint32(10) * np.signbit(values))
    cells[:, 1:3].view(np.uint64)[:, 0] = _ZEROS.take(below)
    cells[:, 3] = _FIRST_CELLS.take(high + np.uint32(1_000) * last_high + np.uint32(2_000) * from_one)
    cells[:, 4] = _LAST_CELLS.take(middle + np.uint32(1_000) * last_middle)
    cells[:, 5] = _LAST_CELLS.take(low + np.uint32(1_000))
    cells.view(np.uint8)[:: vectors.shape[1], 0] = ord("\n")
    lines = cells.tobytes().translate(None, _NUL)[1:].split(b"\n")
    for row in np.flatnonzero(~plain.reshape(vectors.shape).all(axis=1)):
        lines[row] = b" ".join(repr(float(f"{value:.9g}")).encode() for value in vectors[row].tolist())
    return lines
