"""`Word2Vec` beside gensim's: vocabularies, errors, callbacks, further training, files; and that it learns."""

import json
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nce_train
from nce_train.errors import InputError, NceTrainWarning
from nce_train.gensim import CallbackAny2Vec, Word2Vec, keywords
from nce_train.gensim.vocabulary import RULE_DEFAULT, RULE_DISCARD, RULE_KEEP, subsample_threshold

SENTENCES = [["human", "interface", "computer"], ["graph", "trees", "graph"], ["graph", "minors", "new york"]] * 4
SMALL = {"vector_size": 6, "min_count": 1, "workers": 1}
few = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def model():
    return Word2Vec(SENTENCES, compute_loss=True, **SMALL)


def topics(seed=0, count=3000):
    """Sentences of 8 words of one of five topics with 12 words each."""
    generator = np.random.default_rng(seed)
    return [[f"t{topic}_{word}" for word in generator.integers(0, 12, 8)] for topic in generator.integers(0, 5, count)]


@pytest.mark.parametrize("sg", [0, 1])
def test_words_of_a_topic_become_neighbours(sg):
    model = Word2Vec(topics(), sg=sg, vector_size=16, sample=0, workers=1, epochs=3)
    near = [model.wv.most_similar(word, topn=5) for word in model.wv.index_to_key]
    right = [other[:2] == word[:2] for word, best in zip(model.wv.index_to_key, near, strict=True) for other, _ in best]
    assert np.mean(right) > 0.95


@pytest.mark.parametrize("sg", [0, 1])
def test_one_worker_and_one_seed_give_the_same_bytes(sg):
    one, other, third = (Word2Vec(SENTENCES, sg=sg, seed=seed, **SMALL) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.wv.vectors, other.wv.vectors)
    np.testing.assert_array_equal(one.syn1neg, other.syn1neg)
    assert not np.array_equal(one.wv.vectors, third.wv.vectors)


def test_in_one_step_or_in_two(model, tmp_path):
    steps = Word2Vec(**SMALL)
    steps.build_vocab(SENTENCES)
    assert steps.wv.vectors.shape == (7, 6) and not steps.syn1neg.any()
    trained, read = steps.train(SENTENCES, total_examples=steps.corpus_count, epochs=steps.epochs)
    np.testing.assert_array_equal(steps.wv.vectors, model.wv.vectors)
    assert 0 < trained <= read == 36 * 5
    (tmp_path / "text.txt").write_text("\n".join(" ".join(s).replace("new york", "new_york") for s in SENTENCES))
    from_file = Word2Vec(corpus_file=tmp_path / "text.txt", **SMALL)
    assert {word.replace("_", " ") for word in from_file.wv.index_to_key} == set(model.wv.index_to_key)
    assert (from_file.corpus_total_words, from_file.corpus_count) == (36, 11)  # the last line has no end
    one_pass = Word2Vec(**SMALL)
    one_pass.build_vocab(sentence for sentence in SENTENCES)  # a generator can be read once
    assert one_pass.wv.index_to_key == model.wv.index_to_key


# gensim takes a small whole number for a row when words are added
WORDS = st.one_of(st.sampled_from("abcdefgh"), st.integers(100, 103), st.sampled_from(["", "x y", "\x00", "é"]))
CORPORA = st.lists(st.lists(WORDS, max_size=6), min_size=1, max_size=12)
FURTHER = st.lists(st.lists(WORDS, min_size=3, max_size=6), min_size=2, max_size=12)  # gensim refuses to add nothing


@pytest.mark.slow
@few
@given(
    corpus=CORPORA,
    more=FURTHER,
    min_count=st.integers(0, 1),
    final=st.none() | st.integers(1, 5),
    ordered=st.booleans(),
)
def test_vocabularies_are_those_of_gensim(gensim, corpus, more, min_count, final, ordered):
    made = []
    for kind in (Word2Vec, gensim.models.Word2Vec):
        model = kind(vector_size=4, min_count=min_count, max_final_vocab=final, sorted_vocab=int(ordered))
        size = model.scan_vocab(corpus)
        report = model.prepare_vocab(dry_run=True, keep_raw_vocab=True)
        model.build_vocab(corpus)
        model.max_final_vocab = None
        if len(model.wv):
            model.build_vocab(more, update=True)
        counts = {key: int(model.wv.get_vecattr(key, "count")) for key in model.wv.index_to_key}
        made.append((size, report["drop_unique"], report["retain_total"], report["num_retained_words"], counts))
        made[-1] += (model.wv.vectors.shape,)
    assert made[0] == made[1]


@pytest.mark.parametrize("most", [2, 3, 5])
def test_words_that_are_forgotten_while_counting(gensim, most):
    corpus = [["a", "b"], ["a", "b"], ["b", "c"], ["d", "a", "e"], ["a", "d", "f", "d", "g"], ["h", "a"]] * 2
    counted = []
    for kind in (Word2Vec, gensim.models.Word2Vec):
        model = kind(vector_size=4, min_count=1, max_vocab_size=most)
        model.scan_vocab(corpus)
        counted.append(dict(model.raw_vocab))
    assert counted[0] == counted[1]


def rule(word, count, min_count):
    return RULE_DISCARD if word == "graph" else RULE_KEEP if word == "rare" else RULE_DEFAULT


def test_trim_rules_and_frequencies(gensim):
    sentences = [*SENTENCES, ["rare"], ["once"]]
    keys = []
    for kind in (Word2Vec, gensim.models.Word2Vec):
        model = kind(min_count=2, vector_size=4)
        model.build_vocab(sentences, trim_rule=rule)
        counted = kind(min_count=2, vector_size=4)
        counted.build_vocab_from_freq({"a": 3, "b": 5, "c": 1})
        keys.append((set(model.wv.index_to_key), counted.wv.index_to_key))
    assert keys[0] == keys[1] and "rare" in keys[0][0]


@pytest.mark.parametrize("sample", [0, 1e-3, 0.5, 3])
def test_words_are_sampled_away_as_in_gensim(gensim, sample):
    reports = []
    for kind in (Word2Vec, gensim.models.Word2Vec):
        model = kind(min_count=1, vector_size=4, sample=sample)
        model.scan_vocab(topics(count=200))
        reports.append(model.prepare_vocab())
    assert reports[0]["downsample_unique"] == reports[1]["downsample_unique"]
    assert reports[0]["downsample_total"] == pytest.approx(reports[1]["downsample_total"], abs=2)
    assert 0 <= subsample_threshold(sample, 1600) <= 1


MISTAKES = {
    "a generator": (TypeError, lambda kind: kind(sentence for sentence in SENTENCES)),
    "two corpora": (TypeError, lambda kind: kind(SENTENCES, "text.txt")),
    "no corpus": (TypeError, lambda kind: kind().build_vocab()),
    "no words": (RuntimeError, lambda kind: kind([])),
    "no word left": (RuntimeError, lambda kind: kind(SENTENCES, min_count=1000)),
    "no vocabulary": (RuntimeError, lambda kind: kind().train(SENTENCES, total_examples=1, epochs=1)),
    "nothing to update": (RuntimeError, lambda kind: kind().build_vocab(SENTENCES, update=True)),
    "no epochs": (ValueError, lambda kind: built(kind).train(SENTENCES, total_examples=1)),
    "no totals": (ValueError, lambda kind: built(kind).train(SENTENCES, epochs=1)),
    "a generator and two epochs": (
        TypeError,
        lambda kind: built(kind).train((each for each in SENTENCES), total_examples=1, epochs=2),
    ),
    "no noise": (ValueError, lambda kind: kind(SENTENCES, negative=0, min_count=1)),
    "unhashable words": (TypeError, lambda kind: kind([[["nested"]]])),
}


def built(kind):
    model = kind(**SMALL)
    model.build_vocab(SENTENCES)
    return model


@pytest.mark.parametrize("name", MISTAKES)
def test_the_same_mistake_raises_the_same(gensim, name):
    error, call = MISTAKES[name]
    for kind in (Word2Vec, gensim.models.Word2Vec):
        with pytest.raises(error):
            call(kind)


class Recorder(CallbackAny2Vec):
    def __init__(self):
        self.calls, self.vectors, self.losses = [], [], []

    def on_train_begin(self, model):
        self.calls.append("train")

    def on_epoch_begin(self, model):
        self.calls.append("begin")

    def on_epoch_end(self, model):
        self.calls.append("end")
        self.vectors.append(model.wv.vectors.copy())
        self.losses.append(model.get_latest_training_loss())

    def on_train_end(self, model):
        self.calls.append("trained")


def test_callbacks_and_the_loss(gensim, model):
    ours, theirs = Recorder(), Recorder()
    sentences = SENTENCES * 10
    trained = Word2Vec(sentences, compute_loss=True, epochs=3, sample=0, callbacks=[ours], **SMALL)
    gensim.models.Word2Vec(sentences, compute_loss=True, epochs=3, callbacks=[theirs], **SMALL)
    assert ours.calls == theirs.calls == ["train", *["begin", "end"] * 3, "trained"]
    assert not np.array_equal(ours.vectors[0], ours.vectors[1])
    np.testing.assert_array_equal(ours.vectors[2], trained.wv.vectors)
    assert 0 < ours.losses[0] < ours.losses[1] < ours.losses[2] == trained.get_latest_training_loss()
    assert Word2Vec(SENTENCES, **SMALL).get_latest_training_loss() == 0


def test_the_loss_is_true():
    """At a rate of almost nothing, parameters stay at their start: the loss of NCE is then known in closed form."""
    model = Word2Vec(**SMALL, sg=1, sample=0, alpha=1e-12, compute_loss=True, shrink_windows=False, window=1)
    model.build_vocab(SENTENCES)
    model.train(SENTENCES, total_examples=1, epochs=1, compute_loss=True)
    samples = keywords.num_sampled(model.negative)
    counts = model.wv.counts.astype(float)
    noise = counts**0.75 / (counts**0.75).sum()
    logits = np.log(counts / counts.sum()) - np.log(samples * noise)
    per_noise = (noise * np.log1p(np.exp(logits))).sum() * samples
    pairs, centres = model._last_run["pairs"], 36
    assert pairs == 12 * 4
    positive = sum(
        math.log1p(math.exp(-logits[model.wv.key_to_index[other]]))
        for sentence in SENTENCES
        for place in range(3)
        for other in sentence[max(0, place - 1) : place] + sentence[place + 1 : place + 2]
    )
    noise_terms = model.get_latest_training_loss() - positive
    assert noise_terms == pytest.approx(centres * per_noise, rel=0.35) or noise_terms == pytest.approx(
        pairs * per_noise, rel=0.35
    )


def test_a_callback_that_raises_leaves_the_model_of_that_moment():
    class Stop(CallbackAny2Vec):
        def on_epoch_end(self, model):
            raise StopIteration

    model = Word2Vec(sample=0, **SMALL)
    model.build_vocab(SENTENCES)
    before = model.wv.vectors.copy()
    with pytest.raises(StopIteration):
        model.train(SENTENCES * 10, total_examples=1, epochs=9, callbacks=[Stop()])
    assert not np.array_equal(before, model.wv.vectors)


def test_training_goes_on_with_new_words(model, tmp_path):
    model.save(tmp_path / "model")
    further = Word2Vec.load(tmp_path / "model")
    further.build_vocab([["graph", "intelligence", "artificial"]] * 3, update=True)
    assert further.wv.index_to_key[: len(model.wv)] == model.wv.index_to_key
    np.testing.assert_array_equal(further.wv.vectors[: len(model.wv)], model.wv.vectors)
    assert further.wv.get_vecattr("graph", "count") == 12 + 3
    assert len(further.wv) == len(further.syn1neg) == len(further.output_bias) == 9
    before = further.wv.vectors.copy()
    further.train([["graph", "intelligence"]] * 50, total_examples=50, epochs=2)
    moved = np.abs(further.wv.vectors - before).max(axis=1)
    assert moved[further.wv.key_to_index["intelligence"]] > 0 and moved[further.wv.key_to_index["human"]] == 0


def test_saved_models(model, tmp_path):
    model.save(tmp_path / "m.model")
    loaded = Word2Vec.load(tmp_path / "m.model")
    assert {name: value for name, value in vars(loaded).items() if isinstance(value, (int, float, str, bool))} == {
        name: value for name, value in vars(model).items() if isinstance(value, (int, float, str, bool))
    }
    for table in ("syn1neg", "output_bias"):
        np.testing.assert_array_equal(getattr(loaded, table), getattr(model, table))
    np.testing.assert_array_equal(loaded.wv.vectors, model.wv.vectors)
    assert loaded.predict_output_word(["graph"]) == model.predict_output_word(["graph"])
    assert nce_train.Embeddings.load(tmp_path / "m.model").index_to_key == model.wv.index_to_key
    assert nce_train.Model.load(tmp_path / "m.model").predict(["graph"], topn=1)
    manifest = json.loads((tmp_path / "m.model/manifest.json").read_text())
    assert manifest["gensim"]["class"] == "Word2Vec" and manifest["vocabulary"] == 7
    (tmp_path / "old.model").write_bytes(b"\x80\x04pickle")
    with pytest.raises(InputError, match="pickles"):
        Word2Vec.load(tmp_path / "old.model")
    with pytest.raises(InputError, match="nothing to save"):
        Word2Vec().save(tmp_path / "empty")


def test_a_model_of_the_trainer_itself_is_loaded_and_trained_further(tmp_path):
    options = {"dim": 6, "min_count": 1, "subsample": 0, "ngrams": "off", "progress": False}
    nce_train.train([["a", "b", "c"]] * 50, output=tmp_path / "own.nce", model="skipgram", **options)
    model = Word2Vec.load(tmp_path / "own.nce")
    assert (model.sg, model.vector_size, model.min_count) == (1, 6, 1)
    before = model.wv.vectors.copy()
    model.train([["a", "b", "c"]] * 50, total_examples=50, epochs=1)
    assert not np.array_equal(before, model.wv.vectors)


def test_predictions(model, gensim):
    theirs = gensim.models.Word2Vec(SENTENCES, **SMALL)
    for each in (model, theirs):
        found = each.predict_output_word(["human", "computer"], topn=3)
        assert len(found) == 3 and isinstance(found[0][0], str)
    assert sum(value for _, value in model.predict_output_word(["human"], topn=None)) == pytest.approx(1)
    with pytest.warns(NceTrainWarning, match="none of the context words"):
        assert model.predict_output_word(["unknown"]) is None


def test_another_models_words(model):
    other = Word2Vec([["a", "b"]] * 4, **SMALL)
    other.reset_from(model)
    assert other.wv.key_to_index == model.wv.key_to_index and not other.syn1neg.any()
    assert model.estimate_memory()["vectors"] == 7 * 6 * 4


def test_what_has_no_effect_warns(model):
    with pytest.warns(DeprecationWarning, match="init_sims has no effect"):
        model.init_sims()
    with pytest.warns(NceTrainWarning, match="window is 5,000"):
        Word2Vec(window=5000)
    with pytest.warns(NceTrainWarning, match="nothing was trained: no sentence has two words"):
        Word2Vec([["a"], ["b"], []], min_count=1)
    with pytest.warns(NceTrainWarning, match="sentence 1 is one text"):
        Word2Vec(min_count=1).build_vocab(["ab"])
    with pytest.raises(NotImplementedError, match="score needs hierarchical softmax"):
        model.score(SENTENCES)


@pytest.mark.parametrize(
    ("start", "end", "epochs", "schedule"),
    [(0.025, 0.0001, 5, (5, "linear")), (0.025, 0.025, 5, (5, "constant")), (0.025, 0.0125, 2, (4, "linear"))],
)
def test_the_learning_rate_follows_alpha(start, end, epochs, schedule):
    chosen = keywords.run_settings(Word2Vec(), start, end, epochs, 100, None)
    assert (chosen.epochs, chosen.lr_schedule) == schedule and chosen.lr == pytest.approx(0.1)


def test_a_rate_that_explodes_is_lowered(monkeypatch):
    monkeypatch.setattr(keywords, "MOST_LR", 100.0)
    with pytest.warns(NceTrainWarning, match="the loss exploded at a learning rate of"):
        model = Word2Vec(topics(), alpha=2, window=2, workers=1, epochs=2)
    assert np.isfinite(model.wv.vectors).all()
