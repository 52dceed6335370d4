"""Held-out losses and probabilities of CBOW models, against means over all rows and the losses of `nce_train.nce`."""

import functools
import itertools
import tracemalloc

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import nce_train
from nce_train import nce
from nce_train.errors import InputError
from nce_train.evaluation.heldout import HeldoutText, heldout_loss
from nce_train.evaluation.heldout_batches import nce_batches, sum_of_nce_losses
from nce_train.evaluation.heldout_examples import cbow_examples
from nce_train.evaluation.word_bags import bag_vectors, row_counts
from nce_train.text.ngrams import word_buckets
from nce_train.text.vocabulary import Vocabulary

WORDS = ["the", "catch", "dog", "runner", "</s>", "at"]
COUNTS = np.array([50, 40, 30, 20, 10, 5])
SETTINGS = {
    "model": "cbow",
    "ngrams": "off",
    "window": 2,
    "num_sampled": 3,
    "sampler": "unigram",
    "distortion": 0.75,
    "unique": True,
    "tokens": "whitespace",
    "lowercase": False,
    "line_breaks": "sentence",
    "unknown": None,
    "remove_accidental_hits": False,
    "threads": 1,
}
TEXT = "the catch unheard dog runner\n\nthe\nat the the\n"
EXAMPLES = [
    (["catch", "dog"], "the"),
    (["the", "dog", "runner"], "catch"),
    (["the", "catch", "runner"], "dog"),
    (["catch", "dog"], "runner"),
    (["the", "the"], "at"),
    (["at", "the"], "the"),
    (["at", "the"], "the"),
]
GENERATOR = np.random.default_rng(11)
DIM, BUCKETS = 4, 60
OWN = GENERATOR.normal(size=(len(WORDS), DIM))
NGRAMS = GENERATOR.normal(size=(BUCKETS, DIM))
OUTPUT = GENERATOR.normal(size=(len(WORDS), DIM)).astype(np.float32)
BIAS = GENERATOR.normal(size=len(WORDS)).astype(np.float32)


def rows_of(word, ngrams):
    """The rows that stand for a word, by the specification of n-grams."""
    own = [OWN[WORDS.index(word)]]
    if ngrams == "off":
        return own
    return own + [NGRAMS[bucket] for bucket in word_buckets(word, *map(int, ngrams.split("-")), BUCKETS)]


def mean_of_rows(contexts, ngrams):
    return np.mean([row for word in contexts for row in rows_of(word, ngrams)], axis=0)


@functools.cache
def model(ngrams="off", **changes):
    """A model with the composed vectors of the words, as `input.npy` has them."""
    composed = np.array([np.mean(rows_of(word, ngrams), axis=0) for word in WORDS], np.float32)
    settings = {**SETTINGS, "ngrams": ngrams, **changes}
    return nce_train.Model(WORDS, COUNTS, (composed, OUTPUT, BIAS), settings)


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize("ngrams", ["off", "3-4", "5-5"])
def test_losses_match_nce_with_means_of_all_rows(text, ngrams):
    result = heldout_loss(model(ngrams), text, threads=2)
    inputs = np.array([mean_of_rows(contexts, ngrams) for contexts, _ in EXAMPLES])
    labels = np.array([[WORDS.index(word)] for _, word in EXAMPLES])
    output, bias = OUTPUT.astype(np.float64), BIAS.astype(np.float64)
    drawn = nce.sampler_from_counts(COUNTS, "unigram", 0.75)(labels, 1, 3, True, seed=0)
    losses = nce.nce_loss(output, bias, labels, inputs, 3, len(WORDS), sampled_values=drawn)
    log_z = np.log(np.exp(inputs @ output.T + bias).sum(1))
    assert result == {
        "pairs": len(EXAMPLES),
        "nce_loss": pytest.approx(losses.mean(), rel=1e-6),
        "sigmoid_loss": pytest.approx(nce.sigmoid_loss(output, bias, labels, inputs).mean(), rel=1e-6),
        "perplexity": pytest.approx(np.exp(nce.softmax_loss(output, bias, labels, inputs).mean()), rel=1e-6),
        "mean_log_z": pytest.approx(log_z.mean(), rel=1e-6),
        "std_log_z": pytest.approx(log_z.std(), rel=1e-6),
    }


def test_the_loss_while_training_is_that_of_the_model(text):
    trained = model("3-4")
    heldout = HeldoutText(text, Vocabulary(WORDS, COUNTS, None), trained.settings)
    expected = heldout_loss(trained, text)
    found = heldout.loss(trained.input, trained.output, trained.bias)
    assert found == {name: expected[name] for name in ("pairs", "nce_loss")}
    in_parts = [sum_of_nce_losses(batch, trained.input, trained.output, trained.bias) for batch in heldout.batches]
    assert heldout.mean(in_parts) == found


def bags_of(examples):
    """For each example, the words of its bag with their weights, but for those without one."""
    ids, weights = examples.bags
    return [
        [(int(word), float(weight)) for word, weight in zip(*bag, strict=True) if weight > 0]
        for bag in zip(ids, weights, strict=True)
    ]


lines_of_ids = st.lists(st.lists(st.integers(0, 8), max_size=12), max_size=8)


@settings(deadline=None)  # a busy machine may be slow
@given(lines=lines_of_ids, window=st.integers(1, 14), ends_with_line=st.booleans())
def test_examples_match_their_definition(lines, window, ends_with_line):
    rows = np.arange(1, 10)
    stream = [word for line in lines for word in (*line, -1)]
    if not ends_with_line:
        stream = stream[:-1]
    expected_bags, expected_labels = [], []
    for line in lines:
        for place, word in enumerate(line):
            contexts = line[max(0, place - window) : place] + line[place + 1 : place + 1 + window]
            if contexts:
                total = sum(rows[other] for other in contexts)
                expected_bags.append([(other, pytest.approx(rows[other] / total)) for other in contexts])
                expected_labels.append(word)
    examples = cbow_examples(np.array(stream, np.int32), window, 10**9, rows)
    assert bags_of(examples) == expected_bags
    assert examples.labels.tolist() == expected_labels
    assert examples.bags.ids.shape[1] <= 2 * max([0, *(len(line) - 1 for line in lines)])  # not that of the window


def test_an_even_spread_of_examples():
    lines = np.arange(6000, dtype=np.int32).reshape(1000, 6)  # no word twice
    stream = np.insert(lines, [5, 6], -1, axis=1).ravel()  # the last word of each line alone, without a context
    ones = np.ones(6000, np.int64)
    everything, some, again = (cbow_examples(stream, 2, most, ones) for most in (10**9, 701, 701))
    np.testing.assert_array_equal(everything.labels, lines[:, :5].ravel())
    assert len(some.labels) == 701
    steps = np.diff(np.searchsorted(everything.labels, some.labels))
    assert set(steps.tolist()) == {7, 8}
    bag_of = dict(zip(everything.labels.tolist(), bags_of(everything), strict=True))
    assert bags_of(some) == [bag_of[label] for label in some.labels.tolist()]
    np.testing.assert_array_equal(some.labels, again.labels)


def test_bags_are_means_whatever_the_batch():
    generator = np.random.default_rng(5)
    input, output = (generator.normal(size=(7, 4)).astype(np.float32) for _ in range(2))
    bias = generator.normal(size=7).astype(np.float32)
    stream = generator.integers(-1, 7, 1500).astype(np.int32)
    examples = cbow_examples(stream, 3, 10**9, np.array([3, 1, 4, 1, 5, 9, 2]))
    batches = list(nce_batches(examples, np.arange(70, 0, -10), SETTINGS))
    assert [len(batch.labels) for batch in batches] == [1024, len(examples.labels) - 1024]
    vectors = bag_vectors(examples.bags, input)
    wide = np.einsum("pm,pmd->pd", examples.bags.weights, input[examples.bags.ids].astype(np.float64))
    np.testing.assert_allclose(vectors, wide, rtol=1e-12)
    for batch, first in zip(batches, (0, 1024), strict=True):
        drawn = (batch.noise, np.exp(batch.log_count)[:, None], np.exp(batch.log_noise_count))
        inputs, labels = wide[first : first + len(batch.labels)], batch.labels[:, None]
        tables = output.astype(np.float64), bias.astype(np.float64)
        expected = nce.nce_loss(*tables, labels, inputs, 3, 7, sampled_values=drawn).sum()
        assert sum_of_nce_losses(batch, input, output, bias) == pytest.approx(expected, rel=1e-12)


def test_wide_bags_take_memory_for_one_word_at_a_time():
    window, dim, many = 50, 200, 1000
    stream = np.random.default_rng(1).integers(0, 500, many).astype(np.int32)
    bags = cbow_examples(stream, window, many, np.ones(500, np.int64)).bags
    input = np.ones((500, dim), np.float32)
    tracemalloc.start()
    bag_vectors(bags, input)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken <= 24 * many * dim


def test_row_counts():
    assert row_counts(WORDS, {"ngrams": "3-4"}).tolist() == [1 + len(word_buckets(word, 3, 4, 99)) for word in WORDS]
    for chosen in ({"ngrams": "off"}, {}):
        assert row_counts(WORDS, chosen).tolist() == [1] * len(WORDS)


@pytest.mark.parametrize(("ngrams", "removing"), [("off", False), ("3-4", False), ("3-4", True)])
def test_the_centre_is_predicted_from_all_contexts_together(ngrams, removing):
    trained = model(ngrams, remove_accidental_hits=removing)
    contexts = ["the", "runner", "the"]  # a word twice counts twice
    logits = OUTPUT @ mean_of_rows(contexts, ngrams) + BIAS
    scores = -np.logaddexp(0, -logits) if removing else logits
    found = trained.log_probability("dog", contexts)
    assert found.shape == (1,) and found.dtype == np.float64
    np.testing.assert_allclose(found, scores[[2]], rtol=1e-5)
    every = [trained.log_probability(word, contexts, normalise=True)[0] for word in WORDS]
    np.testing.assert_allclose(every, logits - np.log(np.exp(logits).sum()), rtol=1e-5)
    best = trained.predict(contexts, topn=3)
    assert [word for word, _ in best] == [WORDS[row] for row in np.argsort(-scores)[:3]]
    assert [score for _, score in best] == pytest.approx(np.sort(scores)[::-1][:3], rel=1e-5)


def test_one_context_may_be_a_str():
    trained = model("3-4")
    assert trained.predict("the") == trained.predict(["the"]) == trained.predict(iter(["the"]))
    assert trained.log_probability("at", "the") == trained.log_probability("at", ["the"])
    assert trained.predict([], topn=0) == []


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: m.predict([]), InputError, "there is no context word; a CBOW model predicts from at least one"),
        (lambda m: m.log_probability("the", []), InputError, "there is no context word"),
        (lambda m: m.predict(["the", "zebra"]), KeyError, "'zebra' is not in the vocabulary"),
        (lambda m: m.log_probability("zebra", ["the"]), KeyError, "'zebra' is not in the vocabulary"),
        (lambda m: m.predict(["the", 3]), TypeError, r"3 is of type int; give a word \(str\)"),
        (lambda m: m.log_probability(["the"], ["the"]), TypeError, r"\['the'\] is of type list; give a word"),
        (lambda m: m.predict(5), TypeError, "the context words is 5"),
    ],
)
def test_no_words_and_wrong_ones_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(model())


def test_a_sequence_is_no_centre_of_a_skipgram_model():
    with pytest.raises(TypeError, match=r"\['the'\] is of type list; give a word \(str\)"):
        model(**{"model": "skipgram"}).predict(["the"])


@pytest.fixture
def directory(tmp_path):
    path = tmp_path / "m.nce"
    path.mkdir()
    for name, table in (("input", OWN.astype(np.float32)), ("output", OUTPUT), ("bias", BIAS)):
        np.save(path / f"{name}.npy", table)
    (path / "vocab.tsv").write_text("".join(f"{word}\t{count}\n" for word, count in zip(WORDS, COUNTS, strict=True)))
    (path / "config.yaml").write_text(yaml.safe_dump(SETTINGS))
    (path / "manifest.json").write_text("{}")
    return path


def test_evaluate_reads_which_model_it_is(directory, text):
    of_cbow = nce_train.evaluate(directory, heldout=text)["heldout"]
    assert of_cbow["pairs"] == len(EXAMPLES)
    assert nce_train.evaluate(directory, heldout=text, heldout_pairs=5)["heldout"]["pairs"] == 5
    earlier = {name: value for name, value in SETTINGS.items() if name not in ("model", "ngrams")}
    (directory / "config.yaml").write_text(yaml.safe_dump(earlier))
    of_skipgram = nce_train.evaluate(directory, heldout=text)["heldout"]
    assert of_skipgram["pairs"] == sum(len(contexts) for contexts, _ in EXAMPLES)
    (directory / "config.yaml").write_text(yaml.safe_dump({**SETTINGS, "model": "skipgram"}))
    assert nce_train.evaluate(directory, heldout=text)["heldout"] == of_skipgram


@pytest.mark.parametrize("changes", [{"model": "glove"}, {"ngrams": "auto"}, {"ngrams": "3"}, {"ngrams": False}])
def test_settings_of_no_run_are_refused(directory, changes):
    (directory / "config.yaml").write_text(yaml.safe_dump({**SETTINGS, **changes}))
    (name,) = changes
    with pytest.raises(InputError, match=rf"config\.yaml, line \d+: not the settings of a run \({name}: "):
        nce_train.Model.load(directory)


def test_progress_counts_examples(text, monkeypatch):
    monkeypatch.setattr("nce_train.evaluation.heldout._LOGIT_BYTES", 3 * 4 * len(WORDS))  # three rows at once
    reports = []
    heldout_loss(model(), text, progress=lambda *at: reports.append(at))
    assert reports == list(itertools.product((3, 6, 7), (7,)))


def test_a_text_without_contexts_is_refused(tmp_path):
    (tmp_path / "none.txt").write_text("the\ncatch\n")
    with pytest.raises(InputError, match=r"the held-out text .*none\.txt has no two words"):
        heldout_loss(model(), tmp_path / "none.txt")
