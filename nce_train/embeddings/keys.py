"""What may stand for words in a question: a word, its row, a vector, or one of them with a weight; one or several."""

from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What stands for a word: itself or its row.
Word = str | int | np.integer
# And in `most_similar`: a word, a vector, or either of them with a weight.
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


def _weighted(key: object, default: float) -> tuple[Any, float]:
    if not isinstance(key, tuple):
        return key, default
    if len(key) != 2 or not isinstance(key[1], Real):
        raise TypeError(f"{key!r} is no pair of a word or vector and a weight")
    weight = float(key[1])
    if not np.isfinite(weight):
        raise ValueError(f"the weight {weight} of {key[0]!r} is not finite")
    return key[0], weight
