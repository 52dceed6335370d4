"""`FastText` beside gensim's: n-grams, unknown words, files, and that it learns."""

import numpy as np
import pytest

import nce_train
from nce_train.errors import InputError
from nce_train.gensim import (
    FastText,
    FastTextKeyedVectors,
    load_facebook_model,
    load_facebook_vectors,
    save_facebook_model,
)

SENTENCES = [["walking", "walked", "walks"], ["talking", "talked", "talks"], ["walking", "talking", "new york"]] * 20
SMALL = {"vector_size": 6, "min_count": 1, "workers": 1, "sample": 0, "bucket": 1000}


@pytest.fixture(scope="module")
def model():
    return FastText(SENTENCES, **SMALL)


@pytest.mark.parametrize("sg", [0, 1])
def test_words_of_one_stem_become_neighbours(sg):
    generator = np.random.default_rng(0)
    stems = ["alpha", "bravo", "delta", "gamma"]
    sentences = [
        [f"{stems[stem]}{generator.integers(0, 9)}" for _ in range(6)] for stem in generator.integers(0, 4, 1500)
    ]
    model = FastText(sentences, sg=sg, vector_size=16, workers=1, sample=0, epochs=3, bucket=5000)
    for stem in stems:
        unknown = f"{stem}xyz"
        assert unknown not in model.wv.key_to_index and unknown in model.wv
        assert all(word.startswith(stem) for word, _ in model.wv.most_similar(unknown, topn=5))


def test_vectors_are_composed_as_in_gensim(model, gensim, tmp_path):
    save_facebook_model(model, tmp_path / "m.bin")
    theirs = gensim.models.fasttext.load_facebook_vectors(tmp_path / "m.bin")
    for word in ("walking", "walkers", "new york"):
        np.testing.assert_allclose(model.wv[word], theirs[word], atol=1e-6)
    sentence = ["walking", "walkers"]
    np.testing.assert_allclose(model.wv.get_sentence_vector(sentence), theirs.get_sentence_vector(sentence), atol=1e-6)
    np.testing.assert_allclose(model.wv.vectors_ngrams, theirs.vectors_ngrams, atol=1e-6)
    np.testing.assert_allclose(model.wv.vectors_vocab, theirs.vectors_vocab, atol=1e-5)
    assert (model.wv.min_n, model.wv.max_n, model.wv.bucket) == (theirs.min_n, theirs.max_n, theirs.bucket)


def test_every_word_is_in_it(model):
    assert "walkers" in model.wv and "qqq" in model.wv
    assert not model.wv["qqqq"].any() or model.wv.subwords.known_ngrams("qqqq")
    assert not FastTextKeyedVectors(3, 3, 6, 100).__contains__("word")
    assert not model.wv.get_sentence_vector([]).any()


@pytest.mark.parametrize("off", [{"word_ngrams": 0}, {"max_n": 0}, {"min_n": 5, "max_n": 4}])
def test_without_ngrams(off):
    model = FastText(SENTENCES, **SMALL, **off)
    assert model.wv.subwords is None and "walkers" not in model.wv


def test_one_worker_and_one_seed_give_the_same_bytes(model):
    again = FastText(SENTENCES, **SMALL)
    np.testing.assert_array_equal(again.wv.vectors, model.wv.vectors)
    np.testing.assert_array_equal(again.wv["walkers"], model.wv["walkers"])


def test_saved_and_trained_further(model, tmp_path):
    model.save(tmp_path / "m.model")
    loaded = FastText.load(tmp_path / "m.model")
    assert (loaded.min_n, loaded.max_n, loaded.bucket, loaded.word_ngrams) == (3, 6, 1000, 1)
    for word in ("walking", "walkers"):
        np.testing.assert_array_equal(loaded.wv[word], model.wv[word])
        np.testing.assert_array_equal(nce_train.Embeddings.load(tmp_path / "m.model")[word], model.wv[word])
        np.testing.assert_array_equal(FastTextKeyedVectors.load(tmp_path / "m.model")[word], model.wv[word])
    loaded.build_vocab([["walker", "talker"]] * 5, update=True)
    loaded.train([["walker", "talker"]] * 5, total_examples=5, epochs=1, start_alpha=1e-9)
    assert loaded.wv.index_to_key[: len(model.wv)] == model.wv.index_to_key and len(loaded.wv) == len(model.wv) + 2
    # at a rate of almost nothing everything that was known stays
    np.testing.assert_allclose(loaded.wv["walking"], model.wv["walking"], atol=1e-6)
    np.testing.assert_allclose(loaded.syn1neg[: len(model.wv)], model.syn1neg, atol=1e-6)


def test_files_of_fasttext_are_trained_further(model, tmp_path):
    save_facebook_model(model, tmp_path / "m.bin")
    assert load_facebook_vectors(tmp_path / "m.bin").index_to_key == model.wv.index_to_key
    further = load_facebook_model(tmp_path / "m.bin")
    np.testing.assert_allclose(further.wv.vectors, model.wv.vectors, atol=1e-6)
    further.sample = 0
    further.train(SENTENCES, total_examples=60, epochs=9)
    assert not np.allclose(further.wv.vectors, model.wv.vectors, atol=1e-4)


def test_lengths_out_of_range():
    with pytest.raises(InputError, match="max_n is 51; n-grams have at most 50"):
        FastText(max_n=51)
