"""From a trained classifier to probabilities, consistent with the loss that trained it.

In: class weights and biases, input vectors, the kind of training loss. Out: probabilities of all classes.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nce_train.nce.classifier import all_logits, read_classifier
from nce_train.nce.full_losses import log_softmax
from nce_train.nce.labels import finite_number

LOSSES = ("nce", "sampled_logistic", "negative_sampling", "sampled_softmax", "sigmoid", "softmax")


def log_probabilities(
    weights: Any,
    biases: Any,
    inputs: Any,
    *,
    loss: str = "nce",
    expected_count: ArrayLike | None = None,
    log_z: float = 0.0,
    partition_strategy: str = "div",
) -> NDArray[Any]:
    """Log-probability of every class for each input, by what the training loss has F = x·w + b estimate.

    Parameters
    ----------
    weights, biases, inputs, partition_strategy
        As in `sigmoid_loss`.
    loss : str
        - "nce" (hits kept): ``F - log_z``. Self-normalised: rows sum to about 1, not exactly; for an
          exact sum take "softmax".
        - "negative_sampling" (hits kept): ``F + log Q - log_z``, self-normalised too.
        - "sampled_logistic" (`nce_loss` with hits removed) and "sigmoid": ``log sigmoid(F - log_z)``, each
          class on its own, so that rows need not sum to 1.
        - "sampled_softmax" and "softmax": ``F - logsumexp(F)``.
    expected_count : array_like of float [classes]
        Q of each class in training; for "negative_sampling", and for no other.
    log_z : float
        As in training.

    Returns
    -------
    Array [batch, classes] in the dtype of `inputs`.

    Raises
    ------
    ValueError
        When the loss is unknown, `expected_count` is missing, of wrong length, not above 0 or given
        needlessly, and as in `sigmoid_loss`.

    Examples
    --------
    >>> import numpy as np
    >>> from nce_train import nce
    >>> scores = nce.log_probabilities(np.zeros((4, 2)), np.log([0.4, 0.3, 0.2, 0.1]), np.ones((1, 2)))
    >>> np.exp(scores).round(2)
    array([[0.4, 0.3, 0.2, 0.1]])
    """
    if loss not in LOSSES:
        raise ValueError(f"loss must be one of {LOSSES}, not {loss!r}")
    log_z = finite_number(log_z, "log_z")
    if loss == "negative_sampling" and expected_count is None:
        raise ValueError("expected_count, Q of each class in training, is missing: loss 'negative_sampling' needs it")
    if loss != "negative_sampling" and expected_count is not None:
        raise ValueError(f"expected_count is for loss 'negative_sampling' only, and must not be given for {loss!r}")
    classifier = read_classifier(weights, biases, inputs, partition_strategy)
    result = all_logits(classifier)
    with np.errstate(over="ignore", invalid="ignore"):  # infinity and NaN propagate
        result -= result.dtype.type(log_z)
        if loss in ("sampled_logistic", "sigmoid"):
            result = np.minimum(result, 0) - np.log1p(np.exp(-np.abs(result)))
        elif loss in ("sampled_softmax", "softmax"):
            result = log_softmax(result)
        elif expected_count is not None:
            result += _log_counts(expected_count, result.shape[1]).astype(result.dtype)
        return result.astype(classifier.dtype, copy=False)


def probabilities(
    weights: Any,
    biases: Any,
    inputs: Any,
    *,
    loss: str = "nce",
    expected_count: ArrayLike | None = None,
    log_z: float = 0.0,
    partition_strategy: str = "div",
) -> NDArray[Any]:
    """The exponential of `log_probabilities`, with the same arguments and errors."""
    log_p = log_probabilities(
        weights,
        biases,
        inputs,
        loss=loss,
        expected_count=expected_count,
        log_z=log_z,
        partition_strategy=partition_strategy,
    )
    with np.errstate(over="ignore"):  # a model that is not normalised may say more than 1, and infinity
        return np.exp(log_p)


def _log_counts(expected_count: ArrayLike, classes: int) -> NDArray[np.float64]:
    counts = np.asarray(expected_count, dtype=np.float64)
    if counts.shape != (classes,):
        raise ValueError(f"expected_count must be of shape {(classes,)}, one for each class, but is {counts.shape}")
    if not (np.isfinite(counts) & (counts > 0)).all():
        raise ValueError(f"expected_count must be above 0 and finite, but its least is {counts.min()}")
    return np.log(counts)
