"""How many of many independent events happen, compiled: the Poisson-binomial distribution.

In: the probabilities of the events. Out: the probability that at most so many happen, of all events or of all
but one.
"""

import numpy as np

from nce_train.compiled import cached_njit


@cached_njit(nogil=True)
def count_cdf(probabilities, limit, size):
    """P(at most `limit` of the events happen); counts of `size` and above are taken as impossible."""
    return _count_pmf(probabilities, size)[: limit + 1].sum()


@cached_njit(nogil=True, error_model="numpy")
def leave_one_out_cdf(probabilities, limit, size):
    """For each event, P(at most `limit` of the others happen); float64 [events].

    The distribution of all, ``pmf[n] = others[n] (1 - p) + others[n - 1] p``, is solved for the others:
    upwards from n = 0 where p is at most 1/2, else downwards from the top, so that no error grows.
    """
    pmf = _count_pmf(probabilities, size)
    cdf = np.empty(probabilities.size)
    for event in range(probabilities.size):
        happens = probabilities[event]
        fails = 1.0 - happens
        others = 0.0
        total = 0.0
        if happens <= 0.5:
            for count in range(min(limit + 1, size)):
                others = (pmf[count] - happens * others) / fails
                total += others
        else:
            for count in range(size - 1, 0, -1):
                others = (pmf[count] - fails * others) / happens
                if count - 1 <= limit:
                    total += others
        cdf[event] = total
    return cdf


@cached_njit(nogil=True)
def _count_pmf(probabilities, size):
    pmf = np.zeros(size)
    pmf[0] = 1.0
    for event in range(probabilities.size):
        happens = probabilities[event]
        fails = 1.0 - happens
        for count in range(min(event + 1, size - 1), 0, -1):
            pmf[count] = pmf[count] * fails + pmf[count - 1] * happens
        pmf[0] *= fails
    return pmf
