"""float32 numbers as decimal text and back, many at a time, in NumPy.

`format_rows` turns rows of vectors into lines of text, and `parse_numbers` turns such text into numbers. Text has nine
significant digits, so that reading gives exactly the same float32, in plain notation and without trailing zeros
("-0.0123456789"); magnitudes below 1e-7 or from 10 on are left to Python.
"""

import re
import sys
import warnings

import numpy as np
from numpy.typing import NDArray

_NUL = b"\0"


def _cells(texts: list[bytes], kind: str) -> NDArray[np.unsignedinteger]:
    """Pack texts into cells of one width, padded with NUL; `_format_block` removes the NULs at the end."""
    width = np.dtype(kind).itemsize
    return np.frombuffer(b"".join(text.ljust(width, _NUL) for text in texts), kind)


# Writing. Each number is assembled from six cells: blank, sign, digit before the point and the point itself; zeros
# after the point (two cells); the nine significant digits in groups of three. These tables hold each cell's text.
_HEADS = _cells([b" %d." % whole for whole in range(10)] + [b" -%d." % whole for whole in range(10)], "u4")
_ZEROS = _cells([b""] + [b"0" * zeros for zeros in range(7)], "u8")
_THREES = [b"%03d" % digits for digits in range(1000)]
_TWOS = [b"%02d" % (digits % 100) for digits in range(1000)]  # where the first digit stands before the point
# A cell drops its trailing zeros when only zeros follow; after the point one digit stays.
_LAST_THREES = [digits.rstrip(b"0") for digits in _THREES]
_LAST_CELLS = _cells(_THREES + _LAST_THREES, "u4")
_FIRST_CELLS = _cells(
    _THREES + [digits or b"0" for digits in _LAST_THREES] + _TWOS + [digits.rstrip(b"0") or b"0" for digits in _TWOS],
    "u4",
)
_SMALLEST, _LARGEST = 1e-7, 10.0  # of the magnitudes that the tables can write
_SCALES = 10.0 ** np.arange(8, 16)
# Numbers in a block: their columns stay in the second-level cache (2**14: 78 ns a number; 2**18: 115).
_BLOCK_NUMBERS = 1 << 14

# Reading
_BLOCK_BYTES = 1 << 18  # the columns of this much text stay in the second-level cache
_OTHER_BLANKS = (b"  ", b"\t", b"\v", b"\f", b"\r", b"\n")
_BLANK, _POINT, _MINUS, _ZERO = b" .-0"
_WINDOW = 8  # digits in a 64-bit word
_MOST_DECIMALS = 2 * _WINDOW
_EXACT = 2.0**53  # float64 holds every whole number below this
_FRONT = b"0" * (2 * _WINDOW - 1) + b" "  # padding, so that two words can be read before the end of any number
_EXPONENT = re.compile(rb"[eE]")
_WITH_EXPONENT = re.compile(rb"-?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+")
_MASKS = np.array([(2**64 - 1) << (64 - 8 * digits) & (2**64 - 1) for digits in range(_WINDOW + 1)], np.uint64)
_POWERS = 10.0 ** np.arange(_MOST_DECIMALS + 1)


def format_rows(vectors: NDArray[np.float32]) -> list[bytes]:
    """Write each row as numbers separated by one blank; `parse_numbers` gives the same float32.

    Parameters
    ----------
    vectors : float32 [rows, dim]

    Returns
    -------
    list of bytes
        One line a row, without a line break. Every number has a decimal point or an exponent.

    Examples
    --------
    >>> format_rows(np.array([[0.5, -1.0], [0.1, 12.0]], np.float32))
    [b'0.5 -1.0', b'0.100000001 12.0']
    """
    block_rows = max(1, _BLOCK_NUMBERS // vectors.shape[1])
    lines: list[bytes] = []
    for start in range(0, len(vectors), block_rows):
        lines += _format_block(np.ascontiguousarray(vectors[start : start + block_rows], np.float32))
    return lines


def parse_numbers(text: bytes, count: int) -> NDArray[np.float32] | None:
    """Read numbers separated by single blanks.

    Parameters
    ----------
    text : bytes
    count : int

    Returns
    -------
    float32 [count] or None
        A number beyond float32's range is infinite. None when the text is not `count` numbers, or is separated in
        another way.

    Examples
    --------
    >>> parse_numbers(b"0.5 -1.25 1e-05", 3)
    array([ 5.00e-01, -1.25e+00,  1.00e-05], dtype=float32)
    >>> parse_numbers(b"0.5 x", 2) is None
    True
    """
    numbers = _parse_plain(text, count)
    if numbers is not None:
        return numbers
    if any(blank in text for blank in _OTHER_BLANKS):  # `fromstring` would accept them
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            numbers = np.fromstring(text, np.float32, sep=" ")
        except (DeprecationWarning, ValueError):
            return None
    return numbers if numbers.size == count else None


def _format_block(vectors: NDArray[np.float32]) -> list[bytes]:
    values = vectors.ravel().astype(np.float64)
    magnitudes = np.abs(values)
    # The power of ten above the magnitude: 0 for [1, 10), 1 for [0.1, 1), … 7 for all below 1e-6.
    below = np.zeros(values.size, np.uint8)
    for power in range(7):
        below += magnitudes < 10.0**-power
    below[magnitudes == 0] = 1
    plain = (magnitudes < _LARGEST) & ((magnitudes >= _SMALLEST) | (magnitudes == 0))
    # nine digits need 30 of float64's 53 bits: the error is hardly more than half a unit of the last digit, and
    # the next float32 is six units away.
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


def _parse_plain(text: bytes, count: int) -> NDArray[np.float32] | None:
    """Read numbers of the common form ("-0.0123") in NumPy, three times as fast as `numpy.fromstring`.

    The common form is an optional minus, one digit, a point and 1 to 16 digits, where the digits without the point are
    a whole number below 2^53. Some numbers may have an exponent instead. The result is that of `fromstring`: digits and
    power of ten (at most 10^16) are exact in float64, so that their quotient is the nearest float64 (Clinger 1990),
    which is then rounded to float32.

    Returns
    -------
    float32 [count] or None
        None when the text is not `count` numbers of this form.
    """
    if sys.byteorder != "little":
        return None
    numbers = np.empty(count, np.float32)
    done = begin = 0
    while begin < len(text):
        end = text.find(b" ", begin + _BLOCK_BYTES)
        end = len(text) if end < 0 else end
        piece = _parse_piece(text[begin:end])
        if piece is None or done + len(piece) > count:
            return None
        numbers[done : done + len(piece)] = piece
        done += len(piece)
        begin = end + 1
    return numbers if done == count else None


def _parse_piece(text: bytes) -> NDArray[np.float32] | None:
    text, others = _without_exponents(text)
    data = np.frombuffer(_FRONT + text + b" ", np.uint8)
    blanks = np.flatnonzero(data == _BLANK)
    points = np.flatnonzero(data == _POINT)
    starts, ends = blanks[:-1] + 1, blanks[1:]
    if len(points) != len(starts):
        return None
    negative = data[starts] == _MINUS
    decimals = ends - points - 1
    if not ((points - starts - negative == 1).all() and decimals.min() >= 1 and decimals.max() <= _MOST_DECIMALS):
        return None
    digits = np.count_nonzero(data - np.uint8(_ZERO) < 10) - (len(_FRONT) - 1)
    if digits != len(points) + decimals.sum():  # something else stands where digits should be
        return None
    words = np.lib.stride_tricks.as_strided(data[:8].view(np.uint64), (len(data) - 7,), (1,))
    numbers = (data[points - 1] - np.uint8(_ZERO)) * _POWERS[decimals]
    numbers += _digits(words[ends - _WINDOW], np.minimum(decimals, _WINDOW))
    if decimals.max() > _WINDOW:
        numbers += 10.0**_WINDOW * _digits(words[ends - 2 * _WINDOW], np.maximum(decimals - _WINDOW, 0))
    if numbers.max() >= _EXACT:
        return None
    numbers /= _POWERS[decimals]
    np.negative(numbers, out=numbers, where=negative)
    numbers[list(others)] = list(others.values())
    with np.errstate(over="ignore"):
        return numbers.astype(np.float32)


def _without_exponents(text: bytes) -> tuple[bytes, dict[int, float]]:
    """Replace numbers that have an exponent by 0.0, and return their values by position among all numbers."""
    pieces: list[bytes] = []
    numbers: dict[int, float] = {}
    if b"e" not in text and b"E" not in text:
        return text, numbers
    done = count = 0
    for match in _EXPONENT.finditer(text):
        begin = max(done, text.rfind(b" ", done, match.start()) + 1)
        end = text.find(b" ", begin)
        end = len(text) if end < 0 else end
        if not _WITH_EXPONENT.fullmatch(text, begin, end):
            break  # left in place, where `_parse_piece` refuses it
        count += text.count(b" ", done, begin)
        numbers[count] = float(text[begin:end])
        pieces += [text[done:begin], b"0.0"]
        done = end
    return b"".join([*pieces, text[done:]]), numbers


def _digits(words: NDArray[np.uint64], count: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Convert the last `count` bytes of each word, which are digits: pairs of bytes, then fours, then all eight."""
    words = (words ^ np.uint64(0x3030303030303030)) & _MASKS[count]
    words = (words * np.uint64(2561)) >> np.uint64(8)
    words = ((words & np.uint64(0x00FF00FF00FF00FF)) * np.uint64(6553601)) >> np.uint64(16)
    return ((words & np.uint64(0x0000FFFF0000FFFF)) * np.uint64(42949672960001)) >> np.uint64(32)
