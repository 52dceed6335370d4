"""Accidental hits: noise samples that equal a true class of the same example.

In: true classes and sampled candidates. Out: the (example, sample) pairs that are hits.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nce_train.nce.checks import integer_ids
from nce_train.nce.labels import Labels, read_labels

HIT_WEIGHT = np.finfo(np.float32).min  # TensorFlow adds this to the logit of a hit


def compute_accidental_hits(
    true_classes: Any,
    sampled_candidates: ArrayLike,
    num_true: int,
    seed: Any = None,
    name: str | None = None,
    *,
    strict: bool = False,
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float32]]:
    """Find the samples that equal a true class, one entry for each label that is hit.

    Parameters
    ----------
    true_classes : array of int [batch, num_true], list of sequences, or pair (ids, row_splits)
    sampled_candidates : array_like of int [num_sampled]
    num_true : int
        Columns of `true_classes`; ignored when they are ragged: a pair, or a list whose rows do not all have
        `num_true` classes.
    seed, name
        Accepted for compatibility with TensorFlow; they have no effect.
    strict : bool
        Report every copy of a class that was sampled several times. By default only the last one, as TensorFlow.

    Returns
    -------
    indices : int32 [hits]
        The example; sorted.
    ids : int64 [hits]
        The position in `sampled_candidates`.
    weights : float32 [hits]
        The lowest float32, to be added to the logit of the sample.

    Raises
    ------
    ValueError
        When a shape or dtype is wrong.

    Examples
    --------
    >>> from nce_train import nce
    >>> indices, ids, weights = nce.compute_accidental_hits([[7], [2]], [5, 2, 7], num_true=1)
    >>> indices, ids
    (array([0, 1], dtype=int32), array([2, 1]))
    """
    labels = read_labels(true_classes, num_true, "true_classes")
    sampled = integer_ids(sampled_candidates, "sampled_candidates")
    if sampled.ndim != 1:
        raise ValueError(f"sampled_candidates must have 1 dimension, not {sampled.ndim} (shape {sampled.shape})")
    label, position = _matches(labels.ids, sampled, strict)
    weights = np.full(label.size, HIT_WEIGHT, np.float32)
    return labels.example[label].astype(np.int32), position, weights


def hit_mask(labels: Labels, sampled: NDArray[np.int64], strict: bool) -> NDArray[np.bool_]:
    """Mask of the samples that are hits, bool [batch, num_sampled].

    `sampled` is int64 [num_sampled], or [batch, num_sampled] with a noise set for each example.
    """
    mask = np.zeros((labels.batch, sampled.shape[-1]), np.bool_)
    example = labels.example
    if sampled.ndim == 1:
        label, position = _matches(labels.ids, sampled, strict)
        mask[example[label], position] = True
    elif sampled.size:
        # Each (example, class) pair becomes one number, so that one search covers all noise sets.
        classes = max(int(sampled.max()), int(labels.ids.max(initial=0))) + 1
        pairs = sampled + classes * np.arange(labels.batch)[:, None]
        label, position = _matches(labels.ids + classes * example, pairs.reshape(-1), strict)
        mask.reshape(-1)[position] = True
    return mask


def _matches(
    ids: NDArray[np.int64], sampled: NDArray[np.int64], strict: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(index into ids, position in sampled) of each match: the last position only, or with `strict` all."""
    order = np.argsort(sampled, kind="stable")
    ordered = sampled[order]
    end = np.searchsorted(ordered, ids, side="right")
    copies = end - np.searchsorted(ordered, ids, side="left")
    if not strict:
        copies = np.minimum(copies, 1)
    label = np.repeat(np.arange(ids.size), copies)
    rank = np.arange(label.size) - np.repeat(np.cumsum(copies) - copies, copies)
    return label, order[(end - copies)[label] + rank]
