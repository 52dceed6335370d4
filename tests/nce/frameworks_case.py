"""What the tests of PyTorch and JAX share: both behind one face that takes and gives NumPy arrays."""

import contextlib
import importlib.util

import numpy as np
import pytest

from nce_train import nce

if not (importlib.util.find_spec("torch") or importlib.util.find_spec("jax")):  # one line for each module of tests
    pytest.skip("needs PyTorch or JAX: pip install 'nce-train[torch,jax]'", allow_module_level=True)

SAMPLED = ("nce_loss", "negative_sampling_loss", "sampled_softmax_loss")
FULL = ("sigmoid_loss", "softmax_loss")


class Torch:
    """PyTorch: gradients by `backward`."""

    def __init__(self):
        self.torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'nce-train[torch]'")

    def precision(self, dtype):
        return contextlib.nullcontext()

    def array(self, value):
        return self.torch.tensor(value)

    def differentiate(self, loss, tables):
        """The losses, and the gradients of their sum by the arrays of `tables`."""
        leaves = [self.torch.tensor(table, requires_grad=True) for table in tables]
        losses = loss(*leaves)
        losses.sum().backward()
        return losses.detach().numpy(), [leaf.grad.numpy() for leaf in leaves]


class Jax:
    """JAX: gradients by `jax.grad`, compiled or not, with 64-bit types only where float64 is tested."""

    compiled = False

    def __init__(self):
        self.jax = pytest.importorskip("jax", reason="needs JAX: pip install 'nce-train[jax]'")

    def precision(self, dtype):
        return self.jax.enable_x64(dtype == np.float64)

    def array(self, value):
        return self.jax.numpy.asarray(value)

    def differentiate(self, loss, tables):
        def summed(*arrays):
            losses = loss(*arrays)
            return losses.sum(), losses

        gradient = self.jax.grad(summed, argnums=tuple(range(len(tables))), has_aux=True)
        gradient = self.jax.jit(gradient) if self.compiled else gradient
        gradients, losses = gradient(*map(self.array, tables))
        return np.asarray(losses), [np.asarray(each) for each in gradients]


FRAMEWORKS = {"torch": Torch, "jax": Jax}


def run(framework, name, weights, biases, labels, inputs, *arguments, **options):
    """(losses, gradients of inputs, weights, biases) of a loss of tensors; partitions are lists."""
    tables = [*_parts(weights), *_parts(biases), inputs]
    split = len(_parts(weights))

    def loss(*leaves):
        return getattr(nce, name)(
            list(leaves[:split]) if isinstance(weights, list) else leaves[0],
            list(leaves[split:-1]) if isinstance(biases, list) else leaves[split],
            labels,
            leaves[-1],
            *arguments,
            **options,
        )

    with framework.precision(inputs.dtype):
        losses, gradients = framework.differentiate(loss, tables)
    return losses, (
        gradients[-1],
        gradients[:split] if isinstance(weights, list) else gradients[0],
        gradients[split:-1] if isinstance(biases, list) else gradients[split],
    )


def _parts(table):
    return table if isinstance(table, list) else [table]
