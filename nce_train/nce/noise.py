"""The noise of a model that is trained: its sampler, by name or from counts, and a check that the sampler suits it.

In: a sampler's name, the number of classes, their counts if known; then the labels of each batch. Out: a prepared
sampler, and one warning when log-uniform noise meets ids that are not sorted by frequency.
"""

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nce_train.nce.candidate_sampler import CandidateSampler, LearnedUnigramCandidateSampler, sampler_from_counts
from nce_train.nce.checks import check_choice
from nce_train.nce.random_stream import SamplerStream

SAMPLERS = ("log-uniform", "uniform", "unigram", "learned-unigram")

_LABELS_ENOUGH = 1000
_LEAST_CLASSES = 100
# Of sorted ids, the first half has 85 % of the log-uniform labels of 100 classes, and more of more classes; of ids in
# any other order about 50 %.
_LEAST_SHARE = 0.6


def prepared_sampler(
    sampler: Any, num_classes: int, counts: ArrayLike | None, distortion: float, stream: SamplerStream
) -> CandidateSampler | LearnedUnigramCandidateSampler:
    """The sampler that is named by one of `SAMPLERS`, or given; None is "unigram" with counts, else "log-uniform".

    A learned sampler draws from `stream`.
    """
    if isinstance(sampler, CandidateSampler | LearnedUnigramCandidateSampler):
        if sampler.range_max != num_classes:
            raise ValueError(f"sampler must have a range_max of num_classes {num_classes}, not {sampler.range_max}")
        if counts is not None:
            raise ValueError("counts must not be given together with a sampler, which has its own")
        return sampler
    kind = sampler if sampler is not None else "log-uniform" if counts is None else "unigram"
    check_choice(kind, SAMPLERS, "sampler")
    if kind == "learned-unigram":
        return LearnedUnigramCandidateSampler(num_classes, stream)
    if counts is not None:
        prepared = sampler_from_counts(counts, kind, distortion)
        if prepared.range_max != num_classes:
            raise ValueError(f"counts must be num_classes {num_classes} numbers, not {prepared.range_max}")
        return prepared
    if kind == "unigram":
        raise ValueError("counts, how often each class occurs, are missing: sampler 'unigram' needs them")
    return CandidateSampler(kind, num_classes)


class LabelOrder:
    """Watches labels, and warns once when they cannot be ids sorted by decreasing frequency."""

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.seen = 0
        self.in_first_half = 0
        self.done = num_classes < _LEAST_CLASSES

    def watch(self, ids: NDArray[Any]) -> None:
        """Count labels, and decide when there are enough."""
        if self.done:
            return
        self.seen += ids.size
        self.in_first_half += int(np.count_nonzero(ids < self.num_classes / 2))
        if self.seen < _LABELS_ENOUGH:
            return
        self.done = True
        share = self.in_first_half / self.seen
        if share < _LEAST_SHARE:
            warnings.warn(
                "the log-uniform sampler assumes class ids sorted by decreasing frequency, but only"
                f" {share:.0%} of the first {self.seen} labels are in the first half of the {self.num_classes} ids:"
                " sort the ids, or give counts",
                stacklevel=2,
            )
