"""Runs with n-grams: interrupted and continued, warm starts, what is saved and what is said of them."""

import itertools
import json

import numpy as np
import pytest
from run_case import SETTINGS, Watcher, go, interrupt

import nce_train
from nce_train.errors import InputError
from nce_train.evaluation.heldout import heldout_loss
from nce_train.runs.estimate import estimate
from nce_train.text.ngrams import ngram_buckets
from nce_train.training.settings_files import load_settings

pytestmark = pytest.mark.usefixtures("often")

SYLLABLES = ["ba", "co", "du", "fe", "gi", "ho"]
WORDS = [first + second + third for first in SYLLABLES for second in SYLLABLES for third in SYLLABLES]
GENERATOR = np.random.default_rng(3)
LINES = [" ".join(WORDS[min(rank, 215) - 1] for rank in GENERATOR.zipf(1.3, 40)) for _ in range(1000)]
NGRAMS = {"ngrams": "2-3", "buckets": 300, "epochs": 6}  # so few that some n-grams share one
FILES = ("input.npy", "output.npy", "bias.npy", "ngrams.npy", "ngram_buckets.npy", "vocab.tsv")


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n".join(LINES) + "\n")
    return path


def array(model, name):
    return np.load(model / name, allow_pickle=False)


def contents(model):
    return {name: (model / name).read_bytes() for name in FILES}


def words_of(model):
    return [line.split("\t")[0] for line in (model / "vocab.tsv").read_text().splitlines()]


def ngram_sums(model, words):
    """For each word the sum of its n-grams' vectors and their number, as `ngrams.npy` has them."""
    table = np.zeros((NGRAMS["buckets"], array(model, "ngrams.npy").shape[1]))
    table[array(model, "ngram_buckets.npy")] = array(model, "ngrams.npy")
    starts, found = ngram_buckets(words, 2, 3, NGRAMS["buckets"])
    return np.array([table[found[a:b]].sum(0) for a, b in itertools.pairwise(starts)]), np.diff(starts)


@pytest.mark.slow
@pytest.mark.parametrize("how", [{"threads": 1}, {"deterministic": True, "threads": 2}])
def test_an_interrupted_run_ends_in_the_same_bytes(tmp_path, text, how):
    options = {**NGRAMS, **how, "heldout": str(text), "patience": 4, "eval_every": "1epoch", "epochs": 12}
    go(tmp_path / "whole.nce", corpus=text, **options)
    for event in ("training", "heldout", "evaluated"):
        output = tmp_path / f"{event}.nce"
        with pytest.raises(KeyboardInterrupt):
            go(output, corpus=text, watcher=Watcher(**{event: interrupt}), **options)
        assert not (output / "manifest.json").exists()
        go(output, resume=True)
        assert contents(output) == contents(tmp_path / "whole.nce")


def test_the_model_has_composed_vectors_and_its_ngrams(tmp_path, text):
    watcher, output = Watcher(), tmp_path / "m.nce"
    model = go(output, corpus=text, watcher=watcher, heldout=str(text), eval_every="1epoch", **NGRAMS)
    buckets = array(output, "ngram_buckets.npy")
    words = words_of(output)
    assert sorted(buckets) == np.unique(ngram_buckets(words, 2, 3, NGRAMS["buckets"])[1]).tolist()
    assert array(output, "ngrams.npy").shape == (len(buckets), SETTINGS["dim"])
    np.testing.assert_array_equal(model.input, array(output, "input.npy"))
    np.testing.assert_array_equal(model.ngrams, array(output, "ngrams.npy"))
    manifest = json.loads((output / "manifest.json").read_text())
    assert set(FILES) < set(manifest["files"])
    assert (manifest["config"]["ngrams"], manifest["config"]["buckets"]) == ("2-3", 300)
    # what is measured while training are the vectors of the model
    loss = heldout_loss(nce_train.Model.load(output), text)["nce_loss"]
    assert watcher.heldout_losses[-1] == pytest.approx(loss, abs=1e-12)
    assert watcher.evaluations[-1][1]["analogies"] == nce_train.evaluate(output, restrict_vocab=0)["analogies"]


def test_words_that_share_ngrams_come_near(tmp_path, text):
    """Composed vectors are means: without training, words with common n-grams are already alike."""
    go(tmp_path / "m.nce", corpus=text, **{**NGRAMS, "lr": 0.0, "epochs": 1})
    model = nce_train.Embeddings.load(tmp_path / "m.nce")
    alike, unlike = model.similarity("bacodu", "bacofe"), model.similarity("bacodu", "gihoho")
    assert alike > unlike + 0.2


@pytest.mark.parametrize("how", [{"threads": 2}, {"deterministic": True, "threads": 1}])
def test_a_continued_model_keeps_its_vectors_and_new_words_bring_new_ngrams(tmp_path, text, how):
    old, new = tmp_path / "old.nce", tmp_path / "new.nce"
    go(old, corpus=text, **NGRAMS)
    more = tmp_path / "more.txt"
    more.write_text("bacozz bacozz zzyyxx gihodu\n" * 50)
    go(new, corpus=more, continue_from=old, lr=0.0, epochs=1, **how)
    before, after = (nce_train.Embeddings.load(path) for path in (old, new))
    assert "bacozz" in after and "bacozz" not in before
    np.testing.assert_allclose(after[before.index_to_key], before.vectors, atol=1e-6)
    known = dict(zip(array(old, "ngram_buckets.npy").tolist(), array(old, "ngrams.npy"), strict=True))
    now = dict(zip(array(new, "ngram_buckets.npy").tolist(), array(new, "ngrams.npy"), strict=True))
    assert set(known) < set(now)
    for bucket, vector in known.items():
        np.testing.assert_array_equal(now[bucket], vector)
    sums, sizes = ngram_sums(new, ["bacozz"])
    own = (sizes[0] + 1) * after["bacozz"] - sums[0]
    assert np.abs(own).max() <= 0.5 / SETTINGS["dim"] + 1e-5  # its own row is a new one


def test_vectors_without_ngrams_are_a_start_too(tmp_path, text):
    go(tmp_path / "words.nce", corpus=text, ngrams="off")
    given = nce_train.Embeddings.load(tmp_path / "words.nce")
    go(tmp_path / "m.nce", corpus=text, init=given, lr=0.0, **{**NGRAMS, "epochs": 1})
    model = nce_train.Embeddings.load(tmp_path / "m.nce")
    np.testing.assert_allclose(model[given.index_to_key], given.vectors, atol=1e-6)


def test_ngrams_of_other_lengths_are_not_taken_over(tmp_path, text):
    go(tmp_path / "old.nce", corpus=text, **NGRAMS)
    go(tmp_path / "new.nce", corpus=text, continue_from=tmp_path / "old.nce", lr=0.0, epochs=1, ngrams="3-4")
    before, after = (nce_train.Embeddings.load(tmp_path / name) for name in ("old.nce", "new.nce"))
    np.testing.assert_allclose(after[before.index_to_key], before.vectors, atol=1e-6)
    assert np.abs(array(tmp_path / "new.nce", "ngrams.npy")).max() <= 0.5 / SETTINGS["dim"]


def test_auto_is_resolved_by_the_words_and_said(tmp_path, text):
    told = []

    class Listening(Watcher):
        def chose_ngrams(self, settings, share_of_letters):
            told.append((settings.ngrams, share_of_letters))

    go(tmp_path / "words.nce", corpus=text, watcher=Listening(), epochs=1)
    items = tmp_path / "items.txt"
    items.write_text("\n".join(LINES).replace("o", "0"))
    go(tmp_path / "items.nce", corpus=items, watcher=Listening(), epochs=1)
    go(tmp_path / "off.nce", corpus=text, watcher=Listening(), epochs=1, ngrams="off")
    assert [ngrams for ngrams, _ in told] == ["5-5", "off"]
    assert told[0][1] == 1 > 0.9 > told[1][1]
    settings = [load_settings(tmp_path / name / "config.yaml").ngrams for name in ("words.nce", "items.nce", "off.nce")]
    assert settings == ["5-5", "off", "off"]
    assert not (tmp_path / "items.nce" / "ngrams.npy").exists()


def test_a_model_of_an_earlier_version_goes_on_without_ngrams(tmp_path, text):
    old = tmp_path / "old.nce"
    go(old, corpus=text, ngrams="off", epochs=1)
    config = (old / "config.yaml").read_text().splitlines()
    (old / "config.yaml").write_text("\n".join(line for line in config if not line.startswith(("ngrams", "buckets"))))
    (old / "manifest.json").write_text(json.dumps({**json.loads((old / "manifest.json").read_text()), "files": {}}))
    go(tmp_path / "new.nce", corpus=text, continue_from=old, epochs=1)
    assert load_settings(tmp_path / "new.nce" / "config.yaml").ngrams == "off"


def test_the_dry_run_counts_the_rows_of_ngrams(tmp_path, text):
    with_ngrams, without = (
        estimate(text, load_settings(None, {**SETTINGS, **chosen}), Watcher()) for chosen in (NGRAMS, {"ngrams": "off"})
    )
    assert with_ngrams.ngrams == len(np.unique(ngram_buckets(WORDS, 2, 3, NGRAMS["buckets"])[1]))
    assert without.ngrams == 0
    assert with_ngrams.memory_bytes > without.memory_bytes
    assert with_ngrams.disk_bytes - without.disk_bytes == 2 * 4 * with_ngrams.ngrams * (SETTINGS["dim"] + 1)


def test_too_many_ngrams_for_the_memory_are_refused(tmp_path, text, monkeypatch):
    monkeypatch.setattr("nce_train.runs.limits.available_memory", lambda: 2**20)
    with pytest.raises(InputError, match=r"\d+ words and \d+ n-grams at dim 48 need .* or give --ngrams off\.$"):
        go(tmp_path / "m.nce", corpus=text, **NGRAMS)


def test_training_in_python_returns_vectors_for_unknown_words(tmp_path, text):
    model = nce_train.train(str(text), output=tmp_path / "m.nce", progress=False, **{**SETTINGS, **NGRAMS})
    loaded = nce_train.Embeddings.load(tmp_path / "m.nce")
    sums, sizes = ngram_sums(tmp_path / "m.nce", ["bacoxx"])
    assert "bacoxx" not in model
    np.testing.assert_allclose(model["bacoxx"], sums[0] / sizes[0], atol=1e-6)
    np.testing.assert_array_equal(model["bacoxx"], loaded["bacoxx"])


@pytest.mark.parametrize("name", ["v.fasttext.bin", "v.npy", "v.safetensors"])
def test_a_file_with_ngrams_is_a_start_with_its_ngrams(tmp_path, text, name):
    go(tmp_path / "old.nce", corpus=text, **NGRAMS)
    old = nce_train.Embeddings.load(tmp_path / "old.nce")
    old.save(tmp_path / name)
    go(tmp_path / "new.nce", corpus=text, init=tmp_path / name, lr=0.0, epochs=1)
    new = nce_train.Embeddings.load(tmp_path / "new.nce")
    settings = load_settings(tmp_path / "new.nce" / "config.yaml")
    assert (settings.ngrams, settings.buckets) == (NGRAMS["ngrams"], NGRAMS["buckets"])
    np.testing.assert_allclose(new[old.index_to_key], old.vectors, atol=1e-6)
    np.testing.assert_allclose(new["bacoxx"], old["bacoxx"], atol=1e-6)


def test_a_model_that_has_lost_its_ngrams_is_refused(tmp_path, text):
    go(tmp_path / "m.nce", corpus=text, **{**NGRAMS, "epochs": 1})
    for name in ("ngrams.npy", "ngram_buckets.npy"):
        (tmp_path / "m.nce" / name).unlink()
    with pytest.raises(InputError, match=r"ngrams\.npy: this file of the model is missing; copy it again"):
        nce_train.Embeddings.load(tmp_path / "m.nce")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [({}, "So do n-grams (2-3)."), ({"ngrams": "3-4"}, "Its n-grams, of other lengths or buckets, are left out.")],
)
def test_a_warm_start_says_what_becomes_of_ngrams(tmp_path, text, given, sentence):
    go(tmp_path / "old.nce", corpus=text, **{**NGRAMS, "epochs": 1})
    watcher = Watcher()
    go(tmp_path / "new.nce", corpus=text, watcher=watcher, continue_from=tmp_path / "old.nce", epochs=1, **given)
    assert watcher.notes[-1].endswith(f"0 are new. {sentence}")


def test_output_vectors_are_exported_without_ngrams_and_a_warning(tmp_path, text):
    go(tmp_path / "m.nce", corpus=text, **{**NGRAMS, "epochs": 1})
    with pytest.warns(nce_train.errors.NceTrainWarning, match="as n-grams have no output vectors"):
        nce_train.api.export(tmp_path / "m.nce", tmp_path / "v.npy", vectors="output")
