"""The target classes of a batch in one form: flat ids and where each example's begin.

In: labels as a matrix [batch, num_true], a list of sequences, or a pair (ids, row_splits). Out: `Targets`.
"""

import functools
import math
import operator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Targets:
    """Labels of a batch: those of example i are ``ids[row_splits[i]:row_splits[i + 1]]``.

    `ids` int64 [labels], `row_splits` int64 [batch + 1], `ragged`: whether they came one list an example
    rather than as a matrix.
    """

    ids: NDArray[np.int64]
    row_splits: NDArray[np.int64]
    ragged: bool

    @property
    def batch(self) -> int:
        return self.row_splits.size - 1

    @functools.cached_property
    def counts(self) -> NDArray[np.int64]:
        """Number of labels of each example, int64 [batch]."""
        return self.row_splits[1:] - self.row_splits[:-1]

    @functools.cached_property
    def example(self) -> NDArray[np.int64]:
        """The example that each label belongs to, int64 [labels]."""
        return np.repeat(np.arange(self.batch), self.counts)


def read_labels(labels: Any, num_true: int, argument: str = "labels") -> Targets:
    """Bring labels of any accepted form into `Targets`.

    Parameters
    ----------
    labels : array [batch, num_true], list of sequences, or tuple (ids, row_splits)
        Integers, or floats, which are cut to integers. Only the first form heeds `num_true`.
    num_true : int
        Columns that a matrix of labels must have.
    argument : str
        The caller's name for `labels`, for the error.

    Raises
    ------
    ValueError
        When the shape, the number of columns, the row splits or the dtype are wrong.
    """
    num_true = positive_integer(num_true, "num_true")
    if isinstance(labels, tuple):
        if len(labels) != 2:
            raise ValueError(
                f"{argument} as a tuple must be the pair (ids, row_splits), not {len(labels)} items;"
                " for one sequence an example give a list"
            )
        return _from_splits(labels[0], labels[1], argument)
    if isinstance(labels, list) and labels:
        rows = [native_array(row, argument) for row in labels]
        if all(row.ndim == 1 for row in rows):
            ids = np.concatenate([integer_ids(row, argument) for row in rows])
            return Targets(ids, np.concatenate([[0], np.cumsum([row.size for row in rows])]), True)
    if isinstance(labels, list) and not labels:
        return Targets(np.zeros(0, np.int64), np.zeros(1, np.int64), True)
    matrix = native_array(labels, argument)
    if matrix.ndim != 2:
        raise ValueError(
            f"{argument} must be a matrix [batch, num_true] with num_true {num_true}, not of shape"
            f" {matrix.shape} ({matrix.ndim} dimensions); one label an example is labels.reshape(-1, 1)"
        )
    if matrix.shape[1] != num_true:
        raise ValueError(
            f"{argument} must have num_true {num_true} columns, but have {matrix.shape[1]} (shape {matrix.shape})"
        )
    row_splits = np.arange(matrix.shape[0] + 1, dtype=np.int64) * num_true
    return Targets(integer_ids(matrix, argument).reshape(-1), row_splits, False)


def read_true_classes(true_classes: Any, num_true: int) -> Targets:
    """As `read_labels`, for the samplers: a list of rows of `num_true` classes each is a matrix here.

    TensorFlow makes a matrix of such a list, so that the expected counts have to come as one too; a list of
    rows of any other length, equal or not, is ragged as it is in the losses.
    """
    if isinstance(true_classes, list):
        rows = [native_array(row, "true_classes") for row in true_classes]
        if {row.shape for row in rows} == {(positive_integer(num_true, "num_true"),)}:
            true_classes = np.stack(rows)
    return read_labels(true_classes, num_true, "true_classes")


def check_range(ids: NDArray[np.int64], limit: int, argument: str, limit_name: str) -> None:
    """Raise ValueError unless every id lies in [0, limit)."""
    if ids.size and (ids.min() < 0 or ids.max() >= limit):
        position = int(np.flatnonzero((ids.ravel() < 0) | (ids.ravel() >= limit))[0])
        raise ValueError(
            f"{argument} must lie in [0, {limit}), as {limit_name} is {limit}, but number {position}"
            f" (from 0) is {ids.ravel()[position]}"
        )


def integer_ids(ids: Any, argument: str) -> NDArray[np.int64]:
    """`ids` as int64; floats are cut as TensorFlow cuts them, anything else is a ValueError."""
    array = native_array(ids, argument)
    if array.dtype.kind == "f" and np.isfinite(array).all():
        array = np.trunc(array)
    elif array.size and array.dtype.kind not in "iu":
        raise ValueError(f"{argument} must be integer class ids, not {array.dtype} or non-finite numbers")
    return array.astype(np.int64)


def native_array(value: Any, argument: str) -> NDArray[Any]:
    """`value` as an array in the machine's byte order; rows that make no array are a ValueError."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(
            f"{argument} must be an array or rows of equal depth and length, but mix numbers and lists or lists of"
            " several lengths"
        ) from None
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def finite_number(number: Any, argument: str) -> float:
    """`number` as a float, else ValueError."""
    try:
        finite = math.isfinite(number)
    except (TypeError, OverflowError):
        raise ValueError(f"{argument} must be a finite number, not {number!r}") from None
    if not finite:
        raise ValueError(f"{argument} must be finite, not {number}")
    return float(number)


def positive_integer(number: Any, argument: str) -> int:
    """`number` as an int of at least 1 (5.0 counts as 5), else ValueError."""
    try:
        whole = int(number) if isinstance(number, float) and number.is_integer() else operator.index(number)
    except TypeError:
        raise ValueError(f"{argument} must be an integer of at least 1, not {number!r}") from None
    if whole < 1:
        raise ValueError(f"{argument} must be at least 1, not {whole}")
    return whole


def _from_splits(ids: Any, row_splits: Any, argument: str) -> Targets:
    flat = integer_ids(ids, f"{argument} (ids)")
    splits = integer_ids(row_splits, f"{argument} (row_splits)")
    if flat.ndim != 1 or splits.ndim != 1 or splits.size == 0:
        raise ValueError(
            f"{argument} as a pair must be vectors (ids, row_splits) with at least one split, not of shapes"
            f" {flat.shape} and {splits.shape}"
        )
    if splits[0] != 0 or splits[-1] != flat.size or (np.diff(splits) < 0).any():
        raise ValueError(
            f"{argument}: row_splits must rise from 0 to the number of ids, {flat.size}, but go from"
            f" {splits[0]} to {splits[-1]}" + (" and fall between" if (np.diff(splits) < 0).any() else "")
        )
    return Targets(flat, splits, True)
