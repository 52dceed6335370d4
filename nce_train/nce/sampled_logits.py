"""From a caller's arguments to the logits of labels and noise samples, for all sampled losses.

In: the arguments of `nce_loss`. Out: `SampledLogits`: the logits G = F - log_z - log Q, the class weights they were
computed with, and the samples to leave out. The order of operations is that of TensorFlow's function.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nce_train.nce.accidental_hits import hit_mask
from nce_train.nce.candidate_sampler import SampledValues
from nce_train.nce.checks import (
    check_choice,
    check_range,
    finite_number,
    integer_ids,
    log_count,
    native_array,
    positive_integer,
)
from nce_train.nce.classifier import Classifier, read_classifier
from nce_train.nce.labels import Labels, read_batch_labels
from nce_train.nce.partition import gather
from nce_train.nce.samplers import log_uniform_candidate_sampler

TARGETS = ("share", "one")
NOISE_RATIOS = ("per_example", "per_target")


class SampledArguments(NamedTuple):
    """The arguments of a sampled loss, checked; `values`, with the labels' expected counts flat, are given or drawn."""

    classifier: Classifier
    labels: Labels
    values: SampledValues
    log_z: float


class SampledLogits(NamedTuple):
    """Logits G of a batch, with what its gradients need.

    `sampled` int64 [sampled] or [batch, sampled]; `true_rows` [labels, dim] and `sampled_rows` [sampled, dim] or
    [batch, sampled, dim] are the class weights; `true_logits` and `true_targets` [labels]; `sampled_logits`
    [batch, sampled]; `masked` bool [batch, sampled] marks samples to leave out (None: no sample).
    """

    classifier: Classifier
    labels: Labels
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
    name: str,
    seed: Any,
    rng: str,
    strict: bool,
    target: str,
    noise_ratio: str,
    log_z: float,
    subtract_log_q: bool,
) -> SampledLogits:
    """Check the arguments of `nce_loss`, draw noise if none was given, and compute the logits of arrays.

    `name` has no effect. Without `subtract_log_q`, G is F - log_z.
    """
    classifier, true, values, log_z = read_sampled_arguments(
        weights,
        biases,
        labels,
        inputs,
        num_sampled,
        num_classes,
        num_true,
        sampled_values,
        partition_strategy,
        seed,
        rng,
        target,
        noise_ratio,
        log_z,
    )
    vectors = classifier.inputs
    sampled = values.sampled_candidates

    true_rows = gather(classifier.weights, true.ids, vectors.dtype)
    sampled_rows = gather(classifier.weights, sampled, vectors.dtype)
    true_shift, sampled_shift = shifts(values, true, noise_ratio, log_z, subtract_log_q)
    with np.errstate(over="ignore", invalid="ignore"):  # infinity and NaN propagate
        true_logits = np.einsum("nd,nd->n", vectors[true.example], true_rows)
        if sampled.ndim == 1:
            sampled_logits = vectors @ sampled_rows.T
        else:
            sampled_logits = np.matmul(sampled_rows, vectors[:, :, None])[:, :, 0]
        true_logits += gather(classifier.biases, true.ids, vectors.dtype)
        sampled_logits += gather(classifier.biases, sampled, vectors.dtype)
        true_logits -= true_shift.astype(vectors.dtype)
        sampled_logits -= sampled_shift.astype(vectors.dtype)

    masked = hit_mask(true, sampled, strict) if remove_accidental_hits else None
    unlabelled = true.counts == 0
    if noise_ratio == "per_target" and unlabelled.any():
        # Q / 0 is infinite: a sample is then certain to be noise and adds no loss.
        masked = np.zeros(sampled_logits.shape, np.bool_) if masked is None else masked
        masked[unlabelled] = True
    targets = 1.0 / true.counts[true.example] if target == "share" else np.ones(true.ids.size)
    return SampledLogits(
        classifier=classifier,
        labels=true,
        sampled=sampled,
        true_rows=true_rows,
        sampled_rows=sampled_rows,
        true_logits=true_logits,
        sampled_logits=sampled_logits,
        true_targets=targets.astype(vectors.dtype),
        masked=masked,
    )


def read_sampled_arguments(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int,
    sampled_values: Any,
    partition_strategy: str,
    seed: Any,
    rng: str,
    target: str,
    noise_ratio: str,
    log_z: float,
) -> SampledArguments:
    """Check the arguments of `nce_loss`, and draw noise if none was given."""
    check_choice(target, TARGETS, "target")
    check_choice(noise_ratio, NOISE_RATIOS, "noise_ratio")
    log_z = finite_number(log_z, "log_z")
    num_sampled = positive_integer(num_sampled, "num_sampled")
    num_classes = positive_integer(num_classes, "num_classes")
    classifier = read_classifier(weights, biases, inputs, partition_strategy)
    vectors = classifier.inputs
    if num_classes > classifier.weights.rows:
        raise ValueError(f"num_classes is {num_classes}, but weights have only {classifier.weights.rows} rows")
    true = read_batch_labels(labels, num_true, vectors.shape[0], num_classes)
    if sampled_values is None:
        pair = (true.ids, true.row_splits)
        values = log_uniform_candidate_sampler(pair, 1, num_sampled, True, num_classes, seed, rng=rng)
    else:
        values = _read_sampled_values(sampled_values, true, num_sampled, num_classes)
    return SampledArguments(classifier, true, values, log_z)


def shifts(
    values: SampledValues, labels: Labels, noise_ratio: str, log_z: float, subtract_log_q: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The subtrahends of the logits of labels and samples: log_z + log Q, or log_z + log(Q / T)."""
    if not subtract_log_q:
        return np.array(log_z), np.array(log_z)
    remedy = ": a class that the sampler cannot draw must not be a label"
    true_shift = log_count(values.true_expected_count, "true_expected_count", remedy) + log_z
    remedy = ": give the counts that the sampler reported for the classes it drew"
    sampled_shift = log_count(values.sampled_expected_count, "sampled_expected_count", remedy) + log_z
    if noise_ratio == "per_target":
        log_labels = np.log(np.maximum(labels.counts, 1))
        true_shift = true_shift - log_labels[labels.example]
        sampled_shift = sampled_shift - log_labels[:, None]
    return true_shift, sampled_shift


def _read_sampled_values(sampled_values: Any, labels: Labels, num_sampled: int, num_classes: int) -> SampledValues:
    """Check a given triple; the expected counts of the labels come out flat."""
    if not isinstance(sampled_values, list | tuple) or len(sampled_values) != 3:
        given = len(sampled_values) if isinstance(sampled_values, list | tuple) else type(sampled_values).__name__
        raise ValueError(
            "sampled_values must be 3 arrays (sampled_candidates, true_expected_count,"
            f" sampled_expected_count), not {given}"
        )
    sampled = integer_ids(sampled_values[0], "sampled_candidates")
    shapes = [(num_sampled,), (labels.batch, num_sampled)]
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
    return SampledValues(sampled, _read_true_count(sampled_values[1], labels), sampled_count)


def _read_true_count(true_count: Any, labels: Labels) -> NDArray[Any]:
    """The expected count of each label, flat."""
    counts = native_array(true_count, "true_expected_count")
    if len(labels.shape) == 1 or (labels.listed and counts.ndim == 1):
        if counts.size != labels.ids.size:
            raise ValueError(
                f"true_expected_count must be one for each of {labels.ids.size} labels, but has {counts.size} (shape"
                f" {counts.shape})"
            )
        return counts.reshape(-1)
    batch, num_true = labels.shape
    if counts.shape not in [(batch, num_true), (batch, 1)]:
        one_each = f", or {(batch, 1)}" if num_true != 1 else ""
        raise ValueError(
            f"true_expected_count must be of the shape of labels, {labels.shape}{one_each}, but is {counts.shape}"
        )
    whole = np.broadcast_to(counts, labels.shape)
    return whole.reshape(-1) if labels.mask is None else whole[labels.mask]
