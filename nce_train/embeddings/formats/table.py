"""`Table`, what every format reads and writes: words, vectors, counts, settings, and where each row stood in the file.

Some formats hold sub-words too.

Each reader checks the form of its own file. `check_table` checks what must hold for every table: sizes agree, words are
distinct, numbers are finite. `make_table` turns a caller's words and numbers into a table.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nce_train.arguments import check_words
from nce_train.embeddings.subwords import SubWords, check_subwords
from nce_train.errors import InputError, NceTrainWarning
from nce_train.memory import available_memory

LARGEST_COUNT = 10**18 - 1  # 18 digits, which all formats can hold

# Rows in a block when a table is checked, so that a mapped table may be larger than memory.
_CHECKED_ROWS = 1 << 14


def no_output() -> None:
    """Return the output vectors of a table that has none."""


class Table(NamedTuple):
    """Words and vectors, row by row.

    Attributes
    ----------
    words : list of str
        Decoded as UTF-8 with `surrogateescape`, so that any bytes come back.
    vectors : float32 [rows, dim]
        May be a read-only memory map. In a table to be written also float16, or int8 with `scales`.
    counts : int64 [rows] or None
        How often each word occurs in the corpus; None when it is unknown.
    place : callable
        `place(row)` names the place of a row, for messages: "v.txt, line 7".
    settings : callable
        Returns the settings of the run that trained the vectors, by name; empty when they are unknown. Called only
        when they are needed: damaged settings do not prevent the use of the vectors.
    scales : float32 [rows] or None
        The factor of each row of int8 vectors.
    subwords : SubWords or None
        The n-gram rows of which the vectors of unknown words are composed.
    output : callable
        Returns the words' output vectors [rows, dim], or None where there are none. Called only when they are needed.
    """

    words: list[str]
    vectors: NDArray
    counts: NDArray[np.int64] | None = None
    place: Callable[[int], str] = "row {}".format
    settings: Callable[[], Mapping[str, Any]] = dict
    scales: NDArray[np.float32] | None = None
    subwords: SubWords | None = None
    output: Callable[[], NDArray[np.float32] | None] = no_output


def make_table(
    words: Sequence[str],
    vectors: ArrayLike,
    counts: ArrayLike | None = None,
    settings: Callable[[], Mapping[str, Any]] = dict,
    subwords: SubWords | None = None,
) -> Table:
    """Convert a caller's words and numbers to a table, and check it; errors are those of `Embeddings`."""
    check_words("index_to_key", words)
    words = list(words)
    for row, word in enumerate(words):
        if not isinstance(word, str):
            raise TypeError(f"the word of row {row} is {word!r}, of type {type(word).__name__}; words are str")
    table = Table(
        words,
        _real_numbers("vectors", vectors).astype(np.float32, copy=False),
        None if counts is None else _whole_counts(counts),
        settings=settings,
        subwords=subwords,
    )
    check_table(table)
    return table


def check_table(table: Table) -> None:
    """Refuse a table whose sizes disagree, whose words repeat, or whose numbers are not finite or counts out of range.

    The InputError names the place of the first row that is wrong.
    """
    words, vectors, counts, place, *_ = table
    if vectors.ndim != 2 or vectors.shape[1] < 1:
        raise InputError(f"vectors must have the shape [rows, dim] with dim at least 1, not {vectors.shape}")
    if len(words) != len(vectors):
        raise InputError(f"there are {len(words)} words for {len(vectors)} vectors; give one word for each vector")
    if counts is not None and counts.shape != (len(words),):
        raise InputError(f"there are counts of shape {counts.shape} for {len(words)} words; give one for each word")
    if counts is not None and len(counts) and not 0 <= counts.min() <= counts.max() <= LARGEST_COUNT:
        row = int(np.argmax((counts < 0) | (counts > LARGEST_COUNT)))
        raise InputError(f"{place(row)}: the count {counts[row]} of {quote(words[row])} is not from 0 to 10^18 - 1")
    if len(set(words)) != len(words):
        _refuse_repeated_word(words, place)
    for start in range(0, len(vectors), _CHECKED_ROWS):
        block = vectors[start : start + _CHECKED_ROWS]
        if not (finite := np.isfinite(block)).all():
            row = int(np.argmin(finite.all(axis=1)))
            raise InputError(
                f"{place(start + row)}: the vector of {quote(words[start + row])} holds a number that is not "
                "finite (NaN or infinity); train or export it again"
            )
    if table.subwords is not None:
        check_subwords(table.subwords, vectors.shape[1])


def without_repeats(table: Table, path: Path) -> Table:
    """Leave out the rows whose word an earlier row has, with one warning, as gensim does.

    The rows that stay are moved up in place where the vectors are in memory; vectors that are a map are copied.
    """
    words, vectors, counts = table.words, table.vectors, table.counts
    if len(set(words)) == len(words):
        return table
    first = {word: row for row, word in zip(range(len(words) - 1, -1, -1), reversed(words), strict=True)}
    rows = np.sort(np.fromiter(first.values(), np.intp, len(first)))
    repeated = next(row for row, word in enumerate(words) if first[word] != row)
    left_out = len(words) - len(rows)
    warnings.warn(
        f"{table.place(repeated)}: the word {quote(words[repeated])} stands at {table.place(first[words[repeated]])} "
        f"already; the first row of a word counts, and {left_out:,} further row{'s'[: left_out > 1]} "
        f"{'are' if left_out > 1 else 'is'} left out.",
        NceTrainWarning,
        stacklevel=2,
    )
    kept = vectors
    if not vectors.flags.writeable:
        check_memory(path, len(rows), vectors.shape[1])
        kept = np.empty((len(rows), vectors.shape[1]), vectors.dtype)
    for start in range(0, len(rows), _CHECKED_ROWS):  # no row is overwritten before it is read: rows[n] >= n
        block = rows[start : start + _CHECKED_ROWS]
        kept[start : start + len(block)] = vectors[block]
    return table._replace(
        words=[words[row] for row in rows.tolist()],
        vectors=kept[: len(rows)],
        counts=None if counts is None else counts[rows],
        place=lambda row: table.place(int(rows[row])),
    )


def check_memory(path: Path | str, rows: int, dim: int = 1) -> None:
    """Refuse, before they are read, more float32 numbers than fit into memory."""
    needed, free = 4 * rows * dim, available_memory()
    if free is not None and needed > free:
        raise InputError(
            f"{path}: its {rows} vectors of {dim} numbers need {needed / 1e9:.1f} GB of memory, and "
            f"{free / 1e9:.1f} GB are free; free some or take a smaller table"
        )


def quote(text: str) -> str:
    """Quote a word or field for a message, shortened to 80 characters."""
    return repr(text if len(text) <= 80 else text[:80] + "…")


def _real_numbers(name: str, values: ArrayLike) -> NDArray:
    try:
        array = np.asarray(values)
        if array.dtype == object:  # Python's own types of numbers
            array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} cannot be taken as an array of numbers ({error}); give real numbers") from None
    if array.dtype.kind in "cSUmM":  # complex, text, dates
        raise TypeError(f"{name} are of type {array.dtype}; give real numbers")
    return array


def _whole_counts(counts: ArrayLike) -> NDArray[np.int64]:
    array = _real_numbers("counts", counts)
    whole = array.astype(np.int64, copy=False)
    if not np.array_equal(whole, array) or (whole < 0).any():
        raise InputError("counts hold a number that is negative or not whole; give how often each word occurs")
    return whole


def _refuse_repeated_word(words: Sequence[str], place: Callable[[int], str]) -> None:
    first: dict[str, int] = {}
    for row, word in enumerate(words):
        if word in first:
            raise InputError(f"{place(row)}: the word {quote(word)} stands at {place(first[word])} already; keep one")
        first[word] = row
