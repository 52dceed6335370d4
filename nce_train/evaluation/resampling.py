"""Bootstrap: how far a figure would move with other questions or pairs of the same sort.

A set's questions or pairs are drawn anew, with replacement, `RESAMPLES` times with a fixed seed; the interval leaves
out equal shares of the figures at both ends. Questions of a section share words, which this does not regard: across
other words the figures would move more.

B. Efron, R. Tibshirani: "An Introduction to the Bootstrap", 1993, chapter 13 (percentile intervals).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
RESAMPLES = 10_000
SEED = 0

# Weights at once, of 8 bytes, in a few arrays of this size.
_NUMBERS_AT_ONCE = 1 << 21


def interval(figures: NDArray[np.floating]) -> list[float] | None:
    """Give the interval in which the middle 95 % of the resamples' figures lie.

    Parameters
    ----------
    figures : float [resamples]
        NaN where a figure is not defined; these are left out.

    Returns
    -------
    list of float or None
        [low, high]; None when none is defined.
    """
    figures = figures[~np.isnan(figures)]
    if not len(figures):
        return None
    return np.quantile(figures, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()


def proportion_interval(count: int, of: int) -> list[float] | None:
    """Give the interval of count ÷ of; None of nothing.

    The number of successes among `of` draws from outcomes with `count` successes is binomial, so it is drawn as such.
    """
    if not of:
        return None
    return interval(np.random.default_rng(SEED).binomial(of, count / of, RESAMPLES) / of)


def difference_interval(only_first: int, only_second: int, of: int) -> list[float] | None:
    """Give the interval of (only_first - only_second) ÷ of, the difference of two proportions of the same cases."""
    if not of:
        return None
    shares = np.array([only_first, only_second, of - only_first - only_second]) / of
    counts = np.random.default_rng(SEED).multinomial(of, shares, RESAMPLES)
    return interval((counts[:, 0] - counts[:, 1]) / of)


def resampled_spearman(
    similarities: Sequence[NDArray[np.floating]], scores: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Correlate the ranks of similarities with those of scores in resamples of the pairs.

    Parameters
    ----------
    similarities : sequence of float [pairs]
        One for each model; all are resampled alike.
    scores : float [pairs]

    Returns
    -------
    float64 [models, resamples]
        NaN where the drawn similarities or scores are all equal, or there is no pair.
    """
    pairs = len(scores)
    correlations = np.full((len(similarities), RESAMPLES), np.nan)
    rng = np.random.default_rng(SEED)
    at_once = max(1, _NUMBERS_AT_ONCE // max(1, pairs))
    for start in range(0, RESAMPLES if pairs else 0, at_once):
        number = min(at_once, RESAMPLES - start)
        drawn = rng.integers(0, pairs, (number, pairs)) + np.arange(number)[:, None] * pairs
        times = np.bincount(drawn.ravel(), minlength=number * pairs).reshape(number, pairs)
        score_ranks = centred_ranks(scores, times)
        score_scale = np.einsum("rp,rp,rp->r", times, score_ranks, score_ranks)
        for model, values in enumerate(similarities):
            ranks = centred_ranks(values, times)
            scale = np.sqrt(np.einsum("rp,rp,rp->r", times, ranks, ranks) * score_scale)
            products = np.einsum("rp,rp,rp->r", times, ranks, score_ranks)
            part = correlations[model, start : start + number]
            np.divide(products, scale, out=part, where=scale > 0)
    return correlations


def centred_ranks(values: NDArray[np.floating], times: NDArray[np.integer]) -> NDArray[np.float64]:
    """Rank values of which each occurs `times` times; equal ones share their mean rank.

    Parameters
    ----------
    values : float [n]
    times : int [resamples, n]
        Rows of the same sum.

    Returns
    -------
    float64 [resamples, n]
        Ranks less their mean, so that 0 is in the middle.
    """
    _, place, ties = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(ties)
    below = np.zeros((len(times), len(values) + 1))
    np.cumsum(times[:, np.argsort(place, kind="stable")], axis=1, out=below[:, 1:])
    # The ranks of equal values run from below + 1 to upto; the mean of all ranks is (n + 1) / 2.
    return ((below[:, ends - ties] + below[:, ends] - below[:, -1:]) / 2)[:, place]
