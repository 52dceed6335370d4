"""The losses of PyTorch's tensors and JAX's arrays, as pure functions that the framework can differentiate.

In: the arguments of the public functions, and the framework's operations `xp` (`torch_arrays` or `jax_arrays`). Out:
one loss an example, in the dtype of the inputs. The formulas are those of `losses.py` and `full_losses.py`. They stand
here a second time, written so that any framework can differentiate and compile them: no value is assigned into an
array, no branch depends on a number, and what `where` leaves out is masked before it is computed with, since a
gradient of infinity times 0 is NaN.
"""

from typing import Any

import numpy as np

from nce_train.nce.partition import partition_slices
from nce_train.nce.tensor_arguments import TensorProblem, TensorTable, read_full_problem, read_sampled_problem


def sampled_losses(
    xp: Any,
    softmax: bool,
    *,
    remove_accidental_hits: bool,
    strict: bool,
    target: str,
    noise_ratio: str,
    subtract_log_q: bool,
    name: str,
    **arguments: Any,
) -> Any:
    """NCE and negative sampling, or with `softmax` sampled softmax; `arguments` are the others of `nce_loss`.

    `name` has no effect.
    """
    read = xp.outside_graphs(read_sampled_problem)
    problem = read(xp, target=target, noise_ratio=noise_ratio, subtract_log_q=subtract_log_q, **arguments)
    return losses_of_problem(
        xp,
        softmax,
        problem,
        remove_accidental_hits=remove_accidental_hits,
        strict=strict,
        target=target,
        noise_ratio=noise_ratio,
        subtract_log_q=subtract_log_q,
    )


def losses_of_problem(
    xp: Any,
    softmax: bool,
    problem: TensorProblem,
    *,
    remove_accidental_hits: bool,
    strict: bool,
    target: str,
    noise_ratio: str,
    subtract_log_q: bool,
    sparse: bool = False,
) -> Any:
    """As `sampled_losses`, of what has been read. With `sparse` the tables' gradients are sparse (PyTorch only)."""
    with xp.full_precision(problem.inputs):
        true_logits, sampled_logits = _sampled_logits(xp, problem, sparse)
        counts = _label_counts(xp, problem)
        positive_counts = xp.where(counts > 0, counts, 1)[:, None]
        masked = _hits(xp, problem, strict) if remove_accidental_hits else None
        if noise_ratio == "per_target":
            if subtract_log_q:  # Q/T for Q
                shift = xp.log(positive_counts)
                true_logits, sampled_logits = true_logits + shift, sampled_logits + shift
            if problem.present is not None:
                # Q / 0 is infinite: a sample is then certain to be noise and adds no loss.
                unlabelled = (counts == 0)[:, None]
                masked = unlabelled if masked is None else masked | unlabelled
        targets = 1 / positive_counts if target == "share" else 1.0
        terms = _softmax if softmax else _logistic
        losses = terms(xp, true_logits, targets, problem.present, sampled_logits, masked, counts)
        return xp.cast(losses, problem.given_inputs)


def full_losses(
    xp: Any,
    softmax: bool,
    *,
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_true: int,
    partition_strategy: str,
    normalise_targets: bool,
) -> Any:
    """Sigmoid cross-entropy over all classes, or with `softmax` softmax cross-entropy."""
    read = xp.outside_graphs(read_full_problem)
    problem = read(xp, weights, biases, labels, inputs, num_true, partition_strategy)
    with xp.full_precision(problem.inputs):
        return xp.cast(_full_losses(xp, softmax, problem, normalise_targets), problem.given_inputs)


def all_logits(xp: Any, weights: TensorTable, biases: TensorTable, inputs: Any) -> Any:
    """``x·w + b`` of every class in the order of class ids, [batch, classes]."""
    return inputs @ xp.cast(_join(xp, weights), inputs).T + xp.cast(_join(xp, biases), inputs)


def _sampled_logits(xp: Any, problem: TensorProblem, sparse: bool) -> tuple[Any, Any]:
    """G = F - shift of the labels [batch, T] and the samples [batch, sampled]; 0 where there is no label."""
    weights, biases, inputs, _, ids, present, sampled, true_shift, sampled_shift = problem
    if present is not None:
        # The row of a sample, which is used anyway: no class gets a gradient, not even 0, because of padding.
        ids = xp.where(present, ids, sampled[..., :1])
    flat = xp.concat([ids.reshape(-1), sampled.reshape(-1)])
    first = ids.shape[0] * ids.shape[1]
    true_rows, sampled_rows = xp.split(xp.cast(_gather(xp, weights, flat, sparse), inputs), first)
    true_bias, sampled_bias = xp.split(xp.cast(_gather(xp, biases, flat, sparse), inputs), first)
    # With its gradients 0.7 ms for 256 examples of one label; by a batched matrix product it was 1.0 ms.
    true_logits = (inputs[:, None, :] * true_rows.reshape(*ids.shape, inputs.shape[1])).sum(2)
    if sampled.ndim == 1:
        sampled_logits = inputs @ sampled_rows.T
    else:
        sampled_logits = xp.einsum("bd,bsd->bs", inputs, sampled_rows.reshape(*sampled.shape, inputs.shape[1]))
    true_logits = true_logits + true_bias.reshape(*ids.shape) - true_shift
    sampled_logits = sampled_logits + sampled_bias.reshape(*sampled.shape) - sampled_shift
    return true_logits if present is None else xp.where(present, true_logits, 0), sampled_logits


def _label_counts(xp: Any, problem: TensorProblem) -> Any:
    """The number of labels of each example, [batch], in the dtype of the arithmetic."""
    return xp.cast(_label_mask(problem), problem.inputs).sum(1)


def _label_mask(problem: TensorProblem) -> Any:
    """`present`, or where there are all labels as many true values."""
    return problem.ids == problem.ids if problem.present is None else problem.present


def _hits(xp: Any, problem: TensorProblem, strict: bool) -> Any:
    """Whether a sample equals a label of the example, [batch, sampled]; without `strict` only its last copy counts."""
    ids, sampled = problem.ids, problem.sampled
    equal = ids[:, :, None] == (sampled[:, None, :] if sampled.ndim == 2 else sampled)
    if problem.present is not None:
        equal = equal & problem.present[:, :, None]
    hits = equal.any(1)
    if strict:
        return hits
    order = xp.argsort(sampled)
    ordered = xp.take_along_last(sampled, order)
    ends = xp.concat([ordered[..., 1:] != ordered[..., :-1], ordered[..., :1] == ordered[..., :1]], -1)
    return hits & xp.take_along_last(ends, xp.argsort(order))


def _logistic_terms(xp: Any, logits: Any, targets: Any) -> Any:
    """Sigmoid cross-entropy of each logit: ``log(1 + exp(g)) - g z``, where no exponential overflows."""
    return xp.logaddexp(logits, xp.zeros_like(logits)) - logits * targets


def _logistic(
    xp: Any, true_logits: Any, targets: Any, present: Any, sampled_logits: Any, masked: Any, counts: Any
) -> Any:
    true_losses = _logistic_terms(xp, true_logits, targets)
    if present is not None:
        true_losses = xp.where(present, true_losses, 0)
    if masked is not None:
        sampled_logits = xp.where(masked, 0, sampled_logits)
    sampled_losses = _logistic_terms(xp, sampled_logits, 0)
    if masked is not None:
        sampled_losses = xp.where(masked, 0, sampled_losses)
    return true_losses.sum(1) + sampled_losses.sum(1)


def _softmax(
    xp: Any, true_logits: Any, targets: Any, present: Any, sampled_logits: Any, masked: Any, counts: Any
) -> Any:
    """``sum_t z_t (logsumexp(G) - G_t)``; an example without labels has loss 0."""
    if masked is not None:
        sampled_logits = xp.where(masked, -np.inf, sampled_logits)
    if present is None:
        log_total = xp.logsumexp(xp.concat([true_logits, sampled_logits], 1))
        return (targets * (log_total[:, None] - true_logits)).sum(1)
    labelled = (counts > 0)[:, None]
    logits = xp.concat([xp.where(present, true_logits, -np.inf), sampled_logits], 1)
    log_total = xp.logsumexp(xp.where(labelled, logits, 0))  # of infinities alone the gradient would be NaN
    return xp.where(present, targets * (log_total[:, None] - true_logits), 0).sum(1)


def _full_losses(xp: Any, softmax: bool, problem: TensorProblem, normalise_targets: bool) -> Any:
    weights, biases, inputs, _, ids, present, *_ = problem
    logits = all_logits(xp, weights, biases, inputs)
    targets = xp.cast(_label_mask(problem), inputs)
    if normalise_targets:
        counts = targets.sum(1)
        targets = targets / xp.where(counts > 0, counts, 1)[:, None]
    ids = ids if present is None else xp.where(present, ids, 0)
    targets = xp.sums_by_column(ids, targets, weights.rows)
    if softmax:
        return -(targets * xp.log_softmax(logits)).sum(1)
    return _logistic_terms(xp, logits, targets).sum(1)


def _gather(xp: Any, table: TensorTable, ids: Any, sparse: bool) -> Any:
    """The rows of `ids` [n], from whichever partition has them."""
    if len(table.parts) == 1:
        return xp.take(table.parts[0], ids, sparse)
    part_of, offset = _locate(xp, table, ids)
    rows = None
    for number, part in enumerate(table.parts):
        if part.shape[0] == 0:
            continue
        here = part_of == number
        taken = xp.take(part, xp.where(here, offset, 0), sparse)
        rows = taken if rows is None else xp.where(here if part.ndim == 1 else here[:, None], taken, rows)
    return rows


def _locate(xp: Any, table: TensorTable, ids: Any) -> tuple[Any, Any]:
    """As `locate` in partition.py, for tensors of ids in range."""
    count = len(table.parts)
    if table.strategy == "mod":
        return ids % count, ids // count
    base, extra = divmod(table.rows, count)
    first_short = extra * (base + 1)  # ids below this one lie in the longer partitions
    in_long, rest = ids < first_short, xp.where(ids < first_short, 0, ids - first_short)
    part_of = xp.where(in_long, ids // (base + 1), extra + rest // base)
    return part_of, xp.where(in_long, ids % (base + 1), rest % base)


def _join(xp: Any, table: TensorTable) -> Any:
    """The whole table in the order of class ids."""
    if len(table.parts) == 1:
        return table.parts[0]
    whole = xp.concat(table.parts)
    if table.strategy == "div":
        return whole
    ids = np.arange(table.rows)
    order = np.argsort(np.concatenate([ids[part] for part in partition_slices(table.rows, len(table.parts), "mod")]))
    return whole[xp.constant(order, whole)]
