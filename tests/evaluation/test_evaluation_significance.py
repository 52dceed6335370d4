"""Bootstrap intervals against the binomial distribution and real resamples; McNemar's p against SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nce_train.evaluation.significance import (
    bootstrap_p,
    difference_interval,
    mcnemar_p,
    percentile_interval,
    proportion_interval,
)


def test_percentile_interval_leaves_out_equal_shares_at_both_ends():
    assert percentile_interval(np.arange(1001.0)[::-1]) == pytest.approx([25, 975])
    assert percentile_interval(np.array([np.nan, *range(41)])) == pytest.approx([1, 39])


@pytest.mark.parametrize(("count", "of"), [(30, 100), (5, 5000), (0, 7), (9, 9)])
def test_proportion_interval_matches_the_binomial(count, of):
    low, high = proportion_interval(count, of)
    expected = stats.binom(of, count / of).ppf([0.025, 0.975]) / of
    np.testing.assert_allclose([low, high], expected, atol=max(1.01 / of, 0.001))


def test_difference_interval_matches_resampled_cases():
    rng = np.random.default_rng(5)
    differences = np.repeat([1, -1, 0], [40, 25, 135])  # of two models on each of 200 questions
    resampled = rng.choice(differences, (10_000, 200)).mean(axis=1)
    np.testing.assert_allclose(difference_interval(40, 25, 200), percentile_interval(resampled), atol=0.006)


def test_no_interval_of_no_cases():
    assert proportion_interval(0, 0) is difference_interval(0, 0, 0) is None
    assert percentile_interval(np.full(3, np.nan)) is None


def test_intervals_are_the_same_every_time():
    assert proportion_interval(30, 100) == proportion_interval(30, 100)


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_p_matches_the_binomial_test(only_first, only_second):
    coins = only_first + only_second
    expected = stats.binomtest(only_first, coins).pvalue if coins else 1.0
    assert mcnemar_p(only_first, only_second) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_p_of_many_questions():
    assert mcnemar_p(40_000, 40_500) == pytest.approx(stats.binomtest(40_000, 80_500).pvalue, rel=1e-9)
    assert mcnemar_p(0, 98_000) == 0.0


def test_bootstrap_p():
    assert bootstrap_p(np.array([1.0, 2.0, -1.0, 3.0, np.nan])) == 2 * 2 / 5
    assert bootstrap_p(np.ones(999)) == 2 / 1000
    assert bootstrap_p(np.zeros(10)) == 1
