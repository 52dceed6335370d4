"""JAX's operations for `tensor_losses`, under the names that `torch_arrays` has too.

In and out: JAX arrays, traced ones too, except where a function says that it goes to or from NumPy. Without x64, JAX
has no 64-bit types: ids are int32 then.
"""

import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
from jax import numpy as jnp
from jax.numpy import einsum, log, logaddexp, where, zeros_like
from numpy.typing import NDArray

__all__ = ["einsum", "log", "logaddexp", "where", "zeros_like"]

concat = jnp.concatenate

F = TypeVar("F", bound=Callable[..., Any])


def outside_graphs(function: F) -> F:
    """`function` itself: what is traced is seen array by array."""
    return function


def is_array(value: Any) -> bool:
    """Whether `value` is a JAX array, traced or not."""
    return isinstance(value, jax.Array)


def is_traced(value: Any) -> bool:
    """Whether the numbers are unknown while a function is traced."""
    return isinstance(value, jax.core.Tracer)


def is_compiling() -> bool:
    """Whether what is computed now becomes a part of a compiled program: even sums of constants are traced then."""
    return is_traced(jnp.add(1, 1))


def host(value: jax.Array) -> NDArray[Any]:
    """The numbers as a NumPy array."""
    return np.asarray(value)


def stand_in(value: jax.Array, argument: str) -> NDArray[Any]:
    """A NumPy array of the array's shape and dtype that takes no memory, for the checks of both."""
    return np.broadcast_to(np.zeros((), value.dtype), value.shape)


def convert(value: Any, like: jax.Array) -> jax.Array:
    """`value` as a JAX array."""
    return value if isinstance(value, jax.Array) else jnp.asarray(np.asarray(value))


def constant(array: NDArray[Any], like: jax.Array) -> jax.Array:
    """A NumPy array: integers and booleans as they are, floats in the dtype of `like`."""
    return jnp.asarray(array.astype(like.dtype) if array.dtype.kind == "f" else array)


def cast(value: jax.Array, like: jax.Array) -> jax.Array:
    """`value` in the dtype of `like`."""
    return value.astype(like.dtype)


def as_ids(value: jax.Array) -> jax.Array:
    """`value` as integers."""
    return value if jnp.issubdtype(value.dtype, jnp.integer) else value.astype(int)


def working(inputs: jax.Array) -> jax.Array:
    """`inputs` in the dtype of the arithmetic: float32 for 16 bits."""
    return inputs.astype(jnp.float32) if inputs.dtype in (jnp.float16, jnp.bfloat16) else inputs


def full_precision(inputs: jax.Array) -> contextlib.AbstractContextManager[Any]:
    """Nothing: the precision of products is the program's choice (`jax.default_matmul_precision`)."""
    return contextlib.nullcontext()


def take(table: jax.Array, ids: jax.Array, sparse: bool) -> jax.Array:
    """Rows of a matrix, or numbers of a vector, at `ids` [n]; NaN where a traced id is out of range."""
    # JAX counts negative ids from the end; one beyond the end is filled with NaN.
    return jnp.take(table, jnp.where(ids < 0, table.shape[0], ids), axis=0)


def split(values: jax.Array, first: int) -> tuple[jax.Array, jax.Array]:
    """The `first` rows and the others."""
    one, other = jnp.split(values, [first])
    return one, other


def take_along_last(values: jax.Array, order: jax.Array) -> jax.Array:
    """Rearrange the last axis."""
    return jnp.take_along_axis(values, order, axis=-1)


def argsort(values: jax.Array) -> jax.Array:
    """The stable order of the last axis."""
    return jnp.argsort(values, axis=-1, stable=True)


def logsumexp(logits: jax.Array) -> jax.Array:
    """Of each row of a matrix."""
    return jax.nn.logsumexp(logits, axis=1)


def log_softmax(logits: jax.Array) -> jax.Array:
    """Of each row of a matrix."""
    return jax.nn.log_softmax(logits, axis=1)


def sums_by_column(ids: jax.Array, values: jax.Array, columns: int) -> jax.Array:
    """[batch, columns], zeros to which row i has added `values`[i, t] at column `ids`[i, t]; out of range, NaN."""
    rows = jnp.arange(ids.shape[0])[:, None]
    in_range = (ids >= 0) & (ids < columns)
    places, added = jnp.where(in_range, ids, 0), jnp.where(in_range, values, jnp.nan)
    return jnp.zeros((ids.shape[0], columns), values.dtype).at[rows, places].add(added)
