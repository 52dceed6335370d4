"""Neighbours of many words together, and 3CosMul, compared with gensim and with `most_similar` for each word."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nce_train.embeddings import Embeddings
from nce_train.embeddings.nearest import largest

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated `init_sims`")

WORDS = [f"w{i}" for i in range(20_000)]


@pytest.fixture(scope="module")
def vectors():
    vectors = np.random.default_rng(8).standard_normal((20_000, 8)).astype(np.float32)
    return vectors * np.linspace(0.1, 30, 20_000, dtype=np.float32)[:, None]


@pytest.fixture(scope="module")
def ours(vectors):
    return Embeddings(WORDS, vectors)


@pytest.fixture(scope="module")
def theirs(vectors, gensim):
    model = gensim.models.KeyedVectors(8)
    model.add_vectors(WORDS, vectors)
    return model


def assert_same_answers(ours, theirs, **tolerance):
    assert [word for word, _ in ours] == [word for word, _ in theirs]
    np.testing.assert_allclose([value for _, value in ours], [value for _, value in theirs], **tolerance)


@pytest.mark.parametrize("options", [{}, {"topn": 1}, {"topn": 60}, {"restrict_vocab": 300}, {"restrict_vocab": 5}])
def test_neighbours_of_many_words_are_those_of_each(ours, theirs, options):
    asked = WORDS[::800]
    for word, answers in zip(asked, ours.neighbours(asked, **options), strict=True):
        assert_same_answers(answers, theirs.most_similar(word, **options), atol=2e-6)


def test_all_words_can_be_neighbours():
    model = Embeddings(["a", "b", "c"], [[1, 0], [1, 1], [0, 1]])
    (answers,) = model.neighbours(["a"], topn=10)
    assert [word for word, _ in answers] == ["b", "c"]
    assert model.neighbours(["a", "b"], topn=0) == [[], []]
    assert model.neighbours([]) == []


def test_thousands_of_words_take_bounded_memory(ours):
    rows = np.random.default_rng(3).integers(0, len(WORDS), 3_000)  # all their similarities: 240 MB
    tracemalloc.start()
    found = ours.neighbours([WORDS[row] for row in rows], topn=3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150e6
    for row, answers in list(zip(rows, found, strict=True))[::100]:
        assert_same_answers(answers, ours.most_similar(int(row), topn=3), atol=2e-6)


def test_rows_and_repeated_words(ours):
    found = ours.neighbours([7, "w7", np.int64(7), "w9"], topn=2)
    assert found[0] == found[1] == found[2] != found[3]


def test_equal_neighbours_are_in_row_order():
    words = [f"w{i}" for i in range(3_000)]
    model = Embeddings(words, [[1, 0], *[[1, 1], [0, 1], [2, 2]] * 1000][:3_000])
    near = [word for number, word in enumerate(words) if number % 3 != 2 and number > 0]
    (answers,) = model.neighbours(["w0"], topn=40)
    assert [word for word, _ in answers] == near[:40]


def test_a_table_of_more_rows_than_a_block():
    vectors = np.zeros((140_000, 2), np.float32)
    vectors[:, 1] = 1
    vectors[[5, 131_071, 131_072, 139_999]] = [2, 0]
    model = Embeddings([f"w{i}" for i in range(140_000)], vectors)
    found = model.neighbours(["w5", "w131072", "w0"], topn=4)
    assert found[0] == [("w131071", 1), ("w131072", 1), ("w139999", 1), ("w0", 0)]
    assert found[1] == [("w5", 1), ("w131071", 1), ("w139999", 1), ("w0", 0)]
    assert found[2] == [("w1", 1), ("w2", 1), ("w3", 1), ("w4", 1)]


def test_neighbours_of_a_zero_vector_have_similarity_zero():
    model = Embeddings(["zero", "a", "b"], [[0, 0], [1, 0], [1, 1]])
    assert model.neighbours(["zero"]) == [[("a", 0), ("b", 0)]]


def test_questions_that_are_refused(ours):
    with pytest.raises(KeyError, match="'absent' is not in the vocabulary"):
        ours.neighbours(["w1", "absent"])
    with pytest.raises(TypeError, match="NoneType"):
        ours.neighbours([None])
    with pytest.raises(ValueError, match="restrict_vocab is -2"):
        ours.neighbours(["w1"], restrict_vocab=-2)


@settings(deadline=None)  # a busy machine may be slow
@given(
    hnp.arrays(np.float32, st.integers(1, 700), elements=st.integers(-30, 30).map(np.float32)),
    st.integers(1, 800),
)
def test_largest_gives_the_order_of_a_stable_sort(values, number):
    np.testing.assert_array_equal(largest(values, number), np.argsort(-values, kind="stable")[:number])


@pytest.mark.parametrize(
    "question",
    [
        {"positive": ["w1", "w2"], "negative": ["w3"]},
        {"positive": ["w1", "w2"], "negative": ["w3"], "topn": 3},
        {"positive": ["w150", "w19000", "w77"], "negative": ["w4", "w5"]},
        {"positive": "w1"},
        {"positive": "w1", "negative": "w4"},
        {"positive": np.full(8, 0.2, np.float32)},
        {"positive": [np.full(8, 0.2, np.float32), "w8"], "negative": ["w9"]},
        {"positive": "w1", "topn": 0},
        {"positive": "w1", "topn": -1},
    ],
)
def test_cosmul_answers_are_those_of_gensim(ours, theirs, question):
    assert_same_answers(ours.most_similar_cosmul(**question), theirs.most_similar_cosmul(**question), rtol=1e-4)


def test_cosmul_scores_of_all_words(ours, theirs):
    question = {"positive": ["w1", "w2"], "negative": ["w3"], "topn": None}
    expected = theirs.most_similar_cosmul(**question)
    found = ours.most_similar_cosmul(**question)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_cosmul_with_more_answers_than_words(ours, theirs):
    found = ours.most_similar_cosmul("w1", topn=30_000)
    expected = theirs.most_similar_cosmul("w1", topn=30_000)
    assert len(found) == len(WORDS) - 1 and {word for word, _ in found} == {word for word, _ in expected}
    np.testing.assert_allclose([value for _, value in found], [value for _, value in expected], atol=1e-6)


def test_cosmul_among_the_first_words_and_of_rows(ours):
    restricted = ours.most_similar_cosmul(["w1", 15_000], [3], topn=5, restrict_vocab=500)
    scores = ours.most_similar_cosmul(["w1", "w15000"], ["w3"], topn=None)[:500]
    scores[[1, 3]] = -1
    assert [word for word, _ in restricted] == [WORDS[row] for row in np.argsort(-scores)[:5]]


@pytest.mark.parametrize(
    ("question", "error", "sentence"),
    [
        ({}, ValueError, "at least one positive word; 0 were given"),
        ({"negative": ["w1"]}, ValueError, "at least one positive word"),
        ({"positive": ["absent"]}, KeyError, "'absent' is not in the vocabulary"),
        ({"positive": [None]}, TypeError, "NoneType"),
        ({"positive": [("w1", 0.5)]}, ValueError, "a weight of 0.5"),
        ({"positive": np.ones(3)}, ValueError, r"shape \(3,\)"),
        ({"positive": "w1", "restrict_vocab": -1}, ValueError, "restrict_vocab is -1"),
    ],
)
def test_cosmul_questions_that_are_refused(ours, question, error, sentence):
    with pytest.raises(error, match=sentence):
        ours.most_similar_cosmul(**question)
