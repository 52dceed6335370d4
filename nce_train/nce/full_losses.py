"""The losses over all classes, for evaluation: full sigmoid and full softmax cross-entropy, with gradients.

In: class weights and biases, labels, input vectors. Out: one loss an example, and gradients of their sum.
With F = x·w + b over all C classes and a target z for each label (1, or 1/T of T labels; a class listed
twice counts twice) the losses are ``sum_c l(F_c, z_c)``, with l as in `losses.py`, and
``sum_c z_c (logsumexp(F) - F_c)``.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nce_train.nce.classifier import Classifier, all_logits, read_classifier
from nce_train.nce.gradients import Gradients, assemble, check_form
from nce_train.nce.labels import check_range, read_labels
from nce_train.nce.partition import join
from nce_train.nce.terms import logistic_terms


def sigmoid_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    *,
    num_true: int = 1,
    partition_strategy: str = "div",
    normalise_targets: bool = False,
) -> NDArray[Any]:
    """Sigmoid cross-entropy of all classes, summed over the classes; one value an example.

    Parameters
    ----------
    weights : array [classes, dim], or list or tuple of such partitions
    biases : array [classes], or list or tuple of such partitions
    labels : int array [batch, num_true] (or [batch] for one label), list of sequences, or (ids, row_splits)
    inputs : float array [batch, dim]
    num_true : int
        Columns of `labels`; ignored when they are ragged.
    partition_strategy : {"div", "mod"}
        Layout of partitions.
    normalise_targets : bool
        Target 1/T for each of T labels, as TensorFlow's `nce_loss` trains; else 1.

    Returns
    -------
    Losses [batch], in the dtype of `inputs`.

    Raises
    ------
    ValueError
        For any shape, size or class id that does not fit, naming the argument and both numbers.

    Notes
    -----
    Works on a [batch, classes] matrix: give large data in batches.

    Examples
    --------
    >>> import numpy as np
    >>> from nce_train import nce
    >>> nce.sigmoid_loss(np.zeros((4, 2)), np.zeros(4), [[1]], np.ones((1, 2))).round(4)  # 4 log 2
    array([2.7726])
    """
    classifier, targets = _read(weights, biases, labels, inputs, num_true, partition_strategy, normalise_targets)
    losses, _ = _sigmoid(classifier, targets)
    return losses


def sigmoid_loss_and_gradients(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    *,
    num_true: int = 1,
    partition_strategy: str = "div",
    normalise_targets: bool = False,
    gradients: str = "dense",
) -> tuple[NDArray[Any], Gradients]:
    """`sigmoid_loss` and the gradients of the summed loss (`Gradients`; "rows" lists all classes)."""
    check_form(gradients)
    classifier, targets = _read(weights, biases, labels, inputs, num_true, partition_strategy, normalise_targets)
    losses, delta = _sigmoid(classifier, targets)
    return losses, _gradients(classifier, delta, gradients)


def softmax_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    *,
    num_true: int = 1,
    partition_strategy: str = "div",
    normalise_targets: bool = False,
) -> NDArray[Any]:
    """Softmax cross-entropy over all classes: ``-log p`` of each label, weighted by its target and summed.

    Arguments, result and errors as in `sigmoid_loss`.

    Examples
    --------
    >>> import numpy as np
    >>> from nce_train import nce
    >>> nce.softmax_loss(np.zeros((4, 2)), np.zeros(4), [[1]], np.ones((1, 2))).round(4)  # log 4
    array([1.3863])
    """
    classifier, targets = _read(weights, biases, labels, inputs, num_true, partition_strategy, normalise_targets)
    losses, _ = _softmax(classifier, targets)
    return losses


def softmax_loss_and_gradients(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    *,
    num_true: int = 1,
    partition_strategy: str = "div",
    normalise_targets: bool = False,
    gradients: str = "dense",
) -> tuple[NDArray[Any], Gradients]:
    """`softmax_loss` and the gradients of the summed loss (`Gradients`; "rows" lists all classes)."""
    check_form(gradients)
    classifier, targets = _read(weights, biases, labels, inputs, num_true, partition_strategy, normalise_targets)
    losses, delta = _softmax(classifier, targets)
    return losses, _gradients(classifier, delta, gradients)


def _read(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_true: int,
    partition_strategy: str,
    normalise_targets: bool,
) -> tuple[Classifier, NDArray[Any]]:
    """The checked classifier, and the targets z as a matrix [batch, classes]."""
    classifier = read_classifier(weights, biases, inputs, partition_strategy)
    classes, batch = classifier.weights.rows, classifier.inputs.shape[0]
    if num_true == 1 and isinstance(labels, np.ndarray) and labels.ndim == 1:
        labels = labels.reshape(-1, 1)
    labelled = read_labels(labels, num_true)
    if labelled.batch != batch:
        raise ValueError(
            f"labels and inputs must have the same batch, but labels have {labelled.batch} and inputs {batch} rows"
        )
    check_range(labelled.ids, classes, "labels", "the number of classes")
    targets = np.zeros((batch, classes), classifier.inputs.dtype)
    example = labelled.example
    each = 1.0 / labelled.counts[example] if normalise_targets else 1.0
    np.add.at(targets, (example, labelled.ids), each)
    return classifier, targets


def _sigmoid(classifier: Classifier, targets: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Losses [batch] and their derivatives by the logits [batch, classes]."""
    with np.errstate(over="ignore", invalid="ignore"):  # infinity and NaN propagate
        terms, delta = logistic_terms(all_logits(classifier), targets)
        return terms.sum(axis=1).astype(classifier.dtype, copy=False), delta


def _softmax(classifier: Classifier, targets: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """As `_sigmoid`."""
    logits = all_logits(classifier)
    with np.errstate(over="ignore", invalid="ignore"):
        log_p = log_softmax(logits)
        losses = -(targets * log_p).sum(axis=1)
        delta = targets.sum(axis=1, keepdims=True) * np.exp(log_p) - targets
        return losses.astype(classifier.dtype, copy=False), delta


def log_softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """``F - logsumexp(F)`` of each row, [batch, classes]."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _gradients(classifier: Classifier, delta: NDArray[Any], form: str) -> Gradients:
    weights, biases, inputs, dtype = classifier
    with np.errstate(over="ignore", invalid="ignore"):
        return assemble(
            form,
            weights,
            biases,
            delta @ join(weights).astype(inputs.dtype, copy=False),
            np.arange(weights.rows),
            delta.T @ inputs,
            delta.sum(axis=0),
            dtype,
        )
