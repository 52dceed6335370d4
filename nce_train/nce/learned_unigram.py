"""The sampler that learns the distribution of the classes while it is used.

In: the true classes of each batch, which it counts. Out: samples in proportion to the counts so far.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nce_train.nce.labels import check_range, native_array, positive_integer, read_true_classes
from nce_train.nce.probability import check_weights, expected_count
from nce_train.nce.random_stream import open_stream
from nce_train.nce.samplers import SampledValues, draw_with


class LearnedUnigramCandidateSampler:
    """A unigram sampler whose weights start at 1 and grow by 1 with each true class it is shown.

    Parameters
    ----------
    range_max : int
        Number of classes, below 2**31.
    seed : int, pair of int, SamplerStream or None
        Opens the stream that all calls share; see `SamplerStream`.
    rng : {"nce_train", "tensorflow"}

    Attributes
    ----------
    weights : int64 array [range_max]
        The counts so far; assign whole numbers to it, not all 0, to go on from a saved state (copied).

    Examples
    --------
    >>> sampler = LearnedUnigramCandidateSampler(4, seed=1)
    >>> _ = sampler([[3], [3]], num_true=1, num_sampled=2, unique=True)
    >>> sampler.weights.tolist()
    [1, 1, 1, 3]
    """

    def __init__(self, range_max: int, seed: Any = None, rng: str = "nce_train") -> None:
        self.range_max = positive_integer(range_max, "range_max")
        if self.range_max >= 2**31:
            raise ValueError(f"range_max must be below {2**31}, not {range_max}")
        self.weights = np.ones(self.range_max, np.int64)
        self.stream = open_stream(seed, rng)

    @property
    def weights(self) -> NDArray[np.int64]:
        return self._weights

    @weights.setter
    def weights(self, weights: ArrayLike) -> None:
        counts = native_array(weights, "weights")
        if counts.dtype.kind not in "iuf":
            raise ValueError(f"weights must be whole numbers, not {counts.dtype}")
        check_weights(counts, "weights")
        if counts.size != self.range_max:
            raise ValueError(f"weights must be range_max {self.range_max} numbers, not {counts.size}")
        broken = counts[counts % 1 != 0]
        if broken.size:
            raise ValueError(f"weights must be whole numbers, but one is {broken[0]}")
        total = counts.sum(dtype=np.float64)
        if total >= 2**63:
            raise ValueError(f"weights must have a sum below {2**63}, not {total:g}")
        self._weights = counts.astype(np.int64)

    def __call__(self, true_classes: Any, num_true: int, num_sampled: int, unique: bool) -> SampledValues:
        """Sample and report expected counts by the weights so far, then count `true_classes`.

        Arguments, result and errors as in `log_uniform_candidate_sampler`.
        """
        from nce_train.nce.draw_kernel import CUMULATIVE

        num_sampled = positive_integer(num_sampled, "num_sampled")
        targets = read_true_classes(true_classes, num_true)
        check_range(targets.ids, self.range_max, "true_classes", "range_max")
        if unique and num_sampled > self.range_max:
            raise ValueError(
                f"num_sampled {num_sampled} distinct ids cannot be drawn from range_max {self.range_max} classes"
            )
        check_weights(self.weights, "weights")  # they may have been changed in place
        cumulative = np.cumsum(self.weights)
        sampled, num_tries = draw_with(
            CUMULATIVE, self.range_max, num_sampled, unique, self.stream, cumulative=cumulative
        )
        probability = (self.weights / cumulative[-1]).astype(np.float32)
        true_count = expected_count(probability[targets.ids], num_sampled, num_tries)
        if not targets.ragged:
            true_count = true_count.reshape(targets.batch, positive_integer(num_true, "num_true"))
        sampled_count = expected_count(probability[sampled], num_sampled, num_tries)
        np.add.at(self.weights, targets.ids, 1)
        return SampledValues(sampled, true_count, sampled_count)


def learned_unigram_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: Any = None,
    name: str | None = None,
    *,
    rng: str = "nce_train",
) -> SampledValues:
    """One call of a fresh learned unigram sampler, hence uniform: a function keeps no state between calls.

    `LearnedUnigramCandidateSampler` is the class that does, and what to use for learning. Arguments,
    result and errors as in `log_uniform_candidate_sampler`.
    """
    return LearnedUnigramCandidateSampler(range_max, seed, rng)(true_classes, num_true, num_sampled, unique)
