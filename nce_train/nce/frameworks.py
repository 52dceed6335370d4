"""Whose arrays a caller gave: NumPy's, PyTorch's or JAX's.

In: the arguments of a loss. Out: the module with the framework's operations (`torch_arrays` or `jax_arrays`, which have
the same names), or None for NumPy. The type's module tells, so that neither framework is imported unless the caller
has done so.
"""

import importlib
from types import ModuleType
from typing import Any

_HOMES = {
    "torch": "nce_train.nce.torch_arrays",
    "jax": "nce_train.nce.jax_arrays",
    "jaxlib": "nce_train.nce.jax_arrays",
}


def operations_for(weights: Any, biases: Any, inputs: Any) -> ModuleType | None:
    """The operations of the framework that the tables or the inputs belong to, or None."""
    for value in (weights, biases, inputs):
        for part in value if isinstance(value, list | tuple) else (value,):
            home = _home(type(part))
            if home is not None:
                return importlib.import_module(home)
    return None


def check_no_tensors(weights: Any, biases: Any, inputs: Any) -> None:
    """Raise ValueError when a function with gradients, which is for NumPy's arrays alone, is given tensors."""
    if operations_for(weights, biases, inputs) is not None:
        raise ValueError(
            "the functions …_and_gradients take NumPy arrays only: give tensors to the loss of the same name without"
            " it, and let the framework differentiate (losses.sum().backward() in PyTorch, jax.grad in JAX)"
        )


def _home(kind: type) -> str | None:
    for base in kind.__mro__:
        home = _HOMES.get(base.__module__.partition(".")[0])
        if home is not None:
            return home
    return None
