"""The noise distributions as numbers: how probable a class id is, how often a call is expected to draw it.

In: class ids, or the unigram counts of all classes. Out: float arrays. NumPy only; the samplers, the losses
and the trainer all take their probabilities from here.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def log_uniform_probability(ids: ArrayLike, range_max: int) -> NDArray[np.float64]:
    """Probability of each id under the log-uniform (Zipf-like) distribution.

    ``p(k) = ln((k + 2) / (k + 1)) / ln(range_max + 1)``; it suits ids sorted by decreasing frequency.

    Parameters
    ----------
    ids : array_like of int, any shape
        Class ids in ``[0, range_max)``.
    range_max : int
        Number of classes, at least 1.

    Returns
    -------
    float64 array of the shape of `ids`; over all ids it sums to 1.

    Raises
    ------
    ValueError
        When `range_max` is below 1 or an id lies outside ``[0, range_max)``.

    Examples
    --------
    >>> log_uniform_probability([0, 1, 2], 3).round(4).tolist()
    [0.5, 0.2925, 0.2075]
    """
    rank = _checked_ids(ids, range_max).astype(np.float64)
    # The quotient inside one logarithm, as TensorFlow does: it settles the last bit of the float32 counts.
    return np.log((rank + 2.0) / (rank + 1.0)) / np.log(range_max + 1.0)


def uniform_probability(ids: ArrayLike, range_max: int) -> NDArray[np.float64]:
    """Probability of each id under the uniform distribution, ``1 / range_max``.

    Parameters, result and errors are those of `log_uniform_probability`.
    """
    return np.full(_checked_ids(ids, range_max).shape, 1.0 / range_max)


def unigram_probability(unigrams: ArrayLike, distortion: float = 1.0) -> NDArray[np.float64]:
    """Probabilities proportional to ``count ** distortion``.

    Parameters
    ----------
    unigrams : array_like of float, shape [range_max]
        Count (or weight) of each class, finite and not negative, not all zero.
    distortion : float
        1 keeps the proportions, 0.75 is word2vec's choice, 0 makes all classes equal (those of count 0 too,
        since 0 ** 0 = 1).

    Returns
    -------
    float64 array [range_max], summing to 1.

    Raises
    ------
    ValueError
        When a weight is negative or not finite, or all are zero.
    """
    weights = np.asarray(unigrams, dtype=np.float64)
    check_weights(weights, "unigrams")
    with np.errstate(over="ignore", divide="ignore"):
        distorted = weights**distortion
        total = distorted.sum()
    if not (np.isfinite(total) and total > 0):
        raise ValueError(
            f"unigrams to the power distortion must have a positive finite sum, and distortion {distortion}"
            f" gives {total}"
        )
    return distorted / total


def expected_count(probability: ArrayLike, num_sampled: int, num_tries: ArrayLike) -> NDArray[Any]:
    """Expected number of times that a class is among the samples of one call, TensorFlow's Q.

    ``p * num_sampled`` when every draw was kept (`num_tries` equals `num_sampled`), else the probability that
    `num_tries` independent draws meet the class at least once, ``1 - (1 - p) ** num_tries``.

    Parameters
    ----------
    probability : array_like of float, any shape
        Probability of a single draw; its float dtype is the dtype of the arithmetic and of the result
        (float32 gives TensorFlow's numbers to the last bit).
    num_sampled : int
        Samples returned by the call.
    num_tries : int or array_like of int, broadcast against `probability`
        Draws made, those thrown away as duplicates included; at least `num_sampled`.

    Returns
    -------
    Float array; above 1 is possible with replacement.

    Raises
    ------
    ValueError
        When `num_tries` is below `num_sampled`, or `probability` holds no floats.

    Examples
    --------
    >>> from nce_train import nce
    >>> nce.expected_count([0.5, 0.01], num_sampled=4, num_tries=4)
    array([2.  , 0.04])
    >>> nce.expected_count([0.5, 0.01], num_sampled=4, num_tries=6).round(4)  # two draws were thrown away
    array([0.9844, 0.0585])
    """
    probability = np.asarray(probability)
    if probability.dtype.kind != "f":
        raise ValueError(f"probability must be an array of floats, not of {probability.dtype}")
    tries = np.asarray(num_tries)
    if tries.size and tries.min() < num_sampled:
        raise ValueError(f"num_tries must be at least num_sampled {num_sampled}, not {tries.min()}")
    dtype = probability.dtype.type
    with np.errstate(divide="ignore"):  # log1p(-1) = -inf leads to the right count, 1
        met = -np.expm1(tries.astype(dtype) * np.log1p(-probability))
    return np.where(tries == num_sampled, probability * dtype(num_sampled), met)


def check_weights(weights: NDArray[Any], argument: str) -> None:
    """Raise ValueError unless `weights` is a vector of finite, non-negative numbers that are not all zero."""
    if weights.ndim != 1 or weights.size == 0:
        raise ValueError(f"{argument} must be a vector of at least one weight, not of shape {weights.shape}")
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if bad.size:
        raise ValueError(f"{argument} must be finite and not negative, but the one at {bad[0]} is {weights[bad[0]]}")
    if not weights.any():
        raise ValueError(f"{argument} are all zero ({weights.size} of {weights.size}): nothing can be drawn")


def _checked_ids(ids: ArrayLike, range_max: int) -> NDArray[np.int64]:
    if range_max < 1:
        raise ValueError(f"range_max must be at least 1, not {range_max}")
    checked = np.asarray(ids)
    if checked.size and checked.dtype.kind not in "iu":
        raise ValueError(f"ids must be integers, not {checked.dtype}")
    if checked.size and (checked.min() < 0 or checked.max() >= range_max):
        wrong = checked.min() if checked.min() < 0 else checked.max()
        raise ValueError(f"ids must lie in [0, {range_max}) (range_max {range_max}), but one is {wrong}")
    return checked.astype(np.int64)
