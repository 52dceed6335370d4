"""Runs of CBOW models: interrupted and continued, warm starts, held-out text, and what a dry run says of them."""

import json

import numpy as np
import pytest
from run_case import SETTINGS, Watcher, go, interrupt

import nce_train
from nce_train.errors import InputError
from nce_train.evaluation.heldout import heldout_loss
from nce_train.runs.estimate import estimate
from nce_train.training.settings_files import load_settings

pytestmark = pytest.mark.usefixtures("often")

SYLLABLES = ["ba", "co", "du", "fe", "gi", "ho"]
WORDS = [first + second + third for first in SYLLABLES for second in SYLLABLES for third in SYLLABLES]
GENERATOR = np.random.default_rng(4)
TOPICS = np.array(WORDS).reshape(6, 36)  # the words that begin alike stand together
LINES = [" ".join(TOPICS[number % 6, np.minimum(GENERATOR.zipf(1.2, 40), 36) - 1]) for number in range(1100)]
OF_WORDS = {"model": "cbow", "ngrams": "off", "epochs": 6}
WITH_NGRAMS = {"model": "cbow", "ngrams": "2-3", "buckets": 300, "epochs": 6}
KINDS = pytest.mark.parametrize("kind", [OF_WORDS, WITH_NGRAMS], ids=["words", "ngrams"])
ROUNDS = {"deterministic": True, "threads": 2, "shards": 3}


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n".join(LINES[:1000]) + "\n")
    return path


@pytest.fixture
def heldout(tmp_path):
    path = tmp_path / "heldout.txt"
    path.write_text("\n".join(LINES[1000:]) + "\n")
    return str(path)


def contents(model):
    names = ["input.npy", "output.npy", "bias.npy", "vocab.tsv"]
    names += [name for name in ("ngrams.npy", "ngram_buckets.npy") if (model / name).exists()]
    return {name: (model / name).read_bytes() for name in names}


@pytest.mark.slow
@KINDS
@pytest.mark.parametrize("how", [{"threads": 1}, ROUNDS], ids=["thread", "rounds"])
def test_an_interrupted_run_ends_in_the_same_bytes(tmp_path, text, heldout, kind, how):
    options = {**kind, **how, "heldout": heldout, "patience": 4, "eval_every": "2epochs"}
    go(tmp_path / "whole.nce", corpus=text, **options)
    for event in ("training", "heldout", "evaluated"):
        output = tmp_path / f"{event}.nce"
        with pytest.raises(KeyboardInterrupt):
            go(output, corpus=text, watcher=Watcher(**{event: interrupt}), **options)
        assert not (output / "manifest.json").exists()
        go(output, resume=True)
        assert contents(output) == contents(tmp_path / "whole.nce")


@KINDS
def test_rounds_give_the_same_bytes_on_any_number_of_threads(tmp_path, text, kind):
    for threads in (1, 2):
        go(tmp_path / f"{threads}.nce", corpus=text, **kind, **{**ROUNDS, "threads": threads})
    assert contents(tmp_path / "1.nce") == contents(tmp_path / "2.nce")
    go(tmp_path / "skipgram.nce", corpus=text, **{**kind, **ROUNDS, "model": "skipgram"})
    assert contents(tmp_path / "skipgram.nce")["input.npy"] != contents(tmp_path / "1.nce")["input.npy"]


@KINDS
def test_what_is_measured_while_training_is_the_model(tmp_path, text, heldout, kind):
    watcher, output = Watcher(), tmp_path / "m.nce"
    go(output, corpus=text, watcher=watcher, heldout=heldout, eval_every="3epochs", lr=0.05, **kind)
    expected = heldout_loss(nce_train.Model.load(output), heldout)
    assert watcher.heldout_losses[-1] == pytest.approx(expected["nce_loss"], abs=1e-12)
    assert watcher.heldout_losses[-1] < watcher.heldout_losses[0] - 0.5
    assert watcher.evaluations[-1][1]["analogies"] == nce_train.evaluate(output, restrict_vocab=0)["analogies"]
    readings = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    assert [reading["heldout"]["pairs"] for reading in readings if "heldout" in reading] == [expected["pairs"]] * 6
    assert expected["pairs"] == 4000  # each word of the text is an example


def test_early_stopping_takes_the_best_epoch(tmp_path, text):
    heldout = tmp_path / "mixed.txt"  # where topics are mixed, so that what is learnt is wrong
    heldout.write_text("\n".join(map(" ".join, zip(*(line.split() for line in LINES[1000:]), strict=True))))
    watcher, output = Watcher(), tmp_path / "m.nce"
    go(output, corpus=text, watcher=watcher, heldout=str(heldout), patience=1, **OF_WORDS)
    losses = watcher.heldout_losses
    assert json.loads((output / "manifest.json").read_text())["stopped_early"] == "patience" and 2 <= len(losses) < 6
    assert losses[-1] > losses[-2] == min(losses)
    found = heldout_loss(nce_train.Model.load(output), heldout)["nce_loss"]
    assert found == pytest.approx(losses[-2], abs=1e-12)


@KINDS
@pytest.mark.parametrize("how", [{"threads": 2}, {**ROUNDS, "threads": 1}], ids=["threads", "rounds"])
def test_a_continued_model_keeps_its_vectors(tmp_path, text, kind, how):
    old, new = tmp_path / "old.nce", tmp_path / "new.nce"
    go(old, corpus=text, **kind)
    more = tmp_path / "more.txt"
    more.write_text("bacozz bacozz zzyyxx gihodu\n" * 50)
    go(new, corpus=more, continue_from=old, lr=0.0, epochs=1, **how)
    assert load_settings(new / "config.yaml").model == "cbow"
    before, after = (nce_train.Embeddings.load(path) for path in (old, new))
    assert "bacozz" in after and "bacozz" not in before
    np.testing.assert_allclose(after[before.index_to_key], before.vectors, atol=1e-6)


@pytest.mark.parametrize(("old", "new"), [("skipgram", "cbow"), ("cbow", "skipgram")])
def test_another_model_is_no_continuation_but_a_start(tmp_path, text, old, new):
    given = tmp_path / "old.nce"
    go(given, corpus=text, **{**OF_WORDS, "model": old, "epochs": 1})
    with pytest.raises(
        InputError, match=rf"^--model cannot be {new}: .*old\.nce was trained as {old}, and .*; --init starts .*\.$"
    ):
        go(tmp_path / "new.nce", corpus=text, continue_from=given, model=new)
    assert not (tmp_path / "new.nce").exists()
    go(tmp_path / "new.nce", corpus=text, init=given, lr=0.0, **{**OF_WORDS, "model": new, "epochs": 1})
    before, after = (nce_train.Embeddings.load(path) for path in (given, tmp_path / "new.nce"))
    np.testing.assert_array_equal(after[before.index_to_key], before.vectors)
    assert load_settings(tmp_path / "new.nce" / "config.yaml").model == new


def test_a_model_of_an_earlier_version_is_skipgram(tmp_path, text):
    old = tmp_path / "old.nce"
    go(old, corpus=text, ngrams="off", epochs=1)
    config = [line for line in (old / "config.yaml").read_text().splitlines() if not line.startswith("model:")]
    (old / "config.yaml").write_text("\n".join(config))
    (old / "manifest.json").write_text(json.dumps({**json.loads((old / "manifest.json").read_text()), "files": {}}))
    with pytest.raises(InputError, match="was trained as skipgram"):
        go(tmp_path / "new.nce", corpus=text, continue_from=old, model="cbow")
    go(tmp_path / "new.nce", corpus=text, continue_from=old, epochs=1)
    assert load_settings(tmp_path / "new.nce" / "config.yaml").model == "skipgram"


@KINDS
def test_a_centre_is_predicted_from_words_of_its_topic(tmp_path, text, kind):
    go(tmp_path / "m.nce", corpus=text, **kind)
    model = nce_train.Model.load(tmp_path / "m.nce")
    for topic in TOPICS:
        assert {word for word, _ in model.predict(topic[:4], topn=10)} <= set(topic)


@KINDS
@pytest.mark.parametrize("how", [{"threads": 1}, ROUNDS], ids=["thread", "rounds"])
def test_the_dry_run_counts_a_pair_for_each_word(text, kind, how):
    settings = {**SETTINGS, **kind, **how, "subsample": 0.0, "lr": 0.005}
    told = estimate(text, load_settings(None, settings), Watcher())
    assert told.tokens == 40_000
    assert told.pairs == pytest.approx(told.tokens * settings["epochs"], rel=0.01)
    assert (told.ngrams > 0) == (kind is WITH_NGRAMS)


def test_training_in_python_gives_a_classifier_of_centres(tmp_path, text):
    output = tmp_path / "m.nce"
    nce_train.train(str(text), output=output, progress=False, **{**SETTINGS, **WITH_NGRAMS})
    model = nce_train.Model.load(output)
    contexts = LINES[0].split()[:5]
    (best, score), *_ = model.predict(contexts)
    assert model.log_probability(best, contexts) == pytest.approx(score, rel=1e-6)
