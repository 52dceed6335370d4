"""Accidental hits: samples that happen to be a true class of the example they serve as noise for.

In: true classes and sampled candidates. Out: which (example, sample) pairs are hits.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nce_train.nce.labels import Targets, integer_ids, read_true_classes

HIT_WEIGHT = np.finfo(np.float32).min  # what TensorFlow adds to the logit of a hit


def compute_accidental_hits(
    true_classes: Any,
    sampled_candidates: ArrayLike,
    num_true: int,
    seed: Any = None,
    name: str | None = None,
    *,
    strict: bool = False,
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float32]]:
    """Positions where a sample equals a true class, one for each label that has a hit.

    Parameters
    ----------
    true_classes : array of int [batch, num_true], list of sequences, or pair (ids, row_splits)
    sampled_candidates : array_like of int [num_sampled]
    num_true : int
        Columns of `true_classes`; ignored when they are ragged: a pair, or a list whose rows do not all have
        `num_true` classes.
    seed, name
        Accepted for TensorFlow's sake, without effect.
    strict : bool
        Of a class that was sampled several times, report every copy; else, as TensorFlow, the last one only.

    Returns
    -------
    indices : int32 [hits]
        The example, rising.
    ids : int64 [hits]
        The position in `sampled_candidates`.
    weights : float32 [hits]
        The lowest float32, to be added to that logit.

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
    targets = read_true_classes(true_classes, num_true)
    sampled = integer_ids(sampled_candidates, "sampled_candidates")
    if sampled.ndim != 1:
        raise ValueError(f"sampled_candidates must have 1 dimension, not {sampled.ndim} (shape {sampled.shape})")
    label, position = _find(targets.ids, sampled, strict)
    weights = np.full(label.size, HIT_WEIGHT, np.float32)
    return targets.example[label].astype(np.int32), position, weights


def hit_mask(targets: Targets, sampled: NDArray[np.int64], strict: bool) -> NDArray[np.bool_]:
    """Which samples are hits for which example, bool [batch, num_sampled].

    `sampled` is int64 [num_sampled], or [batch, num_sampled] where each example has its own noise set.
    """
    mask = np.zeros((targets.batch, sampled.shape[-1]), np.bool_)
    example = targets.example
    if sampled.ndim == 1:
        label, position = _find(targets.ids, sampled, strict)
        mask[example[label], position] = True
    elif sampled.size:
        # One number a (example, class) pair turns all noise sets into one search.
        classes = max(int(sampled.max()), int(targets.ids.max(initial=0))) + 1
        own = sampled + classes * np.arange(targets.batch)[:, None]
        label, position = _find(targets.ids + classes * example, own.reshape(-1), strict)
        mask.reshape(-1)[position] = True
    return mask


def _find(
    ids: NDArray[np.int64], sampled: NDArray[np.int64], strict: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(index into ids, position in sampled) of each match: the last position, or with `strict` all."""
    order = np.argsort(sampled, kind="stable")
    ordered = sampled[order]
    end = np.searchsorted(ordered, ids, side="right")
    copies = end - np.searchsorted(ordered, ids, side="left")
    if not strict:
        copies = np.minimum(copies, 1)
    label = np.repeat(np.arange(ids.size), copies)
    rank = np.arange(label.size) - np.repeat(np.cumsum(copies) - copies, copies)
    return label, order[(end - copies)[label] + rank]
