"""The compiled sums over all classes that held-out losses need: rows of logits go in, two sums a row come out."""

import math

import numpy as np

from nce_train.compiled import cached_njit


@cached_njit(nogil=True, error_model="numpy")
def sum_over_classes(logits, log_z, softplus_sum):
    """For each row F of `logits`: log Σ_c exp(F_c), and Σ_c softplus(F_c).

    Parameters
    ----------
    logits : float32 [rows, classes]
    log_z, softplus_sum : float64 [rows], written
    """
    for row in range(logits.shape[0]):
        top = logits[row, 0]
        for c in range(logits.shape[1]):
            top = max(top, logits[row, c])
        above = 0.0
        total = 0.0
        # Σ max(F, 0) + log Π (1 + exp(−|F|)): the product of 64 factors, each at most 2, stays in range
        for first in range(0, logits.shape[1], 64):
            product = 1.0
            for c in range(first, min(first + 64, logits.shape[1])):
                logit = np.float64(logits[row, c])
                above += math.exp(logit - top)
                total += max(logit, 0.0)
                product *= 1.0 + math.exp(-abs(logit))
            total += math.log(product)
        log_z[row] = top + math.log(above)
        softplus_sum[row] = total
