"""Class tables split into partitions, TensorFlow's 'mod' and 'div' layouts.

In: a table (weights [classes, dim] or biases [classes]), whole or as a list of partitions. Out: the other
form, the place of a class id, or the rows of given ids. Sizes are always checked; but both layouts have the
same sizes, so that taking one for the other cannot be noticed.
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nce_train.nce.labels import check_range, integer_ids, positive_integer

STRATEGIES = ("mod", "div")


def partition(table: ArrayLike, num_partitions: int, strategy: str) -> list[NDArray[Any]]:
    """Split a table by its first axis.

    'mod' deals the ids out like cards (partition p has ids p, p + P, p + 2P, …); 'div' cuts contiguous
    runs, the first ``rows % P`` of them one row longer.

    Parameters
    ----------
    table : array [rows] or [rows, dim]
    num_partitions : int
    strategy : {"mod", "div"}

    Returns
    -------
    List of `num_partitions` views of the table.

    Raises
    ------
    ValueError
        When the strategy is unknown, or 'div' has more partitions than rows.

    Examples
    --------
    >>> [part.tolist() for part in partition(np.arange(5), 2, "mod")]
    [[0, 2, 4], [1, 3]]
    >>> [part.tolist() for part in partition(np.arange(5), 2, "div")]
    [[0, 1, 2], [3, 4]]
    """
    whole = np.asarray(table)
    if whole.ndim == 0:
        raise ValueError("table must have at least 1 dimension, not 0")
    return [whole[rows] for rows in partition_slices(whole.shape[0], num_partitions, strategy)]


def unpartition(parts: Sequence[ArrayLike], strategy: str) -> NDArray[Any]:
    """Join partitions into one table in the order of class ids, the inverse of `partition`.

    Raises
    ------
    ValueError
        When there are no partitions, or their sizes do not fit the strategy.
    """
    return join(read_table(list(parts), "parts", np.ndim(parts[0]) if len(parts) else 1, strategy))


def locate(
    ids: ArrayLike, num_partitions: int, strategy: str, num_classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Partition and row within it of each class id.

    Parameters
    ----------
    ids : array_like of int, any shape
    num_partitions : int
    strategy : {"mod", "div"}
    num_classes : int
        Rows of all partitions together.

    Returns
    -------
    (partition, offset), int64 arrays of the shape of `ids`.

    Raises
    ------
    ValueError
        When an id lies outside ``[0, num_classes)``, and as `partition`.

    Examples
    --------
    >>> from nce_train import nce
    >>> nce.locate([0, 3, 6], 2, "mod", num_classes=7)
    (array([0, 1, 0]), array([0, 1, 3]))
    >>> nce.locate([0, 3, 6], 2, "div", num_classes=7)
    (array([0, 0, 1]), array([0, 3, 2]))
    """
    checked = integer_ids(ids, "ids")
    num_classes = positive_integer(num_classes, "num_classes")
    check_range(checked, num_classes, "ids", "num_classes")
    num_partitions = _check_layout(num_classes, num_partitions, strategy)
    if strategy == "mod":
        return checked % num_partitions, checked // num_partitions
    base, extra = divmod(num_classes, num_partitions)
    long_rows = extra * (base + 1)  # the ids before this one lie in the longer partitions
    behind = np.maximum(checked - long_rows, 0)
    in_long = checked < long_rows
    part = np.where(in_long, checked // (base + 1), extra + behind // base)
    return part, np.where(in_long, checked % (base + 1), behind % base)


class Table(NamedTuple):
    """A table of weights or biases as the caller gave it: `parts` in `strategy`'s layout, `rows` in all.

    `listed`: whether a list or tuple of partitions came in, so that gradients go back in the same form.
    """

    parts: list[NDArray[Any]]
    strategy: str
    rows: int
    listed: bool


def read_table(value: Any, argument: str, ndim: int, strategy: str) -> Table:
    """Check a table given whole, or as a list or tuple of arrays of `ndim` dimensions, its partitions.

    Raises
    ------
    ValueError
        When the strategy is unknown, there is no table, dimensions or widths are wrong, or the sizes of the
        partitions do not fit the strategy.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"partition_strategy must be one of {STRATEGIES}, not {strategy!r}")
    if value is None or (isinstance(value, list | tuple) and not value):
        raise ValueError(f"{argument} must be an array or a list of at least 1 partition, not {value!r}")
    listed = isinstance(value, list | tuple) and any(np.ndim(part) == ndim for part in value)
    parts = [np.asarray(part) for part in value] if listed else [np.asarray(value)]
    for position, part in enumerate(parts):
        name = f"{argument}[{position}]" if listed else argument
        if part.ndim != ndim:
            raise ValueError(f"{name} must have {ndim} dimension(s), but has {part.ndim} (shape {part.shape})")
        if part.dtype.kind not in "fiu":
            raise ValueError(f"{name} must hold numbers, not {part.dtype}")
        if part.shape[1:] != parts[0].shape[1:]:
            raise ValueError(f"{name} has rows of dim {part.shape[1]}, but {argument}[0] of dim {parts[0].shape[1]}")
    sizes = [part.shape[0] for part in parts]
    rows = sum(sizes)
    if rows == 0:
        raise ValueError(f"{argument} must have at least 1 row, not 0")
    slices = partition_slices(rows, len(parts), strategy)
    wanted = [len(range(*part.indices(rows))) for part in slices]
    if sizes != wanted:
        raise ValueError(
            f"{argument} has partitions of {sizes} rows, but partition_strategy {strategy!r} splits {rows}"
            f" rows over {len(parts)} partitions as {wanted}"
        )
    return Table(parts, strategy, rows, listed)


def gather(table: Table, ids: NDArray[np.int64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The rows of the given ids (already in range) as a new array [*ids.shape, *row shape] of `dtype`."""
    if len(table.parts) == 1:
        return table.parts[0][ids].astype(dtype, copy=False)
    rows = np.empty(ids.shape + table.parts[0].shape[1:], dtype)
    part_of, offset = locate(ids, len(table.parts), table.strategy, table.rows)
    for position, part in enumerate(table.parts):
        here = part_of == position
        rows[here] = part[offset[here]]
    return rows


def scatter(table: Table, ids: NDArray[np.int64], rows: NDArray[Any]) -> Any:
    """Rows of distinct ids, put into zeros of the table's own layout: a list of partitions, or one array."""
    whole = np.zeros((table.rows, *table.parts[0].shape[1:]), rows.dtype)
    whole[ids] = rows
    if not table.listed:
        return whole
    return [np.ascontiguousarray(part) for part in partition(whole, len(table.parts), table.strategy)]


def join(table: Table) -> NDArray[Any]:
    """The whole table in the order of class ids, as a new array (or the one array itself)."""
    if len(table.parts) == 1:
        return table.parts[0]
    whole = np.empty((table.rows, *table.parts[0].shape[1:]), np.result_type(*table.parts))
    for rows, part in zip(partition_slices(table.rows, len(table.parts), table.strategy), table.parts, strict=True):
        whole[rows] = part
    return whole


def partition_slices(rows: int, num_partitions: int, strategy: str) -> list[slice]:
    """The class ids of each partition, as slices of the whole table."""
    num_partitions = _check_layout(rows, num_partitions, strategy)
    if strategy == "mod":
        return [slice(first, rows, num_partitions) for first in range(num_partitions)]
    base, extra = divmod(rows, num_partitions)
    starts = [position * base + min(position, extra) for position in range(num_partitions + 1)]
    return [slice(start, stop) for start, stop in itertools.pairwise(starts)]


def _check_layout(rows: int, num_partitions: int, strategy: str) -> int:
    num_partitions = positive_integer(num_partitions, "num_partitions")
    if strategy not in STRATEGIES:
        raise ValueError(f"partition_strategy must be one of {STRATEGIES}, not {strategy!r}")
    if strategy == "div" and num_partitions > rows:
        raise ValueError(
            f"partition_strategy 'div' cannot split {rows} rows over {num_partitions} partitions:"
            " give at most one partition a row"
        )
    return num_partitions
