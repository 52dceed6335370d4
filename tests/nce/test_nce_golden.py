"""Every case of the golden file: numbers that TensorFlow 2.21 computed, at the tolerances stated there."""

import numpy as np
import pytest
from golden_cases import CASES, REFUSED, arrays, assert_close, cases, step, table

from nce_train import nce
from nce_train.nce.candidate_sampler import CandidateSampler
from nce_train.nce.random_stream import SamplerStream
from nce_train.nce.samplers import read_unigrams

LOSSES = {
    "nce": nce.nce_loss_and_gradients,
    "negative_sampling": nce.negative_sampling_loss_and_gradients,
    "sampled_softmax": nce.sampled_softmax_loss_and_gradients,
    "full_sigmoid_eval": nce.sigmoid_loss_and_gradients,
    "full_softmax_eval": nce.softmax_loss_and_gradients,
}


def test_all_cases_are_here():
    assert len(CASES) == 100


@pytest.mark.parametrize("form", ["dense", "rows"])
@pytest.mark.parametrize("case", cases("nce", "negative_sampling", "sampled_softmax"))
def test_sampled_loss(case, form):
    data, parameters = arrays(case), case["params"]
    partitions, bias_partitions = parameters["num_partitions"], parameters["num_bias_partitions"]
    call = {
        "weights": table(data, "weights", partitions),
        "biases": table(data, "biases", bias_partitions),
        "labels": data["labels"],
        "inputs": data["inputs"],
        "num_sampled": parameters["num_sampled"],
        "num_classes": parameters["num_classes"],
        "num_true": parameters["num_true"],
        "sampled_values": (data["sampled"], data["true_expected"], data["sampled_expected"]),
        "remove_accidental_hits": parameters["remove_accidental_hits"],
        "partition_strategy": parameters["partition_strategy"],
        "gradients": form,
    }
    if case["id"] in REFUSED:
        with pytest.raises(ValueError, match=REFUSED[case["id"]]):
            LOSSES[case["kind"]](**call)
        return
    losses, gradients = LOSSES[case["kind"]](**call)
    assert_close(losses, data["loss"], "loss")
    assert_close(gradients.inputs, data["grad_inputs"], "inputs")
    for name, result, count in (
        ("weights", gradients.weights, partitions),
        ("biases", gradients.biases, bias_partitions),
    ):
        expected = table(data, f"grad_{name}", count)
        if form == "rows":
            ids, rows = result
            assert (np.diff(ids) > 0).all()
            joined = nce.unpartition(expected if count > 1 else [expected], parameters["partition_strategy"])
            whole = np.zeros_like(joined)
            whole[ids] = rows
            assert_close(whole, joined, name)
        elif count > 1:
            assert isinstance(result, list)
            for part, expected_part in zip(result, expected, strict=True):
                assert_close(part, expected_part, name)
        else:
            assert_close(result, expected, name)


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in cases("nce", "negative_sampling", "sampled_softmax", output="loss_f64")
        if case.id not in REFUSED
    ],
)
def test_float32_is_as_near_to_float64_as_tensorflow_is(case):
    data, parameters = arrays(case), case["params"]
    losses, _ = LOSSES[case["kind"]](
        table(data, "weights", parameters["num_partitions"]),
        table(data, "biases", parameters["num_bias_partitions"]),
        data["labels"],
        data["inputs"],
        parameters["num_sampled"],
        parameters["num_classes"],
        parameters["num_true"],
        (data["sampled"], data["true_expected"], data["sampled_expected"]),
        parameters["remove_accidental_hits"],
        parameters["partition_strategy"],
    )
    np.testing.assert_allclose(losses, data["loss_f64"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("case", cases("full_sigmoid_eval", "full_softmax_eval"))
def test_full_loss(case):
    data, parameters = arrays(case), case["params"]
    losses, gradients = LOSSES[case["kind"]](
        data["weights_0"],
        data["biases_0"],
        data["labels"],
        data["inputs"],
        num_true=parameters["num_true"],
        normalise_targets=parameters["targets_normalised_by_num_true"],
    )
    assert_close(losses, data["loss"], "loss")
    assert_close(gradients.inputs, data["grad_inputs"], "inputs")
    assert_close(gradients.weights, data["grad_weights_0"], "weights")
    assert_close(gradients.biases, data["grad_biases_0"], "biases")
    for loss, name in (("sigmoid", "probs_sigmoid"), ("softmax", "probs_softmax")):
        result = nce.probabilities(data["weights_0"], data["biases_0"], data["inputs"], loss=loss)
        assert_close(result, data[name], name)


@pytest.mark.parametrize("case", cases("accidental_hits"))
def test_accidental_hits(case):
    data = arrays(case)
    result = nce.compute_accidental_hits(data["true_classes"], data["sampled"], case["params"]["num_true"])
    for array, name in zip(result, ("indices", "ids", "weights"), strict=True):
        np.testing.assert_array_equal(array, data[name])
        assert array.dtype == data[name].dtype


@pytest.mark.parametrize("case", cases("partition_map"))
def test_partition_map(case):
    data, parameters = arrays(case), case["params"]
    classes, count = parameters["num_classes"], parameters["num_partitions"]
    part, offset = nce.locate(data["ids"], count, parameters["partition_strategy"], classes)
    np.testing.assert_array_equal(part, data["partition"])
    np.testing.assert_array_equal(offset, data["offset"])
    parts = nce.partition(np.arange(classes), count, parameters["partition_strategy"])
    assert [len(part) for part in parts] == parameters["shard_sizes"]


def prepared_sampler(parameters, tmp_path):
    kind = parameters["sampler"]
    if kind != "fixed_unigram":
        return CandidateSampler(kind.replace("_", "-"), parameters["range_max"])
    vocab_file = ""
    if "vocab_file_text" in parameters:
        vocab_file = tmp_path / "vocab.csv"
        vocab_file.write_text(parameters["vocab_file_text"])
    weights = read_unigrams(
        vocab_file,
        parameters.get("unigrams", ()),
        parameters.get("distortion", 1.0),
        parameters.get("num_reserved_ids", 0),
        parameters.get("num_shards", 1),
        parameters.get("shard", 0),
    )
    return CandidateSampler("unigram", parameters["range_max"], weights)


@pytest.mark.parametrize("case", cases("expected_count"))
def test_ids_counts_and_tries_in_tensorflows_stream(case, tmp_path):
    data, parameters = arrays(case), case["params"]
    true_classes, num_true = data["true_classes"], parameters["num_true"]
    num_sampled, unique = parameters["num_sampled"], parameters["unique"]
    if parameters["sampler"] == "all":
        result = nce.all_candidate_sampler(true_classes, num_true, num_sampled, unique)
        for array, name in zip(result, ("sampled", "true_expected", "sampled_expected"), strict=True):
            np.testing.assert_array_equal(array, data[name])
        return
    sampler = prepared_sampler(parameters, tmp_path)
    seed = (parameters["seed"], parameters["seed2"])
    stream, again = SamplerStream(seed, "tensorflow"), SamplerStream(seed, "tensorflow")
    for call in range(parameters["calls"]):
        suffix = f"_{call}" if parameters["calls"] > 1 else ""
        result = sampler(true_classes, num_true, num_sampled, unique, stream)
        np.testing.assert_array_equal(result.sampled_candidates, data["sampled" + suffix])
        assert result.true_expected_count.dtype == np.float32
        np.testing.assert_allclose(result.true_expected_count, data["true_expected" + suffix], rtol=5e-7)
        np.testing.assert_allclose(result.sampled_expected_count, data["sampled_expected" + suffix], rtol=5e-7)
        assert sampler.draw(num_sampled, unique, again)[1] == data["num_tries"][call]


@pytest.mark.parametrize("case", cases("learned_sequence"))
def test_learned_unigram_in_tensorflows_stream(case):
    data, parameters = arrays(case), case["params"]
    seed = (parameters["seed"], parameters["seed2"])
    sampler = nce.LearnedUnigramCandidateSampler(parameters["range_max"], seed, "tensorflow")
    for call in range(parameters["calls"]):
        true_classes = data[f"true_classes_{call}"]
        result = sampler(true_classes, true_classes.shape[1], parameters["num_sampled"], parameters["unique"])
        np.testing.assert_array_equal(result.sampled_candidates, data[f"sampled_{call}"])
        np.testing.assert_allclose(result.true_expected_count, data[f"true_expected_{call}"], rtol=5e-7)
        np.testing.assert_allclose(result.sampled_expected_count, data[f"sampled_expected_{call}"], rtol=5e-7)
    np.testing.assert_array_equal(sampler.weights, data["final_weights"])


@pytest.mark.parametrize("case", cases("frequency"))
def test_histogram_in_tensorflows_stream(case, tmp_path):
    data, parameters = arrays(case), case["params"]
    stream = SamplerStream((parameters["seed"], parameters["seed2"]), "tensorflow")
    counts = np.zeros(parameters["range_max"], np.int64)
    if parameters["sampler"] == "learned_unigram":
        sampler = nce.LearnedUnigramCandidateSampler(parameters["range_max"], stream)
        sampler(data["warm"], 1, parameters["num_sampled"], False)
        counts += np.bincount(
            sampler([[0]], 1, parameters["num_sampled"], False).sampled_candidates, minlength=counts.size
        )
    else:
        sampler = prepared_sampler(parameters, tmp_path)
        for _ in range(parameters["batches"]):
            sampled, _ = sampler.draw(parameters["num_sampled"], parameters["unique"], stream)
            counts += np.bincount(sampled, minlength=counts.size)
        probability = sampler.probability(np.arange(counts.size))
        np.testing.assert_allclose(probability, data["base_probability"], rtol=5e-7)
    np.testing.assert_array_equal(counts, data["counts"])


@pytest.mark.parametrize("case", cases("train_sequence"))
def test_training_sequence(case):
    data, parameters = arrays(case), case["params"]
    tables = [data[name].copy() for name in ("emb0", "w0", "b0")]
    embeddings, weights, biases = tables
    states = [{}, {}, {}]
    losses = []
    for number in range(parameters["steps"]):
        centres, labels = data["centers"][number], data["labels"][number]
        sampled = data["sampled"][number]
        loss, gradients = nce.nce_loss_and_gradients(
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
        np.add.at(embedding_gradient, centres, gradients.inputs)
        classes = np.unique(np.concatenate([labels.ravel(), sampled]))
        for values, state, gradient, touched in zip(
            tables,
            states,
            (embedding_gradient, gradients.weights, gradients.biases),
            (np.unique(centres), classes, classes),
            strict=True,
        ):
            step(
                parameters["optimizer"],
                values,
                state,
                gradient / parameters["batch"],
                touched,
                parameters["learning_rate"],
                parameters["optimizer_constants"],
            )
    assert_close(np.array(losses, tables[0].dtype), data["losses"], "losses")
    for values, name in zip(tables, ("emb", "w", "b"), strict=True):
        assert_close(values, data[name], name)
