"""Intervals: the drawn figures are those of real resamples, and the intervals hold what they should."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nce_train.evaluation import resampling
from nce_train.evaluation.resampling import (
    centred_ranks,
    difference_interval,
    interval,
    proportion_interval,
    resampled_spearman,
)

VALUES = st.one_of(st.sampled_from([-1.0, 0.0, 2.0]), st.floats(-10, 10))


@settings(deadline=None)
@given(st.lists(st.tuples(VALUES, st.integers(0, 4)), min_size=1, max_size=12))
def test_ranks_of_repeated_values_are_scipy_s(drawn):
    values, times = np.array([value for value, _ in drawn]), np.array([[number for _, number in drawn]])
    repeated = np.repeat(values, times[0])
    ranks = np.repeat(centred_ranks(values, times)[0], times[0])
    np.testing.assert_allclose(ranks, stats.rankdata(repeated) - (len(repeated) + 1) / 2)


def test_correlations_are_those_of_the_resamples(monkeypatch):
    monkeypatch.setattr(resampling, "RESAMPLES", 50)
    monkeypatch.setattr(resampling, "_NUMBERS_AT_ONCE", 140)  # seven resamples at once
    rng = np.random.default_rng(3)
    scores = rng.integers(0, 5, 20).astype(float)
    models = [scores + rng.standard_normal(20), rng.integers(0, 3, 20)]
    found = resampled_spearman(models, scores)
    again = np.random.default_rng(resampling.SEED)
    drawn = np.concatenate([again.integers(0, 20, (number, 20)) for number in [7] * 7 + [1]])
    expected = [[stats.spearmanr(model[rows], scores[rows]).statistic for rows in drawn] for model in models]
    np.testing.assert_allclose(found, expected)


def test_equal_shares_are_left_out_at_both_ends():
    assert interval(np.arange(1001.0)[::-1]) == pytest.approx([25, 975])
    assert interval(np.array([np.nan, *range(41)])) == pytest.approx([1, 39])


def test_undefined_resamples_are_left_out():
    correlations = resampled_spearman([np.array([0.3, 0.1])], np.array([2.0, 1.0]))[0]
    assert 0.4 < np.isnan(correlations).mean() < 0.6  # the same pair was drawn twice
    assert interval(correlations) == [1.0, 1.0]
    assert interval(resampled_spearman([np.empty(0)], np.empty(0))[0]) is None


@pytest.mark.parametrize(("count", "of"), [(30, 100), (5, 5000), (0, 7), (9, 9)])
def test_the_interval_of_a_proportion_is_that_of_the_binomial(count, of):
    low, high = proportion_interval(count, of)
    expected = stats.binom(of, count / of).ppf([0.025, 0.975]) / of
    np.testing.assert_allclose([low, high], expected, atol=max(1.01 / of, 0.001))


def test_the_interval_of_a_difference_is_that_of_resampled_cases():
    rng = np.random.default_rng(5)
    differences = np.repeat([1, -1, 0], [40, 25, 135])  # of two models on each of 200 questions
    resampled = rng.choice(differences, (10_000, 200)).mean(axis=1)
    np.testing.assert_allclose(difference_interval(40, 25, 200), interval(resampled), atol=0.006)


def test_of_nothing_there_is_no_interval():
    assert proportion_interval(0, 0) is difference_interval(0, 0, 0) is None
    assert interval(np.full(3, np.nan)) is None


def test_the_same_every_time():
    assert proportion_interval(30, 100) == proportion_interval(30, 100)
    scores = np.arange(9.0)
    once, again = (resampled_spearman([scores % 4], scores) for _ in range(2))
    np.testing.assert_array_equal(once, again)
