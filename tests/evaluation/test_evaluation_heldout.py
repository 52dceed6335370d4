"""Held-out losses against the losses of `nce_train.nce` on all pairs, and the classifier's probabilities."""

import json
import tracemalloc

import numpy as np
import pytest
import yaml

from nce_train import nce
from nce_train.api import Model, evaluate
from nce_train.embeddings import Embeddings
from nce_train.errors import InputError
from nce_train.evaluation.heldout import heldout_loss
from nce_train.evaluation.heldout_batches import nce_batches, sum_of_nce_losses
from nce_train.evaluation.heldout_examples import Examples, skipgram_examples
from nce_train.evaluation.word_bags import single_words

WORDS = ["the", "cat", "dog", "ran", "sat"]
SETTINGS = {
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
}
TEXT = "the cat sat\nthe unheard dog ran\n\ncat\nran dog\n"
PAIRS = [
    ("the", "cat"), ("the", "sat"), ("cat", "the"), ("cat", "sat"), ("sat", "the"), ("sat", "cat"),
    ("the", "dog"), ("the", "ran"), ("dog", "the"), ("dog", "ran"), ("ran", "the"), ("ran", "dog"),
    ("ran", "dog"), ("dog", "ran"),
]  # fmt: skip


def model_directory(path, **changes):
    path.mkdir()
    generator = np.random.default_rng(3)
    for name, shape in (("input", (5, 4)), ("output", (5, 4)), ("bias", (5,))):
        np.save(path / f"{name}.npy", generator.normal(size=shape).astype(np.float32))
    (path / "vocab.tsv").write_text("".join(f"{word}\t{50 - row}\n" for row, word in enumerate(WORDS)))
    (path / "config.yaml").write_text(yaml.safe_dump({**SETTINGS, **changes}))
    (path / "manifest.json").write_text("{}")
    return path


def pairs_of(stream, window, most):
    """The centres and the contexts."""
    examples = skipgram_examples(stream, window, most)
    assert examples.bags.ids.shape == (len(examples.labels), 1) and (examples.bags.weights == 1).all()
    return examples.bags.ids[:, 0], examples.labels


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "text.txt").write_text(TEXT)
    return model_directory(tmp_path / "m.nce")


def test_losses_match_nce(directory, tmp_path):
    result = heldout_loss(Model.load(directory), tmp_path / "text.txt", threads=2)
    model = Model.load(directory)
    centres = [WORDS.index(centre) for centre, _ in PAIRS]
    labels = np.array([[WORDS.index(context)] for _, context in PAIRS])
    tables = [np.asarray(table, np.float64) for table in (model.output, model.bias, model.input[centres])]
    assert result["pairs"] == len(PAIRS)
    assert result["sigmoid_loss"] == pytest.approx(nce.sigmoid_loss(*tables[:2], labels, tables[2]).mean(), rel=1e-6)
    assert result["perplexity"] == pytest.approx(
        np.exp(nce.softmax_loss(*tables[:2], labels, tables[2]).mean()), rel=1e-6
    )
    log_z = np.log(np.exp(tables[2] @ tables[0].T + tables[1]).sum(1))
    assert result["mean_log_z"] == pytest.approx(log_z.mean(), rel=1e-6)
    assert result["std_log_z"] == pytest.approx(log_z.std(), rel=1e-6)
    drawn = nce.sampler_from_counts(model.counts, "unigram", 0.75)(labels, 1, 3, True, seed=0)
    losses = nce.nce_loss(*tables[:2], labels, tables[2], 3, 5, sampled_values=drawn)
    assert result["nce_loss"] == pytest.approx(losses.mean(), rel=1e-6)


@pytest.mark.parametrize(("sampler", "unique"), [("unigram", True), ("log-uniform", False)])
def test_batches_match_nce_loss(sampler, unique):
    """With the noise of each batch; a class that is never drawn as noise has no loss as a context."""
    generator = np.random.default_rng(5)
    counts = np.array([900, 40, 30, 20, 10, 4, 2])
    settings = {"sampler": sampler, "distortion": 0.75, "num_sampled": 3, "unique": unique}
    input, output = (generator.normal(size=(7, 4)).astype(np.float32) for _ in range(2))
    bias = generator.normal(size=7).astype(np.float32)
    centres, contexts = generator.integers(0, 7, (2, 2500), np.int32)
    batches = list(nce_batches(Examples(single_words(centres), contexts), counts, settings))
    assert [len(batch.labels) for batch in batches] == [1024, 1024, 452]
    assert not np.array_equal(batches[0].noise, batches[1].noise)
    wide = [np.asarray(table, np.float64) for table in (output, bias, input)]
    for batch in batches:
        drawn = (batch.noise, np.exp(batch.log_count)[:, None], np.exp(batch.log_noise_count))
        labels, inputs = batch.labels[:, None], wide[2][batch.bags.ids[:, 0]]
        expected = nce.nce_loss(wide[0], wide[1], labels, inputs, 3, 7, sampled_values=drawn)
        assert sum_of_nce_losses(batch, input, output, bias) == pytest.approx(expected.sum(), rel=1e-12)
    counts[0] = 0  # as of an unknown word that does not occur in the text
    examples = Examples(single_words(centres[:9]), np.zeros(9, np.int32))
    (batch,) = nce_batches(examples, counts, {**settings, "sampler": "unigram"})
    noise_logits = input[centres[:9]] @ output[batch.noise].T + bias[batch.noise] - batch.log_noise_count
    assert sum_of_nce_losses(batch, input, output, bias) == pytest.approx(np.logaddexp(0, noise_logits).sum(), rel=1e-5)


def test_an_even_spread_of_pairs():
    stream = np.tile(np.array([0, 1, 2, 3, 4, -1], np.int32), 1000)
    centres, contexts = pairs_of(stream, 2, 10**9)
    assert len(centres) == 1000 * 14
    some = pairs_of(stream, 2, 700)
    assert [len(part) for part in some] == [700, 700]
    np.testing.assert_array_equal(some, pairs_of(stream, 2, 700))
    # one pair in 20, of 14 a line: each pair of a line is chosen equally often
    everything = set(zip(centres.tolist(), contexts.tolist(), strict=True))
    assert set(zip(*(part.tolist() for part in some), strict=True)) <= everything
    assert (np.bincount(some[0], minlength=5) > 60).all()


@pytest.mark.parametrize("window", [1, 2, 7])
def test_pairs_of_a_long_text_match_their_definition(monkeypatch, window):
    monkeypatch.setattr("nce_train.evaluation.heldout_examples._PLACES_PER_BLOCK", 7)
    stream = np.random.default_rng(4).integers(-1, 9, 300).astype(np.int32)
    lines = [line.split() for line in " ".join(map(str, stream)).split("-1")]
    expected = [
        (int(line[one]), int(line[other]))
        for line in lines
        for one in range(len(line))
        for other in range(max(0, one - window), min(len(line), one + window + 1))
        if one != other
    ]
    found = pairs_of(stream, window, 10**9)
    assert list(zip(*(part.tolist() for part in found), strict=True)) == expected


def test_pairs_of_a_long_text_take_little_memory():
    stream = np.zeros(3_000_000, np.int32)
    stream[::20] = -1
    tracemalloc.start()
    skipgram_examples(stream, 5, 1_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * len(stream)


@pytest.mark.parametrize("stream", [[], [-1], [3, -1, 2, -1]])
def test_no_pairs(stream):
    centres, contexts = pairs_of(np.array(stream, np.int32), 5, 100)
    assert len(centres) == len(contexts) == 0


def test_text_without_pairs_is_refused(directory, tmp_path):
    (tmp_path / "none.txt").write_text("the\ncat\n")
    with pytest.raises(InputError, match=r"the held-out text .*none\.txt has no two words"):
        heldout_loss(Model.load(directory), tmp_path / "none.txt")


def test_unknown_words_are_counted_where_the_model_has_a_class_for_them(tmp_path):
    (tmp_path / "text.txt").write_text("cat zebra\n")
    directory = model_directory(tmp_path / "u.nce", unknown="the")
    assert heldout_loss(Model.load(directory), tmp_path / "text.txt")["pairs"] == 2


@pytest.mark.parametrize(
    ("text", "changes", "pairs"),
    [
        ("the\ncat\n", {"line_breaks": "ignore"}, 2),
        ("THE Cat\n", {"lowercase": True}, 2),
        ("the,cat.sat\n", {"tokens": "words"}, 6),
        ("the cat sat ran\n", {"window": 1}, 6),
    ],
)
def test_the_text_is_read_as_the_training_text(tmp_path, text, changes, pairs):
    (tmp_path / "text.txt").write_text(text)
    model = Model.load(model_directory(tmp_path / "m.nce", **changes))
    assert heldout_loss(model, tmp_path / "text.txt")["pairs"] == pairs


@pytest.mark.filterwarnings("error")  # no warning that the classes are not sorted by frequency
def test_log_uniform_noise_depends_on_rows_only(tmp_path):
    (tmp_path / "text.txt").write_text("cat dog\n")
    directory = model_directory(tmp_path / "m.nce", sampler="log-uniform", unknown="the")
    usual = heldout_loss(Model.load(directory), tmp_path / "text.txt")
    (directory / "vocab.tsv").write_text("the\t1\ncat\t49\ndog\t48\nran\t47\nsat\t46\n")
    assert heldout_loss(Model.load(directory), tmp_path / "text.txt") == usual


def test_progress_counts_distinct_centres(directory, tmp_path, monkeypatch):
    monkeypatch.setattr("nce_train.evaluation.heldout._LOGIT_BYTES", 2 * 4 * len(WORDS))  # two rows at once
    reports = []
    heldout_loss(Model.load(directory), tmp_path / "text.txt", progress=lambda *at: reports.append(at))
    assert reports == [(2, 5), (4, 5), (5, 5)]


def test_log_probability_and_predict(directory):
    model = Model.load(directory)
    scores = model.output @ model.input[1] + model.bias
    np.testing.assert_allclose(model.log_probability("cat", ["sat", "the"]), scores[[4, 0]], rtol=1e-5)
    np.testing.assert_allclose(model.log_probability("cat", "dog"), scores[[2]], rtol=1e-5)
    normalised = model.log_probability("cat", WORDS, normalise=True)
    assert np.exp(normalised).sum() == pytest.approx(1, rel=1e-5)
    best = model.predict("cat", topn=2)
    assert [word for word, _ in best] == [WORDS[row] for row in np.argsort(-scores)[:2]]
    assert best[0][1] == pytest.approx(scores.max(), rel=1e-5)
    with pytest.raises(KeyError, match="'zebra' is not in the vocabulary, nor any word spelled like it"):
        model.predict("zebra")


def test_remove_accidental_hits_gives_log_sigmoid(tmp_path):
    model = Model.load(model_directory(tmp_path / "h.nce", remove_accidental_hits=True))
    scores = np.asarray(model.output @ model.input[1] + model.bias, np.float64)
    np.testing.assert_allclose(model.log_probability("cat", WORDS), -np.logaddexp(0, -scores), rtol=1e-5)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: (path / "bias.npy").unlink(), "has no bias.npy"),
        (lambda path: np.save(path / "bias.npy", np.zeros(3, np.float32)), "different models"),
        (
            lambda path: np.save(path / "bias.npy", np.zeros((5, 1), np.float32)),
            r"bias\.npy: an array of shape",
        ),
        (lambda path: (path / "bias.npy").write_bytes(b"no"), r"bias\.npy: not an array file"),
        (lambda path: np.save(path / "output.npy", np.zeros((5, 9), np.float32)), "different models"),
        (lambda path: (path / "config.yaml").write_text("["), r"config\.yaml is not valid YAML \(line 1\)"),
        (lambda path: (path / "config.yaml").write_text("5"), r"config\.yaml holds no settings"),
        (
            lambda path: (path / "config.yaml").write_text(yaml.safe_dump({**SETTINGS, "window": "wide"})),
            r"config\.yaml, line 10: not the settings of a run \(window: ",
        ),
        (lambda path: (path / "config.yaml").write_text("window: 5\n"), r"not the settings of a run \(tokens: "),
        (
            lambda path: np.save(path / "bias.npy", np.array([0, 0, np.nan, 0, 0], np.float32)),
            r"bias\.npy, row 2: the vector of 'dog' holds a number that is not finite",
        ),
        (lambda path: (path / "manifest.json").unlink(), "an unfinished model"),
    ],
)
def test_damaged_models_are_refused(directory, damage, message):
    damage(directory)
    with pytest.raises(InputError, match=message):
        Model.load(directory)


def test_losses_that_are_not_finite_are_refused(directory, tmp_path):
    np.save(directory / "output.npy", np.full((5, 4), 1e38, np.float32))
    np.save(directory / "input.npy", np.full((5, 4), 1e38, np.float32))
    with pytest.raises(InputError, match=r"text\.txt: the \w+_loss of its words is .*the model has diverged"):
        heldout_loss(Model.load(directory), tmp_path / "text.txt")


def test_evaluate_heldout_needs_a_model_directory(directory, tmp_path):
    report = evaluate(directory, heldout=tmp_path / "text.txt")
    assert set(report) == {"model", "vocabulary", "dim", "heldout"}
    json.dumps(report, allow_nan=False)
    embeddings = Embeddings(["a", "b"], np.eye(2, dtype=np.float32))
    with pytest.raises(InputError, match="held-out losses need a model directory"):
        evaluate(embeddings, heldout=tmp_path / "text.txt")
    embeddings.save(tmp_path / "v.txt")
    with pytest.raises(InputError, match="not a model directory"):
        evaluate(tmp_path / "v.txt", heldout=tmp_path / "text.txt")


def test_evaluate_takes_a_classifier(directory, tmp_path):
    (tmp_path / "set.txt").write_text("the cat dog ran\n")
    arguments = {"sets": tmp_path / "set.txt", "heldout": tmp_path / "text.txt"}
    of_path, of_model = evaluate(directory, **arguments), evaluate(Model.load(directory), **arguments)
    assert (of_path.pop("model"), of_model.pop("model")) == (str(directory), None)
    assert of_path == of_model and {"analogies", "heldout"} <= set(of_model)


@pytest.mark.parametrize("pairs", [0, -1])
def test_evaluate_refuses_no_pairs(directory, tmp_path, pairs):
    with pytest.raises(InputError, match=f"heldout_pairs is {pairs}; give a number of pairs, at least 1"):
        evaluate(directory, heldout=tmp_path / "text.txt", heldout_pairs=pairs)


def test_no_contexts_and_no_words_give_empty_results(directory):
    model = Model.load(directory)
    for normalise in (False, True):
        empty = model.log_probability("cat", [], normalise=normalise)
        assert empty.shape == (0,) and empty.dtype == np.float64
    assert model.predict("cat", topn=0) == model.predict("cat", topn=-1) == []
    assert repr(model) == "Model(5 words, dim 4, nce)"
