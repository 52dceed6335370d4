"""Gradients of a batch in the form the caller wants: whole tables, or the touched rows only.

In: for each use of a class its id and the gradient it adds. Out: `Gradients`, duplicates summed.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nce_train.nce.partition import Table, scatter

FORMS = ("dense", "rows")


class Gradients(NamedTuple):
    """Gradients of the summed loss, in the dtype of the inputs.

    `inputs`: [batch, dim]. `weights` and `biases`: for "dense", arrays of the tables' shapes (a list of
    them where the table came as partitions); for "rows", a pair (ids int64 [touched], rows [touched, dim]
    or [touched]) with rising class ids, those of labels and samples, whatever the partitions.
    """

    inputs: NDArray[Any]
    weights: Any
    biases: Any


def check_form(gradients: str) -> None:
    """Raise ValueError unless `gradients` names a form."""
    if gradients not in FORMS:
        raise ValueError(f"gradients must be one of {FORMS}, not {gradients!r}")


def assemble(
    form: str,
    weights: Table,
    biases: Table,
    input_gradient: NDArray[Any],
    ids: NDArray[np.int64],
    weight_gradient: NDArray[Any],
    bias_gradient: NDArray[Any],
    dtype: np.dtype[Any],
) -> Gradients:
    """Sum by class what each use of a class adds: `weight_gradient` [uses, dim], `bias_gradient` [uses].

    `ids` int64 [uses] are the classes used.
    """
    from nce_train.nce.sum_kernel import sum_by_place

    touched, place = np.unique(ids, return_inverse=True)
    weight_rows = np.zeros((touched.size, weight_gradient.shape[1]), weight_gradient.dtype)
    bias_rows = np.zeros(touched.size, bias_gradient.dtype)
    sum_by_place(place, weight_gradient, bias_gradient, weight_rows, bias_rows)  # NumPy: 0.1 ms, this: 0.01
    input_gradient, weight_rows, bias_rows = (
        values.astype(dtype, copy=False) for values in (input_gradient, weight_rows, bias_rows)
    )
    if form == "rows":
        return Gradients(input_gradient, (touched, weight_rows), (touched, bias_rows))
    return Gradients(input_gradient, scatter(weights, touched, weight_rows), scatter(biases, touched, bias_rows))
