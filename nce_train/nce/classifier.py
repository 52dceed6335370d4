"""The linear classifier that all losses share: class tables and a batch of input vectors, checked together.

In: weights, biases and inputs as the caller gave them. Out: `Classifier`, and the logits of all classes.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nce_train.nce.labels import native_array
from nce_train.nce.partition import Table, partition_slices, read_table

# float16 is computed in float32: sums of products in float16 lose most of their digits.
_WORKING_DTYPE = {np.dtype(t): np.dtype(w) for t, w in (("f2", "f4"), ("f4", "f4"), ("f8", "f8"))}


class Classifier(NamedTuple):
    """Tables and inputs that fit each other; `inputs` [batch, dim] in the dtype of the arithmetic.

    `dtype` is the dtype of results: the one that the inputs came in.
    """

    weights: Table
    biases: Table
    inputs: NDArray[Any]
    dtype: np.dtype[Any]


def read_classifier(weights: Any, biases: Any, inputs: Any, partition_strategy: str) -> Classifier:
    """Check weights, biases and inputs and bring them together.

    Raises
    ------
    ValueError
        When a table does not fit its layout, or rows, dims or dtypes disagree.
    """
    weight_table = read_table(weights, "weights", 2, partition_strategy)
    bias_table = read_table(biases, "biases", 1, partition_strategy)
    if bias_table.rows != weight_table.rows:
        raise ValueError(
            f"biases must be as many as the rows of weights, {weight_table.rows}, but are {bias_table.rows}"
        )
    vectors = native_array(inputs, "inputs")
    if vectors.dtype not in _WORKING_DTYPE:
        raise ValueError(f"inputs must be float16, float32 or float64, not {vectors.dtype}")
    dim = weight_table.parts[0].shape[1]
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise ValueError(f"inputs must be [batch, {dim}], as weights have dim {dim}, but are of shape {vectors.shape}")
    working = vectors.astype(_WORKING_DTYPE[vectors.dtype], copy=False)
    return Classifier(weight_table, bias_table, working, vectors.dtype)


def all_logits(classifier: Classifier) -> NDArray[Any]:
    """``x·w + b`` of every class in the order of class ids, [batch, classes]."""
    weights, biases, inputs, _ = classifier
    logits = np.empty((inputs.shape[0], weights.rows), inputs.dtype)
    with np.errstate(over="ignore", invalid="ignore"):  # infinity and NaN propagate
        for ids, part in zip(_class_ids(weights), weights.parts, strict=True):
            logits[:, ids] = inputs @ part.astype(inputs.dtype, copy=False).T
        for ids, part in zip(_class_ids(biases), biases.parts, strict=True):
            logits[:, ids] += part.astype(inputs.dtype, copy=False)
    return logits


def _class_ids(table: Table) -> list[slice]:
    return partition_slices(table.rows, len(table.parts), table.strategy)
