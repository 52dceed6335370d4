"""Two models on the same questions and pairs: are they different, or might this be the choice of questions?

Only what both models are asked counts, and how much that is is told with the result. Analogies: McNemar's exact test on
the questions that one of the two answers rightly. Similarities: bootstrap of the difference over pairs. Differences are
those of the first model less the second; p is two-sided, and not corrected for the number of tests.

Q. McNemar: "Note on the sampling error of the difference between correlated proportions or percentages", 1947.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nce_train.evaluation.analogies import AnalogyOutcome
from nce_train.evaluation.resampling import difference_interval, interval, resampled_spearman
from nce_train.evaluation.similarity import SimilarityOutcome, spearman


def compare_analogies(first: AnalogyOutcome, second: AnalogyOutcome) -> dict[str, Any]:
    """Compare two models on the questions that both are asked, each among its own words.

    Returns
    -------
    dict
        `words` (of each), `asked` (of both), `questions`, `coverage`; for 3CosAdd `accuracy` (of each), `only_first`
        and `only_second` (questions that only one of them answers rightly), `difference` of the accuracies with its
        `interval`, and McNemar's `p`; and the same for 3CosMul as `cosmul`. What is not defined, because nothing is
        asked of both, is None.
    """
    both = first.asked & second.asked
    return {
        "words": [first.words, second.words],
        "asked": int(both.sum()),
        "questions": len(both),
        "coverage": float(both.mean()),
        **_accuracies(first.add[both], second.add[both]),
        "cosmul": _accuracies(first.mul[both], second.mul[both]),
    }


def compare_similarities(first: SimilarityOutcome, second: SimilarityOutcome) -> dict[str, Any]:
    """Compare two models on the pairs that both know.

    Returns
    -------
    dict
        `words` (of each), `pairs` (known to both), `of`, `coverage`, `spearman` (of each), `difference` with its
        `interval`, and `p`; the last three are None when a correlation is not defined.
    """
    both = first.known & second.known
    scores = first.scores[both]
    similarities = [first.similarities[both], second.similarities[both]]
    correlations = [spearman(values, scores) for values in similarities]
    result: dict[str, Any] = {
        "words": [first.words, second.words],
        "pairs": len(scores),
        "of": len(both),
        "coverage": float(both.mean()),
        "spearman": correlations,
    }
    one, other = correlations
    if one is None or other is None:
        return {**result, "difference": None, "interval": None, "p": None}
    resampled = resampled_spearman(similarities, scores)
    differences = resampled[0] - resampled[1]
    return {**result, "difference": one - other, "interval": interval(differences), "p": bootstrap_p(differences)}


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Compute McNemar's exact two-sided p: of n = only_first + only_second fair coins, at least as uneven.

    Examples
    --------
    >>> round(mcnemar_p(0, 3), 12)
    0.25
    """
    fewer, coins = min(only_first, only_second), only_first + only_second
    heads = np.arange(1, fewer + 1)
    # Logarithms of the binomial coefficients, each from the one before it.
    logs = np.concatenate([[0.0], np.cumsum(np.log(coins - heads + 1) - np.log(heads))]) - coins * np.log(2)
    return min(1.0, 2 * float(np.exp(logs).sum()))


def bootstrap_p(differences: NDArray[np.floating]) -> float:
    """Compute a two-sided p from resampled differences: twice the smaller share at or beyond 0.

    The observed difference is counted as one resample on either side, so that p is never 0.

    Parameters
    ----------
    differences : float [resamples]
        NaN where one is not defined; these are left out.
    """
    differences = differences[~np.isnan(differences)]
    beyond = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2 * (beyond + 1) / (len(differences) + 1))


def _accuracies(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> dict[str, Any]:
    asked = len(first)
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    return {
        "accuracy": [float(right.mean()) if asked else None for right in (first, second)],
        "only_first": only_first,
        "only_second": only_second,
        "difference": (only_first - only_second) / asked if asked else None,
        "interval": difference_interval(only_first, only_second, asked),
        "p": mcnemar_p(only_first, only_second) if asked else None,
    }
