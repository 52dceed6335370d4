"""Models on evaluation sets: embeddings and sets go in; the outcomes on all sets, and their report, come out.

The outcomes of two models on the same sets can be compared.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from nce_train.embeddings import Embeddings
from nce_train.evaluation.analogies import (
    AnalogyOutcome,
    compare_analogies,
    measure_analogies,
    measure_analogies_oov,
    summarise_analogies,
)
from nce_train.evaluation.sets import EvaluationSets
from nce_train.evaluation.similarity import (
    SimilarityOutcome,
    compare_similarities,
    measure_similarities,
    measure_similarities_oov,
    summarise_similarities,
)

# Called as progress(name of the set, done, total).
Progress = Callable[[str, int, int], None]


class Outcomes(NamedTuple):
    """The outcomes of a model on each set by name: among its frequent words, and among all.

    Where it was asked for, also those with the composed vectors of unknown words.
    """

    analogies: Mapping[str, tuple[AnalogyOutcome, AnalogyOutcome]]
    similarity: Mapping[str, tuple[SimilarityOutcome, SimilarityOutcome]]
    oov_analogies: Mapping[str, AnalogyOutcome] = {}
    oov_similarity: Mapping[str, SimilarityOutcome] = {}


def measure(
    embeddings: Embeddings,
    sets: EvaluationSets,
    restrict_vocab: int | None,
    progress: Progress | None = None,
    fold_case: bool = False,
    oov: bool = False,
) -> Outcomes:
    """Ask all questions and compute the similarities of all pairs; with `oov` also those with unknown words."""

    def progress_of(name: str) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, total: progress(name, done, total)

    return Outcomes(
        {
            name: measure_analogies(embeddings, questions, restrict_vocab, progress_of(name), fold_case)
            for name, questions in sets.analogies.items()
        },
        {
            name: measure_similarities(embeddings, pairs, restrict_vocab, fold_case)
            for name, pairs in sets.similarity.items()
        },
        {
            name: measure_analogies_oov(embeddings, questions, restrict_vocab, progress_of(name), fold_case)
            for name, questions in (sets.analogies.items() if oov else ())
        },
        {
            name: measure_similarities_oov(embeddings, pairs, fold_case)
            for name, pairs in (sets.similarity.items() if oov else ())
        },
    )


def summarise(sets: EvaluationSets, outcomes: Outcomes) -> dict[str, Any]:
    """Report the outcomes of a model.

    Returns
    -------
    dict
        `analogies` and `similarity`, where there are such sets: by name what `summarise_analogies` and
        `summarise_similarities` return.
    """
    return _without_empty(
        analogies={
            name: summarise_analogies(sets.analogies[name], frequent, whole, outcomes.oov_analogies.get(name))
            for name, (frequent, whole) in outcomes.analogies.items()
        },
        similarity={
            name: summarise_similarities(frequent, whole, outcomes.oov_similarity.get(name))
            for name, (frequent, whole) in outcomes.similarity.items()
        },
    )


def compare(first: Outcomes, second: Outcomes) -> dict[str, Any]:
    """Compare two models that were measured on the same sets.

    Returns
    -------
    dict
        `analogies` and `similarity`, where there are such sets: by name what `compare_analogies` and
        `compare_similarities` return. Analogies are compared among frequent words, and among all words as
        `whole_vocabulary`; similarities among all words, and among frequent words as `restricted_vocabulary`.
    """
    analogies, similarity = {}, {}
    for name, (frequent, whole) in first.analogies.items():
        other_frequent, other_whole = second.analogies[name]
        analogies[name] = {
            **compare_analogies(frequent, other_frequent),
            "whole_vocabulary": compare_analogies(whole, other_whole),
        }
    for name, (known, all_known) in first.similarity.items():
        other_known, other_all_known = second.similarity[name]
        similarity[name] = {
            **compare_similarities(all_known, other_all_known),
            "restricted_vocabulary": compare_similarities(known, other_known),
        }
    return _without_empty(analogies=analogies, similarity=similarity)


def _without_empty(**results: dict[str, Any]) -> dict[str, Any]:
    return {kind: by_name for kind, by_name in results.items() if by_name}
