"""Sub-words: vectors composed of n-gram rows, against plain sums over plain Python's buckets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nce_train.embeddings import subwords as module
from nce_train.embeddings.subwords import SubWords, check_subwords, composed_vectors, own_rows
from nce_train.errors import InputError
from nce_train.text.ngrams import word_buckets

WORDS = ["river", "rivers", "œuvre", "日本語", "caf\udce9", "</s>", "a", "", "mill" * 20]
ANY_WORD = st.one_of(st.text(max_size=9), st.binary(max_size=9).map(lambda raw: raw.decode("utf-8", "surrogateescape")))
ENCODABLE = ANY_WORD.filter(lambda word: not any("\ud800" <= c < "\udc80" or "\udcff" < c <= "\udfff" for c in word))


def some_subwords(least=3, most=5, buckets=40, share=0.6, dim=3, seed=1):
    rng = np.random.default_rng(seed)
    rows = rng.permutation(buckets)[: round(share * buckets)].astype(np.int32)
    return SubWords(least, most, buckets, rows, rng.standard_normal((len(rows), dim)).astype(np.float32))


def plain_rows(word, subwords):
    """The row of each n-gram of a word; zeros for a bucket that has none."""
    table = np.zeros((subwords.buckets, subwords.vectors.shape[1]))
    table[subwords.rows] = subwords.vectors
    return table[word_buckets(word, subwords.least, subwords.most, subwords.buckets)]


@given(word=ENCODABLE, least=st.integers(1, 4), more=st.integers(0, 3), share=st.sampled_from([0.0, 0.3, 1.0]))
@settings(max_examples=200, deadline=None)
def test_an_unknown_word_is_the_mean_of_all_its_ngrams(word, least, more, share):
    subwords = some_subwords(least, least + more, share=share)
    rows = plain_rows(word, subwords)
    known = np.isin(word_buckets(word, least, least + more, 40), subwords.rows).sum()
    vector = subwords.vector_of(word)
    assert subwords.known_ngrams(word) == known
    if known:
        assert vector.dtype == np.float32
        np.testing.assert_allclose(vector, rows.mean(axis=0), rtol=1e-6, atol=1e-7)
    else:
        assert vector is None


def test_a_word_that_cannot_be_encoded_has_no_vector():
    assert some_subwords(share=1.0).vector_of("\ud800river") is None


@pytest.mark.parametrize(("words_at_once", "numbers_at_once"), [(4096, 1 << 22), (2, 6)])
def test_own_rows_and_their_inverse(monkeypatch, words_at_once, numbers_at_once):
    monkeypatch.setattr(module, "_WORDS_AT_ONCE", words_at_once)
    monkeypatch.setattr(module, "_NUMBERS_AT_ONCE", numbers_at_once)
    subwords = some_subwords()
    vectors = np.random.default_rng(2).standard_normal((len(WORDS), 3)).astype(np.float32)
    own = np.concatenate(list(own_rows(WORDS, vectors, subwords)))
    assert own.dtype == np.float32
    for word, vector, row in zip(WORDS, vectors, own, strict=True):
        rows = plain_rows(word, subwords)
        expected = (len(rows) + 1) * vector.astype(np.float64) - rows.sum(axis=0)
        np.testing.assert_allclose(row, expected, rtol=1e-6, atol=1e-5)
    back = np.concatenate(list(composed_vectors(WORDS, own, subwords)))
    np.testing.assert_allclose(back, vectors, rtol=1e-6, atol=1e-6)


def test_rows_by_bucket_are_the_table():
    subwords = some_subwords()
    table = np.zeros((40, 3), np.float32)
    table[subwords.rows] = subwords.vectors
    for first, stop in [(0, 40), (3, 17), (39, 40)]:
        np.testing.assert_array_equal(subwords.rows_by_bucket(first, stop), table[first:stop])


def test_the_spelling_with_the_most_known_ngrams():
    rows = np.unique(word_buckets("river", 3, 5, 10**6)).astype(np.int32)
    subwords = SubWords(3, 5, 10**6, rows, np.ones((len(rows), 2), np.float32))
    assert subwords.most_known(["River", "river", "RIVER"]) == "river"
    assert subwords.most_known(["zzz", "xyxy"]) is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"least": 0}, "n-grams of 0 to 5 characters"),
        ({"least": 6}, "n-grams of 6 to 5 characters"),
        ({"buckets": 0}, "0 buckets; there are from 1"),
        ({"buckets": 2**31}, "2147483648 buckets"),
        ({"rows": np.array([1, 2], np.int32)}, r"buckets of shape \(2,\) for n-gram rows of shape \(3, 2\)"),
        ({"rows": np.array([1, 2, 1], np.int32)}, "the bucket 1 has two rows"),
        ({"rows": np.array([1, 2, -1], np.int32)}, "the bucket -1 is not from 0 to 9"),
        ({"rows": np.array([1, 2, 10], np.int32)}, "the bucket 10 is not from 0 to 9"),
        ({"vectors": np.ones(3, np.float32)}, "n-gram rows of shape"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes, sentence):
    right = {"least": 3, "most": 5, "buckets": 10, "rows": np.arange(3), "vectors": np.ones((3, 2), np.float32)}
    SubWords(**right)
    with pytest.raises(InputError, match=sentence):
        SubWords(**{**right, **changes})


def test_numbers_that_are_not_finite_are_refused_with_their_row():
    vectors = np.ones((4, 2), np.float32)
    vectors[2, 1] = np.inf
    subwords = SubWords(3, 5, 10, np.arange(4, dtype=np.int32), vectors, "m.nce/ngrams.npy")
    with pytest.raises(InputError, match=r"m.nce/ngrams.npy, row 2: an n-gram row holds a number that is not finite"):
        check_subwords(subwords, 2)
    with pytest.raises(InputError, match="the n-gram rows have 2 numbers, and the vectors 3"):
        check_subwords(subwords, 3)
