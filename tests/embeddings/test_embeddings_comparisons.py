"""Comparisons of given words, and the other methods that gensim's KeyedVectors has too, against gensim itself."""

import numpy as np
import pytest

from nce_train.embeddings import Embeddings
from nce_train.errors import NceTrainWarning

WORDS = [f"w{i}" for i in range(60)]
VECTOR = np.linspace(-1, 2, 8, dtype=np.float32)


@pytest.fixture(scope="module")
def ours():
    rng = np.random.default_rng(8)
    return Embeddings(WORDS, rng.standard_normal((60, 8)) * rng.uniform(0.1, 9, (60, 1)))


@pytest.fixture(scope="module")
def theirs(ours, gensim):
    model = gensim.models.KeyedVectors(8)
    model.add_vectors(WORDS, ours.vectors)
    return model


def same(one, other):
    if isinstance(one, list):
        assert [word for word, _ in one] == [word for word, _ in other]
        one, other = ([value for _, value in pairs] for pairs in (one, other))
    np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("similarity", ("w3", 7)),
        ("distance", ("w3", "w9")),
        ("distances", ("w3",)),
        ("distances", ("w3", ["w4", 5, "w3"])),
        ("distances", (VECTOR, ("w4", "w5"))),
        ("distances", (VECTOR,)),
        ("n_similarity", (["w1", "w2"], ["w3", 4, "w5"])),
        ("get_vector", ("w3", True)),
        ("get_vector", (3,)),
        ("get_mean_vector", (["w1", 2, VECTOR],)),
        ("get_mean_vector", (["w1", "absent", 70, "w4"],)),
        ("get_mean_vector", (["w1", "w2"], [0.5, -2.0])),
        ("get_mean_vector", (["w1", VECTOR], np.array([3.0, 1.0]), False, True)),
        ("get_mean_vector", (["absent"], None, True, True)),
        ("similar_by_word", ("w3", 4)),
        ("similar_by_word", ("w3", 4, 20)),
        ("similar_by_key", (5,)),
        ("similar_by_key", ("w5", None)),
        ("similar_by_vector", (VECTOR, 7)),
        ("rank", ("w3", "w9")),
        ("rank", ("w3", "w3")),
        ("rank", (3, 9)),
    ],
)
def test_the_result_is_that_of_gensim(ours, theirs, method, arguments):
    same(getattr(ours, method)(*arguments), getattr(theirs, method)(*arguments))


@pytest.mark.parametrize("pair", [("w3", "w9"), (4, "w50"), ("w4", "w4")])
def test_closer_words_are_those_of_gensim(ours, theirs, pair):
    assert ours.closer_than(*pair) == theirs.closer_than(*pair)


@pytest.mark.parametrize("words", [[1, 2, 3, 40], ["w1", 5, np.int64(9)], ["w1", "w2", "w3"], [7]])
def test_the_odd_one_out_may_be_a_row(ours, theirs, words):
    assert ours.doesnt_match(words) == theirs.doesnt_match(words)


def test_rows_are_in_the_vocabulary(ours, theirs):
    for key in (0, 59, np.int32(3), 60, -1, "w3", "absent", 3.0, None):
        assert (key in ours) == (key in theirs)


def test_unknown_words(ours, theirs):
    with pytest.warns(NceTrainWarning, match="n_similarity leaves a word out: 'absent' is not in the vocabulary"):
        similarity = ours.n_similarity(["w1", "absent"], ["w2"])
    same(similarity, theirs.n_similarity(["w1", "absent"], ["w2"]))
    for ask in (
        lambda model: model.distance("w1", "absent"),
        lambda model: model.distances("absent"),
        lambda model: model.distances("w1", ["absent"]),
        lambda model: model.get_mean_vector(["w1", "absent"], ignore_missing=False),
        lambda model: model.rank("w1", "absent"),
        lambda model: model.closer_than("absent", "w1"),
        lambda model: model.similar_by_word("absent"),
    ):
        for model in (ours, theirs):
            with pytest.raises(KeyError, match="absent"):
                ask(model)


def test_wrong_arguments(ours, theirs):
    for ask, error in (
        (lambda model: model.n_similarity([], ["w1"]), ZeroDivisionError),
        (lambda model: model.get_mean_vector([]), ValueError),
        (lambda model: model.get_mean_vector(["w1"], [1.0, 2.0]), ValueError),
    ):
        for model in (ours, theirs):
            with pytest.raises(error):
                ask(model)
    with pytest.raises(TypeError, match="ws2 is 'w1', of type str; give a list of words"):
        ours.n_similarity(["w1"], "w1")
    with pytest.raises(TypeError, match="None is of type NoneType; give a word"):
        ours.get_mean_vector(["w1", None])
    with pytest.raises(ValueError, match=r"a vector of shape \(2,\) was given"):
        ours.similar_by_vector([1.0, 2.0])


def test_a_zero_vector_is_far_from_all():
    model = Embeddings(["zero", "a"], [[0, 0], [1, 1]])
    assert model.distances("zero").tolist() == [1, 1]
    assert model.get_vector("zero", norm=True).tolist() == [0, 0]
