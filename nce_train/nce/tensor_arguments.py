"""From a caller's arguments to what the losses of tensors compute with: arrays of fixed shape, checked.

In: the arguments of `nce_loss` with tensors of PyTorch or JAX, and the framework's operations `xp` (`torch_arrays`
or `jax_arrays`). Out: `TensorProblem`. Labels of any form become a matrix [batch, T], with a mask when their number
varies. Values that are known are checked by the same code as NumPy arrays, with the same errors; of tables, inputs and
traced arrays only shape and dtype are checked.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nce_train.nce.classifier import read_classifier
from nce_train.nce.labels import Labels, PaddedLabels, read_batch_labels
from nce_train.nce.sampled_logits import read_sampled_arguments, shifts


class TensorTable(NamedTuple):
    """Weights or biases as tensors: `parts` in `strategy`'s layout, `rows` in total."""

    parts: list[Any]
    strategy: str
    rows: int


class TensorProblem(NamedTuple):
    """Tensors of a batch; `inputs` [batch, dim] in the dtype of the arithmetic, `given_inputs` in that of the losses.

    `ids` [batch, T] are the labels, and `present` bool [batch, T] marks those that there are (None: all). `sampled` is
    [sampled] or [batch, sampled]. `true_shift` and `sampled_shift`, the subtrahends of the logits, broadcast against
    [batch, T] and [batch, sampled]. The last three are None for the losses over all classes.
    """

    weights: TensorTable
    biases: TensorTable
    inputs: Any
    given_inputs: Any
    ids: Any
    present: Any
    sampled: Any = None
    true_shift: Any = None
    sampled_shift: Any = None


def read_sampled_problem(
    xp: Any,
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
    subtract_log_q: bool,
) -> TensorProblem:
    """Check the arguments of a sampled loss, and draw noise on the host if none was given."""
    if sampled_values is None and xp.is_compiling():
        raise ValueError(
            "sampled_values must be given in a compiled function, where noise drawn now would be the same in every"
            " call: draw it outside, or inside by nce_train.jax.NoiseSampler"
        )
    if xp.is_array(log_z):
        raise ValueError(
            "log_z must be a number, not a tensor, since it is not learned: a normaliser that is learned is a number"
            " added to all biases"
        )
    _check_traced_labels(xp, labels)
    stand_ins = _stand_ins(xp, weights=weights, biases=biases, inputs=inputs)
    _, true, values, log_z = read_sampled_arguments(
        stand_ins["weights"],
        stand_ins["biases"],
        on_host(xp, labels, 0),
        stand_ins["inputs"],
        num_sampled,
        num_classes,
        num_true,
        _noise_on_host(xp, sampled_values),
        partition_strategy,
        seed,
        rng,
        target,
        noise_ratio,
        log_z,
    )
    tables, vectors, given_inputs = _read_tensors(xp, weights, biases, inputs, partition_strategy)
    ids, present = _label_matrix(xp, labels, true, vectors)
    true_shift, sampled_shift = shifts(values, true, "per_example", log_z, subtract_log_q)
    sampled = values.sampled_candidates
    if true_shift.ndim:  # else log_z alone
        true_shift = _spread(true_shift, true)
    traced = _traced_parts(xp, sampled_values)
    problem = TensorProblem(
        *tables,
        vectors,
        given_inputs,
        ids,
        present,
        xp.as_ids(traced[0]) if traced[0] is not None else xp.constant(sampled, vectors),
        xp.constant(true_shift, vectors),
        xp.constant(sampled_shift, vectors),
    )
    if not subtract_log_q:
        return problem
    if traced[1] is not None:
        counts = _traced_true_count(xp, traced[1], true, present)
        problem = problem._replace(true_shift=xp.log(xp.cast(counts, vectors)) + log_z)
    if traced[2] is not None:
        problem = problem._replace(sampled_shift=xp.log(xp.cast(traced[2], vectors)) + log_z)
    return problem


def read_full_problem(
    xp: Any, weights: Any, biases: Any, labels: Any, inputs: Any, num_true: int, partition_strategy: str
) -> TensorProblem:
    """Check the arguments of a loss over all classes."""
    _check_traced_labels(xp, labels)
    stand_ins = _stand_ins(xp, weights=weights, biases=biases, inputs=inputs)
    classifier = read_classifier(**stand_ins, partition_strategy=partition_strategy)
    batch, classes = classifier.inputs.shape[0], classifier.weights.rows
    true = read_batch_labels(on_host(xp, labels, 0), num_true, batch, classes, "the number of classes", vector=True)
    tables, vectors, given_inputs = _read_tensors(xp, weights, biases, inputs, partition_strategy)
    return TensorProblem(*tables, vectors, given_inputs, *_label_matrix(xp, labels, true, vectors))


def on_host(xp: Any, value: Any, filling: int) -> Any:
    """`value` with its tensors as NumPy arrays; a traced one as an array of its shape, filled with a valid number."""
    if xp.is_traced(value):
        return np.full(value.shape, filling, value.dtype)
    if xp.is_array(value):
        return xp.host(value)
    if isinstance(value, PaddedLabels):
        return PaddedLabels(on_host(xp, value.ids, 0), on_host(xp, value.mask, 1))
    if isinstance(value, tuple):
        return tuple(on_host(xp, item, filling) for item in value)
    if isinstance(value, list):
        return [xp.host(item) if xp.is_array(item) else item for item in value]
    return value


def _read_tensors(
    xp: Any, weights: Any, biases: Any, inputs: Any, strategy: str
) -> tuple[tuple[TensorTable, TensorTable], Any, Any]:
    """The tables, and the inputs in the dtype of the arithmetic and as given; what is no tensor becomes one."""
    listed = [list(value) if isinstance(value, list | tuple) else [value] for value in (weights, biases, inputs)]
    like = next(part for parts in listed for part in parts if xp.is_array(part))
    weight_parts, bias_parts = (
        [xp.convert(part, like) for part in _parts(value, ndim)] for value, ndim in ((weights, 2), (biases, 1))
    )
    tables = tuple(
        TensorTable(parts, strategy, sum(part.shape[0] for part in parts)) for parts in (weight_parts, bias_parts)
    )
    given_inputs = xp.convert(inputs, like)
    return (tables[0], tables[1]), xp.working(given_inputs), given_inputs


def _parts(value: Any, ndim: int) -> list[Any]:
    """The partitions of a table: those of a list of arrays, else the table itself."""
    if isinstance(value, list | tuple) and any(np.ndim(part) == ndim for part in value):
        return list(value)
    return [value]


def _label_matrix(xp: Any, labels: Any, true: Labels, like: Any) -> tuple[Any, Any]:
    """(ids [batch, T], mask [batch, T] or None) of labels in any form."""
    if isinstance(labels, PaddedLabels):
        ids, mask = (value if xp.is_traced(value) else xp.constant(on_host(xp, value, 0), like) for value in labels)
        return xp.as_ids(ids), mask
    place, present = _places(true)
    mask = None if present.size and present.all() else xp.constant(present, like)
    if xp.is_traced(labels):
        return xp.as_ids(labels).reshape(place.shape), mask
    if isinstance(labels, tuple) and xp.is_traced(labels[0]):
        return xp.as_ids(labels[0])[place], mask
    return xp.constant(true.ids[place], like), mask


def _places(true: Labels) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(index into flat labels, whether there is a label), both [batch, T] with T labels at most."""
    column = np.arange(true.counts.max(initial=0))
    present = column < true.counts[:, None]
    return np.where(present, true.row_splits[:-1, None] + column, 0), present


def _spread(shift: NDArray[np.float64], true: Labels) -> NDArray[np.float64]:
    """One number for each label, flat, as a matrix [batch, T]; 0 where there is no label."""
    if true.mask is not None:
        whole = np.zeros(true.shape)
        whole[true.mask] = shift
        return whole
    place, present = _places(true)
    return np.where(present, shift[place], 0)


def _traced_true_count(xp: Any, counts: Any, true: Labels, present: Any) -> Any:
    """Traced expected counts of the labels as a matrix; 1 where there is no label, so that its logarithm is finite."""
    if counts.ndim == 1:
        counts = counts[_places(true)[0]]
    return counts if present is None else xp.where(present, counts, 1)


def _noise_on_host(xp: Any, sampled_values: Any) -> Any:
    """The three arrays of noise as `on_host`; what is no triple stays as it is, for its error."""
    if not isinstance(sampled_values, list | tuple):
        return sampled_values
    return tuple(on_host(xp, value, min(number, 1)) for number, value in enumerate(sampled_values))


def _traced_parts(xp: Any, sampled_values: Any) -> list[Any]:
    """Those of the three arrays of noise whose numbers are unknown, None for the others."""
    return [value if xp.is_traced(value) else None for value in sampled_values or (None, None, None)]


def _check_traced_labels(xp: Any, labels: Any) -> None:
    """Raise ValueError for traced labels whose shape would depend on their values."""
    rows = labels if isinstance(labels, list) else ()
    items = [item for row in rows for item in (row if isinstance(row, list | tuple) else (row,))]
    splits = labels[1:] if isinstance(labels, tuple) and not isinstance(labels, PaddedLabels) else ()
    if any(xp.is_traced(item) for item in (*items, *splits)):
        raise ValueError(
            "labels whose number varies must have a fixed shape in a compiled function: give nce.pad_labels(rows), or"
            " a pair (ids, row_splits) with row_splits from outside the function"
        )


def _stand_ins(xp: Any, **tables: Any) -> dict[str, Any]:
    """NumPy arrays of the tables' shapes and dtypes, by argument; partitions stay lists."""
    return {
        name: [_stand_in(xp, part, name) for part in value]
        if isinstance(value, list | tuple)
        else _stand_in(xp, value, name)
        for name, value in tables.items()
    }


def _stand_in(xp: Any, value: Any, argument: str) -> Any:
    return xp.stand_in(value, argument) if xp.is_array(value) else value
