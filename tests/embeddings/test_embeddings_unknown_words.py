"""Embeddings with sub-words: unknown words have composed vectors wherever a word is given, as in gensim's fastText."""

import copy
import pickle

import numpy as np
import pytest

from nce_train.embeddings import Embeddings
from nce_train.embeddings.approximate import ApproximateIndex
from nce_train.embeddings.embeddings import first_words, with_vectors
from nce_train.embeddings.subwords import SubWords
from nce_train.errors import InputError, NceTrainWarning
from nce_train.text.ngrams import ngram_buckets

WORDS = ["river", "rivers", "mill", "mills", "miller", "winter", "wintry", "日本", "日本語", "straße"]
UNKNOWN = ["riverside", "milling", "winters", "日本人", "straßen"]
STRANGE = "zzzzz"  # none of its n-grams is known


@pytest.fixture
def model():
    _, found = ngram_buckets(WORDS, 3, 5, 5000)
    rows = np.unique(found).astype(np.int32)
    numbers = np.random.default_rng(5).standard_normal((len(rows) + len(WORDS), 6)).astype(np.float32)
    subwords = SubWords(3, 5, 5000, rows, numbers[: len(rows)])
    return Embeddings(WORDS, numbers[len(rows) :], np.arange(50, 40, -1), subwords=subwords)


@pytest.fixture
def theirs(model, gensim):
    """The same vectors in gensim, by its own `to_gensim`-free construction."""
    keyed = gensim.models.fasttext.FastTextKeyedVectors(6, 3, 5, 5000)
    keyed.add_vectors(WORDS, model.vectors)
    keyed.vectors_ngrams = np.zeros((5000, 6), np.float32)
    keyed.vectors_ngrams[model.subwords.rows] = model.subwords.vectors
    return keyed


def test_look_ups(model, theirs):
    for word in UNKNOWN:
        np.testing.assert_allclose(model[word], theirs[word], atol=1e-6)
        np.testing.assert_allclose(model.get_vector(word, norm=True), theirs.get_vector(word, norm=True), atol=1e-6)
        assert not model[word].flags.writeable
    mixed = ["mill", "milling", 3, "riverside"]
    expected = [theirs["mill"], theirs["milling"], model.vectors[3], theirs["riverside"]]
    np.testing.assert_allclose(model[mixed], expected, atol=1e-6)
    assert model[[]].shape == (0, 6)


def test_known_or_not(model):
    assert "mill" in model and model.is_known("mill")
    assert "milling" not in model and not model.is_known("milling")
    assert not model.is_known(STRANGE) and 3 in model
    assert type(model.is_known("mill")) is bool
    with pytest.raises(TypeError, match=r"3 is of type int; give a word \(str\)"):
        model.is_known(3)


def test_a_word_without_known_ngrams_is_unknown_as_ever(model):
    for ask in (
        lambda: model[STRANGE],
        lambda: model[["mill", STRANGE]],
        lambda: model.similarity("mill", STRANGE),
        lambda: model.most_similar(STRANGE),
        lambda: model.neighbours([STRANGE]),
        lambda: model.get_mean_vector([STRANGE], ignore_missing=False),
    ):
        with pytest.raises(KeyError, match="'zzzzz' is not in the vocabulary, nor any word spelled like it"):
            ask()
    with pytest.raises(KeyError, match="nearest spellings: mill"):
        Embeddings(WORDS, model.vectors)["mil"]


def test_comparisons_are_gensims(model, theirs):
    assert model.similarity("milling", "mill") == pytest.approx(theirs.similarity("milling", "mill"), abs=1e-6)
    assert model.distance("milling", "winters") == pytest.approx(theirs.distance("milling", "winters"), abs=1e-6)
    np.testing.assert_allclose(model.distances("milling"), theirs.distances("milling"), atol=1e-6)
    others = ["mill", "winters"]
    expected = [theirs.distance("milling", word) for word in others]  # gensim's `distances` takes no unknown others
    np.testing.assert_allclose(model.distances("milling", others), expected, atol=1e-6)
    assert model.n_similarity(["milling", "mill"], ["winters"]) == pytest.approx(
        theirs.n_similarity(["milling", "mill"], ["winters"]), abs=1e-6
    )
    np.testing.assert_allclose(
        model.get_mean_vector(["milling", "mill", STRANGE]),
        theirs.get_mean_vector(["milling", "mill"]),
        atol=1e-6,
    )
    assert model.doesnt_match(["mill", "miller", "winters"]) == theirs.doesnt_match(["mill", "miller", "winters"])
    with pytest.warns(NceTrainWarning, match="doesnt_match leaves a word out: 'zzzzz'"):
        model.doesnt_match(["mill", "milling", STRANGE])


@pytest.mark.parametrize(("first", "second"), [("milling", "mill"), ("mill", "milling"), ("milling", "winters")])
def test_words_that_are_closer(model, first, second):
    limit = model.distance(first, second)
    closer = [word for word in WORDS if word not in (first, second) and model.distance(first, word) < limit]
    assert model.closer_than(first, second) == closer
    assert model.rank(first, second) == len(closer) + 1


def test_searches_are_gensims(model, theirs):
    for positive, negative in (
        (["milling"], []),
        (["milling", "winter"], ["mill"]),
        (["winter", "rivers"], ["日本人"]),
    ):
        for search in ("most_similar", "most_similar_cosmul"):
            ours = getattr(model, search)(positive, negative, topn=4)
            expected = getattr(theirs, search)(positive, negative, topn=4)
            assert [word for word, _ in ours] == [word for word, _ in expected]
            np.testing.assert_allclose([x for _, x in ours], [x for _, x in expected], atol=1e-5)
    (found, again) = model.neighbours(["milling", "mill"], topn=4)
    for ours, expected in ((found, model.most_similar("milling", topn=4)), (again, model.most_similar("mill", topn=4))):
        assert [word for word, _ in ours] == [word for word, _ in expected]
    index = ApproximateIndex.build(model.vectors)
    assert [word for word, _ in model.neighbours(["milling"], 4, index=index)[0]] == [word for word, _ in found]


def test_parts_of_a_model(model):
    first = first_words(model, 4)
    assert first.index_to_key == WORDS[:4] and first.counts.tolist() == [50, 49, 48, 47]
    np.testing.assert_array_equal(first["milling"], model["milling"])
    assert first.subwords.vector_of("miller") is not None and not first.is_known("miller")
    assert with_vectors(model, model.vectors * 2).subwords is None


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_keep_subwords(model, duplicate):
    np.testing.assert_array_equal(duplicate(model)["milling"], model["milling"])


def test_gensim_and_back(model, gensim):
    theirs = model.to_gensim()
    assert isinstance(theirs, gensim.models.fasttext.FastTextKeyedVectors)
    assert [theirs.get_vecattr(word, "count") for word in WORDS] == model.counts.tolist()
    for word in [*WORDS, *UNKNOWN]:
        np.testing.assert_allclose(theirs[word], model[word], atol=1e-6)
    theirs.adjust_vectors()  # gensim composes the vectors of its own and n-gram rows
    np.testing.assert_allclose(theirs.vectors, model.vectors, atol=1e-6)
    back = Embeddings.from_gensim(theirs)
    for word in [*WORDS, *UNKNOWN]:
        np.testing.assert_allclose(back[word], model[word], atol=1e-6)


def test_models_trained_by_gensim_come_with_their_ngrams(gensim):
    sentences = [["a", "b", "river", "mill"], ["rivers", "b", "日本語"]] * 10
    theirs = gensim.models.FastText(sentences, vector_size=6, min_count=1, epochs=1, workers=1, bucket=500)
    ours = Embeddings.from_gensim(theirs)
    for word in ["river", "rive", "日本"]:
        np.testing.assert_allclose(ours[word], theirs.wv[word], atol=1e-6)
    without = gensim.models.FastText(sentences, vector_size=6, min_count=1, epochs=1, workers=1, max_n=0)
    assert Embeddings.from_gensim(without).subwords is None


def test_subwords_of_another_dim_are_refused(model):
    with pytest.raises(InputError, match="the n-gram rows have 6 numbers, and the vectors 2"):
        Embeddings(["a"], [[1, 2]], subwords=model.subwords)
