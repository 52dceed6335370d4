"""The labels of a batch in one form: flat ids, and where each example's labels begin.

In: labels as a matrix [batch, num_true], a list of sequences, or a pair (ids, row_splits). Out: `Labels`, checked.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nce_train.nce.checks import check_range, integer_ids, native_array, positive_integer


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of a batch: those of example i are ``ids[row_splits[i]:row_splits[i + 1]]``.

    `ids` int64 [labels], `row_splits` int64 [batch + 1]. `shape`, that of their expected counts: (batch, num_true) for
    a matrix, (labels,) for ragged labels. `listed`: given as a list of rows, whose counts may be flat too.
    """

    ids: NDArray[np.int64]
    row_splits: NDArray[np.int64]
    shape: tuple[int, ...]
    listed: bool = False

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


def read_labels(labels: Any, num_true: int, argument: str = "labels") -> Labels:
    """Convert a matrix of `num_true` columns, or one of the two ragged forms, of integers or of floats to truncate.

    A list of rows of `num_true` labels each is a matrix, as TensorFlow converts it; any other list of rows is ragged.
    `argument` is the caller's name for `labels`, for the error.
    """
    num_true = positive_integer(num_true, "num_true")
    if isinstance(labels, tuple):
        if len(labels) != 2:
            raise ValueError(
                f"{argument} as a tuple must be the pair (ids, row_splits), not {len(labels)} items;"
                " for one sequence an example give a list"
            )
        return _from_splits(labels[0], labels[1], argument, num_true)
    if isinstance(labels, list):
        rows = [native_array(row, argument) for row in labels]
        if all(row.ndim == 1 for row in rows):
            ids = np.concatenate([np.zeros(0, np.int64), *(integer_ids(row, argument) for row in rows)])
            is_matrix = {row.size for row in rows} == {num_true}
            shape = (len(rows), num_true) if is_matrix else ids.shape
            return Labels(ids, np.cumsum([0, *(row.size for row in rows)]), shape, listed=True)
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
    return Labels(integer_ids(matrix, argument).reshape(-1), row_splits, matrix.shape)


def read_batch_labels(
    labels: Any, num_true: int, batch: int, num_classes: int, limit_name: str = "num_classes"
) -> Labels:
    """As `read_labels`, for a batch of inputs: there must be `batch` rows of labels, and ids below `num_classes`."""
    read = read_labels(labels, num_true)
    if read.batch != batch:
        raise ValueError(
            f"labels and inputs must have the same batch, but labels have {read.batch} and inputs {batch} rows"
        )
    check_range(read.ids, num_classes, "labels", limit_name)
    return read


def _from_splits(ids: Any, row_splits: Any, argument: str, num_true: int) -> Labels:
    flat = integer_ids(ids, f"{argument} (ids)")
    splits = integer_ids(row_splits, f"{argument} (row_splits)")
    if flat.ndim != 1 or splits.ndim != 1 or splits.size == 0:
        raise ValueError(
            f"{argument} as a pair must be vectors (ids, row_splits) with at least one split, not of shapes"
            f" {flat.shape} and {splits.shape}"
        )
    falls = bool((np.diff(splits) < 0).any())
    if splits[0] != 0 or splits[-1] != flat.size or falls:
        raise ValueError(
            f"{argument}: row_splits must rise from 0 to the number of ids, {flat.size}, but go from"
            f" {splits[0]} to {splits[-1]}" + (" and fall between" if falls else "")
        )
    if flat.size == splits.size == num_true > 1 and (np.diff(splits) != num_true).any():
        raise ValueError(
            f"{argument} as a tuple of two vectors of num_true {num_true} numbers may be two rows or the pair (ids,"
            " row_splits): give a list for rows, or num_true 1 for the pair"
        )
    return Labels(flat, splits, flat.shape)
