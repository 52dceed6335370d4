"""The NCE loss of held-out examples, in batches that can be summed one by one, in this process or on a cluster.

In: examples and the settings of a run. Out: batches with their noise, which is the same each time it is drawn. Then
parameters and a batch go in, and the sum of the batch's losses comes out. The twin is `nce_train.nce.nce_loss`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nce_train import nce
from nce_train.evaluation.heldout_examples import Examples
from nce_train.evaluation.word_bags import WordBags, bag_vectors

EXAMPLES_PER_BATCH = 1024


class NceBatch(NamedTuple):
    """Examples [examples] and the noise samples [num_sampled] of their loss.

    `log_count` and `log_noise_count` are log Q of labels and noise, the logarithms of their expected counts.
    """

    bags: WordBags
    labels: NDArray[np.int32]
    log_count: NDArray[np.float64]
    noise: NDArray[np.int64]
    log_noise_count: NDArray[np.float64]


def nce_batches(examples: Examples, counts: NDArray[np.int64], settings: Mapping[str, Any]) -> Iterator[NceBatch]:
    """Divide examples into batches, in their order, and draw each batch's noise by the run's sampler with seed 0."""
    kind = settings["sampler"]
    # The other samplers use the order of the classes only. By count, the unknown word in row 0 may be out of order.
    weights = counts if kind == "unigram" else np.arange(len(counts), 0, -1)
    sampler = nce.sampler_from_counts(weights, kind, settings["distortion"])
    stream = nce.SamplerStream(0)
    for first in range(0, len(examples.labels), EXAMPLES_PER_BATCH):
        part = slice(first, first + EXAMPLES_PER_BATCH)
        labels = examples.labels[part]
        drawn = sampler(labels[:, None], 1, int(settings["num_sampled"]), bool(settings["unique"]), seed=stream)
        with np.errstate(divide="ignore"):  # a class that is never drawn as noise has Q = 0, and no loss as a label
            log_count = np.log(drawn.true_expected_count[:, 0], dtype=np.float64)
        log_noise_count = np.log(drawn.sampled_expected_count, dtype=np.float64)
        yield NceBatch(examples.bags.part(part), labels, log_count, drawn.sampled_candidates, log_noise_count)


def sum_of_nce_losses(
    batch: NceBatch, input: NDArray[np.float32], output: NDArray[np.float32], bias: NDArray[np.float32]
) -> float:
    """Sum the losses of a batch's examples, each one of `nce_loss` with one label.

    In float64 and without BLAS, whose last bits may depend on the number of threads: the sum is the same on every
    machine of a cluster.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # a model that diverged has a sum that is not finite
        vectors = bag_vectors(batch.bags, input)
        logits = np.einsum("pd,pd->p", vectors, output[batch.labels].astype(np.float64))
        logits += bias[batch.labels] - batch.log_count
        noise_logits = np.einsum("pd,sd->ps", vectors, output[batch.noise].astype(np.float64))
        noise_logits += bias[batch.noise] - batch.log_noise_count
        return float(np.logaddexp(0, -logits).sum() + np.logaddexp(0, noise_logits).sum())
