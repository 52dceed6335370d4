"""The NCE loss of held-out pairs, in batches that can be summed one by one, in this process or on a cluster.

In: pairs and the settings of a run. Out: batches with their noise, which is the same each time it is drawn. Then
parameters and a batch go in, and the sum of the batch's losses comes out. The twin is `nce_train.nce.nce_loss`.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nce_train import nce

PAIRS_PER_BATCH = 1024


class NceBatch(NamedTuple):
    """Pairs and the noise samples of their loss.

    Attributes
    ----------
    centres, contexts : int64 [pairs]
    log_count : float64 [pairs]
        log Q of the contexts, the logarithm of their expected counts.
    noise : int64 [num_sampled]
    log_noise_count : float64 [num_sampled]
        log Q of the noise.
    """

    centres: NDArray[np.int64]
    contexts: NDArray[np.int64]
    log_count: NDArray[np.float64]
    noise: NDArray[np.int64]
    log_noise_count: NDArray[np.float64]


def nce_batches(
    centres: NDArray[np.int64], contexts: NDArray[np.int64], counts: NDArray[np.int64], settings: Mapping[str, Any]
) -> Iterator[NceBatch]:
    """Divide pairs into batches, in their order, and draw each batch's noise by the run's sampler with seed 0.

    Parameters
    ----------
    centres, contexts : int64 [pairs]
    counts : int64 [vocabulary]
    settings : mapping
        `sampler`, `distortion`, `num_sampled` and `unique` of the run.
    """
    kind = settings["sampler"]
    # The other samplers use the order of the classes only. By count, the unknown word in row 0 may be out of order.
    weights = counts if kind == "unigram" else np.arange(len(counts), 0, -1)
    sampler = nce.sampler_from_counts(weights, kind, settings["distortion"])
    stream = nce.SamplerStream(0)
    for first in range(0, len(centres), PAIRS_PER_BATCH):
        part = slice(first, first + PAIRS_PER_BATCH)
        drawn = sampler(contexts[part, None], 1, int(settings["num_sampled"]), bool(settings["unique"]), seed=stream)
        with np.errstate(divide="ignore"):  # a class that is never drawn as noise has Q = 0, and no loss as a context
            log_count = np.log(drawn.true_expected_count[:, 0], dtype=np.float64)
        log_noise_count = np.log(drawn.sampled_expected_count, dtype=np.float64)
        yield NceBatch(centres[part], contexts[part], log_count, drawn.sampled_candidates, log_noise_count)


def sum_of_nce_losses(
    batch: NceBatch, input: NDArray[np.float32], output: NDArray[np.float32], bias: NDArray[np.float32]
) -> float:
    """Sum the losses of a batch's pairs, each an example of `nce_loss` with one label.

    Parameters
    ----------
    batch : NceBatch
    input, output : float32 [vocabulary, dim]
    bias : float32 [vocabulary]

    Notes
    -----
    In float64 and without BLAS, whose last bits may depend on the number of threads: the sum is the same on every
    machine of a cluster.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # a model that diverged has a sum that is not finite
        vectors = input[batch.centres].astype(np.float64)
        logits = np.einsum("pd,pd->p", vectors, output[batch.contexts].astype(np.float64))
        logits += bias[batch.contexts] - batch.log_count
        noise_logits = np.einsum("pd,sd->ps", vectors, output[batch.noise].astype(np.float64))
        noise_logits += bias[batch.noise] - batch.log_noise_count
        return float(np.logaddexp(0, -logits).sum() + np.logaddexp(0, noise_logits).sum())


def mean_nce_loss(sums: Iterable[float], pairs: int) -> float:
    """Compute the mean per pair from the sums of all batches."""
    return math.fsum(sums) / pairs
