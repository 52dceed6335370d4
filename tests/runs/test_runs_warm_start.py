"""Runs that begin with what is known: every word finds its own parameters, and nothing is lost on the way."""

import json
import os
import shutil
import signal

import numpy as np
import pytest
import yaml

import nce_train
from nce_train.api import train_or_resume
from nce_train.api.start import settings_and_start
from nce_train.errors import InputError
from nce_train.runs.state_file import checkpoint_files
from nce_train.training.hogwild import HogwildTrainer
from nce_train.training.settings_files import load_settings

pytestmark = pytest.mark.usefixtures("often")

PARAMETERS = ("input.npy", "output.npy", "bias.npy", "vocab.tsv")
SETTINGS = {
    "dim": 24,
    "threads": 1,
    "epochs": 2,
    "min_count": 3,
    "checkpoint_every": "1h",
    "lr": 0.05,
    "subsample": 1e-2,
}


class Watcher:
    """Remembers notes, and interrupts training once if told so."""

    def __init__(self, interrupts=False):
        self.notes, self.interrupts = [], interrupts

    def note(self, sentence):
        self.notes.append(sentence)

    def training(self, done, total):
        if self.interrupts and done > 0:
            self.interrupts = False
            os.kill(os.getpid(), signal.SIGINT)

    def __getattr__(self, name):  # it does not listen to anything else
        return lambda *told: None


def lines(seed, names, count=300):
    """Sentences in which a word's neighbour depends on the word, some words far more frequent than others."""
    draws = np.minimum(np.random.default_rng(seed).zipf(1.3, (count, 15)), len(names)) - 1
    return "".join(" ".join(f"{names[i]} {names[(i * 7 + 1) % len(names)]}" for i in row) + "\n" for row in draws)


OLD = [f"w{i}" for i in range(60)]
NEW = [f"w{i}" for i in range(40, 5, -1)] + [f"n{i}" for i in range(30)]  # other frequencies, some gone, some new


def go(corpus, output, watcher=None, *, resume=False, **options):
    switches = {name: options.pop(name) for name in ("init", "continue_from", "overwrite") if name in options}
    watcher = watcher or Watcher()
    if resume:
        return train_or_resume(None, None, None, options, watcher, resume=output, cache=False)
    given = options if "continue_from" in switches else {**SETTINGS, **options}
    return train_or_resume(corpus, output, None, given, watcher, cache=False, **switches)


def files(model):
    return {name: (model / name).read_bytes() for name in PARAMETERS}


def parameters(model):
    """Of a model directory: for each word its vectors and bias."""
    loaded = nce_train.Model.load(model)
    rows = zip(loaded.words, loaded.input, loaded.output, loaded.bias, loaded.counts, strict=True)
    return {word: (vector.copy(), output.copy(), float(bias), int(count)) for word, vector, output, bias, count in rows}


def log_share(model, subsample):
    """What `bias_init: log-unigram` is, in plain NumPy."""
    counts = nce_train.Model.load(model).counts
    ratio = subsample * counts.sum() / counts
    kept = counts * np.minimum(1, np.sqrt(ratio) + ratio)
    return dict(zip(nce_train.Model.load(model).words, np.log(kept / kept.sum()), strict=True))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with two texts and a model of the first."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "old.txt").write_text(lines(1, OLD))
    (folder / "new.txt").write_text(lines(2, NEW))
    go(folder / "old.txt", folder / "old.nce")
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    """A copy that may be changed."""
    return shutil.copytree(trained, tmp_path / "work")


@pytest.mark.parametrize("how", [{"threads": 1}, {"threads": 3}, {"deterministic": True, "threads": 2}])
def test_every_word_goes_on_with_its_own_parameters(trained, tmp_path, how):
    watcher, output = Watcher(), tmp_path / "m.nce"
    go(trained / "new.txt", output, watcher, continue_from=trained / "old.nce", lr=0.0, epochs=1, **how)
    before, after = parameters(trained / "old.nce"), parameters(output)
    counts = [count for *_, count in after.values()]
    assert counts == sorted(counts, reverse=True)
    words = (trained / "new.txt").read_text().split()
    added = {word for word in words if word.startswith("n") and words.count(word) >= 3}
    assert set(after) == set(before) | added
    assert added
    assert list(after)[:3] != list(before)[:3]  # there is something to remap
    share_before, share_after = log_share(trained / "old.nce", 1e-2), log_share(output, 1e-2)
    for word, (vector, row, bias, count) in after.items():
        if word in before:
            np.testing.assert_array_equal(vector, before[word][0])
            np.testing.assert_array_equal(row, before[word][1])
            assert bias - before[word][2] == pytest.approx(share_after[word] - share_before[word], abs=1e-5)
            assert count == before[word][3] + words.count(word)
        else:
            assert 0 < np.abs(vector).max() <= 0.5 / 24
            assert not row.any()
            assert bias == pytest.approx(share_after[word], abs=1e-5)
            assert count == words.count(word)
    assert watcher.notes == [
        "With lr 0 no parameter moves: the run only measures the loss.",
        f"All {len(before)} words of {trained / 'old.nce'} keep what they have learnt, and {len(added)} are new.",
    ]
    manifest = json.loads((output / "manifest.json").read_text())
    told = manifest["continued_from"]
    assert (told["name"], told["words_found"], told["words"]) == (str(trained / "old.nce"), len(before), len(after))
    assert (
        told["files"]["input.npy"] == json.loads((trained / "old.nce/manifest.json").read_text())["files"]["input.npy"]
    )


def test_threads_begin_with_copies_of_the_changed_rows():
    stream = np.array([0, 1, 2, -1] * 50, np.int32)
    stream.flags.writeable = False
    settings = load_settings(None, {"dim": 4, "threads": 2, "subsample": 0}).resolved()
    trainer = HogwildTrainer(stream, 150, np.array([50, 50, 50]), settings)

    def fill(tables):
        tables.output[:, :4], tables.bias[:] = 7, 8

    trainer.start_with(fill)
    assert trainer.tables.output.shape[0] == 4  # the classes, and the second thread's copy of the first
    assert (trainer.tables.output[:, :4] == 7).all()
    assert (trainer.tables.bias == 8).all()


def test_what_was_learnt_is_worth_something(trained, tmp_path):
    go(trained / "old.txt", tmp_path / "again.nce", continue_from=trained / "old.nce", lr=0.0)
    go(trained / "old.txt", tmp_path / "fresh.nce", lr=0.0)
    again, fresh = (json.loads((tmp_path / f"{name}.nce/manifest.json").read_text()) for name in ("again", "fresh"))
    assert again["loss"] < 0.99 * fresh["loss"]


@pytest.mark.parametrize("how", [{"threads": 1}, {"deterministic": True}])
def test_the_same_again_and_the_same_when_interrupted(folder, how):
    start = {"continue_from": folder / "old.nce", "epochs": 30, **how}
    go(folder / "new.txt", folder / "once.nce", **start)
    go(folder / "new.txt", folder / "twice.nce", **start)
    assert files(folder / "once.nce") == files(folder / "twice.nce")
    with pytest.raises(KeyboardInterrupt):
        go(folder / "new.txt", folder / "cut.nce", Watcher(interrupts=True), **start)
    shutil.rmtree(folder / "old.nce")  # a checkpoint has all that is needed
    go(None, folder / "cut.nce", resume=True)
    assert files(folder / "cut.nce") == files(folder / "once.nce")
    manifests = [json.loads((folder / f"{name}.nce/manifest.json").read_text()) for name in ("once", "cut")]
    assert manifests[0]["continued_from"] == manifests[1]["continued_from"]


def interrupted(folder, output, **start):
    """Interrupt a run, and lose its checkpoint: as if it was killed before the first one."""
    with pytest.raises(KeyboardInterrupt):
        go(folder / "new.txt", output, Watcher(interrupts=True), **start)
    for state in checkpoint_files(output / "checkpoint"):
        state.unlink()


@pytest.mark.parametrize("switch", ["init", "continue_from"])
def test_a_run_without_a_checkpoint_needs_its_start_unchanged(folder, switch):
    start = {switch: folder / "old.nce", "epochs": 30, "threads": 1}
    go(folder / "new.txt", folder / "whole.nce", **start)
    interrupted(folder, folder / "cut.nce", **start)
    kept = (folder / "old.nce/vocab.tsv").read_bytes()

    away = (folder / "old.nce").rename(folder / "away.nce")
    with pytest.raises(InputError, match=r"old\.nce"):
        go(None, folder / "cut.nce", resume=True)
    away.rename(folder / "old.nce")
    go(folder / "old.txt", folder / "old.nce", overwrite=True, seed=2)
    with pytest.raises(InputError, match=r"old.nce has changed since the run began that starts from it: put it back"):
        go(None, folder / "cut.nce", resume=True)
    shutil.rmtree(folder / "old.nce")
    go(folder / "old.txt", folder / "old.nce")  # the same parameters, another time in the manifest
    assert (folder / "old.nce/vocab.tsv").read_bytes() == kept
    with pytest.raises(InputError, match="has changed since"):
        go(None, folder / "cut.nce", resume=True)
    assert (folder / "cut.nce/checkpoint/run.json").exists()


def test_a_run_without_a_checkpoint_begins_again_from_its_start(folder):
    start = {"continue_from": folder / "old.nce", "epochs": 30, "threads": 1}
    go(folder / "new.txt", folder / "whole.nce", **start)
    interrupted(folder, folder / "cut.nce", **start)
    go(None, folder / "cut.nce", resume=True)
    assert files(folder / "cut.nce") == files(folder / "whole.nce")


@pytest.mark.parametrize("name", ["tokens.npy", "vocab.tsv"])
def test_damaged_ids_are_made_again_from_text_and_model(folder, name):
    start = {"continue_from": folder / "old.nce", "epochs": 30, "threads": 1}
    go(folder / "new.txt", folder / "whole.nce", **start)
    with pytest.raises(KeyboardInterrupt):
        go(folder / "new.txt", folder / "cut.nce", Watcher(interrupts=True), **start)
    (folder / "cut.nce/checkpoint" / name).unlink()
    go(None, folder / "cut.nce", resume=True)
    assert files(folder / "cut.nce") == files(folder / "whole.nce")


def test_a_model_is_replaced_by_itself_only_when_told_so_and_only_when_done(folder):
    model = folder / "old.nce"
    before = files(model)
    start = {"continue_from": model, "epochs": 30, "threads": 1}
    with pytest.raises(InputError, match="holds a finished model: give --overwrite"):
        go(folder / "new.txt", model, **start)
    go(folder / "new.txt", folder / "elsewhere.nce", **start)
    with pytest.raises(KeyboardInterrupt):
        go(folder / "new.txt", model, Watcher(interrupts=True), overwrite=True, **start)
    assert files(model) == before
    assert len(nce_train.Embeddings.load(model)) == len(before["vocab.tsv"].splitlines())
    go(None, model, resume=True)
    assert files(model) == files(folder / "elsewhere.nce")
    interrupted(folder, model, overwrite=True, **start)  # now without a checkpoint
    go(None, model, resume=True)
    manifest = json.loads((model / "manifest.json").read_text())
    assert manifest["continued_from"]["files"]["vocab.tsv"] != manifest["files"]["vocab.tsv"]


def test_the_models_settings_are_taken_but_for_those_of_its_text_and_machine(folder):
    given = {
        "window": 2,
        "sampler": "log-uniform",
        "epochs": 3,
        "vocab": str(folder / "old.nce/vocab.tsv"),
        "threads": 2,
    }
    go(folder / "old.txt", folder / "other.nce", deterministic=True, round_tau=9, **given)
    settings, _ = settings_and_start(None, {"epochs": 1}, continue_from=folder / "other.nce")
    taken = (settings.window, settings.sampler, settings.dim, settings.min_count, settings.deterministic)
    assert taken == (2, "log-uniform", 24, 3, True)
    assert (settings.epochs, settings.vocab, settings.lr, settings.threads) == (1, None, "auto", "auto")
    assert (settings.round_tokens, settings.round_tau) == ("auto", "auto")


def test_the_learning_rate_is_where_it_would_be_had_it_fallen_over_both_texts(folder):
    def lr_of(model):
        return yaml.safe_load((folder / model / "config.yaml").read_text())["lr"]

    def counted(model):
        return int(nce_train.Model.load(folder / model).counts.sum())

    def share_of(model):
        tokens = json.loads((folder / model / "manifest.json").read_text())["tokens"]
        return tokens / counted(model)

    go(folder / "new.txt", folder / "second.nce", continue_from=folder / "old.nce")
    assert 0.4 < share_of("second.nce") < 0.6
    assert lr_of("second.nce") == pytest.approx(0.05 * share_of("second.nce"))
    go(folder / "old.txt", folder / "third.nce", continue_from=folder / "second.nce")
    assert lr_of("third.nce") == pytest.approx(0.05 * share_of("third.nce"))  # of the first one's, not the second's
    interrupted(folder, folder / "again.nce", continue_from=folder / "old.nce", epochs=30)
    go(None, folder / "again.nce", resume=True)
    assert lr_of("again.nce") == lr_of("second.nce")
    go(folder / "new.txt", folder / "given.nce", continue_from=folder / "second.nce", lr=0.03)
    assert lr_of("given.nce") == 0.03


def test_the_unknown_word_stays_in_front(folder):
    go(folder / "old.txt", folder / "unk.nce", unknown="UNK", max_vocab=30)
    before = parameters(folder / "unk.nce")
    watcher = Watcher()
    go(folder / "new.txt", folder / "m.nce", watcher, continue_from=folder / "unk.nce", max_vocab=35, lr=0.0)
    after = parameters(folder / "m.nce")
    assert (next(iter(after)), len(after)) == ("UNK", 35)
    assert set(before) < set(after)
    words = (folder / "new.txt").read_text().split()
    assert after["UNK"][3] == before["UNK"][3] + sum(word not in after for word in words)
    np.testing.assert_array_equal(after["UNK"][0], before["UNK"][0])
    assert any("new words were left out, because --max-vocab is 35" in note for note in watcher.notes)
    for given, sentence in (
        ({"unknown": "X"}, "--unknown cannot be 'X': in .*unk.nce it is 'UNK'"),
        ({"unknown": None}, "--unknown cannot be None"),
        ({"max_vocab": 20}, "--max-vocab is 20, but the model has 30 words, which all stay"),
        ({"vocab": "words.tsv"}, "leave --vocab out"),
        ({"dim": 10}, "--dim cannot be 10: .* has vectors of 24 numbers; leave --dim out"),
    ):
        with pytest.raises(InputError, match=sentence):
            go(folder / "new.txt", folder / "n.nce", continue_from=folder / "unk.nce", **given)
        assert not (folder / "n.nce").exists()


@pytest.mark.parametrize("damage", ["input.npy", "bias.npy", "vocab.tsv"])
def test_a_damaged_model_is_not_continued(folder, damage):
    path = folder / "old.nce" / damage
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"{damage}.* is not what training wrote: it is damaged"):
        go(folder / "new.txt", folder / "m.nce", continue_from=folder / "old.nce")


# --- vectors to start from ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["old.vec", "old.bin.gz", "old.npy"])
def test_words_with_a_vector_start_with_it(folder, name):
    source = nce_train.Embeddings.load(folder / "old.nce")
    source.save(folder / name)
    given = {key: value for key, value in SETTINGS.items() if key != "dim"}
    watcher = Watcher()
    train_or_resume(
        folder / "new.txt", folder / "m.nce", None, {**given, "lr": 0.0}, watcher, init=folder / name, cache=False
    )
    after = parameters(folder / "m.nce")
    found = set(after) & set(source.index_to_key)
    assert 0 < len(found) < len(after)
    assert set(after) <= set((folder / "new.txt").read_text().split())
    shares = log_share(folder / "m.nce", 1e-2)
    for word, (vector, row, bias, _) in after.items():
        assert vector.shape == (24,)
        if word in found:
            np.testing.assert_allclose(vector, source[word], rtol=1e-5)
        else:
            assert 0 < np.abs(vector).max() <= 0.5 / 24
        assert not row.any()
        assert bias == pytest.approx(shares[word], abs=1e-5)
    share = f"{len(found) / len(after):.0%}"
    assert watcher.notes == [
        "With lr 0 no parameter moves: the run only measures the loss.",
        f"{len(found)} of the {len(after)} words ({share}) start with what they have in {folder / name}.",
    ]
    told = json.loads((folder / "m.nce/manifest.json").read_text())["init_from"]
    assert set(told["files"]) == ({name, "old.npy.vocab.tsv"} if name == "old.npy" else {name})
    assert told["words_found"] == len(found)


def test_a_model_directory_gives_the_classifier_too(folder):
    go(folder / "new.txt", folder / "m.nce", init=folder / "old.nce", lr=0.0)
    before, after = parameters(folder / "old.nce"), parameters(folder / "m.nce")
    found = set(before) & set(after)
    assert not set(before) <= found  # words that the text lacks are gone
    assert any(before[word][1].any() for word in found)
    for word in found:
        np.testing.assert_array_equal(after[word][1], before[word][1])


def test_embeddings_in_memory(folder):
    source = nce_train.Embeddings(["w7", "w9", "W8"], np.eye(3, 24))
    model = nce_train.train(folder / "new.txt", init=source, progress=False, **{**SETTINGS, "lr": 0.0})
    np.testing.assert_array_equal(model["w9"], source["w9"])
    assert np.abs(model["w8"]).max() <= 0.5 / 24  # not W8's
    interrupted(folder, folder / "m.nce", init=source, epochs=30)
    with pytest.raises(InputError, match="started from embeddings in memory and has no checkpoint"):
        go(None, folder / "m.nce", resume=True)


def test_starts_that_fit_nothing_are_refused(folder):
    def refused(sentence, corpus="new.txt", **options):
        with pytest.raises(InputError, match=sentence):
            go(folder / corpus, folder / "m.nce", **options)
        assert not (folder / "m.nce").exists()

    model = folder / "old.nce"
    nce_train.Embeddings(["A", "B"], np.eye(2, 24)).save(folder / "others.vec")
    refused(r"None of the 65 words of the corpus is in .*others.vec: words are compared", init=folder / "others.vec")
    refused(r"--dim cannot be 10: .*old.nce has vectors of 24 numbers", init=model, dim=10)
    refused("give one of them", init=model, continue_from=model)
    refused("not a model directory", continue_from=folder / "others.vec")
    refused("there is no such model directory", continue_from=folder / "none.nce")
    (folder / "strange.txt").write_text("Q R Q R Q R\n" * 9)
    refused("no word of the corpus is a word of the model", "strange.txt", continue_from=model)
    (model / "manifest.json").unlink()
    refused("an unfinished model", continue_from=model)
    with pytest.raises(InputError, match="has started already: leave init and continue out"):
        train_or_resume(None, None, None, {}, Watcher(), resume=model, init=model)
