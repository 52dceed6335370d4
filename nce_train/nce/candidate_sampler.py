"""Candidate samplers as objects: a noise distribution with prepared tables, or one that learns while it is used.

In: the true classes of a batch, the number of samples, with or without replacement, a seed. Out: `SampledValues`, the
samples drawn and the expected counts of samples and true classes. True classes do not influence what is drawn.
"""

import functools
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nce_train.nce.checks import check_choice, check_range, check_weights, native_array, positive_integer
from nce_train.nce.inclusion import inclusion_probability
from nce_train.nce.labels import read_labels
from nce_train.nce.probability import (
    distort,
    expected_count,
    log_uniform_probability,
    uniform_probability,
)
from nce_train.nce.random_stream import SamplerStream, open_stream

KINDS = ("log-uniform", "uniform", "unigram")
INCLUSIONS = ("approximate", "exact")

_NO_FLOATS = np.zeros(0, np.float32)
_NO_IDS = np.zeros(0, np.int64)


class SampledValues(NamedTuple):
    """The result of a sampler; the losses take it as `sampled_values`.

    `sampled_candidates`: int64 [num_sampled], the ids drawn. `true_expected_count`: float32, one for each
    true class ([batch, num_true]; flat for ragged true classes; [batch, T] for padded ones).
    `sampled_expected_count`: float32 [num_sampled]. The losses also take `sampled_candidates` [batch, num_sampled], a
    noise set for each example, with counts [num_sampled] or [batch, num_sampled].
    """

    sampled_candidates: Any
    true_expected_count: Any
    sampled_expected_count: Any


class CandidateSampler:
    """A noise distribution whose tables are prepared once; call it for each batch.

    Parameters
    ----------
    kind : {"log-uniform", "uniform", "unigram"}
    range_max : int
        Number of classes.
    weights : array_like of float [range_max], optional
        For "unigram" only: the weight of each class.

    Raises
    ------
    ValueError
        When the kind is unknown, or the weights are missing, not needed, of wrong length, negative or not finite,
        or all zero.
    """

    def __init__(self, kind: str, range_max: int, weights: ArrayLike | None = None) -> None:
        check_choice(kind, KINDS, "kind")
        self.kind = kind
        self.range_max = positive_integer(range_max, "range_max")
        self._exact: dict[int, NDArray[np.float32]] = {}
        if kind == "unigram" and weights is None:
            raise ValueError("weights, one for each class, are missing: kind 'unigram' needs them")
        if kind != "unigram" and weights is not None:
            raise ValueError(f"weights are for kind 'unigram' only, and must not be given for {kind!r}")
        if weights is not None:
            self._weights = np.asarray(weights, dtype=np.float32)
            check_weights(self._weights, "weights")
            if self._weights.size != self.range_max:
                raise ValueError(f"weights must be range_max {range_max} numbers, not {self._weights.size}")
            # A running sum in float32, as in TensorFlow, for the same last bits of the counts.
            with np.errstate(over="ignore"):
                total = np.cumsum(self._weights)[-1]
            if not np.isfinite(total):
                raise ValueError(f"weights must have a finite sum in float32, not {total}")
            self._probability = self._weights / total

    def __call__(
        self,
        true_classes: Any,
        num_true: int,
        num_sampled: int,
        unique: bool,
        seed: Any = None,
        *,
        rng: str = "nce_train",
        inclusion: str = "approximate",
    ) -> SampledValues:
        """Draw samples and compute the expected counts; arguments as in `log_uniform_candidate_sampler`."""
        check_choice(inclusion, INCLUSIONS, "inclusion")
        labels = read_labels(true_classes, num_true, "true_classes")
        check_range(labels.ids, self.range_max, "true_classes", "range_max")
        sampled, num_tries = self.draw(num_sampled, unique, open_stream(seed, rng))
        if unique and inclusion == "exact":
            counts = self._inclusion(sampled.size)
            true_count, sampled_count = counts[labels.ids], counts[sampled]
        else:
            true_count = expected_count(self.probability(labels.ids), sampled.size, num_tries)
            sampled_count = expected_count(self.probability(sampled), sampled.size, num_tries)
        return SampledValues(sampled, labels.shaped(true_count), sampled_count)

    def probability(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Probability of a single draw for each of `ids` (in range), float32 of the same shape."""
        if self.kind == "log-uniform":
            return log_uniform_probability(ids, self.range_max).astype(np.float32)
        if self.kind == "uniform":
            return uniform_probability(ids, self.range_max).astype(np.float32)
        return self._probability[ids]

    def draw(self, num_sampled: int, unique: bool, stream: SamplerStream) -> tuple[NDArray[np.int64], int]:
        """Draw from `stream`: (ids int64 [num_sampled], number of draws including the rejected ones)."""
        from nce_train.nce import kernels

        arguments = self.range_max, num_sampled, unique, stream
        if self.kind == "unigram":
            threshold, alias = self._alias_table
            drawable = int(np.count_nonzero(self._weights))
            return _draw(kernels.ALIAS, drawable, *arguments, threshold=threshold, alias=alias)
        kind = kernels.LOG_UNIFORM if self.kind == "log-uniform" else kernels.UNIFORM
        return _draw(kind, self.range_max, *arguments)

    @functools.cached_property
    def _alias_table(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        from nce_train.nce.kernels import build_alias_table

        return build_alias_table(self._weights)

    def _inclusion(self, num_sampled: int) -> NDArray[np.float32]:
        if num_sampled not in self._exact:
            probability = self.probability(np.arange(self.range_max)).astype(np.float64)
            exact = inclusion_probability(probability / probability.sum(), num_sampled)
            self._exact[num_sampled] = exact.astype(np.float32)
        return self._exact[num_sampled]


class LearnedUnigramCandidateSampler:
    """A unigram sampler that learns: the weight of a class is 1 plus the times it was among the true classes.

    Parameters
    ----------
    range_max : int
        Number of classes, below 2**31.
    seed : int, pair of int, SamplerStream or None
        Seed of the stream that all calls share, see `SamplerStream`.
    rng : {"nce_train", "tensorflow"}
        The random stream that `seed` refers to.

    Attributes
    ----------
    weights : int64 array [range_max]
        The counts so far. To continue from a saved state, assign whole numbers, not all 0; they are copied.

    Examples
    --------
    >>> from nce_train import nce
    >>> sampler = nce.LearnedUnigramCandidateSampler(4, seed=1)
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
        fractions = counts[counts % 1 != 0]
        if fractions.size:
            raise ValueError(f"weights must be whole numbers, but one is {fractions[0]}")
        total = counts.sum(dtype=np.float64)
        if total >= 2**63:
            raise ValueError(f"weights must have a sum below {2**63}, not {total:g}")
        self._weights = counts.astype(np.int64)

    def __call__(self, true_classes: Any, num_true: int, num_sampled: int, unique: bool) -> SampledValues:
        """Sample by the weights so far, then count `true_classes`.

        Arguments, result and errors as in `log_uniform_candidate_sampler`.
        """
        from nce_train.nce.kernels import CUMULATIVE

        labels = read_labels(true_classes, num_true, "true_classes")
        check_range(labels.ids, self.range_max, "true_classes", "range_max")
        check_weights(self.weights, "weights")  # they can be changed in place
        drawable = int(np.count_nonzero(self.weights))
        cumulative = np.cumsum(self.weights)
        sampled, num_tries = _draw(
            CUMULATIVE, drawable, self.range_max, num_sampled, unique, self.stream, cumulative=cumulative
        )
        probability = (self.weights / cumulative[-1]).astype(np.float32)
        true_count = expected_count(probability[labels.ids], sampled.size, num_tries)
        sampled_count = expected_count(probability[sampled], sampled.size, num_tries)
        np.add.at(self.weights, labels.ids, 1)
        return SampledValues(sampled, labels.shaped(true_count), sampled_count)


def sampler_from_counts(counts: ArrayLike, kind: str = "unigram", distortion: float = 0.75) -> CandidateSampler:
    """A prepared sampler for classes of the given counts; warns when the kind does not suit them.

    Parameters
    ----------
    counts : array_like of float [classes]
        How often each class occurs; the position is the class id.
    kind : {"unigram", "log-uniform", "uniform"}
        "log-uniform" uses the number of classes only, and assumes ids sorted by decreasing frequency.
    distortion : float
        "unigram" draws in proportion to ``counts ** distortion``.

    Returns
    -------
    CandidateSampler

    Warns
    -----
    UserWarning
        When the kind is "log-uniform" and a class is more frequent than the one before it.

    Raises
    ------
    ValueError
        When the kind is unknown, or the counts are negative, not finite or all zero.

    Examples
    --------
    >>> from nce_train import nce
    >>> sampler = nce.sampler_from_counts([60, 30, 10], "unigram", distortion=0.75)
    >>> sampler([[1]], num_true=1, num_sampled=6, unique=False, seed=3).sampled_candidates
    array([1, 0, 1, 0, 2, 1])
    """
    weights = np.asarray(counts, dtype=np.float64)
    check_weights(weights, "counts")
    if kind == "unigram":
        return CandidateSampler(kind, weights.size, distort(weights, distortion))
    rises = np.flatnonzero(np.diff(weights) > 0)
    if kind == "log-uniform" and rises.size:
        later = int(rises[0]) + 1
        warnings.warn(
            f"the log-uniform sampler assumes class ids sorted by decreasing frequency, but class {later}"
            f" has count {weights[later]:g} and class {later - 1} only {weights[later - 1]:g} ({rises.size}"
            " such pairs): sort the ids, or use kind='unigram'",
            stacklevel=2,
        )
    return CandidateSampler(kind, weights.size)


def _draw(
    kind: int,
    drawable: int,
    range_max: int,
    num_sampled: int,
    unique: bool,
    stream: SamplerStream,
    *,
    threshold: NDArray[np.float32] = _NO_FLOATS,
    alias: NDArray[np.int64] = _NO_IDS,
    cumulative: NDArray[np.int64] = _NO_IDS,
) -> tuple[NDArray[np.int64], int]:
    """Draw with the compiled kernel from the stream's next numbers: (ids, number of draws).

    `drawable` classes have a weight above 0.
    """
    from nce_train.nce.kernels import draw_candidates

    num_sampled = positive_integer(num_sampled, "num_sampled")
    if unique and num_sampled > drawable:
        raise ValueError(
            f"num_sampled {num_sampled} distinct ids cannot be drawn from {drawable} classes"
            + (f" (range_max {range_max})" if drawable == range_max else " of weight above 0")
        )
    sampled = np.empty(num_sampled, np.int64)
    reader = stream.open_reader()
    log_range = float(np.log(range_max + 1.0))
    num_tries = draw_candidates(
        kind, reader, num_sampled, bool(unique), range_max, log_range, threshold, alias, cumulative, sampled
    )
    stream.close_reader(reader, num_sampled)
    return sampled, int(num_tries)
