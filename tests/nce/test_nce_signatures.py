"""The parameters of every public function, as Python and as a type checker see them."""

import doctest
import inspect
import re

import pytest

from nce_train import nce

SAMPLED_LOSS = (
    "weights, biases, labels, inputs, num_sampled, num_classes, num_true=1, sampled_values=None,"
    " remove_accidental_hits={hits}, partition_strategy='mod', name='{name}', *, seed=None, rng='nce_train',"
    " strict=False, target='share', noise_ratio='per_example', log_z=0.0"
)
FULL_LOSS = "weights, biases, labels, inputs, *, num_true=1, partition_strategy='div', normalise_targets=False"
PROBABILITIES = "weights, biases, inputs, *, loss='nce', expected_count=None, log_z=0.0, partition_strategy='div'"
SAMPLER = "true_classes, num_true, num_sampled, unique, range_max, seed=None, name=None, *, rng='nce_train'"
WITH_GRADIENTS = ", gradients='dense'"

SIGNATURES = {
    "all_candidate_sampler": "true_classes, num_true, num_sampled, unique, seed=None, name=None",
    "compute_accidental_hits": "true_classes, sampled_candidates, num_true, seed=None, name=None, *, strict=False",
    "expected_count": "probability, num_sampled, num_tries",
    "fixed_unigram_candidate_sampler": (
        "true_classes, num_true, num_sampled, unique, range_max, vocab_file='', distortion=1.0, num_reserved_ids=0,"
        " num_shards=1, shard=0, unigrams=(), seed=None, name=None, *, rng='nce_train', inclusion='approximate'"
    ),
    "inclusion_probability": "probability, num_sampled",
    "learned_unigram_candidate_sampler": SAMPLER,
    "locate": "ids, num_partitions, strategy, num_classes",
    "log_probabilities": PROBABILITIES,
    "log_uniform_candidate_sampler": SAMPLER + ", inclusion='approximate'",
    "log_uniform_probability": "ids, range_max",
    "nce_loss": SAMPLED_LOSS.format(hits=False, name="nce_loss"),
    "nce_loss_and_gradients": SAMPLED_LOSS.format(hits=False, name="nce_loss") + WITH_GRADIENTS,
    "negative_sampling_loss": SAMPLED_LOSS.format(hits=False, name="negative_sampling_loss"),
    "negative_sampling_loss_and_gradients": (
        SAMPLED_LOSS.format(hits=False, name="negative_sampling_loss") + WITH_GRADIENTS
    ),
    "pad_labels": "rows, width=None",
    "partition": "table, num_partitions, strategy",
    "probabilities": PROBABILITIES,
    "sampled_softmax_loss": SAMPLED_LOSS.format(hits=True, name="sampled_softmax_loss"),
    "sampled_softmax_loss_and_gradients": SAMPLED_LOSS.format(hits=True, name="sampled_softmax_loss") + WITH_GRADIENTS,
    "sampler_from_counts": "counts, kind='unigram', distortion=0.75",
    "sigmoid_loss": FULL_LOSS,
    "sigmoid_loss_and_gradients": FULL_LOSS + WITH_GRADIENTS,
    "softmax_loss": FULL_LOSS,
    "softmax_loss_and_gradients": FULL_LOSS + WITH_GRADIENTS,
    "uniform_candidate_sampler": SAMPLER + ", inclusion='approximate'",
    "uniform_probability": "ids, range_max",
    "unigram_probability": "unigrams, distortion=1.0",
    "unpartition": "parts, strategy",
}
FUNCTIONS = {name: getattr(nce, name) for name in nce.__all__ if inspect.isfunction(getattr(nce, name))}
SHARED = [function for function in FUNCTIONS.values() if hasattr(function, "__wrapped__")]


def test_every_public_function_is_listed():
    assert sorted(FUNCTIONS) == sorted(SIGNATURES)


@pytest.mark.parametrize("name", SIGNATURES)
def test_signature(name):
    signature = inspect.signature(FUNCTIONS[name])
    parameters = [each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()]
    plain = signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
    assert str(plain) == f"({SIGNATURES[name]})"
    assert signature.return_annotation is not inspect.Signature.empty
    assert FUNCTIONS[name].__name__ == name
    assert FUNCTIONS[name].__doc__


@pytest.mark.slow
def test_mypy_sees_the_same_parameters(tmp_path, pytestconfig):
    """Names, order, keyword-only parameters and which ones have a default, as `reveal_type` prints them."""
    api = pytest.importorskip("mypy.api")
    lines = [
        "from nce_train import nce",
        *(f"reveal_type(nce.{name})" for name in SIGNATURES),
        "nce.uniform_candidate_sampler([[0]], 1, 4, True, 10, sed=1)",
        "nce.negative_sampling_loss(1, 2, 3, 4, '5', 6)",
    ]
    program = tmp_path / "program.py"
    program.write_text("\n".join(lines))
    options = ["--config-file=", "--follow-imports=silent", f"--cache-dir={pytestconfig.cache.mkdir('mypy')}"]
    report, failure, _ = api.run([*options, str(program)])
    assert not failure
    revealed = re.findall(r'Revealed type is "def \((.*)\) -> ', report)
    for (name, signature), arguments in zip(SIGNATURES.items(), revealed, strict=True):
        seen = [re.sub(": [^=]*", "", argument) for argument in re.split(r", (?=\*|\w+: )", arguments)]
        expected = [re.sub("=.*", "=", argument) for argument in signature.split(", ")]
        assert seen == expected, name
    assert 'Unexpected keyword argument "sed" for "uniform_candidate_sampler"' in report
    assert 'Argument 5 to "negative_sampling_loss" has incompatible type "str"; expected "int"' in report
    assert "Found 2 errors" in report


@pytest.mark.parametrize("function", SHARED, ids=lambda function: function.__name__)
def test_a_shared_signature_is_checked_by_name(function):
    """The message names the function that was called."""
    parameters = inspect.signature(function).parameters.values()
    required = [parameter.name for parameter in parameters if parameter.default is parameter.empty]
    with pytest.raises(TypeError, match=rf"{function.__name__}\(\): missing a required argument"):
        function()
    with pytest.raises(TypeError, match=rf"{function.__name__}\(\): got an unexpected keyword argument 'wrong'"):
        function(**dict.fromkeys(required), wrong=1)


@pytest.mark.parametrize("function", SHARED, ids=lambda function: function.__name__)
def test_examples_of_functions_with_a_shared_signature(function):
    """`doctest.testmod` does not find them."""
    runner = doctest.DocTestRunner()
    for example in doctest.DocTestFinder(recurse=False).find(function, function.__name__, module=False, globs={}):
        runner.run(example)
    assert runner.failures == 0
