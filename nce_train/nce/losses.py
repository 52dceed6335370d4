"""The sampled losses: NCE, negative sampling and sampled softmax, each with its gradients.

In: class weights and biases (whole or partitioned), labels, input vectors, and noise samples, given or drawn. Out:
one loss an example, and the gradients of their sum. With F = x·w + b, a class of expected count Q has the logit
``G = F - log_z - log Q`` (without log Q for negative sampling):

- NCE and negative sampling: ``loss = sum_labels l(G, z) + sum_samples l(G, 0)``, where
  ``l(g, z) = max(g, 0) - g z + log1p(exp(-|g|))``, so ``dloss/dG = sigmoid(G) - z``;
- sampled softmax: ``loss = sum_labels z (logsumexp(G) - G)``, so ``dloss/dG = sum(z) softmax(G) - z``;

hence ``dx = sum dG w``, ``dw = sum dG x``, ``db = sum dG`` over the uses of each class. No gradient flows through Q.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nce_train.nce.checks import check_choice, same_arguments_as
from nce_train.nce.frameworks import check_no_tensors, operations_for
from nce_train.nce.gradients import (
    FORMS,
    Gradients,
    logistic_terms,
    softmax_terms,
    sum_by_class,
    sum_by_example,
)
from nce_train.nce.sampled_logits import SampledLogits, read_sampled_logits
from nce_train.nce.tensor_losses import sampled_losses

# Losses [batch], and their derivatives by the true [labels] and the sampled logits [batch, sampled].
Terms = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]


def nce_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = False,
    partition_strategy: str = "mod",
    name: str = "nce_loss",
    *,
    seed: Any = None,
    rng: str = "nce_train",
    strict: bool = False,
    target: str = "share",
    noise_ratio: str = "per_example",
    log_z: float = 0.0,
) -> NDArray[Any]:
    """Noise-contrastive estimation loss of each example.

    It trains x·w + b towards log P(class | x), with `remove_accidental_hits` towards the log-odds. The order of
    operations is that of TensorFlow's function of this name.

    Parameters
    ----------
    weights : array [num_classes, dim], or list or tuple of such partitions
    biases : array [num_classes], or list or tuple of such partitions
        Partitioned independently of the weights.
    labels : array of int [batch, num_true], list of sequences, pair (ids, row_splits), or PaddedLabels
        The true classes. A list whose rows all have `num_true` labels is a matrix; every other list of sequences is
        ragged, and so are the pair and `PaddedLabels`: the number of labels varies by example.
    inputs : float array [batch, dim]
        Their dtype is the dtype of all results. float16 and bfloat16 (of the package ml_dtypes) are computed in
        float32; weights, biases and expected counts may be of these types too, in any mixture.
    num_sampled : int
        Number of noise samples to draw, or the number given in `sampled_values`.
    num_classes : int
        Number of classes, at most the rows of `weights`.
    num_true : int
        Columns of `labels`; ignored when they are ragged.
    sampled_values : SampledValues or triple, optional
        (sampled_candidates [num_sampled] or, with a noise set for each example, [batch, num_sampled];
        true_expected_count [batch, num_true] or [batch, 1], flat for a ragged list or pair; sampled_expected_count of
        the shape of sampled_candidates, or [num_sampled]). By default the samples are drawn without replacement from
        the log-uniform distribution, which assumes class ids sorted by decreasing frequency.
    remove_accidental_hits : bool
        Leave out samples that equal a label of the example.
    partition_strategy : {"mod", "div"}
        Layout of partitions, see `partition`.
    name : str
        Accepted for compatibility with TensorFlow; it has no effect.
    seed : int, pair of int, SamplerStream or None
        Seed of the samples drawn, see `SamplerStream`.
    rng : {"nce_train", "tensorflow"}
        The random stream that `seed` refers to; leave it out when `seed` is a `SamplerStream`, which has its own.
    strict : bool
        Remove every copy of a sample that is a hit. By default only the last one, as TensorFlow.
    target : {"share", "one"}
        Target of each of the T labels of an example: 1/T, as in TensorFlow, or 1.
    noise_ratio : {"per_example", "per_target"}
        With "per_target", Q/T replaces Q in an example of T labels: the noise is counted for each label instead
        of each example. With target "one" the optimum is then log P for any T, with "per_example" it is log(T·P).
        With "per_target" an example without labels has loss 0.
    log_z : float
        Logarithm of the normaliser in P = exp(x·w + b - log_z).

    Returns
    -------
    Losses [batch], in the dtype of `inputs`.

    Raises
    ------
    ValueError
        When a shape, size, class id, expected count or option does not fit; the message names the argument and
        both numbers. NaN and infinity in inputs and weights propagate.

    Notes
    -----
    Every example is compared with all `num_sampled` samples: they are not divided among the examples of the batch.
    The expected counts are those of all the samples.

    With tensors of PyTorch or arrays of JAX as weights, biases or inputs, the losses are such tensors too, and can be
    differentiated. In a function that `jax.jit` compiles, `sampled_values` must be given, and ids and counts are not
    checked.

    Examples
    --------
    >>> import numpy as np
    >>> from nce_train import nce
    >>> generator = np.random.default_rng(0)
    >>> weights, biases = generator.normal(size=(50, 8)).astype(np.float32), np.zeros(50, np.float32)
    >>> inputs, labels = generator.normal(size=(3, 8)).astype(np.float32), [[3], [17], [8]]
    >>> nce.nce_loss(weights, biases, labels, inputs, num_sampled=10, num_classes=50, seed=1).round(2)
    array([23.83, 17.77, 26.49], dtype=float32)
    """
    return _losses(_logistic, locals(), subtract_log_q=True)


def nce_loss_and_gradients(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = False,
    partition_strategy: str = "mod",
    name: str = "nce_loss",
    *,
    seed: Any = None,
    rng: str = "nce_train",
    strict: bool = False,
    target: str = "share",
    noise_ratio: str = "per_example",
    log_z: float = 0.0,
    gradients: str = "dense",
) -> tuple[NDArray[Any], Gradients]:
    """`nce_loss` and the gradients of the summed loss.

    All other parameters, and the errors, as in `nce_loss`.

    Parameters
    ----------
    gradients : {"dense", "rows"}
        Gradients of the whole tables, or of the touched rows only (see `Gradients`).

    Returns
    -------
    (losses [batch], Gradients)

    Examples
    --------
    >>> import numpy as np
    >>> from nce_train import nce
    >>> weights, biases, inputs = np.zeros((50, 8)), np.zeros(50), np.ones((1, 8))
    >>> losses, gradients = nce.nce_loss_and_gradients(weights, biases, [[3]], inputs, 10, 50, gradients="rows", seed=1)
    >>> ids, rows = gradients.weights  # only the classes of the label and the noise
    >>> losses.shape, gradients.inputs.shape, ids.shape, rows.shape
    ((1,), (1, 8), (10,), (10, 8))
    """
    return _losses_and_gradients(_logistic, locals(), subtract_log_q=True)


@same_arguments_as(nce_loss, name="negative_sampling_loss")
def negative_sampling_loss(**arguments: Any) -> NDArray[Any]:
    """Negative sampling loss of each example: `nce_loss` without the subtraction of log Q.

    It trains x·w + b towards log(P / Q), a pointwise mutual information. To estimate P, add log Q back, as
    `log_probabilities` does. Parameters, result and errors as in `nce_loss`, but of the expected counts only the
    shapes are checked, and `noise_ratio` affects only examples without labels.
    """
    return _losses(_logistic, arguments, subtract_log_q=False)


@same_arguments_as(nce_loss_and_gradients, name="negative_sampling_loss")
def negative_sampling_loss_and_gradients(**arguments: Any) -> tuple[NDArray[Any], Gradients]:
    """`negative_sampling_loss` and the gradients of the summed loss.

    All other parameters, and the errors, as in `negative_sampling_loss`.

    Parameters
    ----------
    gradients : {"dense", "rows"}
        Gradients of the whole tables, or of the touched rows only (see `Gradients`).

    Returns
    -------
    (losses [batch], Gradients)
    """
    return _losses_and_gradients(_logistic, arguments, subtract_log_q=False)


def sampled_softmax_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = True,
    partition_strategy: str = "mod",
    name: str = "sampled_softmax_loss",
    *,
    seed: Any = None,
    rng: str = "nce_train",
    strict: bool = False,
    target: str = "share",
    noise_ratio: str = "per_example",
    log_z: float = 0.0,
) -> NDArray[Any]:
    """Sampled softmax loss of each example: cross-entropy over its labels and the samples.

    It trains x·w + b towards log P(class | x) plus any function of x, the optimum of the full softmax. With a target
    z of 1/T or 1 for each label the loss is ``sum_t z (logsumexp(G) - G_t)``, where `noise_ratio` and `log_z` cancel
    out. An example without labels has loss 0. Parameters, result and errors as in `nce_loss`, but hits are removed by
    default.
    """
    return _losses(_softmax, locals(), subtract_log_q=True)


def sampled_softmax_loss_and_gradients(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = True,
    partition_strategy: str = "mod",
    name: str = "sampled_softmax_loss",
    *,
    seed: Any = None,
    rng: str = "nce_train",
    strict: bool = False,
    target: str = "share",
    noise_ratio: str = "per_example",
    log_z: float = 0.0,
    gradients: str = "dense",
) -> tuple[NDArray[Any], Gradients]:
    """`sampled_softmax_loss` and the gradients of the summed loss.

    All other parameters, and the errors, as in `sampled_softmax_loss`.

    Parameters
    ----------
    gradients : {"dense", "rows"}
        Gradients of the whole tables, or of the touched rows only (see `Gradients`).

    Returns
    -------
    (losses [batch], Gradients)
    """
    return _losses_and_gradients(_softmax, locals(), subtract_log_q=True)


def _losses(terms: Callable[[SampledLogits], Terms], arguments: dict[str, Any], subtract_log_q: bool) -> NDArray[Any]:
    """The losses; `arguments` are those of the public function by name (its `locals()`)."""
    operations = operations_for(arguments["weights"], arguments["biases"], arguments["inputs"])
    if operations is not None:
        return sampled_losses(operations, terms is _softmax, **arguments, subtract_log_q=subtract_log_q)
    losses, _, _ = terms(read_sampled_logits(**arguments, subtract_log_q=subtract_log_q))
    return losses


def _losses_and_gradients(
    terms: Callable[[SampledLogits], Terms], arguments: dict[str, Any], subtract_log_q: bool
) -> tuple[NDArray[Any], Gradients]:
    """As `_losses`, with the gradients."""
    form = arguments.pop("gradients")
    check_no_tensors(arguments["weights"], arguments["biases"], arguments["inputs"])
    check_choice(form, FORMS, "gradients")
    logits = read_sampled_logits(**arguments, subtract_log_q=subtract_log_q)
    losses, true_delta, sampled_delta = terms(logits)
    return losses, _gradients(logits, true_delta, sampled_delta, form)


def _logistic(logits: SampledLogits) -> Terms:
    with np.errstate(over="ignore", invalid="ignore"):  # infinity and NaN propagate
        true_losses, true_delta = logistic_terms(logits.true_logits, logits.true_targets)
        sampled_losses, sampled_delta = logistic_terms(logits.sampled_logits, 0.0)
        if logits.masked is not None:
            sampled_losses[logits.masked] = 0
            sampled_delta[logits.masked] = 0
        losses = sum_by_example(true_losses, logits.labels) + sampled_losses.sum(axis=1)
        return losses.astype(logits.classifier.dtype, copy=False), true_delta, sampled_delta


def _softmax(logits: SampledLogits) -> Terms:
    with np.errstate(over="ignore", invalid="ignore"):  # infinity and NaN propagate
        losses, true_delta, sampled_delta = softmax_terms(
            logits.true_logits, logits.true_targets, logits.labels, logits.sampled_logits, logits.masked
        )
        return losses.astype(logits.classifier.dtype, copy=False), true_delta, sampled_delta


def _gradients(logits: SampledLogits, true_delta: NDArray[Any], sampled_delta: NDArray[Any], form: str) -> Gradients:
    classifier, labels = logits.classifier, logits.labels
    vectors = classifier.inputs
    with np.errstate(over="ignore", invalid="ignore"):  # infinity and NaN propagate
        by_label = sum_by_example(true_delta[:, None] * logits.true_rows, labels)
        if logits.sampled.ndim == 1:
            input_gradient = by_label + sampled_delta @ logits.sampled_rows
            sampled_weights = sampled_delta.T @ vectors
            sampled_biases = sampled_delta.sum(axis=0)
        else:
            input_gradient = by_label + np.matmul(sampled_delta[:, None, :], logits.sampled_rows)[:, 0, :]
            sampled_weights = (sampled_delta[:, :, None] * vectors[:, None, :]).reshape(-1, vectors.shape[1])
            sampled_biases = sampled_delta.reshape(-1)
        return sum_by_class(
            classifier,
            form,
            input_gradient,
            ids=np.concatenate([labels.ids, logits.sampled.reshape(-1)]),
            weight_gradient=np.concatenate([true_delta[:, None] * vectors[labels.example], sampled_weights]),
            bias_gradient=np.concatenate([true_delta, sampled_biases]),
        )
