"""All sets at once: read them, measure embeddings on each, and compare two models that were measured on the same."""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from nce_train.embeddings import Embeddings
from nce_train.errors import InputError
from nce_train.evaluation.analogies import AnalogyOutcome, ask_analogies, count_analogies
from nce_train.evaluation.paired import compare_analogies, compare_similarities
from nce_train.evaluation.sets import Pair, Question, kind_of, read_analogies, read_similarities, split_column
from nce_train.evaluation.similarity import SimilarityOutcome, count_similarities, measure_similarities

PathLike = str | os.PathLike[str]
Item = TypeVar("Item")

# Called as progress(what, done, total).
Progress = Callable[[str, int, int], None]


class EvaluationSets(NamedTuple):
    """Sets by name."""

    analogies: Mapping[str, list[Question]]
    similarity: Mapping[str, list[Pair]]


class Measured(NamedTuple):
    """What was found of a model on each set, among its frequent words and among all."""

    analogies: Mapping[str, tuple[AnalogyOutcome, AnalogyOutcome]]
    similarity: Mapping[str, tuple[SimilarityOutcome, SimilarityOutcome]]


def read_sets(
    sets: Iterable[PathLike], analogies: Iterable[PathLike] = (), similarity: Iterable[PathLike] = ()
) -> EvaluationSets:
    """Read sets whose contents tell their kind, and sets of a known kind.

    A set's name is its file's stem or its directory's name, and that with `:COLUMN` where a column was named.

    Raises
    ------
    InputError
        When a set cannot be read, or two have the same name.
    """
    analogies, similarity = list(analogies), list(similarity)
    for path in sets:
        file, column = split_column(path)
        (similarity if column is not None or kind_of(file) == "similarity" else analogies).append(path)
    return EvaluationSets(
        _by_name([(path, None) for path in analogies], lambda path, _: read_analogies(path)),
        _by_name(list(map(split_column, similarity)), read_similarities),
    )


def measure(
    embeddings: Embeddings, sets: EvaluationSets, restrict_vocab: int | None, progress: Progress | None = None
) -> Measured:
    """Ask all questions and take all pairs' similarities.

    Raises
    ------
    InputError
        When `restrict_vocab` is negative.
    """

    def of(name: str) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, total: progress(name, done, total)

    return Measured(
        {name: ask_analogies(embeddings, asked, restrict_vocab, of(name)) for name, asked in sets.analogies.items()},
        {name: measure_similarities(embeddings, pairs, restrict_vocab) for name, pairs in sets.similarity.items()},
    )


def count(sets: EvaluationSets, measured: Measured) -> dict[str, Any]:
    """Count what was measured: `analogies` and `similarity`, where there are such sets, by name.

    See `count_analogies` and `count_similarities`.
    """
    found = {
        "analogies": {name: count_analogies(sets.analogies[name], *both) for name, both in measured.analogies.items()},
        "similarity": {name: count_similarities(*both) for name, both in measured.similarity.items()},
    }
    return {kind: results for kind, results in found.items() if results}


def compare(first: Measured, second: Measured) -> dict[str, Any]:
    """Compare two models that were measured on the same sets.

    Returns
    -------
    dict
        `analogies` and `similarity`, where there are such sets: by name what `compare_analogies` and
        `compare_similarities` return, the former among frequent words with the same among all words as
        `whole_vocabulary`, the latter among all words with the same among frequent ones as `restricted_vocabulary`.
    """
    found: dict[str, dict[str, Any]] = {"analogies": {}, "similarity": {}}
    for name, (frequent, whole) in first.analogies.items():
        other_frequent, other_whole = second.analogies[name]
        found["analogies"][name] = {
            **compare_analogies(frequent, other_frequent),
            "whole_vocabulary": compare_analogies(whole, other_whole),
        }
    for name, (known, all_known) in first.similarity.items():
        other_known, other_all_known = second.similarity[name]
        found["similarity"][name] = {
            **compare_similarities(all_known, other_all_known),
            "restricted_vocabulary": compare_similarities(known, other_known),
        }
    return {kind: results for kind, results in found.items() if results}


def _by_name(
    files: Iterable[tuple[PathLike, str | None]], read: Callable[[PathLike, str | None], list[Item]]
) -> dict[str, list[Item]]:
    found: dict[str, tuple[Path, list[Item]]] = {}
    for file, column in files:
        path = Path(file)
        name = path.resolve().name if path.is_dir() else path.stem
        if column is not None:
            name += f":{column}"
        if name in found and found[name][0] != path:
            raise InputError(
                f"{path}: its results would have the same name, {name!r}, as those of "
                f"{found[name][0]}; rename one of the files"
            )
        found[name] = (path, read(file, column))
    return {name: items for name, (_, items) in found.items()}
