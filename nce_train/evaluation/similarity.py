"""Word pairs: how well do cosine similarities order them as people do (Spearman's rank correlation)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings import Embeddings
from nce_train.embeddings.postprocess import unit_length
from nce_train.evaluation.analogies import row_of, rows_among
from nce_train.evaluation.resampling import interval, resampled_spearman
from nce_train.evaluation.similarity_sets import Pair


class SimilarityOutcome(NamedTuple):
    """A set's pairs among a model's first `words` words.

    `known`, bool [pairs]: both words are among them; `similarities`, float32 [pairs], 0 where they are not; `scores`,
    float64 [pairs].
    """

    words: int
    known: NDArray[np.bool_]
    similarities: NDArray[np.float32]
    scores: NDArray[np.float64]


def correlate_similarities(
    embeddings: Embeddings, pairs: Sequence[Pair], restrict_vocab: int | None = 30_000
) -> dict[str, Any]:
    """Correlate the cosine similarities of word pairs with people's scores.

    Parameters
    ----------
    embeddings : Embeddings
    pairs : sequence of Pair
        Counted when both words are in the vocabulary, as given or else lower-cased.
    restrict_vocab : int or None
        Pairs of so many most frequent words are correlated on their own too; 0 or None for all words.

    Returns
    -------
    dict
        `words` (of the vocabulary), `spearman` (None for fewer than two pairs, or where all similarities or all scores
        are equal), `pairs` counted, `of` so many, `coverage` (pairs ÷ of), `interval` (of the correlation, see
        `nce_train.evaluation.resampling`), and `restricted_vocabulary`: the same keys for pairs of frequent
        words.

    Raises
    ------
    InputError
        When `restrict_vocab` is negative.
    """
    return count_similarities(*measure_similarities(embeddings, pairs, restrict_vocab))


def measure_similarities(
    embeddings: Embeddings, pairs: Sequence[Pair], restrict_vocab: int | None = 30_000
) -> tuple[SimilarityOutcome, SimilarityOutcome]:
    """Take the cosines of the pairs: among the `restrict_vocab` most frequent words, and among all.

    Raises
    ------
    InputError
        When `restrict_vocab` is negative.
    """
    rows = rows_among(embeddings, restrict_vocab)
    return _measure(embeddings, pairs, rows), _measure(embeddings, pairs, len(embeddings))


def count_similarities(frequent: SimilarityOutcome, whole: SimilarityOutcome) -> dict[str, Any]:
    """Correlate what `measure_similarities` found; see `correlate_similarities`."""
    correlation = _correlation(whole)
    restricted = correlation if frequent.words == whole.words else _correlation(frequent)
    return {**correlation, "restricted_vocabulary": restricted}


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


def _measure(embeddings: Embeddings, pairs: Sequence[Pair], words: int) -> SimilarityOutcome:
    index = embeddings.key_to_index
    rows = np.array([[row_of(index, word, words) for word in pair[:2]] for pair in pairs], np.intp).reshape(-1, 2)
    known = rows.min(axis=1) >= 0
    similarities = np.zeros(len(pairs), np.float32)
    first, second = rows[known].T
    similarities[known] = np.einsum(
        "pd,pd->p", unit_length(embeddings.vectors[first]), unit_length(embeddings.vectors[second])
    )
    return SimilarityOutcome(words, known, similarities, np.array([pair.score for pair in pairs]))


def _correlation(outcome: SimilarityOutcome) -> dict[str, Any]:
    similarities, scores = outcome.similarities[outcome.known], outcome.scores[outcome.known]
    return {
        "words": outcome.words,
        "spearman": spearman(similarities, scores),
        "pairs": len(scores),
        "of": len(outcome.known),
        "coverage": len(scores) / len(outcome.known),
        "interval": interval(resampled_spearman([similarities], scores)[0]),
    }
