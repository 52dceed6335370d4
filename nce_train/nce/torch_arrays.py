"""PyTorch's operations for `tensor_losses`, under the names that `jax_arrays` has too.

In and out: tensors, except where a function says that it goes to or from NumPy. A tensor is never converted to what
it is already, which would cut it off from its gradient.
"""

import contextlib
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import concat, einsum, log, logaddexp, where, zeros_like
from torch.nn import functional

from nce_train.nce.checks import native_array

__all__ = ["concat", "einsum", "log", "logaddexp", "where", "zeros_like"]

# NumPy arrays are read while Python runs, not in a compiled graph: torch.compile breaks its graph here.
outside_graphs = torch.compiler.disable


def is_array(value: Any) -> bool:
    """Whether `value` is a tensor."""
    return isinstance(value, torch.Tensor)


def is_traced(value: Any) -> bool:
    """Whether the numbers are still unknown; never, since arguments are read outside graphs."""
    return False


def is_compiling() -> bool:
    """Whether what is computed now becomes a part of a compiled program."""
    return False


def host(value: torch.Tensor) -> NDArray[Any]:
    """The numbers as a NumPy array, bfloat16 as float32."""
    value = value.detach()
    return (value.float() if value.dtype == torch.bfloat16 else value).cpu().numpy()


def stand_in(value: torch.Tensor, argument: str) -> NDArray[Any]:
    """A NumPy array of the tensor's shape and dtype that takes no memory, for the checks of both."""
    name = str(value.dtype).removeprefix("torch.")
    try:
        dtype = np.dtype("float32" if name == "bfloat16" else name)
    except TypeError:
        raise ValueError(f"{argument} must be float16, bfloat16, float32 or float64, not {name}") from None
    return np.broadcast_to(np.zeros((), dtype), tuple(value.shape))


def convert(value: Any, like: torch.Tensor) -> torch.Tensor:
    """`value` itself if it is a tensor, else its numbers on the device of `like`."""
    return (
        value if isinstance(value, torch.Tensor) else torch.as_tensor(native_array(value, "array"), device=like.device)
    )


def constant(array: NDArray[Any], like: torch.Tensor) -> torch.Tensor:
    """A NumPy array on the device of `like`: integers and booleans as they are, floats in its dtype."""
    dtype = like.dtype if array.dtype.kind == "f" else None
    return torch.as_tensor(array).to(device=like.device, dtype=dtype, non_blocking=True)


def cast(value: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """`value` in the dtype of `like`."""
    return value.to(like.dtype)


def as_ids(value: torch.Tensor) -> torch.Tensor:
    """`value` as integers."""
    return value.long()


def working(inputs: torch.Tensor) -> torch.Tensor:
    """`inputs` in the dtype of the arithmetic: float32 for 16 bits."""
    return inputs.float() if inputs.dtype in (torch.float16, torch.bfloat16) else inputs


def full_precision(inputs: torch.Tensor) -> contextlib.AbstractContextManager[Any]:
    """A block in which autocast does not bring products into 16 bits."""
    if not torch.amp.is_autocast_available(inputs.device.type):
        return contextlib.nullcontext()
    return torch.autocast(inputs.device.type, enabled=False)


def take(table: torch.Tensor, ids: torch.Tensor, sparse: bool) -> torch.Tensor:
    """Rows of a matrix, or numbers of a vector, at `ids` [n]; with `sparse` the table's gradient is sparse."""
    if table.ndim == 2:
        return functional.embedding(ids, table, sparse=sparse)
    return torch.gather(table, 0, ids, sparse_grad=sparse)


def split(values: torch.Tensor, first: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The `first` rows and the others, by one operation whose gradient joins them again."""
    one, other = torch.split(values, [first, values.shape[0] - first])
    return one, other


def take_along_last(values: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """Rearrange the last axis."""
    return torch.take_along_dim(values, order, dim=-1)


def argsort(values: torch.Tensor) -> torch.Tensor:
    """The stable order of the last axis."""
    return torch.argsort(values, dim=-1, stable=True)


def logsumexp(logits: torch.Tensor) -> torch.Tensor:
    """Of each row of a matrix."""
    return torch.logsumexp(logits, dim=1)


def log_softmax(logits: torch.Tensor) -> torch.Tensor:
    """Of each row of a matrix."""
    return torch.log_softmax(logits, dim=1)


def sums_by_column(ids: torch.Tensor, values: torch.Tensor, columns: int) -> torch.Tensor:
    """[batch, columns], zeros to which row i has added `values`[i, t] at column `ids`[i, t]."""
    return torch.zeros((ids.shape[0], columns), dtype=values.dtype, device=values.device).scatter_add(1, ids, values)
