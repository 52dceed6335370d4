"""Word pairs: how well do cosine similarities order them as people do (Spearman's rank correlation)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings import Embeddings
from nce_train.embeddings.postprocess import unit_length
from nce_train.evaluation.analogies import row_of
from nce_train.evaluation.sets import Pair


def correlate_similarities(embeddings: Embeddings, pairs: Sequence[Pair]) -> dict[str, Any]:
    """Correlate the cosine similarities of word pairs with people's scores.

    Parameters
    ----------
    embeddings : Embeddings
    pairs : sequence of Pair
        Counted when both words are in the vocabulary, as given or else lower-cased.

    Returns
    -------
    dict
        `spearman` (None for fewer than two pairs, or where all similarities or all scores are equal),
        `pairs` counted, `of` so many, `coverage` (pairs ÷ of).
    """
    index = embeddings.key_to_index
    rows = [[row_of(index, word, len(embeddings)) for word in pair[:2]] for pair in pairs]
    known = np.array([min(pair_rows) >= 0 for pair_rows in rows])
    first, second = np.array(rows)[known].T
    similarities = np.einsum(
        "pd,pd->p", unit_length(embeddings.vectors[first]), unit_length(embeddings.vectors[second])
    )
    scores = np.array([pair.score for pair in pairs])[known]
    return {
        "spearman": spearman(similarities, scores),
        "pairs": len(scores),
        "of": len(pairs),
        "coverage": len(scores) / len(pairs),
    }


def spearman(first: NDArray[np.floating], second: NDArray[np.floating]) -> float | None:
    """Compute Spearman's rank correlation: Pearson's of the ranks, where equal values share their mean rank.

    Parameters
    ----------
    first, second : float [n]

    Returns
    -------
    float or None
        None when it is not defined: n < 2, or all values of one side equal.

    Examples
    --------
    >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 30.0, 20.0]))
    0.5
    """
    one = mean_ranks(first) - (len(first) + 1) / 2
    other = mean_ranks(second) - (len(second) + 1) / 2
    scale = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / scale if scale else None


def mean_ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rank values from 1; equal values share the mean of their ranks.

    Parameters
    ----------
    values : float [n]

    Returns
    -------
    float64 [n]

    Examples
    --------
    >>> mean_ranks(np.array([5.0, 1.0, 5.0]))
    array([2.5, 1. , 2.5])
    """
    _, place, ties = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(ties)
    return (last - (ties - 1) / 2)[place]
