"""The labels of a batch in one form: flat ids, and where each example's labels begin.

In: labels as a matrix [batch, num_true], a list of sequences, a pair (ids, row_splits), or `PaddedLabels`. Out:
`Labels`, checked.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nce_train.nce.checks import check_range, integer_ids, native_array, positive_integer


class PaddedLabels(NamedTuple):
    """Ragged labels in a matrix of fixed shape, which compiled programs need: `ids` and `mask`, both [batch, T].

    Where `mask` is false there is no label, and the id does not matter. Losses and samplers take it as `labels` or
    `true_classes`; `num_true` is then ignored, and `true_expected_count` is [batch, T]. `pad_labels` makes one.
    """

    ids: Any
    mask: Any


def pad_labels(rows: Sequence[Any], width: int | None = None) -> PaddedLabels:
    """Bring a list of label sequences of any lengths into the form of fixed shape.

    Parameters
    ----------
    rows : list of sequences of int
        The labels of each example.
    width : int, optional
        Columns of the matrices, by default the length of the longest row. With the same width for all batches, a
        program of JAX is compiled once.

    Returns
    -------
    PaddedLabels of an int64 array, 0 where there is no label, and a bool array.

    Raises
    ------
    ValueError
        When a row is longer than `width`, or is not a sequence of integers.

    Examples
    --------
    >>> padded = pad_labels([[17, 4, 256], [3]])
    >>> padded.ids.tolist(), padded.mask.tolist()
    ([[17, 4, 256], [3, 0, 0]], [[True, True, True], [True, False, False]])
    """
    arrays = [integer_ids(row, "rows") for row in rows]
    for number, array in enumerate(arrays):
        if array.ndim != 1:
            raise ValueError(f"rows must be sequences of integers, but row {number} is of shape {array.shape}")
    lengths = np.array([array.size for array in arrays], np.int64)
    longest = int(lengths.max(initial=0))
    if width is None:
        width = longest
    elif longest > width:
        raise ValueError(f"width must be at least the length of the longest row, {longest}, not {width}")
    mask = np.arange(width) < lengths[:, None]
    ids = np.zeros(mask.shape, np.int64)
    ids[mask] = np.concatenate([np.zeros(0, np.int64), *arrays])
    return PaddedLabels(ids, mask)


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of a batch: those of example i are ``ids[row_splits[i]:row_splits[i + 1]]``.

    `ids` int64 [labels], `row_splits` int64 [batch + 1]. `shape`, that of their expected counts: (batch, num_true) for
    a matrix, (labels,) for ragged labels. `listed`: given as a list of rows, whose counts may be flat too. `mask`:
    that of padded labels, of the same `shape`.
    """

    ids: NDArray[np.int64]
    row_splits: NDArray[np.int64]
    shape: tuple[int, ...]
    listed: bool = False
    mask: NDArray[np.bool_] | None = None

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

    def shaped(self, values: NDArray[Any]) -> NDArray[Any]:
        """One value for each label, flat, in the caller's `shape`; 1 where padded labels have none."""
        if self.mask is None:
            return values.reshape(self.shape)
        whole = np.ones(self.shape, values.dtype)
        whole[self.mask] = values
        return whole


def read_labels(labels: Any, num_true: int, argument: str = "labels") -> Labels:
    """Convert a matrix of `num_true` columns, or one of the three ragged forms, of integers or of floats to truncate.

    A list of rows of `num_true` labels each is a matrix, as TensorFlow converts it; any other list of rows is ragged.
    `argument` is the caller's name for `labels`, for the error.
    """
    num_true = positive_integer(num_true, "num_true")
    if isinstance(labels, PaddedLabels):
        return _from_padding(labels, argument)
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
    labels: Any, num_true: int, batch: int, num_classes: int, limit_name: str = "num_classes", vector: bool = False
) -> Labels:
    """As `read_labels`, for a batch of inputs: there must be `batch` rows of labels, and ids below `num_classes`.

    With `vector`, an array [batch] is one label an example.
    """
    if vector and num_true == 1 and isinstance(labels, np.ndarray) and labels.ndim == 1:
        labels = labels.reshape(-1, 1)
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


def _from_padding(labels: PaddedLabels, argument: str) -> Labels:
    ids, mask = native_array(labels.ids, f"{argument}.ids"), native_array(labels.mask, f"{argument}.mask")
    if mask.ndim != 2 or mask.dtype != np.bool_ or ids.shape != mask.shape:
        raise ValueError(
            f"{argument} as PaddedLabels must be ids and a mask of bool, both [batch, T], not of shapes {ids.shape} and"
            f" {mask.shape} ({mask.dtype})"
        )
    row_splits = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
    return Labels(integer_ids(ids[mask], f"{argument}.ids"), row_splits, mask.shape, mask=mask)
