"""What every format reads and writes: the words, their vectors, what is known of them, and where each row stood.

Readers check the form of their own file; what holds for any table (sizes agree, words distinct, numbers
finite) is checked here, once.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nce_train.errors import InputError
from nce_train.memory import available_memory

LARGEST_COUNT = 10**18 - 1  # 18 digits, which all formats can hold

# Rows checked at once, so that a mapped table may be larger than memory.
_CHECKED_ROWS = 1 << 14


def in_memory(row: int) -> str:
    """Name the place of a row of a table that came from no file."""
    return f"row {row}"


def no_settings() -> Mapping[str, Any]:
    """The settings of a table of which nobody knows how it was trained."""
    return {}


class Table(NamedTuple):
    """Words and vectors, row by row.

    Attributes
    ----------
    words : list of str
        Decoded as UTF-8 with `surrogateescape`, so that any bytes come back.
    vectors : float32 [rows, dim]
        May be a read-only memory map. On their way into a file float16, or int8 with `scales`.
    counts : int64 [rows] or None
        How often each word occurs in the corpus; None when the file does not say.
    place : callable
        `place(row)` names where the row stands, for messages: "v.txt, line 7".
    settings : callable
        Returns the settings of the run that trained the vectors, by name; empty when they are not known. Asked only
        where a format holds them, since vectors can be used without.
    scales : float32 [rows] or None
        What each row of int8 vectors is multiplied by.
    """

    words: list[str]
    vectors: NDArray
    counts: NDArray[np.int64] | None = None
    place: Callable[[int], str] = in_memory
    settings: Callable[[], Mapping[str, Any]] = no_settings
    scales: NDArray[np.float32] | None = None


def check_table(table: Table) -> None:
    """Refuse a table whose sizes disagree, whose words repeat, or whose numbers are not finite or counts out of range.

    Raises
    ------
    InputError
        Naming the place of the first row that is wrong.
    """
    words, vectors, counts, place, *_ = table
    if vectors.ndim != 2 or vectors.shape[1] < 1:
        raise InputError(f"vectors must have the shape [rows, dim] with dim at least 1, not {vectors.shape}")
    if len(words) != len(vectors):
        raise InputError(f"there are {len(words)} words for {len(vectors)} vectors; give one word a vector")
    if counts is not None and counts.shape != (len(words),):
        raise InputError(f"there are counts of shape {counts.shape} for {len(words)} words; give one a word")
    if counts is not None and len(counts) and not 0 <= counts.min() <= counts.max() <= LARGEST_COUNT:
        row = int(np.argmax((counts < 0) | (counts > LARGEST_COUNT)))
        raise InputError(f"{place(row)}: the count {counts[row]} of {_shown(words[row])} is not from 0 to 10^18 - 1")
    if len(set(words)) != len(words):
        _refuse_repeated_word(words, place)
    for start in range(0, len(vectors), _CHECKED_ROWS):
        block = vectors[start : start + _CHECKED_ROWS]
        if not (finite := np.isfinite(block)).all():
            row = int(np.argmin(finite.all(axis=1)))
            raise InputError(
                f"{place(start + row)}: the vector of {_shown(words[start + row])} holds a number that is not "
                "finite (NaN or infinity); train or export it again"
            )


def check_memory(path: Path, rows: int, dim: int = 1) -> None:
    """Refuse, before they are read, more float32 numbers than fit into memory.

    Raises
    ------
    InputError
        With both numbers.
    """
    needed, free = 4 * rows * dim, available_memory()
    if free is not None and needed > free:
        raise InputError(
            f"{path}: its {rows} vectors of {dim} numbers need {needed / 1e9:.1f} GB of memory, and "
            f"{free / 1e9:.1f} GB are free; free some or take a smaller table"
        )


def _refuse_repeated_word(words: Sequence[str], place: Callable[[int], str]) -> None:
    first: dict[str, int] = {}
    for row, word in enumerate(words):
        if word in first:
            raise InputError(f"{place(row)}: the word {_shown(word)} stands at {place(first[word])} already; keep one")
        first[word] = row


def _shown(word: str) -> str:
    return repr(word if len(word) <= 80 else word[:80] + "…")
