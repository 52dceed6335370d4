"""TensorFlow's candidate samplers: one function a noise distribution, by TensorFlow's names and argument order.

In: the true classes of a batch, the number of samples, with or without replacement, a seed; for the fixed unigram
sampler also the weights, given or in a file. Out: `SampledValues`.
"""

import functools
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nce_train.nce.candidate_sampler import CandidateSampler, LearnedUnigramCandidateSampler, SampledValues
from nce_train.nce.checks import check_range, check_weights, positive_integer, same_arguments_as
from nce_train.nce.labels import read_labels
from nce_train.nce.probability import distort


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
    true_classes : array of int [batch, num_true], list of sequences, pair (ids, row_splits), or PaddedLabels
        Classes to compute expected counts for; samples can equal them. A list whose rows all have `num_true`
        classes is read as a matrix, as in the losses. Every other list of sequences is ragged, even with rows of
        equal length, and so is the pair; ragged classes get flat counts, padded ones [batch, T].
    num_true : int
        Columns of `true_classes`; ignored when they are ragged.
    num_sampled : int
        Number of samples, for the whole batch together.
    unique : bool
        Without replacement: draws of ids drawn before are rejected, until there are `num_sampled` different ids.
    range_max : int
        Number of classes.
    seed : int, pair of int, SamplerStream or None
        See `SamplerStream`, which continues from call to call.
    name : str, optional
        Accepted for compatibility with TensorFlow; it has no effect.
    rng : {"nce_train", "tensorflow"}
        The random stream that `seed` refers to; leave it out when `seed` is a `SamplerStream`, which has its own.
    inclusion : {"approximate", "exact"}
        Expected counts of unique samples: TensorFlow's, computed from the number of draws of this call, or the
        exact probabilities of `inclusion_probability`, the same in every call. These are computed at the first
        call for a range and a number of samples, which takes a second or two for 50,000 classes.

    Returns
    -------
    SampledValues

    Raises
    ------
    ValueError
        When an argument is out of range; the message names the argument and both numbers.

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


@same_arguments_as(log_uniform_candidate_sampler)
def uniform_candidate_sampler(range_max: int, name: str | None, **arguments: Any) -> SampledValues:
    """Sample every class with equal probability.

    Parameters, result and errors as in `log_uniform_candidate_sampler`.
    """
    return _prepared("uniform", positive_integer(range_max, "range_max"))(**arguments)


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
    """Sample in proportion to ``weight ** distortion``, with the weights given or read from a file.

    Parameters
    ----------
    vocab_file : path
        Text, one id a line; the last of the comma-separated fields is the weight. Blank lines are skipped.
    distortion : float
        1 keeps the weights, 0.75 is word2vec's choice, 0 makes all classes equal.
    num_reserved_ids : int
        Number of ids of weight 0 before the others. They are never drawn, and since their expected count is 0 they
        cannot be labels.
    num_shards, shard : int
        Keep only the ids congruent to `shard` modulo `num_shards`; the samples are positions among these ids.
    unigrams : array_like of float
        The weights, instead of `vocab_file`.
    true_classes, num_true, num_sampled, unique, range_max, seed, name, rng, inclusion
        As in `log_uniform_candidate_sampler`; `range_max` must be the number of ids (of this shard).

    Returns
    -------
    SampledValues

    Raises
    ------
    ValueError
        When the weights are negative, not finite or all zero; both or neither of `vocab_file` and `unigrams` are
        given; the file cannot be read or parsed; `range_max` does not fit; and as in
        `log_uniform_candidate_sampler`.

    Notes
    -----
    The tables are built in every call. To sample often from many classes, prepare them once with
    `sampler_from_counts`.

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
    given: tuple[Any, ...] = (vocab_file, unigrams, distortion, num_reserved_ids, num_shards, shard)
    defaults = ("", (), 1.0, 0, 1, 0)  # which None stands for, as in TensorFlow
    chosen: list[Any] = [default if value is None else value for value, default in zip(given, defaults, strict=True)]
    weights = read_unigrams(*chosen)
    if weights.size != range_max:
        raise ValueError(f"range_max is {range_max}, but the unigrams make {weights.size} ids")
    sampler = CandidateSampler("unigram", range_max, weights)
    return sampler(true_classes, num_true, num_sampled, unique, seed, rng=rng, inclusion=inclusion)


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
    """One call of a new learned unigram sampler, which has learned nothing yet and is therefore uniform.

    A function keeps no state between calls; to learn, use the class `LearnedUnigramCandidateSampler`. Parameters,
    result and errors as in `log_uniform_candidate_sampler`.
    """
    return LearnedUnigramCandidateSampler(range_max, seed, rng)(true_classes, num_true, num_sampled, unique)


def all_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    seed: Any = None,
    name: str | None = None,
) -> SampledValues:
    """Return all classes ``0 … num_sampled - 1``, each with expected count 1.

    Parameters and errors as in `log_uniform_candidate_sampler`; `unique`, `seed` and `name` have no effect.
    """
    num_sampled = positive_integer(num_sampled, "num_sampled")
    labels = read_labels(true_classes, num_true, "true_classes")
    check_range(labels.ids, num_sampled, "true_classes", "num_sampled")
    return SampledValues(np.arange(num_sampled), np.ones(labels.shape, np.float32), np.ones(num_sampled, np.float32))


@functools.lru_cache(maxsize=16)
def _prepared(kind: str, range_max: int) -> CandidateSampler:
    # The cached sampler keeps its exact inclusion probabilities for the next call.
    return CandidateSampler(kind, range_max)


def read_unigrams(
    vocab_file: str | os.PathLike[str],
    unigrams: ArrayLike,
    distortion: float,
    num_reserved_ids: int,
    num_shards: int,
    shard: int,
) -> NDArray[np.float32]:
    """The distorted weights of the ids of `shard`, float32; arguments and errors as in the sampler."""
    given = np.asarray(unigrams, dtype=np.float64)
    from_file = bool(os.fspath(vocab_file))
    if from_file == bool(given.size):
        which = "both" if from_file else "neither"
        raise ValueError(f"exactly one of vocab_file and unigrams must be given, not {which}")
    weights = _read_vocab_file(Path(vocab_file)) if from_file else given
    check_weights(weights, "vocab_file's weights" if from_file else "unigrams")
    num_shards = positive_integer(num_shards, "num_shards")
    if not 0 <= shard < num_shards:
        raise ValueError(f"shard must lie in [0, {num_shards}), as num_shards is {num_shards}, but is {shard}")
    if num_reserved_ids < 0:
        raise ValueError(f"num_reserved_ids must be at least 0, not {num_reserved_ids}")

    reserved_here = len(range(shard, num_reserved_ids, num_shards))
    # As in TensorFlow, the unigrams are numbered after the reserved ids of this shard, not after all reserved ids.
    # With several shards and reserved ids, a unigram can therefore lie in another shard than its id implies.
    unigram_ids = reserved_here + np.arange(weights.size)
    in_shard = distort(weights, distortion)[unigram_ids % num_shards == shard]
    return np.concatenate([np.zeros(reserved_here, np.float32), in_shard])


def _read_vocab_file(path: Path) -> NDArray[np.float64]:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ValueError(f"vocab_file {path} cannot be read: {error.strerror}") from error
    weights = []
    for number, line in enumerate(text.split(b"\n"), start=1):
        if not line.strip():
            continue
        field = line.rsplit(b",", 1)[-1]
        try:
            weights.append(float(b"" if b"_" in field else field))  # Python's 1_0 is 10, which no other program reads
        except ValueError:
            text_line = line.decode("utf-8", "replace").strip()
            raise ValueError(
                f"vocab_file {path}, line {number}: the last comma-separated field must be a weight, but the"
                f" line is {text_line!r}"
            ) from None
    if not weights:
        raise ValueError(f"vocab_file {path} holds no weight (0 of its lines)")
    return np.array(weights)
