"""The sampled losses: NCE, negative sampling and sampled softmax, each with its gradients.

In: class weights and biases (whole or partitioned), labels, input vectors, and noise samples given or
drawn. Out: one loss an example, and gradients of their sum. With F = x·w + b, the logit of a class of
expected count Q is ``G = F - log_z - log Q`` (without log Q for negative sampling):

- NCE and negative sampling: ``loss = sum_labels l(G, z) + sum_samples l(G, 0)``, where
  ``l(g, z) = max(g, 0) - g z + log1p(exp(-|g|))``, so ``dloss/dG = sigmoid(G) - z``;
- sampled softmax: ``loss = sum_labels z (logsumexp(G) - G)``, so ``dloss/dG = sum(z) softmax(G) - z``;

hence ``dx = sum dG w``, ``dw = sum dG x``, ``db = sum dG`` over the uses of each class. Nothing flows
through Q.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nce_train.nce.gradients import Gradients, assemble, check_form
from nce_train.nce.sampled_logits import SampledLogits, read_sampled_logits
from nce_train.nce.terms import logistic_terms, softmax_terms, sum_by_example


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

    The order of operations is that of TensorFlow's function of this name. It trains x·w + b towards
    log P(class | x), with `remove_accidental_hits` towards the log-odds.

    Parameters
    ----------
    weights : array [num_classes, dim], or list or tuple of such partitions
    biases : array [num_classes], or list or tuple of such partitions
        Partitioned independently of the weights.
    labels : array of int [batch, num_true], list of sequences, or pair (ids, row_splits)
        The true classes. The last two forms are ragged: each example has as many as it has.
    inputs : float array [batch, dim]
        Their dtype is that of all results. float16 is computed in float32.
    num_sampled : int
        Noise samples drawn, or the number given in `sampled_values`.
    num_classes : int
        Classes in all, at most the rows of `weights`.
    num_true : int
        Columns of `labels`; ignored when they are ragged.
    sampled_values : SampledValues or triple, optional
        (sampled_candidates [num_sampled] or, a set for each example, [batch, num_sampled];
        true_expected_count [batch, num_true] or [batch, 1], flat for ragged labels;
        sampled_expected_count [num_sampled], or also [batch, num_sampled]). By default drawn without
        replacement from the log-uniform distribution, which presumes class ids sorted by decreasing
        frequency.
    remove_accidental_hits : bool
        Leave out samples that equal a label of the example.
    partition_strategy : {"mod", "div"}
        Layout of partitions, `nce_train.nce.partition`.
    name : str
        Accepted for TensorFlow's sake, without effect.
    seed : int, pair of int, SamplerStream or None
        Of the samples drawn; see `SamplerStream`.
    rng : {"nce_train", "tensorflow"}
        The random stream that `seed` refers to, unless it is a `SamplerStream`, which brings its own.
    strict : bool
        Remove every copy of a sample that is a hit, not, as TensorFlow, the last one only.
    target : {"share", "one"}
        Target of each of an example's T labels: 1/T, TensorFlow's, or 1.
    noise_ratio : {"per_example", "per_target"}
        With "per_target" an example of T labels takes Q/T for Q: noise is counted for each label instead
        of each example. With target "one" its optimum is log P for any number of labels; with
        "per_example" log(T·P). An example without labels then has loss 0.
    log_z : float
        Logarithm of the normaliser that x·w + b is to have: P = exp(x·w + b - log_z).

    Returns
    -------
    Losses [batch], in the dtype of `inputs`.

    Raises
    ------
    ValueError
        For any shape, size, class id, expected count or option that does not fit, naming the argument and
        both numbers. NaN and infinity in inputs and weights propagate.

    Notes
    -----
    The expected counts are those of all `num_sampled` samples, and every example is set against all of them:
    the number of noise samples is `num_sampled` for each example, not shared out over the batch.

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
    logits = read_sampled_logits(
        weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values,
        remove_accidental_hits, partition_strategy, seed=seed, rng=rng, strict=strict, target=target,
        noise_ratio=noise_ratio, log_z=log_z, subtract_log_q=True,
    )  # fmt: skip
    losses, _, _ = _logistic(logits)
    return losses


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

    Parameters
    ----------
    gradients : {"dense", "rows"}
        Whole tables, or the touched rows only (see `Gradients`).

    Returns
    -------
    (losses [batch], Gradients); all other arguments, and the errors, as in `nce_loss`.

    Examples
    --------
    >>> import numpy as np
    >>> from nce_train import nce
    >>> weights, biases, inputs = np.zeros((50, 8)), np.zeros(50), np.ones((1, 8))
    >>> losses, gradients = nce.nce_loss_and_gradients(weights, biases, [[3]], inputs, 10, 50, gradients="rows", seed=1)
    >>> ids, rows = gradients.weights  # those of 50 that the label and the noise touch
    >>> losses.shape, gradients.inputs.shape, ids.shape, rows.shape
    ((1,), (1, 8), (10,), (10, 8))
    """
    check_form(gradients)
    logits = read_sampled_logits(
        weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values,
        remove_accidental_hits, partition_strategy, seed=seed, rng=rng, strict=strict, target=target,
        noise_ratio=noise_ratio, log_z=log_z, subtract_log_q=True,
    )  # fmt: skip
    losses, true_delta, sampled_delta = _logistic(logits)
    return losses, _gradients(logits, true_delta, sampled_delta, gradients)


def negative_sampling_loss(
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
    name: str = "negative_sampling_loss",
    *,
    seed: Any = None,
    rng: str = "nce_train",
    strict: bool = False,
    target: str = "share",
    noise_ratio: str = "per_example",
    log_z: float = 0.0,
) -> NDArray[Any]:
    """Negative sampling loss of each example: `nce_loss` without the subtraction of log Q.

    It trains x·w + b towards log(P / Q), a pointwise mutual information, and so is no estimator of P
    unless Q is added back (`log_probabilities` does). Arguments, result and errors as in `nce_loss`;
    expected counts are checked for shape only, and `noise_ratio` matters to examples without labels
    alone.
    """
    logits = read_sampled_logits(
        weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values,
        remove_accidental_hits, partition_strategy, seed=seed, rng=rng, strict=strict, target=target,
        noise_ratio=noise_ratio, log_z=log_z, subtract_log_q=False,
    )  # fmt: skip
    losses, _, _ = _logistic(logits)
    return losses


def negative_sampling_loss_and_gradients(
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
    name: str = "negative_sampling_loss",
    *,
    seed: Any = None,
    rng: str = "nce_train",
    strict: bool = False,
    target: str = "share",
    noise_ratio: str = "per_example",
    log_z: float = 0.0,
    gradients: str = "dense",
) -> tuple[NDArray[Any], Gradients]:
    """`negative_sampling_loss` and the gradients of the summed loss.

    Parameters
    ----------
    gradients : {"dense", "rows"}
        Whole tables, or the touched rows only (see `Gradients`).

    Returns
    -------
    (losses [batch], Gradients); all other arguments, and the errors, as in `negative_sampling_loss`.
    """
    check_form(gradients)
    logits = read_sampled_logits(
        weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values,
        remove_accidental_hits, partition_strategy, seed=seed, rng=rng, strict=strict, target=target,
        noise_ratio=noise_ratio, log_z=log_z, subtract_log_q=False,
    )  # fmt: skip
    losses, true_delta, sampled_delta = _logistic(logits)
    return losses, _gradients(logits, true_delta, sampled_delta, gradients)


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

    It trains x·w + b towards log P(class | x) plus any function of x, the full softmax's optimum. Hits
    are removed unless told otherwise. With targets z of 1/T or 1 the loss is ``sum_t z (logsumexp(G) -
    G_t)``; `noise_ratio` and `log_z` cancel out of it. Arguments, result and errors as in `nce_loss`; an
    example without labels has loss 0.
    """
    logits = read_sampled_logits(
        weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values,
        remove_accidental_hits, partition_strategy, seed=seed, rng=rng, strict=strict, target=target,
        noise_ratio=noise_ratio, log_z=log_z, subtract_log_q=True,
    )  # fmt: skip
    losses, _, _ = _softmax(logits)
    return losses


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

    Parameters
    ----------
    gradients : {"dense", "rows"}
        Whole tables, or the touched rows only (see `Gradients`).

    Returns
    -------
    (losses [batch], Gradients); all other arguments, and the errors, as in `sampled_softmax_loss`.
    """
    check_form(gradients)
    logits = read_sampled_logits(
        weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values,
        remove_accidental_hits, partition_strategy, seed=seed, rng=rng, strict=strict, target=target,
        noise_ratio=noise_ratio, log_z=log_z, subtract_log_q=True,
    )  # fmt: skip
    losses, true_delta, sampled_delta = _softmax(logits)
    return losses, _gradients(logits, true_delta, sampled_delta, gradients)


def _logistic(logits: SampledLogits) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Losses [batch], and derivatives by the true [labels] and the sampled logits [batch, sampled]."""
    with np.errstate(over="ignore", invalid="ignore"):  # infinity and NaN propagate
        true_losses, true_delta = logistic_terms(logits.true_logits, logits.true_targets)
        sampled_losses, sampled_delta = logistic_terms(logits.sampled_logits, 0.0)
        if logits.masked is not None:
            sampled_losses[logits.masked] = 0
            sampled_delta[logits.masked] = 0
        losses = sum_by_example(true_losses, logits.targets.row_splits) + sampled_losses.sum(axis=1)
        return losses.astype(logits.classifier.dtype, copy=False), true_delta, sampled_delta


def _softmax(logits: SampledLogits) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """As `_logistic`."""
    with np.errstate(over="ignore", invalid="ignore"):
        losses, true_delta, sampled_delta = softmax_terms(
            logits.true_logits,
            logits.true_targets,
            logits.targets.row_splits,
            logits.sampled_logits,
            logits.masked,
        )
        return losses.astype(logits.classifier.dtype, copy=False), true_delta, sampled_delta


def _gradients(logits: SampledLogits, true_delta: NDArray[Any], sampled_delta: NDArray[Any], form: str) -> Gradients:
    classifier, targets = logits.classifier, logits.targets
    vectors = classifier.inputs
    with np.errstate(over="ignore", invalid="ignore"):
        by_label = sum_by_example(true_delta[:, None] * logits.true_rows, targets.row_splits)
        if logits.sampled.ndim == 1:
            input_gradient = by_label + sampled_delta @ logits.sampled_rows
            sampled_rows = sampled_delta.T @ vectors
            sampled_biases = sampled_delta.sum(axis=0)
        else:
            input_gradient = by_label + np.matmul(sampled_delta[:, None, :], logits.sampled_rows)[:, 0, :]
            sampled_rows = (sampled_delta[:, :, None] * vectors[:, None, :]).reshape(-1, vectors.shape[1])
            sampled_biases = sampled_delta.reshape(-1)
        return assemble(
            form,
            classifier.weights,
            classifier.biases,
            input_gradient,
            np.concatenate([targets.ids, logits.sampled.reshape(-1)]),
            np.concatenate([true_delta[:, None] * vectors[targets.example], sampled_rows]),
            np.concatenate([true_delta, sampled_biases]),
            classifier.dtype,
        )
