"""Noise that can be drawn inside compiled functions: the samplers of `nce_train.nce` behind a callback to the host.

In: labels, which may be traced, and the number of the step. Out: `SampledValues` of JAX arrays. The step and the seed
alone decide what is drawn, so that a compiled, repeated or resumed program draws the same.
"""

from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nce_train.nce.candidate_sampler import INCLUSIONS, LearnedUnigramCandidateSampler, SampledValues
from nce_train.nce.checks import check_choice, positive_integer
from nce_train.nce.labels import PaddedLabels
from nce_train.nce.noise import LabelOrder, prepared_sampler
from nce_train.nce.random_stream import SamplerStream


class NoiseSampler:
    """Draws the noise of each step of a training, inside `jax.jit` and outside.

    Parameters
    ----------
    num_classes : int
    num_sampled : int
        Noise samples of a call, shared by the examples of the batch.
    sampler : {"log-uniform", "uniform", "unigram"}, CandidateSampler, or None
        The distribution; by default "unigram" when `counts` are given, else "log-uniform", for ids sorted by decreasing
        frequency.
    counts : array_like of float [num_classes], optional
        How often each class occurs.
    distortion : float
        "unigram" draws in proportion to ``counts ** distortion``.
    unique : bool
        Samples without replacement.
    inclusion : {"approximate", "exact"}
        Expected counts of unique samples, see `nce.log_uniform_candidate_sampler`.
    seed : int
        In distributed training give each process its own.

    Raises
    ------
    ValueError
        When an argument does not fit. A learned sampler is refused: it counts labels, and a compiled function must not
        keep state. Draw from it outside, and give the noise to the function.

    Warns
    -----
    UserWarning
        When the sampler is "log-uniform" and the counts, or else the first 1,000 labels, show that the ids are not
        sorted by decreasing frequency.

    Notes
    -----
    Step s draws from ``SamplerStream((seed, s))``: the ids are those of the NumPy sampler with this stream.

    Examples
    --------
    >>> import jax
    >>> from nce_train import nce
    >>> from nce_train.jax import NoiseSampler
    >>> noise = NoiseSampler(num_classes=50, num_sampled=5, seed=1)
    >>> @jax.jit
    ... def loss(weights, biases, labels, inputs, step):
    ...     values = noise(labels, step)
    ...     return nce.nce_loss(weights, biases, labels, inputs, 5, 50, sampled_values=values).mean()
    >>> weights, biases, inputs = jax.numpy.zeros((50, 8)), jax.numpy.zeros(50), jax.numpy.ones((2, 8))
    >>> round(float(loss(weights, biases, jax.numpy.array([[3], [17]]), inputs, 0)), 4)
    8.5275
    """

    def __init__(
        self,
        num_classes: int,
        num_sampled: int,
        *,
        sampler: Any = None,
        counts: ArrayLike | None = None,
        distortion: float = 0.75,
        unique: bool = True,
        inclusion: str = "approximate",
        seed: int = 0,
    ) -> None:
        check_choice(inclusion, INCLUSIONS, "inclusion")
        self.num_classes = positive_integer(num_classes, "num_classes")
        self.num_sampled = positive_integer(num_sampled, "num_sampled")
        self.unique, self.inclusion = unique, inclusion
        if not isinstance(seed, int | np.integer):
            raise ValueError(f"seed must be an integer, as the step is the second seed, not {seed!r}")
        if unique and self.num_sampled > self.num_classes:
            raise ValueError(
                f"num_sampled must be at most num_classes {self.num_classes} with unique, not {num_sampled}"
            )
        self.seed = SamplerStream(seed).seed
        prepared = prepared_sampler(sampler, self.num_classes, counts, distortion, SamplerStream(seed))
        if isinstance(prepared, LearnedUnigramCandidateSampler):
            raise ValueError(
                "sampler must not be a learned one, which keeps state: draw from it outside of compiled functions, and"
                " give them the noise"
            )
        self.sampler = prepared
        unsure = counts is None and prepared.kind == "log-uniform"
        self._order = LabelOrder(self.num_classes) if unsure else None

    def __call__(self, labels: Any, step: Any) -> SampledValues:
        """Draw the noise of a step.

        Parameters
        ----------
        labels : array of int [batch, num_true], or PaddedLabels
        step : int
            The number of the step, which may be traced.

        Returns
        -------
        SampledValues of ids and of expected counts in float32.

        Raises
        ------
        ValueError
            When the labels have another shape. In a compiled function a label out of range is an error of JAX's
            runtime.
        """
        ids, mask = labels if isinstance(labels, PaddedLabels) else (labels, None)
        if np.ndim(ids) != 2:
            raise ValueError(f"labels must be a matrix [batch, num_true] or PaddedLabels, not of shape {np.shape(ids)}")
        single = np.dtype(np.float32)
        shapes = SampledValues(
            jax.ShapeDtypeStruct((self.num_sampled,), jax.dtypes.canonicalize_dtype(np.int64)),
            jax.ShapeDtypeStruct(np.shape(ids), single),
            jax.ShapeDtypeStruct((self.num_sampled,), single),
        )
        return jax.pure_callback(self._draw, shapes, step, ids, mask, vmap_method="sequential")

    def _draw(self, step: Any, ids: Any, mask: Any) -> SampledValues:
        matrix = np.asarray(ids)
        labels: Any = matrix if mask is None else PaddedLabels(matrix, np.asarray(mask))
        if self._order is not None:
            self._order.watch(matrix if mask is None else matrix[np.asarray(mask)])
        values = self.sampler(
            labels,
            max(matrix.shape[1], 1),
            self.num_sampled,
            self.unique,
            SamplerStream((self.seed, int(step))),
            inclusion=self.inclusion,
        )
        return SampledValues(_integers(values.sampled_candidates), *values[1:])


def _integers(ids: NDArray[np.int64]) -> NDArray[Any]:
    return ids.astype(jax.dtypes.canonicalize_dtype(np.int64))
