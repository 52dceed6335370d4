"""The losses over all classes, for evaluation: full sigmoid and full softmax cross-entropy, with gradients.

In: class weights and biases, labels, input vectors. Out: one loss an example, and the gradients of their sum. With
F = x·w + b over all C classes and a target z for each label (1, or 1/T of T labels; a class listed twice counts
twice) the losses are ``sum_c l(F_c, z_c)``, with l as in `losses.py`, and ``sum_c z_c (logsumexp(F) - F_c)``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nce_train.nce.checks import check_choice, same_arguments_as
from nce_train.nce.classifier import Classifier, all_logits, log_softmax, read_classifier
from nce_train.nce.frameworks import check_no_tensors, operations_for
from nce_train.nce.gradients import FORMS, Gradients, logistic_terms, sum_by_class
from nce_train.nce.labels import read_batch_labels
from nce_train.nce.partition import join
from nce_train.nce.tensor_losses import full_losses

# Losses [batch], and their derivatives by the logits [batch, classes].
Terms = tuple[NDArray[Any], NDArray[Any]]


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
    """Sigmoid cross-entropy of each example, summed over all classes.

    Parameters
    ----------
    weights : array [classes, dim], or list or tuple of such partitions
    biases : array [classes], or list or tuple of such partitions
    labels : int array [batch, num_true] (or [batch] for one label), list of sequences, (ids, row_splits), PaddedLabels
    inputs : float array [batch, dim]
    num_true : int
        Columns of `labels`; ignored when they are ragged.
    partition_strategy : {"div", "mod"}
        Layout of partitions.
    normalise_targets : bool
        Target 1/T for each of T labels, as in TensorFlow's `nce_loss`; else 1.

    Returns
    -------
    Losses [batch], in the dtype of `inputs`.

    Raises
    ------
    ValueError
        When a shape, size or class id does not fit; the message names the argument and both numbers.

    Notes
    -----
    It allocates matrices [batch, classes]: split large data into batches. Tensors as in `nce_loss`.

    Examples
    --------
    >>> import numpy as np
    >>> from nce_train import nce
    >>> nce.sigmoid_loss(np.zeros((4, 2)), np.zeros(4), [[1]], np.ones((1, 2))).round(4)  # 4 log 2
    array([2.7726])
    """
    return _losses(_sigmoid, locals())


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
    """`sigmoid_loss` and the gradients of the summed loss.

    All other parameters, and the errors, as in `sigmoid_loss`.

    Parameters
    ----------
    gradients : {"dense", "rows"}
        The form of the gradients, see `Gradients`; "rows" lists all classes.

    Returns
    -------
    (losses [batch], Gradients)
    """
    return _losses_and_gradients(_sigmoid, locals())


@same_arguments_as(sigmoid_loss)
def softmax_loss(**arguments: Any) -> NDArray[Any]:
    """Softmax cross-entropy of each example over all classes: ``-log p`` of its labels, weighted by their targets.

    Parameters, result and errors as in `sigmoid_loss`.

    Examples
    --------
    >>> import numpy as np
    >>> from nce_train import nce
    >>> nce.softmax_loss(np.zeros((4, 2)), np.zeros(4), [[1]], np.ones((1, 2))).round(4)  # log 4
    array([1.3863])
    """
    return _losses(_softmax, arguments)


@same_arguments_as(sigmoid_loss_and_gradients)
def softmax_loss_and_gradients(**arguments: Any) -> tuple[NDArray[Any], Gradients]:
    """`softmax_loss` and the gradients of the summed loss.

    All other parameters, and the errors, as in `sigmoid_loss`.

    Parameters
    ----------
    gradients : {"dense", "rows"}
        The form of the gradients, see `Gradients`; "rows" lists all classes.

    Returns
    -------
    (losses [batch], Gradients)
    """
    return _losses_and_gradients(_softmax, arguments)


def _losses(terms: Callable[[Classifier, NDArray[Any]], Terms], arguments: dict[str, Any]) -> NDArray[Any]:
    """The losses; `arguments` are those of the public function by name (its `locals()`)."""
    operations = operations_for(arguments["weights"], arguments["biases"], arguments["inputs"])
    if operations is not None:
        return full_losses(operations, terms is _softmax, **arguments)
    losses, _ = terms(*_read(**arguments))
    return losses


def _losses_and_gradients(
    terms: Callable[[Classifier, NDArray[Any]], Terms], arguments: dict[str, Any]
) -> tuple[NDArray[Any], Gradients]:
    """As `_losses`, with the gradients."""
    form = arguments.pop("gradients")
    check_no_tensors(arguments["weights"], arguments["biases"], arguments["inputs"])
    check_choice(form, FORMS, "gradients")
    classifier, targets = _read(**arguments)
    losses, delta = terms(classifier, targets)
    weights, inputs = classifier.weights, classifier.inputs
    with np.errstate(over="ignore", invalid="ignore"):  # infinity and NaN propagate
        return losses, sum_by_class(
            classifier,
            form,
            delta @ join(weights).astype(inputs.dtype, copy=False),
            ids=np.arange(weights.rows),
            weight_gradient=delta.T @ inputs,
            bias_gradient=delta.sum(axis=0),
        )


def _read(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_true: int,
    partition_strategy: str,
    normalise_targets: bool,
) -> tuple[Classifier, NDArray[Any]]:
    """The arguments of `sigmoid_loss`, checked: the classifier, and the targets z as a matrix [batch, classes]."""
    classifier = read_classifier(weights, biases, inputs, partition_strategy)
    classes, batch = classifier.weights.rows, classifier.inputs.shape[0]
    true = read_batch_labels(labels, num_true, batch, classes, "the number of classes", vector=True)
    targets = np.zeros((batch, classes), classifier.inputs.dtype)
    target = 1.0 / true.counts[true.example] if normalise_targets else 1.0
    np.add.at(targets, (true.example, true.ids), target)
    return classifier, targets


def _sigmoid(classifier: Classifier, targets: NDArray[Any]) -> Terms:
    with np.errstate(over="ignore", invalid="ignore"):  # infinity and NaN propagate
        losses, delta = logistic_terms(all_logits(classifier), targets)
        return losses.sum(axis=1).astype(classifier.dtype, copy=False), delta


def _softmax(classifier: Classifier, targets: NDArray[Any]) -> Terms:
    with np.errstate(over="ignore", invalid="ignore"):  # infinity and NaN propagate
        log_p = log_softmax(all_logits(classifier))
        losses = -(targets * log_p).sum(axis=1)
        delta = targets.sum(axis=1, keepdims=True) * np.exp(log_p) - targets
        return losses.astype(classifier.dtype, copy=False), delta
