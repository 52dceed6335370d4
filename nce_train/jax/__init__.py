"""Noise for JAX programs. The losses are those of `nce_train.nce`, which take JAX arrays. It needs the extra `jax`."""

try:
    import jax as _  # noqa: F401
except ImportError as error:
    raise ImportError("nce_train.jax needs JAX: pip install 'nce-train[jax]'") from error

from nce_train.jax.noise_sampler import NoiseSampler

__all__ = ["NoiseSampler"]
