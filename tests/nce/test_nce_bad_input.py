"""Bad input raises a ValueError that names the argument and both numbers."""

import numpy as np
import pytest

from nce_train import nce

WEIGHTS, BIASES = np.ones((6, 3), np.float32), np.zeros(6, np.float32)
INPUTS = np.ones((2, 3), np.float32)
SAMPLED, HALF = np.array([1, 0, 3]), np.full(3, 0.5, np.float32)
TRUE_HALF = np.full((2, 1), 0.5, np.float32)
GIVEN = (SAMPLED, TRUE_HALF, HALF)


def valid_call(**changes):
    call = {
        "weights": WEIGHTS,
        "biases": BIASES,
        "labels": np.array([[0], [1]]),
        "inputs": INPUTS,
        "num_sampled": 3,
        "num_classes": 6,
        "num_true": 1,
        "sampled_values": GIVEN,
    }
    return {**call, **changes}


def sampled_values_with(**changes):
    """The argument `sampled_values`, with one of its three arrays replaced."""
    names = ("sampled", "true", "counts")
    return {"sampled_values": tuple(changes.get(name, value) for name, value in zip(names, GIVEN, strict=True))}


SHARDS = nce.partition(WEIGHTS, 2, "mod")
BIAS_SHARDS = nce.partition(BIASES, 2, "mod")

LOSS_CASES = {
    "labels 1-D": ({"labels": np.array([0, 1])}, r"labels must be a matrix .* num_true 1, .*\(2,\) \(1 dim"),
    "labels 1-D, built-in sampler": ({"labels": np.array([0, 1]), "sampled_values": None}, r"labels .*matrix"),
    "labels 3-D": ({"labels": np.zeros((2, 1, 1), int)}, r"labels .*\(2, 1, 1\)"),
    "labels not numbers": ({"labels": np.array([["a"], ["b"]])}, r"labels must be integer"),
    "labels NaN": ({"labels": np.array([[0.0], [np.nan]])}, r"labels must be integer .*non-finite"),
    "label too large": ({"labels": np.array([[0], [6]])}, r"labels .*\[0, 6\).* 1 \(from 0\) is 6"),
    "label too large, built-in sampler": (
        {"labels": np.array([[0], [6]]), "sampled_values": None},
        r"labels .*\[0, 6\).* is 6",
    ),
    "label negative": ({"labels": np.array([[-1], [0]])}, r"labels .*\[0, 6\).* 0 \(from 0\) is -1"),
    "label negative, partitions": (
        {"labels": np.array([[-1], [0]]), "weights": SHARDS, "biases": BIAS_SHARDS},
        r"labels .*\[0, 6\).* is -1",
    ),
    "label beyond a smaller num_classes": (
        {"labels": np.array([[0], [5]]), "num_classes": 5},
        r"\[0, 5\).* 5",
    ),
    "num_true too small": ({"labels": np.zeros((2, 2), int)}, r"labels .*num_true 1 columns, but have 2"),
    "num_true too large": ({"num_true": 2}, r"labels .*num_true 2 columns, but have 1"),
    "num_true 0": ({"num_true": 0}, "num_true must be at least 1, not 0"),
    "num_sampled 0": ({"num_sampled": 0, "sampled_values": None}, "num_sampled must be at least 1, not 0"),
    "num_sampled not an integer": ({"num_sampled": 2.5}, r"num_sampled must be an integer .* 2\.5"),
    "num_sampled a string": ({"num_sampled": "3"}, "num_sampled must be an integer"),
    "num_classes 0": ({"num_classes": 0}, "num_classes must be at least 1, not 0"),
    "num_sampled above num_classes": (
        {"num_sampled": 7, "sampled_values": None},
        r"num_sampled 7 distinct .* 6 classes",
    ),
    "num_classes above the rows": ({"num_classes": 7}, "num_classes is 7, but weights have only 6 rows"),
    "num_sampled differs from the number of samples": (
        {"num_sampled": 5},
        r"sampled_candidates .*num_sampled is 5.*\(3,\)",
    ),
    "the same, hits removed": (
        {"num_sampled": 5, "remove_accidental_hits": True},
        r"sampled_candidates .*num_sampled is 5.*\(3,\)",
    ),
    "sample too large": (sampled_values_with(sampled=np.array([1, 0, 9])), r"sampled_candidates .*\[0, 6\).* 2 .*is 9"),
    "sample negative": (sampled_values_with(sampled=np.array([1, 0, -1])), r"sampled_candidates .*\[0, 6\).*is -1"),
    "samples by example of another batch": (
        sampled_values_with(sampled=np.zeros((3, 3), int)),
        r"sampled_candid.*\(2, 3\).*\(3, 3\)",
    ),
    "true counts [batch]": (
        sampled_values_with(true=np.full(2, 0.5)),
        r"of the shape of labels, \(2, 1\), but is \(2,\)",
    ),
    "true counts of other columns": (
        {"labels": np.array([[0, 1], [1, 2]]), "num_true": 2, **sampled_values_with(true=np.full(2, 0.5))},
        r"of the shape of labels, \(2, 2\), or \(2, 1\), but is \(2,\)",
    ),
    "true counts of another batch": (sampled_values_with(true=np.full((3, 1), 0.5)), r"true_expected_count .*\(3, 1\)"),
    "one true count": (sampled_values_with(true=0.5), r"true_expected_count .*\(2, 1\)"),
    "sampled counts of length 1": (
        sampled_values_with(counts=np.array([0.5])),
        r"sampled_expected_count .*\(3,\).*\(1,\)",
    ),
    "sampled counts of another length": (
        sampled_values_with(counts=np.full(2, 0.5)),
        r"sampled_expected_count .*3.*\(2,\)",
    ),
    "counts by example for shared samples": (
        sampled_values_with(counts=np.full((2, 3), 0.5)),
        r"sampled_expected_count .*\(2, 3\)",
    ),
    "count 0 of a label": (
        sampled_values_with(true=np.array([[0.5], [0]])),
        "true_expected_count .*above 0.* 1 of 2 .*0.*: a class .* must not be a label",
    ),
    "count 0 of a sample": (
        sampled_values_with(counts=np.array([0.5, 0, 1])),
        "sampled_expected_count .*above 0.*1 of 3 .*: give the counts that the sampler reported",
    ),
    "count negative": (sampled_values_with(counts=np.array([0.5, -2, 1])), "sampled_expected_count .*above 0.*-2"),
    "count NaN": (sampled_values_with(true=np.array([[0.5], [np.nan]])), "true_expected_count .*above 0.*nan"),
    "count infinite": (sampled_values_with(true=np.array([[0.5], [np.inf]])), "true_expected_count .*finite.*inf"),
    "two sampled values": (
        {"sampled_values": (SAMPLED, TRUE_HALF)},
        "sampled_values must be 3 arrays.* not 2",
    ),
    "sampled values not a tuple": ({"sampled_values": 5}, "sampled_values must be 3 arrays.* not int"),
    "strategy unknown": ({"partition_strategy": "foo"}, "partition_strategy .*'mod', 'div'.*'foo'"),
    "strategy unknown, partitions": (
        {"partition_strategy": "foo", "weights": SHARDS, "biases": BIAS_SHARDS},
        "partition_strategy .*'foo'",
    ),
    "weights empty": ({"weights": []}, r"weights must be .* at least 1 partition, not \[\]"),
    "weights without rows": ({"weights": np.ones((0, 3))}, "weights must have at least 1 row, not 0"),
    "weights None": ({"weights": None}, "weights must be .*None"),
    "biases None": ({"biases": None}, "biases must be .*None"),
    "weights 1-D": ({"weights": np.ones(6)}, r"weights must have 2 dim.* has 1"),
    "weights text": (
        {"weights": np.full((6, 3), "a")},
        "weights must be float16, bfloat16, .*not <U1",
    ),
    "biases 2-D": ({"biases": np.zeros((6, 1))}, r"biases must have 1 dim.* has 2"),
    "biases too short": ({"biases": np.zeros(3)}, "biases .*rows of weights, 6, but are 3"),
    "contiguous shards read as mod": (
        {"weights": [WEIGHTS[:4], WEIGHTS[4:]], "biases": BIAS_SHARDS},
        r"weights has partitions of \[4, 2\] rows, .*'mod' .*\[3, 3\]",
    ),
    "a tuple of shards of wrong sizes": (
        {"weights": (WEIGHTS[:5], WEIGHTS[5:])},
        r"weights has partitions of \[5, 1\] rows.*\[3, 3\]",
    ),
    "bias shards of wrong sizes": (
        {"biases": [BIASES[:5], BIASES[5:]]},
        r"biases has partitions of \[5, 1\]",
    ),
    "shards of different dims": (
        {"weights": [WEIGHTS[:3], np.ones((3, 4))]},
        r"weights\[1\] .*dim 4.* dim 3",
    ),
    "more div partitions than rows": (
        {"weights": [WEIGHTS[:1]] * 6 + [WEIGHTS[:0]], "partition_strategy": "div"},
        "'div' cannot split 6 rows over 7 partitions",
    ),
    "dims differ": ({"inputs": np.ones((2, 4), np.float32)}, r"inputs must be \[batch, 3\].*\(2, 4\)"),
    "dim 1 does not broadcast": ({"inputs": np.ones((2, 1), np.float32)}, r"inputs .*3.*\(2, 1\)"),
    "batches differ": ({"inputs": np.ones((3, 3), np.float32)}, "labels and inputs .*2 .*3 rows"),
    "inputs 1-D": ({"inputs": np.ones(3, np.float32)}, r"inputs must be \[batch, 3\].*\(3,\)"),
    "inputs 3-D": ({"inputs": np.ones((2, 1, 3), np.float32)}, r"inputs .*\(2, 1, 3\)"),
    "inputs of integers": (
        {"inputs": np.ones((2, 3), int)},
        "inputs must be float16, bfloat16, float32 or float64, not int",
    ),
    "labels and inputs in the order of early TensorFlow": (
        {"labels": INPUTS, "inputs": np.array([[0], [1]])},
        "inputs must be float16",
    ),
    "target unknown": ({"target": "two"}, "target must be one of .*'two'"),
    "noise ratio unknown": ({"noise_ratio": "x"}, "noise_ratio must be one of .*'x'"),
    "log_z a string": ({"log_z": "0"}, "log_z must be a finite number, not '0'"),
    "log_z too large": ({"log_z": 10**400}, "log_z must be a finite number"),
    "log_z infinite": ({"log_z": np.inf}, "log_z must be finite, not inf"),
    "ragged tuple of three": ({"labels": ([0], [1], [2])}, r"labels .*\(ids, row_splits\), not 3"),
    "row splits too short": (
        {"labels": ([0, 1], [0, 1])},
        "labels: row_splits .*0 to .*2, but go from 0 to 1",
    ),
    "row splits fall": ({"labels": ([0, 1], [0, 2, 1, 2])}, "row_splits .*fall between"),
    "row splits of two dimensions": ({"labels": ([[0]], [0, 1])}, r"labels .*\(1, 1\)"),
    "rows and numbers": ({"labels": [[1], 2, []]}, "labels must be an array or rows .* mix numbers and lists"),
    "inputs of different lengths": ({"inputs": [[1.0, 2.0, 3.0], [1.0]]}, "inputs must be an array or rows"),
    "a list of numbers": ({"labels": [0, 1]}, "labels must be a matrix"),
    "ragged counts of wrong number": (
        {"labels": [[0, 2], [1]]},
        r"true_expected_count .*3 labels, but has 2",
    ),
    "ragged labels of another batch": ({"labels": [[0], [1], [2]]}, "labels and inputs .*3 .*2 rows"),
    "seed of three": ({"seed": (1, 2, 3), "sampled_values": None}, r"seed must be .*\(1, 2, 3\)"),
    "seed a float": ({"seed": 0.5, "sampled_values": None}, r"seed must be .*0\.5"),
    "rng unknown": ({"rng": "mt", "sampled_values": None}, "rng must be one of .*'mt'"),
}


@pytest.mark.parametrize("name", LOSS_CASES)
@pytest.mark.parametrize("loss", [nce.nce_loss, nce.sampled_softmax_loss, nce.nce_loss_and_gradients])
def test_loss_refuses(loss, name):
    changes, message = LOSS_CASES[name]
    with pytest.raises(ValueError, match=message):
        loss(**valid_call(**changes))


def test_the_call_that_the_cases_change_is_valid():
    assert np.isfinite(nce.nce_loss(**valid_call())).all()


def test_negative_sampling_needs_no_counts_above_zero():
    result = nce.negative_sampling_loss(**valid_call(**sampled_values_with(counts=np.zeros(3))))
    np.testing.assert_array_equal(result, nce.negative_sampling_loss(**valid_call()))


def test_gradients_unknown():
    with pytest.raises(ValueError, match=r"gradients must be one of .*'sparse'"):
        nce.nce_loss_and_gradients(**valid_call(gradients="sparse"))


@pytest.mark.parametrize("loss", [nce.sigmoid_loss, nce.softmax_loss_and_gradients])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.array([[6], [0]])}, r"labels .*\[0, 6\).* is 6"),
        ({"labels": np.zeros((3, 1), int)}, "labels and inputs .*3 .*2 rows"),
        ({"labels": np.zeros(2, int), "num_true": 2}, "labels must be a matrix"),
        ({"num_true": 2}, "num_true 2 columns, but have 1"),
        ({"biases": np.zeros(5)}, "6, but are 5"),
        ({"inputs": np.ones((2, 2))}, r"inputs must be \[batch, 3\]"),
        ({"weights": [WEIGHTS[:2], WEIGHTS[2:]]}, r"\[2, 4\] rows.*'div'.*\[3, 3\]"),
    ],
)
def test_full_loss_refuses(loss, changes, message):
    call = {"weights": WEIGHTS, "biases": BIASES, "labels": np.array([[0], [1]]), "inputs": INPUTS}
    with pytest.raises(ValueError, match=message):
        loss(**{**call, **changes})


SAMPLER_CASES = {
    "true classes 1-D": ({"true_classes": np.array([0])}, r"true_classes must be a matrix"),
    "num_true differs": ({"num_true": 2}, "true_classes must have num_true 2 columns, but have 1"),
    "rows of a number and a list": ({"true_classes": [[0], [1, [2]]]}, "true_classes must be an array or rows"),
    "rng differs from that of the stream": (
        {"seed": nce.SamplerStream(1), "rng": "tensorflow"},
        "rng is 'tensorflow', but the SamplerStream given as seed is of rng 'nce_train'",
    ),
    "rng unknown beside a stream": ({"seed": nce.SamplerStream(1), "rng": "mt"}, "rng must be one of .*'mt'"),
    "too many": ({"num_sampled": 7}, r"num_sampled 7 distinct .* 6"),
    "true class too large": ({"true_classes": np.array([[9]])}, r"true_classes .*\[0, 6\).*is 9"),
    "true class negative": ({"true_classes": np.array([[-1]])}, r"true_classes .*\[0, 6\).*is -1"),
    "range 0": ({"range_max": 0}, "range_max must be at least 1, not 0"),
    "num_sampled 0": ({"num_sampled": 0}, "num_sampled must be at least 1, not 0"),
    "num_true 0": ({"num_true": 0}, "num_true must be at least 1, not 0"),
    "rng unknown": ({"rng": "mt"}, "rng must be one of"),
}


@pytest.mark.parametrize("name", SAMPLER_CASES)
@pytest.mark.parametrize(
    "sampler",
    [
        nce.log_uniform_candidate_sampler,
        nce.uniform_candidate_sampler,
        nce.learned_unigram_candidate_sampler,
        lambda *args, **named: nce.fixed_unigram_candidate_sampler(*args, **named, unigrams=[1.0] * 6),
    ],
    ids=["log-uniform", "uniform", "learned", "fixed"],
)
def test_sampler_refuses(sampler, name):
    changes, message = SAMPLER_CASES[name]
    call = {
        "true_classes": np.array([[0]]),
        "num_true": 1,
        "num_sampled": 3,
        "unique": True,
        "range_max": 6,
    }
    sampler(**call)
    with pytest.raises(ValueError, match=message):
        sampler(**{**call, **changes})


def test_more_samples_than_classes_are_accepted_with_replacement():
    assert nce.uniform_candidate_sampler([[0]], 1, 7, False, 6).sampled_candidates.shape == (7,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unigrams": [1.0, 2.0], "vocab_file": "x"}, "exactly one of vocab_file and unigrams .*both"),
        ({}, "exactly one of vocab_file and unigrams .*neither"),
        ({"unigrams": [1.0] * 4}, "range_max is 5, but the unigrams make 4 ids"),
        ({"unigrams": [1.0] * 5, "num_reserved_ids": 1}, "range_max is 5, but the unigrams make 6 ids"),
        ({"vocab_file": "/nonexistent/vocab"}, "vocab_file /nonexistent/vocab cannot be read: No such file"),
        ({"unigrams": [1.0, -1.0, 1, 1, 1]}, r"unigrams must be finite and not negative.* 1 is -1"),
        ({"unigrams": [1.0, np.nan, 1, 1, 1]}, r"unigrams must be finite and not negative.* 1 is nan"),
        ({"unigrams": [0.0] * 5}, r"unigrams are all zero \(5 of 5\)"),
        ({"unigrams": [1.0] * 5, "num_shards": 0}, "num_shards must be at least 1, not 0"),
        (
            {"unigrams": [1.0] * 5, "num_shards": 2, "shard": 2},
            r"shard .*\[0, 2\).*num_shards is 2, but is 2",
        ),
        ({"unigrams": [1.0] * 5, "num_reserved_ids": -1}, "num_reserved_ids must be at least 0, not -1"),
        (
            {"unigrams": [1.0] * 3, "num_reserved_ids": 2, "num_sampled": 4},
            r"num_sampled 4 distinct .* 3 classes",
        ),
        ({"unigrams": [1e30] * 5, "distortion": 3.0}, r"weights must be finite.* 0 is inf"),
        ({"unigrams": [2e38] * 5}, "weights must have a finite sum in float32, not inf"),
    ],
)
def test_fixed_unigram_sampler_refuses(changes, message):
    call = {"num_sampled": 2, **changes}
    with pytest.raises(ValueError, match=message):
        nce.fixed_unigram_candidate_sampler([[0]], 1, unique=True, range_max=5, **call)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,1\nb,x\n", r"vocab, line 2: .*'b,x'"),
        ("a 1\n", r"vocab, line 1: .*'a 1'"),
        ("\n\n", "vocab holds no weight"),
        ("a,1\nb,1_0\n", "line 2: the last comma-separated field must be a weight, but the line is 'b,1_0'"),
        ("a,1\nb,-2\n", "vocab_file's weights must be finite and not negative.* 1 is -2"),
    ],
)
def test_vocab_file_refused(text, message, tmp_path):
    path = tmp_path / "vocab"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        nce.fixed_unigram_candidate_sampler([[0]], 1, 1, True, 2, path)


def test_a_file_of_too_few_lines_is_refused(tmp_path):
    path = tmp_path / "vocab"
    path.write_text("a,1\n")
    with pytest.raises(ValueError, match="range_max is 2, but the unigrams make 1 ids"):
        nce.fixed_unigram_candidate_sampler([[0]], 1, 1, True, 2, path)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: nce.all_candidate_sampler([[9]], 1, 5, True),
            r"true_classes .*\[0, 5\).*num_sampled is 5.*is 9",
        ),
        (
            lambda: nce.LearnedUnigramCandidateSampler(2**31),
            "range_max must be below 2147483648, not 2147483648",
        ),
        (
            lambda: nce.log_uniform_probability([5], 5),
            r"ids must lie in \[0, 5\), as range_max is 5, but number 0 \(from 0\) is 5",
        ),
        (lambda: nce.log_uniform_probability([0.5], 5), "ids must be integers, not float64"),
        (lambda: nce.uniform_probability([0], 0), "range_max must be at least 1, not 0"),
        (lambda: nce.unigram_probability([]), r"unigrams must be a vector of at least one .*\(0,\)"),
        (lambda: nce.unigram_probability([1e300], 2.0), r"distortion 2\.0 gives inf"),
        (
            lambda: nce.expected_count(np.array([0.5]), 3, 2),
            "num_tries must be at least num_sampled 3, not 2",
        ),
        (
            lambda: nce.expected_count(np.array([1]), 3, 3),
            "probability must be an array of floats, not of int",
        ),
        (lambda: nce.inclusion_probability([0.5, 0.5, 0], 3), "num_sampled 3 distinct .* from 2 "),
        (
            lambda: nce.compute_accidental_hits([[0]], [[1]], 1),
            r"sampled_candidates .*1 dim.*not 2 .*\(1, 1\)",
        ),
        (lambda: nce.compute_accidental_hits(np.array([[0]]), [1], 2), "num_true 2 columns, but have 1"),
        (lambda: nce.compute_accidental_hits(np.array([0]), [1], 1), "true_classes must be a matrix"),
        (lambda: nce.sampler_from_counts([1, 2], "zipf"), "kind must be one of .*'zipf'"),
        (lambda: nce.sampler_from_counts([[1, 2]]), r"counts must be a vector .*\(1, 2\)"),
        (lambda: nce.CandidateSampler("unigram", 3, [1, 2]), "weights must be range_max 3 numbers, not 2"),
        (
            lambda: nce.CandidateSampler("uniform", 2, [1, 2]),
            "weights are for kind 'unigram' only, and must not be given for 'uniform'",
        ),
        (lambda: nce.CandidateSampler("unigram", 2), "weights, one for each class, are missing: kind 'unigram'"),
        (lambda: nce.sampler_from_counts([1])([[0]], 1, 1, True, inclusion="x"), "inclusion must be one of"),
        (lambda: nce.partition(WEIGHTS, 0, "mod"), "num_partitions must be at least 1, not 0"),
        (lambda: nce.partition(WEIGHTS, 7, "div"), "cannot split 6 rows over 7 partitions"),
        (lambda: nce.partition(WEIGHTS, 2, "row"), "partition_strategy .*'row'"),
        (lambda: nce.partition(1.0, 1, "mod"), "table must have at least 1 dimension, not 0"),
        (lambda: nce.unpartition([], "mod"), r"parts must be .*\[\]"),
        (lambda: nce.unpartition([WEIGHTS[:4], WEIGHTS[4:]], "mod"), r"\[4, 2\].*\[3, 3\]"),
        (lambda: nce.locate([6], 2, "mod", 6), r"ids .*\[0, 6\).*num_classes is 6.*is 6"),
        (lambda: nce.log_probabilities(WEIGHTS, BIASES, INPUTS, loss="x"), "loss must be one of .*'x'"),
        (
            lambda: nce.log_probabilities(WEIGHTS, BIASES, INPUTS, loss="negative_sampling"),
            "expected_count, .* is missing: loss 'negative_sampling' needs it$",
        ),
        (
            lambda: nce.log_probabilities(WEIGHTS, BIASES, INPUTS, expected_count=HALF),
            "expected_count is for loss 'negative_sampling' only, and must not be given for 'nce'",
        ),
        (
            lambda: nce.probabilities(WEIGHTS, BIASES, INPUTS, loss="negative_sampling", expected_count=HALF),
            r"expected_count .*\(6,\).*\(3,\)",
        ),
        (
            lambda: nce.probabilities(WEIGHTS, BIASES, INPUTS, loss="negative_sampling", expected_count=np.zeros(6)),
            r"expected_count must be above 0 .* 0\.0",
        ),
        (lambda: nce.probabilities(WEIGHTS, BIASES, INPUTS, log_z=np.nan), "log_z must be finite, not nan"),
        (lambda: nce.probabilities(WEIGHTS, BIASES, INPUTS, log_z="0"), "log_z must be a finite number, not '0'"),
        (lambda: nce.SamplerStream("a"), "seed must be .*'a'"),
    ],
)
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([0, 0, 0], r"weights are all zero \(3 of 3\)"),
        ([1, 2], "weights must be range_max 3 numbers, not 2"),
        ([1, 2, -1], "weights must be finite and not negative, but the one at 2 is -1"),
        ([1, 2, 0.5], r"weights must be whole numbers, but one is 0\.5"),
        (["a", "b", "c"], "weights must be whole numbers, not"),
        ([2**62] * 3, f"weights must have a sum below {2**63}"),
    ],
)
def test_weights_of_the_learned_sampler_refused(weights, message):
    sampler = nce.LearnedUnigramCandidateSampler(3, seed=1)
    with pytest.raises(ValueError, match=message):
        sampler.weights = weights
    assert sampler.weights.tolist() == [1, 1, 1]


def test_weights_of_the_learned_sampler_refused_when_changed_in_place():
    sampler = nce.LearnedUnigramCandidateSampler(3, seed=1)
    sampler.weights[:] = 0
    with pytest.raises(ValueError, match="weights are all zero"):
        sampler([[0]], 1, 2, False)
