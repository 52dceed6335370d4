"""How certain a figure is: bootstrap intervals, and p-values for the difference of two models.

Counts or resampled figures go in, intervals and p-values come out. Bootstrap: the questions or pairs of a set are drawn
again, with replacement, `RESAMPLES` times with a fixed seed. Questions of a section share words, which is not taken
into account: with other words the figures would vary more.

Two models are compared on the same questions or pairs, so both tests are paired: McNemar's exact test for analogies, a
bootstrap of the difference for similarities. p-values are two-sided and not corrected for the number of tests.

B. Efron, R. Tibshirani: "An Introduction to the Bootstrap", 1993, chapter 13 (percentile intervals).
Q. McNemar: "Note on the sampling error of the difference between correlated proportions or percentages", 1947.
"""

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
RESAMPLES = 10_000
SEED = 0


def percentile_interval(figures: NDArray[np.floating]) -> list[float] | None:
    """Compute the interval that holds the middle 95 % of the resampled figures.

    Parameters
    ----------
    figures : float [resamples]
        NaN where a figure is not defined; NaNs are left out.

    Returns
    -------
    list of float or None
        [low, high]; None when no figure is defined.
    """
    figures = figures[~np.isnan(figures)]
    if not len(figures):
        return None
    return np.quantile(figures, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()


def proportion_interval(count: int, of: int) -> list[float] | None:
    """Compute the interval of count ÷ of; None when `of` is 0.

    The number of successes in a resample of `of` cases with `count` successes is binomial.
    """
    if not of:
        return None
    return percentile_interval(np.random.default_rng(SEED).binomial(of, count / of, RESAMPLES) / of)


def difference_interval(only_first: int, only_second: int, of: int) -> list[float] | None:
    """Compute the interval of (only_first - only_second) ÷ of, the difference of two proportions of the same cases.

    None when `of` is 0.
    """
    if not of:
        return None
    shares = np.array([only_first, only_second, of - only_first - only_second]) / of
    counts = np.random.default_rng(SEED).multinomial(of, shares, RESAMPLES)
    return percentile_interval((counts[:, 0] - counts[:, 1]) / of)


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Compute McNemar's exact two-sided p: that n = only_first + only_second fair coins fall at least as unevenly.

    Examples
    --------
    >>> round(mcnemar_p(0, 3), 12)
    0.25
    """
    fewer, coins = min(only_first, only_second), only_first + only_second
    heads = np.arange(1, fewer + 1)
    # Logarithms of the binomial coefficients, each computed from the one before it.
    logs = np.concatenate([[0.0], np.cumsum(np.log(coins - heads + 1) - np.log(heads))]) - coins * np.log(2)
    return min(1.0, 2 * float(np.exp(logs).sum()))


def bootstrap_p(differences: NDArray[np.floating]) -> float:
    """Compute a two-sided p from resampled differences: twice the smaller share that is at or beyond 0.

    The observed difference counts as one more resample on either side, so that p is never 0.

    Parameters
    ----------
    differences : float [resamples]
        NaN where a difference is not defined; NaNs are left out.
    """
    differences = differences[~np.isnan(differences)]
    beyond = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2 * (beyond + 1) / (len(differences) + 1))
