"""The linear classifier F = x·w + b that all losses share, and its probabilities once it is trained.

In: weights, biases and inputs as the caller gave them. Out: `Classifier`, checked; the logits or the probabilities
of all classes.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nce_train.nce.checks import check_choice, finite_number, log_count, native_array, same_arguments_as
from nce_train.nce.partition import Table, join, read_table

LOSSES = ("nce", "sampled_logistic", "negative_sampling", "sampled_softmax", "sigmoid", "softmax")

# float16 and bfloat16 are computed in float32: sums of products in 16 bits lose most of their digits.
_WORKING_DTYPE = {"float16": np.float32, "bfloat16": np.float32, "float32": np.float32, "float64": np.float64}


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
    """Log-probability of every class for each input, from F = x·w + b and the loss that trained it.

    Parameters
    ----------
    weights, biases, inputs, partition_strategy
        As in `sigmoid_loss`.
    loss : str
        The loss in training:

        - "nce" (hits kept): ``F - log_z``. Self-normalised: the probabilities of a row sum to about 1. For
          an exact sum take "softmax".
        - "negative_sampling" (hits kept): ``F + log Q - log_z``, self-normalised too.
        - "sampled_logistic" (`nce_loss` with hits removed) and "sigmoid": ``log sigmoid(F - log_z)``. Each
          class is independent of the others, and rows need not sum to 1.
        - "sampled_softmax" and "softmax": ``F - logsumexp(F)``.
    expected_count : array_like of float [classes]
        Q of each class in training; for "negative_sampling" only.
    log_z : float
        As in training.

    Returns
    -------
    Array [batch, classes] in the dtype of `inputs`.

    Raises
    ------
    ValueError
        When the loss is unknown, `expected_count` is missing, of wrong length, not above 0 or given for
        another loss, and as in `sigmoid_loss`.

    Examples
    --------
    >>> import numpy as np
    >>> from nce_train import nce
    >>> scores = nce.log_probabilities(np.zeros((4, 2)), np.log([0.4, 0.3, 0.2, 0.1]), np.ones((1, 2)))
    >>> np.exp(scores).round(2)
    array([[0.4, 0.3, 0.2, 0.1]])
    """
    check_choice(loss, LOSSES, "loss")
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
            counts = np.asarray(expected_count, dtype=np.float64)
            if counts.shape != result.shape[1:]:
                raise ValueError(
                    f"expected_count must be of shape {result.shape[1:]}, one for each class, but is {counts.shape}"
                )
            result += log_count(counts, "expected_count").astype(result.dtype)
        return result.astype(classifier.dtype, copy=False)


@same_arguments_as(log_probabilities)
def probabilities(**arguments: Any) -> NDArray[Any]:
    """The exponential of `log_probabilities`, with the same arguments and errors."""
    with np.errstate(over="ignore"):  # of a model that is not normalised they can exceed 1 and overflow
        return np.exp(log_probabilities(**arguments))


class Classifier(NamedTuple):
    """Tables and inputs of matching shapes; `inputs` [batch, dim] in the dtype of the arithmetic.

    `dtype` is the dtype of results, that of the caller's inputs.
    """

    weights: Table
    biases: Table
    inputs: NDArray[Any]
    dtype: np.dtype[Any]


def read_classifier(weights: Any, biases: Any, inputs: Any, partition_strategy: str) -> Classifier:
    """Check weights, biases and inputs, each alone and against the others."""
    weight_table = read_table(weights, "weights", 2, partition_strategy)
    bias_table = read_table(biases, "biases", 1, partition_strategy)
    if bias_table.rows != weight_table.rows:
        raise ValueError(
            f"biases must be as many as the rows of weights, {weight_table.rows}, but are {bias_table.rows}"
        )
    vectors = native_array(inputs, "inputs")
    dtype = np.asarray(inputs).dtype.newbyteorder("=")
    if dtype.name not in _WORKING_DTYPE:
        raise ValueError(f"inputs must be float16, bfloat16, float32 or float64, not {dtype}")
    dim = weight_table.parts[0].shape[1]
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise ValueError(f"inputs must be [batch, {dim}], as weights have dim {dim}, but are of shape {vectors.shape}")
    working = vectors.astype(_WORKING_DTYPE[dtype.name], copy=False)
    return Classifier(weight_table, bias_table, working, dtype)


def all_logits(classifier: Classifier) -> NDArray[Any]:
    """``x·w + b`` of every class in the order of class ids, [batch, classes]."""
    weights, biases, inputs, _ = classifier
    with np.errstate(over="ignore", invalid="ignore"):  # infinity and NaN propagate
        logits = inputs @ join(weights).astype(inputs.dtype, copy=False).T
        logits += join(biases).astype(inputs.dtype, copy=False)
    return logits


def log_softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """``F - logsumexp(F)`` of each row, [batch, classes]."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
