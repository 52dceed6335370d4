"""Similarity sets: Spearman and its resamples against SciPy, results against gensim."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nce_train.embeddings import Embeddings
from nce_train.evaluation import similarity
from nce_train.evaluation.significance import percentile_interval
from nce_train.evaluation.similarity import (
    centred_ranks,
    measure_similarities,
    resampled_spearman,
    spearman,
    summarise_similarities,
)
from nce_train.evaluation.similarity_sets import Pair

FEW_VALUES = st.sampled_from([-1.0, 0.0, 0.5, 2.0])  # so that there are ties
VALUES = st.one_of(FEW_VALUES, st.floats(-1e6, 1e6))


def summary(model, pairs, restrict_vocab=30_000):
    """The correlations of a model on pairs."""
    return summarise_similarities(*measure_similarities(model, pairs, restrict_vocab))


@settings(deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=30))
def test_spearman_matches_scipy(pairs):
    first, second = np.array(pairs).T
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert spearman(first, second) is None
    else:
        assert spearman(first, second) == pytest.approx(stats.spearmanr(first, second).statistic, abs=1e-12)


@pytest.mark.parametrize("values", [[], [1.0]])
def test_no_correlation_of_fewer_than_two_pairs(values):
    assert spearman(np.array(values), np.array(values)) is None


def test_results_match_gensim(tmp_path, gensim):
    rng = np.random.default_rng(2)
    words = [f"w{i}" for i in range(50)]
    vectors = rng.standard_normal((50, 6)).astype(np.float32)
    pairs = [
        Pair(f"W{i}", f"W{j}", float(rng.integers(0, 10)))
        for i, j in sorted({tuple(sorted(rng.choice(60, 2, replace=False).tolist())) for _ in range(200)})
    ]  # words from w50 on are unknown; scores have ties
    (tmp_path / "set.tsv").write_text("".join(f"{a}\t{b}\t{score}\n" for a, b, score in pairs))

    theirs = gensim.models.KeyedVectors(6)
    theirs.add_vectors(words, vectors)
    _, expected, unknown = theirs.evaluate_word_pairs(str(tmp_path / "set.tsv"))
    ours = summary(Embeddings(words, vectors), pairs)
    assert ours["spearman"] == pytest.approx(expected.statistic, abs=1e-6)
    assert ours["of"] == len(pairs)
    assert ours["coverage"] == ours["pairs"] / len(pairs) == pytest.approx(1 - unknown / 100)


def test_no_pair_known():
    model = Embeddings(["a", "b"], [[1.0], [2.0]])
    counts = {"words": 2, "spearman": None, "pairs": 0, "of": 1, "coverage": 0.0, "interval": None}
    assert summary(model, [Pair("x", "a", 1)]) == {**counts, "restricted_vocabulary": counts}


def test_pairs_of_frequent_words_on_their_own():
    rng = np.random.default_rng(6)
    model = Embeddings([f"w{row}" for row in range(20)], rng.standard_normal((20, 5)))
    pairs = [Pair(f"w{row}", f"w{other}", row * other % 11) for row in range(20) for other in range(row)]
    result = summary(model, pairs, 10)
    frequent = [pair for pair in pairs if int(pair.first[1:]) < 10]
    alone = summary(Embeddings(model.index_to_key[:10], model.vectors[:10]), frequent, 0)
    assert result["restricted_vocabulary"]["words"] == 10
    for key in ("spearman", "pairs", "interval"):
        assert result["restricted_vocabulary"][key] == alone[key]
    assert result["pairs"] == 190 and result["interval"][0] < result["spearman"] < result["interval"][1]


@settings(deadline=None)
@given(st.lists(st.tuples(VALUES, st.integers(0, 4)), min_size=1, max_size=12))
def test_ranks_of_repeated_values_match_scipy(drawn):
    values, times = np.array([value for value, _ in drawn]), np.array([[number for _, number in drawn]])
    repeated = np.repeat(values, times[0])
    ranks = np.repeat(centred_ranks(values, times)[0], times[0])
    np.testing.assert_allclose(ranks, stats.rankdata(repeated) - (len(repeated) + 1) / 2)


def test_correlations_match_real_resamples(monkeypatch):
    monkeypatch.setattr(similarity, "RESAMPLES", 50)
    monkeypatch.setattr(similarity, "_BLOCK_NUMBERS", 140)  # seven resamples at once
    rng = np.random.default_rng(3)
    scores = rng.integers(0, 5, 20).astype(float)
    models = [scores + rng.standard_normal(20), rng.integers(0, 3, 20)]
    found = resampled_spearman(models, scores)
    again = np.random.default_rng(similarity.SEED)
    drawn = np.concatenate([again.integers(0, 20, (number, 20)) for number in [7] * 7 + [1]])
    expected = [[stats.spearmanr(model[rows], scores[rows]).statistic for rows in drawn] for model in models]
    np.testing.assert_allclose(found, expected)


def test_undefined_resamples_are_left_out():
    correlations = resampled_spearman([np.array([0.3, 0.1])], np.array([2.0, 1.0]))[0]
    assert 0.4 < np.isnan(correlations).mean() < 0.6  # the same pair was drawn twice
    assert percentile_interval(correlations) == [1.0, 1.0]
    assert percentile_interval(resampled_spearman([np.empty(0)], np.empty(0))[0]) is None


def test_resamples_are_the_same_every_time():
    scores = np.arange(9.0)
    once, again = (resampled_spearman([scores % 4], scores) for _ in range(2))
    np.testing.assert_array_equal(once, again)
