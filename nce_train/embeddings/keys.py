"""What a caller may give instead of a word: its row, a vector, or either with a weight; one or several of them."""

from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A word or its row.
Word = str | int | np.integer
# In `most_similar`: a word, a vector, or either of them with a weight.
Key = Word | NDArray[np.floating] | tuple[Word | NDArray[np.floating], float]


def with_weights(keys: Key | Iterable[Key], default: float) -> list[tuple[Any, float]]:
    """List one key or several, each with its weight; a tuple of a key and a number is one key."""
    several: Iterable[Any] = keys if isinstance(keys, Iterable) else [keys]
    if (
        isinstance(keys, (str, bytes))
        or (isinstance(keys, np.ndarray) and keys.ndim == 1)
        or (isinstance(keys, tuple) and len(keys) == 2 and isinstance(keys[1], Real))
    ):
        several = [keys]
    return [_weighted(key, default) for key in several]


def check_vector(vector: NDArray, dim: int) -> None:
    """Raise TypeError for a vector of other than real numbers; ValueError unless it is finite and of shape [dim]."""
    if vector.dtype.kind not in "fiu":
        raise TypeError(f"a vector of type {vector.dtype} was given; a vector holds real numbers")
    if vector.shape != (dim,):
        raise ValueError(f"a vector of shape {vector.shape} was given; the vectors here have {(dim,)}")
    if not np.isfinite(vector).all():
        raise ValueError("a vector was given that holds a number that is not finite (NaN or infinity)")


def _weighted(key: object, default: float) -> tuple[Any, float]:
    if not isinstance(key, tuple):
        return key, default
    if len(key) != 2 or not isinstance(key[1], Real):
        raise TypeError(f"{key!r} is not a pair of a word or vector and a weight")
    weight = float(key[1])
    if not np.isfinite(weight):
        raise ValueError(f"the weight {weight} of {key[0]!r} is not finite")
    return key[0], weight
