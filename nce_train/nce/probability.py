"""The noise distributions: the probability of each class id, and its expected count among the samples of a call.

In: class ids, or the unigram counts of all classes. Out: float arrays. The samplers and the trainer both take their
probabilities from here.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nce_train.nce.checks import check_range, check_weights, positive_integer


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
    # The logarithm of the quotient, as in TensorFlow, for the same last bit of the float32 counts.
    return np.log((rank + 2.0) / (rank + 1.0)) / np.log(range_max + 1.0)


def uniform_probability(ids: ArrayLike, range_max: int) -> NDArray[np.float64]:
    """Probability of each id under the uniform distribution, ``1 / range_max``.

    Parameters, result and errors as in `log_uniform_probability`.
    """
    return np.full(_checked_ids(ids, range_max).shape, 1.0 / range_max)


def unigram_probability(unigrams: ArrayLike, distortion: float = 1.0) -> NDArray[np.float64]:
    """Probabilities proportional to ``count ** distortion``.

    Parameters
    ----------
    unigrams : array_like of float, shape [range_max]
        Count (or weight) of each class, finite and not negative, not all zero.
    distortion : float
        1 keeps the proportions, 0.75 is word2vec's choice, 0 makes all classes equal (even those of count 0,
        since 0 ** 0 = 1).

    Returns
    -------
    float64 array [range_max], summing to 1.

    Raises
    ------
    ValueError
        When a weight is negative or not finite, all are zero, or their powers have no finite sum above 0.
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
    """Expected count Q of a class among the samples of one call, as TensorFlow computes it.

    ``p * num_sampled`` when no draw was rejected (`num_tries` equals `num_sampled`), else the probability that
    `num_tries` independent draws contain the class at least once, ``1 - (1 - p) ** num_tries``.

    Parameters
    ----------
    probability : array_like of float, any shape
        Probability of a single draw; its float dtype is the dtype of the arithmetic and of the result
        (float32 gives TensorFlow's numbers, but for one or two units in the last place where NumPy uses AVX-512).
    num_sampled : int
        Samples returned by the call.
    num_tries : int or array_like of int, broadcast against `probability`
        Draws made, including those rejected as duplicates; at least `num_sampled`.

    Returns
    -------
    Float array; above 1 is possible with replacement.

    Raises
    ------
    ValueError
        When `num_tries` is below `num_sampled`, or `probability` is not an array of floats.

    Examples
    --------
    >>> from nce_train import nce
    >>> nce.expected_count([0.5, 0.01], num_sampled=4, num_tries=4)
    array([2.  , 0.04])
    >>> nce.expected_count([0.5, 0.01], num_sampled=4, num_tries=6).round(4)  # two draws were rejected
    array([0.9844, 0.0585])
    """
    probability = np.asarray(probability)
    if probability.dtype.kind != "f":
        raise ValueError(f"probability must be an array of floats, not of {probability.dtype}")
    tries = np.asarray(num_tries)
    if tries.size and tries.min() < num_sampled:
        raise ValueError(f"num_tries must be at least num_sampled {num_sampled}, not {tries.min()}")
    dtype = probability.dtype.type
    with np.errstate(divide="ignore"):  # log1p(-1) = -inf gives the right count, 1
        at_least_once = -np.expm1(tries.astype(dtype) * np.log1p(-probability))
    return np.where(tries == num_sampled, probability * dtype(num_sampled), at_least_once)


def distort(weights: NDArray[Any], distortion: float) -> NDArray[np.float32]:
    """``weights ** distortion`` in float32 (0 ** 0 = 1), TensorFlow's unigram weights."""
    with np.errstate(over="ignore", divide="ignore"):  # the samplers refuse infinite weights
        single = weights.astype(np.float32)
        # float64 in between: the result is then the nearest float32 with every C library.
        return (single.astype(np.float64) ** distortion).astype(np.float32)


def _checked_ids(ids: ArrayLike, range_max: int) -> NDArray[np.int64]:
    range_max = positive_integer(range_max, "range_max")
    checked = np.asarray(ids)
    if checked.size and checked.dtype.kind not in "iu":
        raise ValueError(f"ids must be integers, not {checked.dtype}")
    checked = checked.astype(np.int64)
    check_range(checked, range_max, "ids", "range_max")
    return checked
