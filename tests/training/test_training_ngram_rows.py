"""The rows of the input table: laid out as plain Python would, composed as means."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from nce_train.kernel.sizes import row_length
from nce_train.text.ngrams import ngram_buckets
from nce_train.training.ngram_rows import ngram_rows, set_ngram_vectors, set_word_vectors, word_vectors
from nce_train.training.parameters import initial_tables, keep_probability
from nce_train.training.settings import Settings

WORDS = ["banana", "an", "bandana", "ähnlich", "x", "日本語"]
COUNTS = np.array([40, 30, 20, 10, 5, 5])


def settings(**changes):
    return Settings(**{"ngrams": "2-3", "buckets": 50, "threads": 2, "dim": 12, **changes}).resolved()


def table_of(ngrams, dim=12):
    words = len(ngrams.bags.starts) - 1
    table = np.zeros((words + len(ngrams.buckets), row_length(dim)), np.float32)
    table[:, :dim] = np.random.default_rng(1).normal(0, 1, (len(table), dim))
    return table


def means(table, ngrams, dim=12):
    starts, rows = ngrams.bags
    return np.array([table[rows[a:b], :dim].astype(float).mean(0) for a, b in itertools.pairwise(starts)])


@hypothesis_settings(deadline=None)  # the first example compiles
@given(st.lists(st.text(max_size=12), min_size=1, max_size=20, unique=True), st.integers(1, 3), st.integers(0, 2))
def test_each_word_has_its_row_and_those_of_its_ngrams_the_most_used_first(words, least, more):
    counts = np.arange(len(words), 0, -1)
    chosen = settings(ngrams=f"{least}-{least + more}", subsample=0.3)
    ngrams = ngram_rows(words, counts, chosen)
    starts, found = ngram_buckets(words, least, least + more, chosen.buckets)
    assert len(set(ngrams.buckets.tolist())) == len(ngrams.buckets)
    uses = dict.fromkeys(ngrams.buckets.tolist(), 0.0)
    kept = counts * keep_probability(counts, chosen.subsample)
    for word in range(len(words)):
        rows = ngrams.bags.rows[ngrams.bags.starts[word] : ngrams.bags.starts[word + 1]]
        buckets = found[starts[word] : starts[word + 1]]
        assert rows[0] == word
        assert ngrams.buckets[rows[1:] - len(words)].tolist() == buckets.tolist()
        for bucket in buckets.tolist():
            uses[bucket] += kept[word]
    assert ngrams.bags.starts[-1] == len(ngrams.bags.rows)
    in_order = [uses[bucket] for bucket in ngrams.buckets.tolist()]
    np.testing.assert_allclose(in_order, sorted(in_order, reverse=True))
    assert all(use > 0 for use in in_order)


def test_off_has_no_rows():
    assert ngram_rows(WORDS, COUNTS, settings(ngrams="off")) is None


@pytest.mark.parametrize("dim", [1, 12, 128])
def test_vectors_are_means(dim):
    ngrams = ngram_rows(WORDS, COUNTS, settings(dim=dim))
    table = table_of(ngrams, dim)
    composed = word_vectors(table, ngrams, dim, 2)
    assert composed.shape == (len(WORDS), dim)
    np.testing.assert_allclose(composed, means(table, ngrams, dim), atol=1e-6)
    np.testing.assert_array_equal(word_vectors(table, None, dim, 2), table[:, :dim])


def test_vectors_of_many_words_have_the_same_bits_on_any_number_of_threads(monkeypatch):
    monkeypatch.setattr("nce_train.training.ngram_rows._WORDS_AT_ONCE", 2)
    ngrams = ngram_rows(WORDS, COUNTS, settings())
    table = table_of(ngrams)
    one, three = (word_vectors(table, ngrams, 12, threads) for threads in (1, 3))
    np.testing.assert_array_equal(one, three)


def test_words_are_set_to_vectors_and_nothing_else_changes(monkeypatch):
    monkeypatch.setattr("nce_train.training.ngram_rows._WORDS_AT_ONCE", 2)
    ngrams = ngram_rows(WORDS, COUNTS, settings())
    table = table_of(ngrams)
    before = table.copy()
    wanted = np.random.default_rng(2).normal(0, 1, (9, 12)).astype(np.float32)
    words, vector_rows = np.array([4, 0, 2]), np.array([7, 1, 8])
    set_word_vectors(table, ngrams, words, wanted, vector_rows, 2)
    np.testing.assert_allclose(means(table, ngrams)[words], wanted[vector_rows], atol=1e-6)
    others = np.setdiff1d(np.arange(len(table)), words)
    np.testing.assert_array_equal(table[others], before[others])
    assert not table[:, 12:].any()


def test_known_ngrams_are_set_where_there_are_rows_for_them():
    ngrams = ngram_rows(WORDS, COUNTS, settings())
    table = table_of(ngrams)
    before = table.copy()
    absent = sorted(set(range(50)) - set(ngrams.buckets.tolist()))[:2]
    buckets = np.array([ngrams.buckets[5], absent[0], ngrams.buckets[0], absent[1]], np.int32)
    vectors = np.arange(4 * 12, dtype=np.float32).reshape(4, 12)
    set_ngram_vectors(table, ngrams, buckets, vectors)
    np.testing.assert_array_equal(table[len(WORDS) + np.array([5, 0]), :12], vectors[[0, 2]])
    others = np.setdiff1d(np.arange(len(table)), len(WORDS) + np.array([5, 0]))
    np.testing.assert_array_equal(table[others], before[others])


def test_words_without_any_ngram_are_known_by_their_rows():
    ngrams = ngram_rows(["a", "b"], np.array([1, 1]), settings(ngrams="9-9"))
    assert len(ngrams.buckets) == 0
    table = table_of(ngrams)
    set_ngram_vectors(table, ngrams, np.array([3], np.int32), np.ones((1, 12), np.float32))
    np.testing.assert_array_equal(word_vectors(table, ngrams, 12, 1), table[:2, :12])


def test_rows_of_ngrams_start_as_words_do():
    tables = initial_tables(COUNTS, settings(), ngram_rows=30)
    assert tables.input.shape[0] == len(WORDS) + 30
    assert tables.output.shape[0] == len(WORDS)
    assert tables.input[:, :12].all()
    assert 0.9 * 0.5 / 12 < np.abs(tables.input[len(WORDS) :]).max() <= 0.5 / 12
