"""Similarity sets: Spearman against SciPy, the whole against gensim."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nce_train.embeddings import Embeddings
from nce_train.evaluation.sets import Pair
from nce_train.evaluation.similarity import correlate_similarities, mean_ranks, spearman

FEW_VALUES = st.sampled_from([-1.0, 0.0, 0.5, 2.0])  # so that there are ties
VALUES = st.one_of(FEW_VALUES, st.floats(-1e6, 1e6))


@settings(deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=30))
def test_ranks_are_scipy_s(values):
    np.testing.assert_array_equal(mean_ranks(np.array(values)), stats.rankdata(values))


@settings(deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=30))
def test_spearman_is_scipy_s(pairs):
    first, second = np.array(pairs).T
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert spearman(first, second) is None
    else:
        assert spearman(first, second) == pytest.approx(stats.spearmanr(first, second).statistic, abs=1e-12)


@pytest.mark.parametrize("values", [[], [1.0]])
def test_fewer_than_two_pairs_have_none(values):
    assert spearman(np.array(values), np.array(values)) is None


def test_a_set_is_scored_as_gensim_does(tmp_path, gensim):
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
    ours = correlate_similarities(Embeddings(words, vectors), pairs)
    assert ours["spearman"] == pytest.approx(expected.statistic, abs=1e-6)
    assert ours["of"] == len(pairs)
    assert ours["coverage"] == ours["pairs"] / len(pairs) == pytest.approx(1 - unknown / 100)


def test_no_pair_known():
    model = Embeddings(["a", "b"], [[1.0], [2.0]])
    counts = {"words": 2, "spearman": None, "pairs": 0, "of": 1, "coverage": 0.0, "interval": None}
    assert correlate_similarities(model, [Pair("x", "a", 1)]) == {**counts, "restricted_vocabulary": counts}


def test_pairs_of_frequent_words_on_their_own():
    rng = np.random.default_rng(6)
    model = Embeddings([f"w{row}" for row in range(20)], rng.standard_normal((20, 5)))
    pairs = [Pair(f"w{row}", f"w{other}", row * other % 11) for row in range(20) for other in range(row)]
    result = correlate_similarities(model, pairs, 10)
    frequent = [pair for pair in pairs if int(pair.first[1:]) < 10]
    alone = correlate_similarities(Embeddings(model.index_to_key[:10], model.vectors[:10]), frequent, 0)
    assert result["restricted_vocabulary"]["words"] == 10
    for key in ("spearman", "pairs", "interval"):
        assert result["restricted_vocabulary"][key] == alone[key]
    assert result["pairs"] == 190 and result["interval"][0] < result["spearman"] < result["interval"][1]
