"""Candidate samplers: draw noise classes and tell how often each class is expected to be drawn.

In: the true classes of a batch (they get their expected count and never influence what is drawn), how many
samples, with or without replacement, a seed. Out: `SampledValues`. The functions carry TensorFlow's names and
argument order; `CandidateSampler` is the same with its tables prepared once.
"""

import functools
import os
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nce_train.nce.inclusion import inclusion_probability
from nce_train.nce.labels import check_range, positive_integer, read_true_classes
from nce_train.nce.probability import (
    check_weights,
    expected_count,
    log_uniform_probability,
    uniform_probability,
)
from nce_train.nce.random_stream import SamplerStream, open_stream
from nce_train.nce.unigrams import distort, read_unigrams

KINDS = ("log-uniform", "uniform", "unigram")
INCLUSIONS = ("approximate", "exact")


class SampledValues(NamedTuple):
    """What a sampler returns, and what the losses take as `sampled_values`.

    `sampled_candidates`: int64 [num_sampled], the ids drawn. `true_expected_count`: float32, one for each
    true class ([batch, num_true]; flat for ragged true classes). `sampled_expected_count`: float32
    [num_sampled]. The losses also take `sampled_candidates` [batch, num_sampled], a noise set for each
    example, with counts [num_sampled] or [batch, num_sampled].
    """

    sampled_candidates: Any
    true_expected_count: Any
    sampled_expected_count: Any


class CandidateSampler:
    """A noise distribution with its tables prepared, to be called once a batch.

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
        When the kind is unknown, or the weights do not fit it or are no weights.
    """

    def __init__(self, kind: str, range_max: int, weights: ArrayLike | None = None) -> None:
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {KINDS}, not {kind!r}")
        self.kind = kind
        self.range_max = positive_integer(range_max, "range_max")
        self._exact: dict[int, NDArray[np.float32]] = {}
        self._weights = None if weights is None else np.asarray(weights, dtype=np.float32)
        if kind == "unigram" and self._weights is None:
            raise ValueError("weights, one for each class, are missing: kind 'unigram' needs them")
        if kind != "unigram" and self._weights is not None:
            raise ValueError(f"weights are for kind 'unigram' only, and must not be given for {kind!r}")
        if self._weights is not None:
            check_weights(self._weights, "weights")
            if self._weights.size != self.range_max:
                raise ValueError(f"weights must be range_max {range_max} numbers, not {self._weights.size}")
            # The running sum in float32 is TensorFlow's; it settles the last bits of its counts.
            with np.errstate(over="ignore"):
                total = np.cumsum(self._weights)[-1]
            if not np.isfinite(total):
                raise ValueError(f"weights must have a finite sum in float32, but theirs is {total}")
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
        """Draw, and report the expected counts; arguments as in `log_uniform_candidate_sampler`."""
        if inclusion not in INCLUSIONS:
            raise ValueError(f"inclusion must be one of {INCLUSIONS}, not {inclusion!r}")
        targets = read_true_classes(true_classes, num_true)
        check_range(targets.ids, self.range_max, "true_classes", "range_max")
        sampled, num_tries = self.draw(num_sampled, unique, open_stream(seed, rng))
        if unique and inclusion == "exact":
            counts = self._inclusion(sampled.size)
            true_count, sampled_count = counts[targets.ids], counts[sampled]
        else:
            true_count = expected_count(self.probability(targets.ids), sampled.size, num_tries)
            sampled_count = expected_count(self.probability(sampled), sampled.size, num_tries)
        if not targets.ragged:
            true_count = true_count.reshape(targets.batch, positive_integer(num_true, "num_true"))
        return SampledValues(sampled, true_count, sampled_count)

    def probability(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Probability of a single draw for each of `ids` (in range), float32 of the same shape."""
        if self.kind == "log-uniform":
            return log_uniform_probability(ids, self.range_max).astype(np.float32)
        if self.kind == "uniform":
            return uniform_probability(ids, self.range_max).astype(np.float32)
        return self._probability[ids]

    def draw(self, num_sampled: int, unique: bool, stream: SamplerStream) -> tuple[NDArray[np.int64], int]:
        """Draw from `stream`: (ids int64 [num_sampled], number of draws with the rejected ones)."""
        from nce_train.nce import draw_kernel

        num_sampled = positive_integer(num_sampled, "num_sampled")
        drawable = self.range_max if self._weights is None else int(np.count_nonzero(self._weights))
        if unique and num_sampled > drawable:
            raise ValueError(
                f"num_sampled {num_sampled} distinct ids cannot be drawn from {drawable} classes"
                + (f" (range_max {self.range_max})" if drawable == self.range_max else " of weight above 0")
            )
        kind = {
            "log-uniform": draw_kernel.LOG_UNIFORM,
            "uniform": draw_kernel.UNIFORM,
            "unigram": draw_kernel.ALIAS,
        }[self.kind]
        kept, alias = self._alias_table
        return draw_with(kind, self.range_max, num_sampled, unique, stream, kept=kept, alias=alias)

    @functools.cached_property
    def _alias_table(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        from nce_train.nce.draw_kernel import build_alias_table

        if self._weights is None:
            return np.zeros(0, np.float32), np.zeros(0, np.int64)
        return build_alias_table(self._weights)

    def _inclusion(self, num_sampled: int) -> NDArray[np.float32]:
        if num_sampled not in self._exact:
            everything = self.probability(np.arange(self.range_max)).astype(np.float64)
            exact = inclusion_probability(everything / everything.sum(), num_sampled)
            self._exact[num_sampled] = exact.astype(np.float32)
        return self._exact[num_sampled]


def log_uniform_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: Any = None,
    name: str | None = None,
    *,
    rng: str = "nce_train",
    inclusion: str = "approximate",
) -> SampledValues:
    """Sample from the log-uniform (Zipf-like) distribution, for ids sorted by decreasing frequency.

    Parameters
    ----------
    true_classes : array of int [batch, num_true], list of sequences, or pair (ids, row_splits)
        Classes whose expected count is wanted; they are not kept out of the samples. A list whose rows all
        have `num_true` classes is the matrix that TensorFlow makes of it; every other list of sequences is
        ragged, rows of one length too, and so is the pair. For ragged classes the counts come flat.
    num_true : int
        Columns of `true_classes`; ignored when they are ragged.
    num_sampled : int
        Samples in all, for the whole batch.
    unique : bool
        Without replacement: ids met before are thrown away until `num_sampled` different ones are there.
    range_max : int
        Number of classes.
    seed : int, pair of int, SamplerStream or None
        See `SamplerStream`; a stream goes on from call to call.
    name : str, optional
        Accepted for TensorFlow's sake, without effect.
    rng : {"nce_train", "tensorflow"}
        The random stream that `seed` refers to. A `SamplerStream` brings its own: with one, the default
        says nothing, and "tensorflow" must be what the stream is.
    inclusion : {"approximate", "exact"}
        Expected counts of unique samples: TensorFlow's, from the number of draws that this call took, or
        the exact probabilities of `inclusion_probability`, the same in every call (computed at the first
        call with this range and number: a second or two for 50,000 classes).

    Returns
    -------
    SampledValues

    Raises
    ------
    ValueError
        For arguments out of range, naming the argument and both numbers.

    Examples
    --------
    >>> from nce_train import nce
    >>> drawn = nce.log_uniform_candidate_sampler([[2], [9]], 1, num_sampled=5, unique=True, range_max=100, seed=3)
    >>> drawn.sampled_candidates
    array([ 0,  1, 18, 16, 19])
    >>> drawn.true_expected_count.round(3)
    array([[0.402],
           [0.154]], dtype=float32)
    """
    sampler = _prepared("log-uniform", positive_integer(range_max, "range_max"))
    return sampler(true_classes, num_true, num_sampled, unique, seed, rng=rng, inclusion=inclusion)


def uniform_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: Any = None,
    name: str | None = None,
    *,
    rng: str = "nce_train",
    inclusion: str = "approximate",
) -> SampledValues:
    """Sample every class with equal probability; all else as in `log_uniform_candidate_sampler`."""
    sampler = _prepared("uniform", positive_integer(range_max, "range_max"))
    return sampler(true_classes, num_true, num_sampled, unique, seed, rng=rng, inclusion=inclusion)


def fixed_unigram_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    vocab_file: str | os.PathLike[str] = "",
    distortion: float = 1.0,
    num_reserved_ids: int = 0,
    num_shards: int = 1,
    shard: int = 0,
    unigrams: ArrayLike = (),
    seed: Any = None,
    name: str | None = None,
    *,
    rng: str = "nce_train",
    inclusion: str = "approximate",
) -> SampledValues:
    """Sample in proportion to ``weight ** distortion``, the weights from a file or given.

    Parameters
    ----------
    vocab_file : path
        Text, one id a line: comma-separated, the last field is the weight. Blank lines are no ids.
    distortion : float
        1 for the weights as they are, 0.75 as in word2vec, 0 for all classes alike.
    num_reserved_ids : int
        That many ids of weight 0 in front: never drawn, and of no use as labels (their count is 0).
    num_shards, shard : int
        Keep only the ids congruent to `shard` modulo `num_shards`; what is drawn are positions among those.
    unigrams : array_like of float
        The weights, instead of `vocab_file`.
    true_classes, num_true, num_sampled, unique, range_max, seed, name, rng, inclusion
        As in `log_uniform_candidate_sampler`; `range_max` must be the number of ids held (by this shard). To
        sample often from many classes, prepare the tables once with `sampler_from_counts`.

    Returns
    -------
    SampledValues

    Raises
    ------
    ValueError
        For bad weights, both or neither of the two sources, a file that cannot be read or parsed (with
        its line), a range that does not fit, and as `log_uniform_candidate_sampler`.

    Examples
    --------
    >>> from nce_train import nce
    >>> drawn = nce.fixed_unigram_candidate_sampler([[0]], 1, 6, False, 3, unigrams=[60, 30, 10], seed=3)
    >>> drawn.sampled_candidates
    array([1, 0, 1, 0, 0, 1])
    >>> drawn.true_expected_count.round(2)
    array([[3.6]], dtype=float32)
    """
    range_max = positive_integer(range_max, "range_max")
    weights = read_unigrams(vocab_file, unigrams, distortion, num_reserved_ids, num_shards, shard)
    if weights.size != range_max:
        raise ValueError(f"range_max is {range_max}, but the unigrams make {weights.size} ids")
    sampler = CandidateSampler("unigram", range_max, weights)
    return sampler(true_classes, num_true, num_sampled, unique, seed, rng=rng, inclusion=inclusion)


def all_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    seed: Any = None,
    name: str | None = None,
) -> SampledValues:
    """Return all classes ``0 … num_sampled - 1``, each with expected count 1.

    `unique`, `seed` and `name` have no effect; arguments and errors as in `log_uniform_candidate_sampler`.
    """
    num_sampled = positive_integer(num_sampled, "num_sampled")
    targets = read_true_classes(true_classes, num_true)
    check_range(targets.ids, num_sampled, "true_classes", "num_sampled")
    shape = (targets.ids.size,) if targets.ragged else (targets.batch, positive_integer(num_true, "num_true"))
    return SampledValues(np.arange(num_sampled), np.ones(shape, np.float32), np.ones(num_sampled, np.float32))


def sampler_from_counts(counts: ArrayLike, kind: str = "unigram", distortion: float = 0.75) -> CandidateSampler:
    """A prepared sampler for classes with the given counts; warns when it would not suit them.

    Parameters
    ----------
    counts : array_like of float [classes]
        How often each class occurs; the position is the class id.
    kind : {"unigram", "log-uniform", "uniform"}
        "log-uniform" looks at the number of classes alone and presumes that ids fall in frequency.
    distortion : float
        The power of the counts that "unigram" draws by.

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
        When the counts are no weights or the kind is unknown.

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
            f"the log-uniform sampler presumes class ids sorted by decreasing frequency, but class {later}"
            f" has count {weights[later]:g} and class {later - 1} only {weights[later - 1]:g} ({rises.size}"
            " such pairs): sort the ids, or take kind='unigram'",
            stacklevel=2,
        )
    return CandidateSampler(kind, weights.size)


def draw_with(
    kind: int,
    range_max: int,
    num_sampled: int,
    unique: bool,
    stream: SamplerStream,
    *,
    kept: NDArray[np.float32] | None = None,
    alias: NDArray[np.int64] | None = None,
    cumulative: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int64], int]:
    """Run the compiled draws of one `draw_kernel` kind on the stream: (ids, number of draws)."""
    from nce_train.nce.draw_kernel import draw_candidates

    none = np.zeros(0, np.int64)
    sampled = np.empty(num_sampled, np.int64)
    reader = stream.open_reader()
    num_tries = draw_candidates(
        kind,
        reader,
        num_sampled,
        bool(unique),
        range_max,
        float(np.log(range_max + 1.0)),
        np.zeros(0, np.float32) if kept is None else kept,
        none if alias is None else alias,
        none if cumulative is None else cumulative,
        sampled,
    )
    stream.close_reader(reader, num_sampled)
    return sampled, int(num_tries)


@functools.lru_cache(maxsize=16)
def _prepared(kind: str, range_max: int) -> CandidateSampler:
    # Kept from call to call for the sake of its exact inclusion probabilities.
    return CandidateSampler(kind, range_max)
