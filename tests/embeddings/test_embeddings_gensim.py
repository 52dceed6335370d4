"""Conversion to gensim's KeyedVectors and back, compared with gensim itself."""

import sys

import numpy as np
import pytest

from nce_train.embeddings import Embeddings
from nce_train.errors import InputError

WORDS = ["the", "new york", "", "日本", "caf\udce9"]
VECTORS = np.random.default_rng(2).standard_normal((5, 4)).astype(np.float32)
COUNTS = np.array([50, 40, 30, 20, 20])
SENTENCES = [["a", "b", "c", "a"], ["b", "a", "d d", "c"]] * 10


def test_gensim_has_words_vectors_and_counts(gensim):
    model = Embeddings(WORDS, VECTORS, COUNTS)
    theirs = model.to_gensim()
    assert isinstance(theirs, gensim.models.KeyedVectors) and theirs.index_to_key == WORDS
    assert theirs.key_to_index == model.key_to_index
    np.testing.assert_array_equal(theirs.vectors, VECTORS)
    assert theirs.vectors.dtype == np.float32
    assert [theirs.get_vecattr(word, "count") for word in WORDS] == COUNTS.tolist()
    for (ours, near), (word, close) in zip(model.most_similar("the"), theirs.most_similar("the"), strict=True):
        assert ours == word and near == pytest.approx(close, abs=1e-6)


@pytest.mark.usefixtures("gensim")
def test_changing_the_copy_in_gensim_leaves_the_model_unchanged(tmp_path):
    Embeddings(WORDS, VECTORS).save(tmp_path / "v.npy")
    mapped = Embeddings.load(tmp_path / "v.npy")
    theirs = mapped.to_gensim()
    theirs.vectors[0] = 7
    theirs.unit_normalize_all()
    np.testing.assert_array_equal(mapped.vectors, VECTORS)


@pytest.mark.usefixtures("gensim")
def test_the_round_trip_keeps_words_vectors_and_counts():
    for counts in (COUNTS, None):
        back = Embeddings.from_gensim(Embeddings(WORDS, VECTORS, counts).to_gensim())
        assert back.index_to_key == WORDS
        np.testing.assert_array_equal(back.vectors, VECTORS)
        np.testing.assert_array_equal(back.counts, counts)


@pytest.mark.parametrize("kind", ["Word2Vec", "FastText"])
def test_models_trained_by_gensim(gensim, kind):
    theirs = getattr(gensim.models, kind)(SENTENCES, vector_size=6, min_count=1, epochs=1, workers=1)
    for given in (theirs, theirs.wv):
        ours = Embeddings.from_gensim(given)
        assert ours.index_to_key == theirs.wv.index_to_key
        np.testing.assert_array_equal(ours.vectors, [theirs.wv[word] for word in ours.index_to_key])
        assert dict(zip(ours.index_to_key, ours.counts.tolist(), strict=True)) == {"a": 30, "b": 20, "c": 20, "d d": 10}


def test_counts_that_gensim_invented_are_dropped(tmp_path, gensim):
    Embeddings(["a", "b", "c"], VECTORS[:3]).save(tmp_path / "v.txt")
    theirs = gensim.models.KeyedVectors.load_word2vec_format(tmp_path / "v.txt")
    assert [theirs.get_vecattr(word, "count") for word in "abc"] == [3, 2, 1]
    assert Embeddings.from_gensim(theirs).counts is None


def test_other_objects_are_refused():
    with pytest.raises(TypeError, match="dict is given; give gensim 4's KeyedVectors"):
        Embeddings.from_gensim({"a": [1.0]})


def test_keys_other_than_words_are_refused(gensim):
    numbered = gensim.models.KeyedVectors(2)
    numbered.add_vectors([1, 2], np.ones((2, 2), np.float32))
    with pytest.raises(TypeError, match="the word of row 0 is 1, of type int"):
        Embeddings.from_gensim(numbered)


def test_a_missing_gensim_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gensim.models", None)
    with pytest.raises(InputError, match=r"to_gensim needs gensim; pip install 'nce-train\[bench\]'"):
        Embeddings(WORDS, VECTORS).to_gensim()
