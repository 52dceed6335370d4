"""Look-up and similarity give the same results as gensim's KeyedVectors."""

import numpy as np
import pytest

from nce_train.embeddings import Embeddings
from nce_train.errors import InputError

WORDS = [f"w{i}" for i in range(200)]


@pytest.fixture(scope="module")
def vectors():
    vectors = np.random.default_rng(5).standard_normal((200, 16)).astype(np.float32)
    return vectors * np.linspace(0.1, 30, 200, dtype=np.float32)[:, None]


@pytest.fixture(scope="module")
def ours(vectors):
    return Embeddings(WORDS, vectors)


@pytest.fixture(scope="module")
def theirs(vectors, gensim):
    model = gensim.models.KeyedVectors(16)
    model.add_vectors(WORDS, vectors)
    return model


def assert_same_answers(ours, theirs):
    assert [word for word, _ in ours] == [word for word, _ in theirs]
    np.testing.assert_allclose([value for _, value in ours], [value for _, value in theirs], rtol=2e-5)


def test_look_up(ours, vectors):
    assert len(ours) == 200 and "w3" in ours and "absent" not in ours
    assert ours.key_to_index["w7"] == 7 and ours.index_to_key[7] == "w7"
    np.testing.assert_array_equal(ours["w7"], vectors[7])
    np.testing.assert_array_equal(ours[["w7", "w3", "w7"]], vectors[[7, 3, 7]])
    assert ours[[]].shape == (0, 16)
    assert "200 words, dim 16" in repr(ours)
    assert list(ours) == WORDS and ["w1"] not in ours
    for one in (ours.get_vector("w7"), ours[7], ours[np.int32(7)]):
        np.testing.assert_array_equal(one, vectors[7])
    np.testing.assert_array_equal(ours[[7, "w3", np.int64(7)]], vectors[[7, 3, 7]])


def test_a_vector_that_was_looked_up_is_read_only(ours, vectors):
    for vector in (ours["w7"], ours.get_vector("w7"), ours[7]):
        with pytest.raises(ValueError, match="read-only"):
            vector[0] = 5
    ours[["w7", "w8"]][:] = 5
    np.testing.assert_array_equal(ours.vectors, vectors)
    assert ours.vectors.flags.writeable


@pytest.mark.parametrize("word", WORDS[::37])
def test_neighbours_of_a_word(ours, theirs, word):
    assert_same_answers(ours.most_similar(word), theirs.most_similar(word))


@pytest.mark.parametrize(
    "question",
    [
        {"positive": ["w1", "w2"], "negative": ["w3"]},
        {"positive": ["w1", "w2"], "negative": ["w3"], "topn": 3},
        {"positive": "w1", "negative": "w4"},
        {"negative": ["w5"]},
        {"positive": ["w1"], "topn": 1000},
        {"positive": [("w1", 0.3), ("w2", -2.0)], "negative": [("w9", -0.5)]},
        {"positive": np.arange(16, dtype=np.float32)},
        {"positive": [np.arange(16, dtype=np.float32), "w8"]},
        {"positive": "w150", "restrict_vocab": 20},
        {"positive": "w150", "restrict_vocab": 0},
        {"positive": "w1", "topn": 0},
        {"positive": "w1", "topn": -1},
        {"positive": 150},
        {"positive": [np.int64(3), "w2"], "negative": [7]},
        {"positive": [("w1", np.float32(0.25)), (4, np.int16(2))]},
        {"positive": ["w1"], "negative": None},
        {"negative": ["w1"], "positive": None},
        {"positive": ["w1", "w150"], "clip_start": 100},
        {"positive": ["w1", 150], "clip_start": 100, "clip_end": 160, "topn": 300},
        {"positive": "w150", "clip_end": 0},
        {"positive": "w150", "clip_start": 50, "clip_end": 40},
        {"positive": "w150", "clip_start": 150, "clip_end": 1000},
        {"positive": "w150", "clip_start": 50, "clip_end": 60, "restrict_vocab": 9},
    ],
)
def test_answers_are_those_of_gensim(ours, theirs, question):
    assert_same_answers(ours.most_similar(**question), theirs.most_similar(**question))


def test_the_order_of_arguments_is_that_of_gensim(ours, theirs):
    for arguments in (("w9", "w8", 5, 50, 120), (["w9"], None, 5, 0, None, 30), (["w9"], ["w3"], None, 20, 40)):
        our_answers, their_answers = ours.most_similar(*arguments), theirs.most_similar(*arguments)
        if arguments[2] is None:
            np.testing.assert_allclose(our_answers, their_answers, atol=1e-6)
        else:
            assert_same_answers(our_answers, their_answers)


@pytest.mark.filterwarnings("ignore:Call to deprecated `init_sims`:DeprecationWarning")  # by gensim itself
def test_cosmul_without_negative_words(ours, theirs):
    theirs_too = theirs.most_similar_cosmul(["w9", "w3"], None, 5)
    assert_same_answers(ours.most_similar_cosmul(["w9", "w3"], None, 5), theirs_too)


@pytest.mark.parametrize("clip", [{"clip_start": -1}, {"clip_end": -5}])
def test_negative_rows_are_refused(ours, clip):
    with pytest.raises(ValueError, match="give rows, which count from 0"):
        ours.most_similar("w1", **clip)


def test_all_similarities(ours, theirs):
    np.testing.assert_allclose(ours.most_similar("w9", topn=None), theirs.most_similar("w9", topn=None), atol=1e-6)


def test_one_key_with_a_weight(ours):
    assert ours.most_similar(("w1", 2.0)) == ours.most_similar("w1")


def test_similarity_and_the_odd_one_out(ours, theirs):
    for start in range(0, 200, 11):
        words = WORDS[start : start + 5]
        assert ours.similarity(words[0], words[1]) == pytest.approx(theirs.similarity(words[0], words[1]), abs=1e-6)
        assert ours.doesnt_match(words) == theirs.doesnt_match(words)
    assert ours.doesnt_match(["absent", "w1", "w2", "w3"]) == theirs.doesnt_match(["absent", "w1", "w2", "w3"])


def test_equal_neighbours_are_in_row_order():
    words = [f"w{i}" for i in range(100)]
    model = Embeddings(words, [[1, 0], *[[1, 1], [0, 1], [1, 1]] * 33])
    near = [word for number, word in enumerate(words) if number % 3 != 2 and number > 0]
    assert [word for word, _ in model.most_similar("w0", topn=99)][:66] == near
    assert [word for word, _ in model.most_similar("w0", topn=40)] == near[:40]


def test_a_zero_vector_is_similar_to_nothing():
    model = Embeddings(["zero", "a", "b"], [[0, 0], [1, 0], [1, 1]])
    assert model.similarity("zero", "a") == 0
    assert dict(model.most_similar("a"))["zero"] == 0
    assert dict(model.most_similar("zero")) == {"a": 0, "b": 0}


def test_cosines_of_huge_and_tiny_vectors():
    model = Embeddings(["huge", "tiny", "one"], np.array([[1e30, 1e30], [1e-30, 1e-30], [1, 1]], np.float32))
    assert model.similarity("huge", "one") == pytest.approx(1)
    assert model.similarity("tiny", "one") == pytest.approx(1)


def test_unknown_words_are_named(ours):
    for ask in (
        lambda: ours["absent"],
        lambda: ours[["w1", "absent"]],
        lambda: ours.most_similar("absent"),
        lambda: ours.similarity("w1", "absent"),
    ):
        with pytest.raises(KeyError, match="'absent' is not in the vocabulary"):
            ask()
    with pytest.raises(ValueError, match="0 were given"):
        ours.most_similar()
    with pytest.raises(ValueError, match="of 1 words 0 are"):
        ours.doesnt_match(["absent"])


@pytest.mark.parametrize(
    ("words", "vectors", "counts", "sentence"),
    [
        (["a"], [[1.0], [2.0]], None, "1 words for 2 vectors"),
        (["a", "a"], [[1.0], [2.0]], None, "row 1: the word 'a' stands at row 0"),
        (["a", "b"], [[1.0], [np.nan]], None, "row 1: the vector of 'b'"),
        (["a", "b"], [1.0, 2.0], None, "shape"),
        (["a", "b"], [[], []], None, "shape"),
        (["a", "b"], [[1.0], [2.0]], [1], "counts of shape"),
        (["a", "b"], [[1.0], [2.0]], [10**18, 5], "row 0: the count 1000000000000000000 of 'a'"),
    ],
)
def test_a_table_that_does_not_fit(words, vectors, counts, sentence):
    with pytest.raises(InputError, match=sentence):
        Embeddings(words, vectors, counts)


@pytest.mark.parametrize(
    ("key", "error", "sentence"),
    [
        (200, KeyError, "row 200 is not in the vocabulary of 200 words"),
        (-1, KeyError, "row -1 is not in"),
        (b"w1", TypeError, "b'w1' is of type bytes; give a word"),
        (True, TypeError, "type bool"),
        (None, TypeError, "type NoneType"),
        (1.5, TypeError, "type float"),
    ],
)
def test_keys_that_are_no_words(ours, key, error, sentence):
    for ask in (
        lambda: ours[key],
        lambda: ours[[key]],
        lambda: ours.get_vector(key),
        lambda: ours.most_similar([key]),
        lambda: ours.most_similar(["w1", key]),
        lambda: ours.most_similar(negative=[(key, 2)]),
        lambda: ours.similarity("w1", key),
    ):
        with pytest.raises(error, match=sentence):
            ask()


@pytest.mark.parametrize(
    ("key", "error", "sentence"),
    [
        (np.ones(3), ValueError, r"a vector of shape \(3,\) was given; the vectors here have \(16,\)"),
        ([np.ones((16, 1))], ValueError, r"shape \(16, 1\)"),
        (np.full(16, np.nan), ValueError, "not finite"),
        (np.full(16, "a"), TypeError, "a vector holds real numbers"),
        ([[0.5] * 16], TypeError, "type list"),
        ([("w1", "w2")], TypeError, "not a pair of a word or vector and a weight"),
        ([("w1", 1.0, 2.0)], TypeError, "not a pair"),
        (("w1", float("nan")), ValueError, "the weight nan of 'w1' is not finite"),
    ],
)
def test_keys_that_nothing_can_be_compared_with(ours, key, error, sentence):
    with pytest.raises(error, match=sentence):
        ours.most_similar(key)


def test_a_negative_restriction_is_refused(ours):
    with pytest.raises(ValueError, match="restrict_vocab is -1"):
        ours.most_similar("w1", restrict_vocab=-1)


@pytest.mark.parametrize("words", [[1, 2], ["a", b"b"], ["a", None]])
def test_words_are_str(words):
    with pytest.raises(TypeError, match="words are str"):
        Embeddings(words, np.ones((2, 3)))


def test_a_str_is_not_a_list_of_words():
    model = Embeddings(["a", "b", "ab"], np.eye(3))
    for question in (model.neighbours, model.doesnt_match):
        with pytest.raises(TypeError, match="words is 'ab', of type str; give a list of words"):
            question("ab")
