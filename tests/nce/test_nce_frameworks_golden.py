"""The golden cases through PyTorch and JAX: TensorFlow's numbers, and the gradients of NumPy's functions.

float32 to 2e-6 and float64 to 1e-12 of the largest number, ten times as near as the golden file's tolerances. JAX
compiles each case as one program, which takes less time than operation by operation.
"""

import numpy as np
import pytest
from frameworks_case import run
from golden_cases import REFUSED, arrays, assert_close, cases, step, table

from nce_train import nce
from nce_train.nce import tensor_losses
from nce_train.nce.frameworks import operations_for
from nce_train.nce.tensor_arguments import TensorTable

NAMES = {
    "nce": "nce_loss",
    "negative_sampling": "negative_sampling_loss",
    "sampled_softmax": "sampled_softmax_loss",
    "full_sigmoid_eval": "sigmoid_loss",
    "full_softmax_eval": "softmax_loss",
}
NEAR = {"single": 2e-6, "double": 1e-12}


@pytest.fixture(autouse=True)
def compiled(framework):
    framework.compiled = True


def assert_same(results, expected, others, kind):
    """The results are TensorFlow's, and as near to NumPy's."""
    for result, from_tensorflow, from_numpy, name in zip(results, expected, others, kind, strict=True):
        pairs = zip(result, from_tensorflow, from_numpy, strict=True) if isinstance(result, list) else None
        for one, golden, ours in pairs or [(result, from_tensorflow, from_numpy)]:
            assert_close(one, golden, name, **NEAR)
            assert_close(one, ours, name, **NEAR)


@pytest.mark.parametrize("case", cases("nce", "negative_sampling", "sampled_softmax"))
def test_sampled_loss(framework, case):
    data, parameters = arrays(case), case["params"]
    counts = {name: parameters[f"num_{prefix}partitions"] for name, prefix in (("weights", ""), ("biases", "bias_"))}
    call = {
        "weights": table(data, "weights", counts["weights"]),
        "biases": table(data, "biases", counts["biases"]),
        "labels": data["labels"],
        "inputs": data["inputs"],
        "num_sampled": parameters["num_sampled"],
        "num_classes": parameters["num_classes"],
        "num_true": parameters["num_true"],
        "sampled_values": (data["sampled"], data["true_expected"], data["sampled_expected"]),
        "remove_accidental_hits": parameters["remove_accidental_hits"],
        "partition_strategy": parameters["partition_strategy"],
    }
    name = NAMES[case["kind"]]
    if case["id"] in REFUSED:
        with pytest.raises(ValueError, match=REFUSED[case["id"]]):
            run(framework, name, **call)
        return
    losses, gradients = run(framework, name, **call)
    expected = [data["grad_inputs"], *(table(data, f"grad_{name}", count) for name, count in counts.items())]
    numpy_losses, numpy_gradients = getattr(nce, f"{name}_and_gradients")(**call)
    kind = ("loss", "inputs", "weights", "biases")
    assert_same((losses, *gradients), (data["loss"], *expected), (numpy_losses, *numpy_gradients), kind)


@pytest.mark.parametrize("case", cases("full_sigmoid_eval", "full_softmax_eval"))
def test_full_loss(framework, case):
    data, parameters = arrays(case), case["params"]
    call = {
        "weights": data["weights_0"],
        "biases": data["biases_0"],
        "labels": data["labels"],
        "inputs": data["inputs"],
        "num_true": parameters["num_true"],
        "normalise_targets": parameters["targets_normalised_by_num_true"],
    }
    name = NAMES[case["kind"]]
    losses, gradients = run(framework, name, **call)
    numpy_losses, numpy_gradients = getattr(nce, f"{name}_and_gradients")(**call)
    expected = (data["loss"], data["grad_inputs"], data["grad_weights_0"], data["grad_biases_0"])
    kind = ("loss", "inputs", "weights", "biases")
    assert_same((losses, *gradients), expected, (numpy_losses, *numpy_gradients), kind)


@pytest.mark.parametrize("case", cases("accidental_hits"))
def test_accidental_hits(framework, case):
    data = arrays(case)
    xp, problem = problem_of(framework, data["true_classes"], data["sampled"])
    hits = np.asarray(tensor_losses._hits(xp, problem, strict=False))
    expected = np.zeros((len(data["true_classes"]), data["sampled"].size), bool)
    expected[data["indices"], data["ids"]] = True
    np.testing.assert_array_equal(hits, expected)


def problem_of(framework, ids, sampled):
    """The framework's operations, and a problem that has only labels and samples."""
    arrays = [framework.array(each) for each in (ids, sampled)]
    xp = operations_for(arrays[0], None, None)
    none = [None] * len(tensor_losses.TensorProblem._fields)
    return xp, tensor_losses.TensorProblem(*none)._replace(ids=arrays[0], sampled=arrays[1])


@pytest.mark.parametrize("case", cases("partition_map"))
def test_partition_map(framework, case):
    data, parameters = arrays(case), case["params"]
    classes, count = parameters["num_classes"], parameters["num_partitions"]
    ids = framework.array(data["ids"])
    parts = TensorTable([None] * count, parameters["partition_strategy"], classes)
    part, offset = tensor_losses._locate(operations_for(ids, None, None), parts, ids)
    np.testing.assert_array_equal(np.asarray(part), data["partition"])
    np.testing.assert_array_equal(np.asarray(offset), data["offset"])


@pytest.mark.parametrize("case", cases("train_sequence"))
def test_training_sequence(framework, case):
    data, parameters = arrays(case), case["params"]
    framework.compiled = False  # each step would be another program
    tables = [data[name].copy() for name in ("emb0", "w0", "b0")]
    embeddings, weights, biases = tables
    states, losses = [{}, {}, {}], []
    for number in range(parameters["steps"]):
        centres, labels, sampled = (data[name][number] for name in ("centers", "labels", "sampled"))
        loss, (by_input, by_weight, by_bias) = run(
            framework,
            "nce_loss",
            weights,
            biases,
            labels,
            embeddings[centres],
            parameters["num_sampled"],
            parameters["vocab"],
            sampled_values=(sampled, data["true_expected"][number], data["sampled_expected"][number]),
            remove_accidental_hits=parameters["remove_accidental_hits"],
        )
        losses.append(loss.mean())
        embedding_gradient = np.zeros_like(embeddings)
        np.add.at(embedding_gradient, centres, by_input)
        classes = np.unique(np.concatenate([labels.ravel(), sampled]))
        touched = (np.unique(centres), classes, classes)
        gradients = (embedding_gradient, by_weight, by_bias)
        for values, state, gradient, rows in zip(tables, states, gradients, touched, strict=True):
            step(
                parameters["optimizer"],
                values,
                state,
                gradient / parameters["batch"],
                rows,
                parameters["learning_rate"],
                parameters["optimizer_constants"],
            )
    assert_close(np.array(losses, tables[0].dtype), data["losses"], "losses", **NEAR)
    for values, name in zip(tables, ("emb", "w", "b"), strict=True):
        assert_close(values, data[name], name, **NEAR)
