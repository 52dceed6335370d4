"""Class tables split into partitions, TensorFlow's 'mod' and 'div' layouts.

In: a table (weights [classes, dim] or biases [classes]), whole or as a list of partitions. Out: the other form, the
position of a class id, or the rows of given ids. Partition sizes are always checked, but both layouts have the same
sizes: a wrong strategy cannot be detected.
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nce_train.nce.checks import check_choice, check_range, integer_ids, is_bfloat16, positive_integer

STRATEGIES = ("mod", "div")


def partition(table: ArrayLike, num_partitions: int, strategy: str) -> list[NDArray[Any]]:
    """Split a table by its first axis.

    'mod' assigns the ids in turn: of P partitions, partition p has ids p, p + P, p + 2P, …. 'div' cuts contiguous
    runs, and the first ``rows % P`` of them are one row longer.

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
        When the table is a single number, the strategy is unknown, or 'div' has more partitions than rows.

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

    Parameters
    ----------
    parts : sequence of array [rows] or [rows, dim]
    strategy : {"mod", "div"}

    Returns
    -------
    Array of all rows; of a single partition, that partition itself.

    Raises
    ------
    ValueError
        When there are no partitions, or their sizes do not fit the strategy.
    """
    return join(read_table(list(parts), "parts", np.ndim(parts[0]) if len(parts) else 1, strategy))


def locate(
    ids: ArrayLike, num_partitions: int, strategy: str, num_classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The partition that holds each class id, and the row within that partition.

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
        When an id lies outside ``[0, num_classes)``, the strategy is unknown, or 'div' has more partitions than
        classes.

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
    first_short = extra * (base + 1)  # ids below this one lie in the longer partitions
    rest = np.maximum(checked - first_short, 0)
    in_long = checked < first_short
    part = np.where(in_long, checked // (base + 1), extra + rest // base)
    return part, np.where(in_long, checked % (base + 1), rest % base)


class Table(NamedTuple):
    """A table of weights or biases as the caller gave it: `parts` in `strategy`'s layout, `rows` in total.

    `listed`: whether the caller gave a list or tuple of partitions; gradients are returned in the same form.
    """

    parts: list[NDArray[Any]]
    strategy: str
    rows: int
    listed: bool

    @property
    def slices(self) -> list[slice]:
        """The class ids of each partition, as slices of the whole table."""
        return partition_slices(self.rows, len(self.parts), self.strategy)


def read_table(value: Any, argument: str, ndim: int, strategy: str) -> Table:
    """Check a table given whole, or as a list or tuple of arrays of `ndim` dimensions, its partitions."""
    check_choice(strategy, STRATEGIES, "partition_strategy")
    if value is None or (isinstance(value, list | tuple) and not value):
        raise ValueError(f"{argument} must be an array or a list of at least 1 partition, not {value!r}")
    listed = isinstance(value, list | tuple) and any(np.ndim(part) == ndim for part in value)
    parts = [np.asarray(part) for part in value] if listed else [np.asarray(value)]
    for position, part in enumerate(parts):
        name = f"{argument}[{position}]" if listed else argument
        if part.ndim != ndim:
            raise ValueError(f"{name} must have {ndim} dimension(s), but has {part.ndim} (shape {part.shape})")
        if part.dtype.kind not in "fiu" and not is_bfloat16(part.dtype):
            raise ValueError(f"{name} must be float16, bfloat16, float32, float64 or integers, not {part.dtype}")
        if part.shape[1:] != parts[0].shape[1:]:
            raise ValueError(f"{name} has rows of dim {part.shape[1]}, but {argument}[0] of dim {parts[0].shape[1]}")
    sizes = [part.shape[0] for part in parts]
    rows = sum(sizes)
    if rows == 0:
        raise ValueError(f"{argument} must have at least 1 row, not 0")
    slices = partition_slices(rows, len(parts), strategy)
    expected_sizes = [len(range(*part.indices(rows))) for part in slices]
    if sizes != expected_sizes:
        raise ValueError(
            f"{argument} has partitions of {sizes} rows, but partition_strategy {strategy!r} splits {rows}"
            f" rows over {len(parts)} partitions as {expected_sizes}"
        )
    return Table(parts, strategy, rows, listed)


def gather(table: Table, ids: NDArray[np.int64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The rows of the given ids (already in range) as a new array [*ids.shape, *row shape] of `dtype`."""
    if len(table.parts) == 1:
        return table.parts[0][ids].astype(dtype, copy=False)
    rows = np.empty(ids.shape + table.parts[0].shape[1:], dtype)
    part_of, offset = locate(ids, len(table.parts), table.strategy, table.rows)
    for position, part in enumerate(table.parts):
        in_part = part_of == position
        rows[in_part] = part[offset[in_part]]
    return rows


def scatter(table: Table, ids: NDArray[np.int64], rows: NDArray[Any]) -> Any:
    """Zeros in the table's own layout (a list of partitions, or one array), with `rows` at the distinct `ids`."""
    whole = np.zeros((table.rows, *table.parts[0].shape[1:]), rows.dtype)
    whole[ids] = rows
    if not table.listed:
        return whole
    return [np.ascontiguousarray(whole[part]) for part in table.slices]


def join(table: Table) -> NDArray[Any]:
    """The whole table in the order of class ids: a new array or, of one partition, the partition itself."""
    if len(table.parts) == 1:
        return table.parts[0]
    whole = np.empty((table.rows, *table.parts[0].shape[1:]), np.result_type(*table.parts))
    for ids, part in zip(table.slices, table.parts, strict=True):
        whole[ids] = part
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
    check_choice(strategy, STRATEGIES, "partition_strategy")
    if strategy == "div" and num_partitions > rows:
        raise ValueError(
            f"partition_strategy 'div' cannot split {rows} rows over {num_partitions} partitions:"
            " give at most one partition a row"
        )
    return num_partitions
