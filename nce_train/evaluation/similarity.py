"""Similarity sets: how well the cosines of word pairs agree with people's scores, by Spearman's rank correlation.

In: `Embeddings` and scored pairs. Out: the cosines of the pairs that the model knows; from these outcomes the
correlation of one model, or the comparison of two.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings import Embeddings
from nce_train.embeddings.postprocess import unit_length
from nce_train.evaluation.analogies import restricted_rows, word_rows
from nce_train.evaluation.significance import RESAMPLES, SEED, bootstrap_p, percentile_interval
from nce_train.evaluation.similarity_sets import Pair
from nce_train.evaluation.unknown_words import AnyWord

# Numbers of 8 bytes in each of the few arrays of a block of resamples.
_BLOCK_NUMBERS = 1 << 21


class SimilarityOutcome(NamedTuple):
    """The cosines of a set's pairs among the first `words` words of a model, and people's scores; [pairs] each.

    `known`: whether both words of a pair are among these words (`measure_analogies` says how). `similarities`: their
    cosines; 0 where a pair is not known.
    """

    words: int
    known: NDArray[np.bool_]
    similarities: NDArray[np.float32]
    scores: NDArray[np.float64]


def measure_similarities(
    embeddings: Embeddings, pairs: Sequence[Pair], restrict_vocab: int | None = 30_000, fold_case: bool = False
) -> tuple[SimilarityOutcome, SimilarityOutcome]:
    """Compute the cosines of pairs among the `restrict_vocab` most frequent words, and among all words.

    Words are looked up as in `analogies.measure_analogies`.
    """
    rows = restricted_rows(embeddings, restrict_vocab)
    return _measure(embeddings, pairs, rows, fold_case), _measure(embeddings, pairs, len(embeddings), fold_case)


def measure_similarities_oov(
    embeddings: Embeddings, pairs: Sequence[Pair], fold_case: bool = False
) -> SimilarityOutcome:
    """Compute the cosines of pairs of any words that have a vector: those of unknown words are composed of n-grams."""
    return _measure(embeddings, pairs, len(embeddings), fold_case, oov=True)


def summarise_similarities(
    frequent: SimilarityOutcome, whole: SimilarityOutcome, oov: SimilarityOutcome | None = None
) -> dict[str, Any]:
    """Correlate the cosines that `measure_similarities` and `measure_similarities_oov` return with people's scores.

    Returns
    -------
    dict
        `words` (of the vocabulary), `spearman` (None for fewer than two pairs, or where all similarities or all scores
        are equal), `pairs` (known pairs), `of` (all pairs), `coverage` (pairs ÷ of), `interval` (of the correlation,
        see `nce_train.evaluation.significance`), and `restricted_vocabulary`: the same keys for pairs of frequent
        words. With `oov` also `oov`: the same keys for pairs of any words.
    """
    correlation = _correlation(whole)
    restricted = correlation if frequent.words == whole.words else _correlation(frequent)
    return {
        **correlation,
        "restricted_vocabulary": restricted,
        **({} if oov is None else {"oov": _correlation(oov)}),
    }


def compare_similarities(first: SimilarityOutcome, second: SimilarityOutcome) -> dict[str, Any]:
    """Compare two models on the pairs that both know.

    Returns
    -------
    dict
        `words` (of each model), `pairs` (known to both), `of`, `coverage`, `spearman` (of each), `difference` (first
        less second) with its `interval`, and `p`; the last three are None when a correlation is not defined.
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
    return {
        **result,
        "difference": one - other,
        "interval": percentile_interval(differences),
        "p": bootstrap_p(differences),
    }


def spearman(first: NDArray[np.floating], second: NDArray[np.floating]) -> float | None:
    """Compute Spearman's rank correlation: Pearson's correlation of the ranks; equal values share their mean rank.

    None when it is not defined: for fewer than two values, or where all values of one side are equal.

    Examples
    --------
    >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 30.0, 20.0]))
    0.5
    """
    once = np.ones((1, len(first)), np.int64)
    ranks, other_ranks = (centred_ranks(values, once)[0] for values in (first, second))
    scale = float(np.sqrt((ranks @ ranks) * (other_ranks @ other_ranks)))
    return float(ranks @ other_ranks) / scale if scale else None


def resampled_spearman(
    similarities: Sequence[NDArray[np.floating]], scores: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Compute Spearman's correlation of similarities and scores in each resample of the pairs, [models, resamples].

    Each model has an array of similarities [pairs]; all have the same resamples. A correlation is NaN where all
    similarities or all scores of a resample are equal, or there is no pair.
    """
    pairs = len(scores)
    correlations = np.full((len(similarities), RESAMPLES), np.nan)
    rng = np.random.default_rng(SEED)
    block = max(1, _BLOCK_NUMBERS // max(1, pairs))
    for start in range(0, RESAMPLES if pairs else 0, block):
        number = min(block, RESAMPLES - start)
        drawn = rng.integers(0, pairs, (number, pairs)) + np.arange(number)[:, None] * pairs
        times = np.bincount(drawn.ravel(), minlength=number * pairs).reshape(number, pairs)
        score_ranks = centred_ranks(scores, times)
        score_scale = np.einsum("rp,rp,rp->r", times, score_ranks, score_ranks)
        for model, values in enumerate(similarities):
            ranks = centred_ranks(values, times)
            scale = np.sqrt(np.einsum("rp,rp,rp->r", times, ranks, ranks) * score_scale)
            products = np.einsum("rp,rp,rp->r", times, ranks, score_ranks)
            part = correlations[model, start : start + number]
            np.divide(products, scale, out=part, where=scale > 0)
    return correlations


def centred_ranks(values: NDArray[np.floating], times: NDArray[np.integer]) -> NDArray[np.float64]:
    """Rank values [n] that occur several times each, less the mean of all ranks; equal values share their mean rank.

    `times` [resamples, n] is how often each value occurs; its rows have the same sum. The ranks are [resamples, n].
    """
    _, place, ties = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(ties)
    below = np.zeros((len(times), len(values) + 1))
    np.cumsum(times[:, np.argsort(place, kind="stable")], axis=1, out=below[:, 1:])
    # The ranks of equal values run from below[ends - ties] + 1 to below[ends]; the mean of all ranks is (n + 1) / 2.
    return ((below[:, ends - ties] + below[:, ends] - below[:, -1:]) / 2)[:, place]


def _measure(
    embeddings: Embeddings, pairs: Sequence[Pair], words: int, fold_case: bool, oov: bool = False
) -> SimilarityOutcome:
    finder = word_rows(embeddings, words, fold_case)
    any_word = AnyWord(embeddings, [finder]) if oov else None
    find = finder.find if any_word is None else any_word.find
    vectors_of = embeddings.vectors.__getitem__ if any_word is None else any_word.vectors_of
    rows = np.array([[find(word) for word in pair[:2]] for pair in pairs], np.intp).reshape(-1, 2)
    known = rows.min(axis=1) >= 0
    similarities = np.zeros(len(pairs), np.float32)
    first, second = rows[known].T
    similarities[known] = np.einsum("pd,pd->p", unit_length(vectors_of(first)), unit_length(vectors_of(second)))
    return SimilarityOutcome(words, known, similarities, np.array([pair.score for pair in pairs]))


def _correlation(outcome: SimilarityOutcome) -> dict[str, Any]:
    similarities, scores = outcome.similarities[outcome.known], outcome.scores[outcome.known]
    return {
        "words": outcome.words,
        "spearman": spearman(similarities, scores),
        "pairs": len(scores),
        "of": len(outcome.known),
        "coverage": len(scores) / len(outcome.known),
        "interval": percentile_interval(resampled_spearman([similarities], scores)[0]),
    }
