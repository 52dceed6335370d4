"""The two element losses and their derivatives: logistic and softmax cross-entropy of logits.

In: logits of the true and the sampled classes, and targets. Out: losses, and their derivatives by the logits.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]


def logistic_terms(logits: Floats, targets: Floats | float) -> tuple[Floats, Floats]:
    """Sigmoid cross-entropy of each logit g with target z, and its derivative.

    ``max(g, 0) - g z + log1p(exp(-|g|))`` and ``sigmoid(g) - z``: the loss is
    ``-z log sigmoid(g) - (1 - z) log(1 - sigmoid(g))``, written so that no exponential overflows. An infinite
    logit gives a NaN loss.

    Parameters
    ----------
    logits : float array
    targets : float array that broadcasts against it, or a float

    Returns
    -------
    (losses, delta), both of the shape and dtype of `logits`.
    """
    decay = np.exp(-np.abs(logits))
    losses = np.maximum(logits, 0) - logits * targets + np.log1p(decay)
    delta = np.where(logits >= 0, 1, decay) / (1 + decay) - targets
    return losses, delta


def softmax_terms(
    true_logits: Floats,
    true_targets: Floats,
    row_splits: NDArray[np.int64],
    sampled_logits: Floats,
    masked: NDArray[np.bool_] | None,
) -> tuple[Floats, Floats, Floats]:
    """Softmax cross-entropy over the true and the sampled classes of each example, and its derivatives.

    ``sum_t z_t (logsumexp(G) - G_t)``, where G are all logits of the example and t its labels; the
    derivative is ``sum(z) softmax(G) - z``.

    Parameters
    ----------
    true_logits, true_targets : float [labels]
        Those of example i are ``row_splits[i]`` up to ``row_splits[i + 1]``.
    row_splits : int64 [batch + 1]
    sampled_logits : float [batch, sampled]
        Target 0.
    masked : bool [batch, sampled] or None
        Samples that count as absent.

    Returns
    -------
    losses : [batch]
    true_delta : [labels]
    sampled_delta : [batch, sampled]
    """
    example = np.repeat(np.arange(row_splits.size - 1), np.diff(row_splits))
    if masked is not None:
        sampled_logits = np.where(masked, -np.inf, sampled_logits)
    peak = sampled_logits.max(axis=1, initial=-np.inf)
    np.maximum.at(peak, example, true_logits)
    unlabelled = np.diff(row_splits) == 0
    peak[unlabelled] = np.inf  # no loss, no gradient, whatever the samples' logits
    true_share = np.exp(true_logits - peak[example])
    sampled_share = np.exp(sampled_logits - peak[:, None])
    total = sum_by_example(true_share, row_splits) + sampled_share.sum(axis=1)
    total[unlabelled] = 1
    log_total = peak + np.log(total)
    losses = sum_by_example(true_targets * (log_total[example] - true_logits), row_splits)
    scale = sum_by_example(true_targets, row_splits) / total
    return losses, scale[example] * true_share - true_targets, scale[:, None] * sampled_share


def sum_by_example(values: Floats, row_splits: NDArray[np.int64]) -> Floats:
    """Sums over the labels of each example: [labels, …] -> [batch, …]; 0 for an example without labels."""
    counts = row_splits[1:] - row_splits[:-1]
    if counts.size and (counts == counts[0]).all():
        return values.reshape(counts.size, counts[0], *values.shape[1:]).sum(axis=1)
    sums = np.zeros((counts.size, *values.shape[1:]), values.dtype)
    if values.shape[0]:
        sums[counts > 0] = np.add.reduceat(values, row_splits[:-1][counts > 0], axis=0)
    return sums
