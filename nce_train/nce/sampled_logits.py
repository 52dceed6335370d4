"""From a caller's arguments to the logits of labels and noise samples, for all sampled losses.

In: everything `nce_loss` takes. Out: `SampledLogits`, checked, gathered, shifted by log Q and masked, in
the order of operations of TensorFlow's function.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nce_train.nce.accidental_hits import hit_mask
from nce_train.nce.classifier import Classifier, read_classifier
from nce_train.nce.labels import (
    Targets,
    check_range,
    finite_number,
    integer_ids,
    native_array,
    positive_integer,
    read_labels,
)
from nce_train.nce.partition import gather
from nce_train.nce.samplers import SampledValues, log_uniform_candidate_sampler

TARGETS = ("share", "one")
NOISE_RATIOS = ("per_example", "per_target")


class SampledLogits(NamedTuple):
    """Logits G of a batch, with what its gradients need.

    `true_rows` [labels, dim] and `sampled_rows` [sampled, dim] or [batch, sampled, dim] are the class
    weights; `true_logits` and `true_targets` [labels]; `sampled_logits` [batch, sampled]; `masked` bool
    [batch, sampled] marks samples to leave out (None: nothing is).
    """

    classifier: Classifier
    targets: Targets
    sampled: NDArray[np.int64]
    true_rows: NDArray[Any]
    sampled_rows: NDArray[Any]
    true_logits: NDArray[Any]
    sampled_logits: NDArray[Any]
    true_targets: NDArray[Any]
    masked: NDArray[np.bool_] | None


def read_sampled_logits(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int,
    sampled_values: Any,
    remove_accidental_hits: bool,
    partition_strategy: str,
    *,
    seed: Any,
    rng: str,
    strict: bool,
    target: str,
    noise_ratio: str,
    log_z: float,
    subtract_log_q: bool,
) -> SampledLogits:
    """Check all arguments of `nce_loss` and compute the logits; `subtract_log_q` as the loss wants it."""
    _check_options(target, noise_ratio)
    log_z = finite_number(log_z, "log_z")
    num_sampled = positive_integer(num_sampled, "num_sampled")
    num_classes = positive_integer(num_classes, "num_classes")
    classifier = read_classifier(weights, biases, inputs, partition_strategy)
    vectors = classifier.inputs
    if num_classes > classifier.weights.rows:
        raise ValueError(f"num_classes is {num_classes}, but weights have only {classifier.weights.rows} rows")
    targets = read_labels(labels, num_true)
    if targets.batch != vectors.shape[0]:
        raise ValueError(
            f"labels and inputs must have the same batch, but labels have {targets.batch} and inputs"
            f" {vectors.shape[0]} rows"
        )
    check_range(targets.ids, num_classes, "labels", "num_classes")

    if sampled_values is None:
        pair = (targets.ids, targets.row_splits)
        values = log_uniform_candidate_sampler(pair, 1, num_sampled, True, num_classes, seed, rng=rng)
    else:
        values = _read_sampled_values(sampled_values, targets, num_sampled, num_classes)
    sampled = values.sampled_candidates

    true_rows = gather(classifier.weights, targets.ids, vectors.dtype)
    sampled_rows = gather(classifier.weights, sampled, vectors.dtype)
    true_shift, sampled_shift = _shifts(values, targets, noise_ratio, log_z, subtract_log_q)
    with np.errstate(over="ignore", invalid="ignore"):  # infinity and NaN propagate
        true_logits = np.einsum("nd,nd->n", vectors[targets.example], true_rows)
        if sampled.ndim == 1:
            sampled_logits = vectors @ sampled_rows.T
        else:
            sampled_logits = np.matmul(sampled_rows, vectors[:, :, None])[:, :, 0]
        true_logits += gather(classifier.biases, targets.ids, vectors.dtype)
        sampled_logits += gather(classifier.biases, sampled, vectors.dtype)
        true_logits -= true_shift.astype(vectors.dtype)
        sampled_logits -= sampled_shift.astype(vectors.dtype)

    masked = hit_mask(targets, sampled, strict) if remove_accidental_hits else None
    unlabelled = targets.counts == 0
    if noise_ratio == "per_target" and unlabelled.any():
        # Q / 0: what was drawn for such an example is noise beyond any doubt, at no loss.
        if masked is None:
            masked = np.zeros(sampled_logits.shape, np.bool_)
        masked[unlabelled] = True
    share = 1.0 / targets.counts[targets.example] if target == "share" else np.ones(targets.ids.size)
    return SampledLogits(
        classifier, targets, sampled, true_rows, sampled_rows, true_logits, sampled_logits,
        share.astype(vectors.dtype), masked,
    )  # fmt: skip


def _check_options(target: str, noise_ratio: str) -> None:
    if target not in TARGETS:
        raise ValueError(f"target must be one of {TARGETS}, not {target!r}")
    if noise_ratio not in NOISE_RATIOS:
        raise ValueError(f"noise_ratio must be one of {NOISE_RATIOS}, not {noise_ratio!r}")


def _shifts(
    values: SampledValues, targets: Targets, noise_ratio: str, log_z: float, subtract_log_q: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What is subtracted from the logits of labels and samples: log_z + log Q, or log_z + log(Q / T)."""
    if not subtract_log_q:
        return np.array(log_z), np.array(log_z)
    true_shift = _log_count(values.true_expected_count, "true_expected_count") + log_z
    sampled_shift = _log_count(values.sampled_expected_count, "sampled_expected_count") + log_z
    if noise_ratio == "per_target":
        log_labels = np.log(np.maximum(targets.counts, 1))
        true_shift = true_shift - log_labels[targets.example]
        sampled_shift = sampled_shift - log_labels[:, None]
    return true_shift, sampled_shift


def _read_sampled_values(sampled_values: Any, targets: Targets, num_sampled: int, num_classes: int) -> SampledValues:
    """Check a given triple; the expected counts of the labels come out flat."""
    if not isinstance(sampled_values, list | tuple) or len(sampled_values) != 3:
        found = len(sampled_values) if isinstance(sampled_values, list | tuple) else type(sampled_values).__name__
        raise ValueError(
            "sampled_values must be 3 arrays (sampled_candidates, true_expected_count,"
            f" sampled_expected_count), not {found}"
        )
    sampled = integer_ids(sampled_values[0], "sampled_candidates")
    shapes = [(num_sampled,), (targets.batch, num_sampled)]
    if sampled.shape not in shapes:
        raise ValueError(
            f"sampled_candidates must be of shape {shapes[0]}, as num_sampled is {num_sampled}, or"
            f" {shapes[1]} with a noise set for each example, but are {sampled.shape}"
        )
    check_range(sampled, num_classes, "sampled_candidates", "num_classes")

    sampled_count = native_array(sampled_values[2], "sampled_expected_count")
    shapes = shapes[: sampled.ndim]
    if sampled_count.shape not in shapes:
        raise ValueError(
            f"sampled_expected_count must be of shape {' or '.join(map(str, shapes))}, one for each of"
            f" num_sampled {num_sampled}, but is {sampled_count.shape}"
        )
    return SampledValues(sampled, _read_true_count(sampled_values[1], targets), sampled_count)


def _read_true_count(true_count: Any, targets: Targets) -> NDArray[Any]:
    """The expected count of each label, flat."""
    counts = native_array(true_count, "true_expected_count")
    batch, labels = targets.batch, targets.ids.size
    if targets.ragged:
        if counts.size != labels:
            raise ValueError(
                f"true_expected_count must be one for each of {labels} labels, but has {counts.size} (shape"
                f" {counts.shape})"
            )
        return counts.reshape(-1)
    num_true = labels // batch if batch else counts.shape[-1] if counts.ndim else 1
    if counts.shape not in [(batch, num_true), (batch, 1)]:
        one_each = f", or {(batch, 1)}" if num_true != 1 else ""
        raise ValueError(
            f"true_expected_count must be of the shape of labels, {(batch, num_true)}{one_each}, but is {counts.shape}"
        )
    return np.broadcast_to(counts, (batch, num_true)).reshape(-1)


def _log_count(counts: NDArray[Any], argument: str) -> NDArray[np.float64]:
    """log Q in float64: a count that float16 cannot hold still has a logarithm that it can."""
    counts = np.asarray(counts, dtype=np.float64)
    bad = counts[~(np.isfinite(counts) & (counts > 0))]
    if bad.size:
        remedy = (
            "a class that the sampler cannot draw must not be a label"
            if argument == "true_expected_count"
            else "give the counts that the sampler reported for the classes it drew"
        )
        raise ValueError(
            f"{argument} must be above 0 and finite, since its logarithm is taken, but {bad.size} of"
            f" {counts.size} are not, the first {bad[0]}: {remedy}"
        )
    return np.log(counts)
