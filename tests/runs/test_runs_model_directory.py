"""The model directory: an old model stays until the new one is complete, whatever happens meanwhile."""

import json
import os

import numpy as np
import pytest

from nce_train.errors import InputError
from nce_train.model_files import BIAS, FILES, INPUT, MANIFEST, NGRAM_BUCKETS, NGRAMS, OUTPUT, SUBWORD_FILES
from nce_train.runs.model_directory import claim, default_output, save_model, sha256_of
from nce_train.text.vocabulary import Vocabulary

WORDS = Vocabulary(["a", "b", "c"], np.array([3, 2, 1]))


def save(output, value, manifest=lambda: {"format": 1}, with_ngrams=True):
    arrays = {INPUT: np.full((3, 5), value), OUTPUT: np.full((3, 5), -value), BIAS: np.full(3, value)}
    if with_ngrams:
        arrays |= {NGRAMS: np.full((2, 5), value), NGRAM_BUCKETS: np.array([7, 3], np.int32)}
    return save_model(output, arrays, WORDS, "dim: 5\n", [{"step": 1}], manifest)


def written(output, value, with_ngrams=True):
    claimed = claim(output, overwrite=True)
    save(output, value, with_ngrams=with_ngrams)
    claimed.close()


def contents(output):
    return {path.name: path.read_bytes() for path in output.iterdir()}


@pytest.mark.parametrize(
    ("corpus", "name"),
    [
        ("texts/medium.txt.xz", "medium.nce"),
        ("a.b.txt", "a.b.nce"),
        ("plain", "plain.nce"),
        ("x.gz", "x.nce"),
        (".hidden", ".hidden.nce"),
        ("folder/", "folder.nce"),
        ("X.TXT.GZ", "X.nce"),
        ("corpus.txt.zip", "corpus.nce"),
    ],
)
def test_default_output(corpus, name):
    assert default_output(corpus).name == name


def test_files_and_manifest(tmp_path):
    output = tmp_path / "m.nce"
    written(output, 1.5)
    assert set(contents(output)) == set(FILES)
    np.testing.assert_array_equal(np.load(output / "input.npy", allow_pickle=False), np.full((3, 5), 1.5))
    np.testing.assert_array_equal(np.load(output / "output.npy", allow_pickle=False), np.full((3, 5), -1.5))
    files = json.loads((output / MANIFEST).read_text())["files"]
    assert files == {name: sha256_of(output / name) for name in FILES if name != MANIFEST}


def test_a_model_without_ngrams_leaves_none_of_an_old_one(tmp_path):
    output = tmp_path / "m.nce"
    written(output, 1.5)
    written(output, 2.5, with_ngrams=False)
    assert set(contents(output)) == set(FILES) - set(SUBWORD_FILES)
    assert set(json.loads((output / MANIFEST).read_text())["files"]) == set(FILES) - {*SUBWORD_FILES, MANIFEST}


@pytest.mark.parametrize("failing", ["vocabulary", "manifest"])
def test_an_old_model_survives_a_save_that_fails(tmp_path, failing, monkeypatch):
    output = tmp_path / "m.nce"
    written(output, 1.0)
    before = contents(output)

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    claimed = claim(output, overwrite=True)
    if failing == "vocabulary":
        monkeypatch.setattr(Vocabulary, "save", fail)
    with pytest.raises(OSError, match="No space"):
        save(output, 2.0, manifest=fail if failing == "manifest" else lambda: {})
    claimed.close()
    assert contents(output) == before


@pytest.mark.parametrize("name", FILES)
def test_a_swap_that_is_interrupted_is_finished(tmp_path, name, monkeypatch):
    output = tmp_path / "m.nce"
    written(output, 1.0)
    claimed = claim(output, overwrite=True)
    replace = os.replace

    def interrupted(source, target):
        if os.fspath(target) == os.fspath(output / name):
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            save(output, 2.0)
    claimed.close()
    assert set(contents(output)) == set(FILES)
    files = json.loads((output / MANIFEST).read_text())["files"]
    assert files == {name: sha256_of(output / name) for name in FILES if name != MANIFEST}
    assert np.load(output / "input.npy", allow_pickle=False)[0, 0] == 2.0


def test_a_failed_first_run_leaves_nothing(tmp_path):
    claimed = claim(tmp_path / "m.nce", overwrite=False)
    (claimed.run_directory / "tokens.npy").write_bytes(b"x")
    claimed.close()
    assert list(tmp_path.iterdir()) == []


def test_only_one_at_a_time(tmp_path):
    claimed = claim(tmp_path / "m.nce", overwrite=False)
    with pytest.raises(InputError, match=r"Another run \(process \d+ on "):
        claim(tmp_path / "m.nce", overwrite=True)
    claimed.close()
    claim(tmp_path / "m.nce", overwrite=False).close()
