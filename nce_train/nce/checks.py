"""Arguments of the public functions: one signature for several functions, and checks of values.

A check takes a value as the caller gave it, and the argument's name. It returns the value in the form that the
computation uses, or raises a ValueError that names the argument.
"""

import functools
import inspect
import math
import operator
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

P = ParamSpec("P")
R = TypeVar("R")


def same_arguments_as(model: Callable[P, R], **defaults: Any) -> Callable[[Callable[..., R]], Callable[P, R]]:
    """Decorate a function of ``**arguments`` to be called exactly like `model`.

    The decorated function receives every argument of the call by name, the missing ones with their defaults.
    `inspect.signature`, `help` and type checkers show the parameters of `model`. `defaults`, by parameter name, differ
    from those of `model`; type checkers show the model's.
    """
    signature = inspect.signature(model)
    signature = signature.replace(
        parameters=[
            parameter.replace(default=defaults.get(name, parameter.default))
            for name, parameter in signature.parameters.items()
        ]
    )

    def decorate(function: Callable[..., R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{function.__name__}(): {error}") from None
            bound.apply_defaults()
            return function(**bound.arguments)

        call.__signature__ = signature  # type: ignore[attr-defined]
        return call

    return decorate


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


def is_bfloat16(dtype: np.dtype[Any]) -> bool:
    """Whether numbers are of the type bfloat16 of the package ml_dtypes, which is not needed to recognise it."""
    return dtype.name == "bfloat16"


def native_array(value: Any, argument: str) -> NDArray[Any]:
    """`value` as an array in the machine's byte order, bfloat16 as float32, which holds it exactly.

    ValueError is raised for rows that do not form an array.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(
            f"{argument} must be an array or rows of equal depth and length, but mix numbers and lists or lists of"
            " several lengths"
        ) from None
    dtype = np.dtype(np.float32) if is_bfloat16(array.dtype) else array.dtype.newbyteorder("=")
    return array.astype(dtype, copy=False)


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


def log_count(counts: NDArray[Any], argument: str, remedy: str = "") -> NDArray[np.float64]:
    """log Q, computed in float64: the logarithm fits into float16 even where the count does not."""
    counts = np.asarray(counts, dtype=np.float64)
    bad = counts[~(np.isfinite(counts) & (counts > 0))]
    if bad.size:
        raise ValueError(
            f"{argument} must be above 0 and finite, since its logarithm is taken, but {bad.size} of"
            f" {counts.size} are not, the first {bad[0]}{remedy}"
        )
    return np.log(counts)
