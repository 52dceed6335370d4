"""Checks of arguments, shared by the losses, the samplers and the tables.

In: a value as the caller gave it, and the argument's name. Out: the value in the form that the computation uses, or
a ValueError that names the argument.
"""

import math
import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray


def check_choice(value: str, choices: tuple[str, ...], argument: str) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{argument} must be one of {choices}, not {value!r}")


def positive_integer(number: Any, argument: str) -> int:
    """`number` as an int of at least 1 (5.0 counts as 5), else ValueError."""
    try:
        whole = int(number) if isinstance(number, float) and number.is_integer() else operator.index(number)
    except TypeError:
        raise ValueError(f"{argument} must be an integer of at least 1, not {number!r}") from None
    if whole < 1:
        raise ValueError(f"{argument} must be at least 1, not {whole}")
    return whole


def finite_number(number: Any, argument: str) -> float:
    """`number` as a float, else ValueError."""
    try:
        finite = math.isfinite(number)
    except (TypeError, OverflowError):
        raise ValueError(f"{argument} must be a finite number, not {number!r}") from None
    if not finite:
        raise ValueError(f"{argument} must be finite, not {number}")
    return float(number)


def native_array(value: Any, argument: str) -> NDArray[Any]:
    """`value` as an array in the machine's byte order; ValueError for rows that do not form an array."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(
            f"{argument} must be an array or rows of equal depth and length, but mix numbers and lists or lists of"
            " several lengths"
        ) from None
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def integer_ids(ids: Any, argument: str) -> NDArray[np.int64]:
    """`ids` as int64; floats are truncated, as in TensorFlow, and any other dtype is a ValueError."""
    array = native_array(ids, argument)
    if array.dtype.kind == "f" and np.isfinite(array).all():
        array = np.trunc(array)
    elif array.size and array.dtype.kind not in "iu":
        raise ValueError(f"{argument} must be integer class ids, not {array.dtype} or non-finite numbers")
    return array.astype(np.int64)


def check_range(ids: NDArray[np.int64], limit: int, argument: str, limit_name: str) -> None:
    """Raise ValueError unless every id lies in [0, limit)."""
    if ids.size and (ids.min() < 0 or ids.max() >= limit):
        position = int(np.flatnonzero((ids.ravel() < 0) | (ids.ravel() >= limit))[0])
        raise ValueError(
            f"{argument} must lie in [0, {limit}), as {limit_name} is {limit}, but number {position}"
            f" (from 0) is {ids.ravel()[position]}"
        )


def check_weights(weights: NDArray[Any], argument: str) -> None:
    """Raise ValueError unless `weights` is a vector of finite, non-negative numbers that are not all zero."""
    if weights.ndim != 1 or weights.size == 0:
        raise ValueError(f"{argument} must be a vector of at least one weight, not of shape {weights.shape}")
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if bad.size:
        raise ValueError(f"{argument} must be finite and not negative, but the one at {bad[0]} is {weights[bad[0]]}")
    if not weights.any():
        raise ValueError(f"{argument} are all zero ({weights.size} of {weights.size}): nothing can be drawn")
