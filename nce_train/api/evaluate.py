"""Measure embeddings on evaluation sets and on held-out text, and compare models.

Models and sets go in; a dict that `json.dumps` can write comes out. `nce-eval --json` prints it.
"""

import functools
import os
from collections.abc import Callable, Iterable
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from nce_train.arguments import PathLike, as_paths, check_integer, check_path, format_value
from nce_train.embeddings import Embeddings
from nce_train.errors import InputError
from nce_train.evaluation import significance
from nce_train.evaluation.classifier import Model
from nce_train.evaluation.measure import Outcomes, measure, summarise
from nce_train.evaluation.measure import compare as compare_outcomes
from nce_train.evaluation.sets import EvaluationSets, read_sets
from nce_train.training.settings import usable_cpus

if TYPE_CHECKING:
    from nce_train.runs.protocols import EvaluateVectors
    from nce_train.text.vocabulary import Vocabulary

AnyModel = Embeddings | Model | PathLike
RESTRICT_VOCAB = 30_000
BOOTSTRAP = {"level": significance.LEVEL, "resamples": significance.RESAMPLES, "seed": significance.SEED}


def evaluate(
    model: AnyModel,
    sets: PathLike | Iterable[PathLike] = (),
    *,
    analogies: PathLike | Iterable[PathLike] = (),
    similarity: PathLike | Iterable[PathLike] = (),
    restrict_vocab: int | None = RESTRICT_VOCAB,
    fold_case: bool = False,
    oov: bool = False,
    heldout: PathLike | None = None,
    heldout_pairs: int = 100_000,
    compare: AnyModel | Iterable[AnyModel] = (),
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Measure embeddings on sets of analogies and of word similarities.

    Parameters
    ----------
    model : Embeddings, Model, str or os.PathLike
        Embeddings, a classifier, or a model directory or vectors file.
    sets : path or iterable of paths
        Sets whose kind is detected from their contents: see `nce_train.evaluation.sets`. Without any set, the project's
        own analogy set. `FILE:COLUMN` names the column of a similarity set's scores.
    analogies, similarity : path or iterable of paths
        Sets of a known kind.
    restrict_vocab : int
        Evaluate among this many most frequent words, and then among all; 0 or None for all words only.
    fold_case : bool
        Compare words in any case, with the rules and figures of gensim, for vectors of cased words: see
        `nce_train.evaluation.any_case`.
    oov : bool
        Measure the sets also with words that are not in the vocabulary, whose vectors are composed of their n-grams.
        Needs models with sub-words.
    heldout : path, optional
        Text that was not trained on: the losses of the trained classifier on it. Needs a `Model` or a model
        directory.
    heldout_pairs : int
        Use at most this many of its examples, (centre, context) pairs or with CBOW positions that have contexts; at
        least 1.
    compare : model, or iterable of models
        Further models, measured on the same sets and compared with `model`. Only one at a time is in memory.
    progress : callable, optional
        Called as `progress(what, done, total)`, where `what` is the name of the set, or "held-out".

    Returns
    -------
    dict
        `model` (the path, or None for a model in memory), `vocabulary`, `dim`, and, where they were measured,
        `analogies` and `similarity`: by name (the file's stem) what `summarise_analogies` and
        `summarise_similarities` return, with an entry `oov` when that was asked for; `heldout`: what `heldout_loss`
        returns. With any set, `bootstrap`: the `level` of all intervals, the number of `resamples` and their `seed`;
        with `fold_case` also `fold_case`, True. With `compare`, `comparison`: a list with the same keys for each of
        them, and `paired`: what `nce_train.evaluation.measure.compare` returns for `model` and it.

    Raises
    ------
    InputError
        When a model or a set cannot be read, two sets have the same name, a number of words or pairs is wrong, or
        `oov` is asked of a model without sub-words.

    Examples
    --------
    >>> from pathlib import Path
    >>> import nce_train
    >>> _ = Path("places.txt").write_text("paris france rome italy")
    >>> words = ["paris", "france", "rome", "italy"]
    >>> model = nce_train.Embeddings(words, [[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 1, 1]])
    >>> report = nce_train.evaluate(model, "places.txt")
    >>> report["analogies"]["places"]["correct"], report["analogies"]["places"]["coverage"]
    (1, 1.0)
    """
    check_integer("heldout_pairs", heldout_pairs)
    check_integer("restrict_vocab", restrict_vocab, or_none=True)
    if heldout is not None:
        check_path("heldout", heldout)
    if heldout_pairs < 1:
        raise InputError(f"heldout_pairs is {heldout_pairs}; give a number of pairs, at least 1")
    is_one = isinstance(compare, (Embeddings, Model, str, os.PathLike)) or not isinstance(compare, Iterable)
    others: list[AnyModel] = [compare] if is_one else list(compare)  # type: ignore[arg-type, list-item]
    _check_models([model, *others])
    if heldout is not None and any(isinstance(one, Embeddings) for one in [model, *others]):
        raise InputError("held-out losses need a model directory; embeddings have no output vectors")
    # Sets are read first, so that a mistake in them is reported before a large model is loaded.
    read = read_sets(as_paths(sets), as_paths(analogies), as_paths(similarity))
    if not read.analogies and not read.similarity and heldout is None:
        read = _own_sets()
    for other in others:  # a wrong path is reported before the first model is evaluated
        if isinstance(other, (str, os.PathLike)) and not os.path.exists(other):
            raise InputError(f"{os.fspath(other)}: no such file; check the path")

    measure_sets = functools.partial(
        measure, sets=read, restrict_vocab=restrict_vocab, progress=progress, fold_case=fold_case, oov=oov
    )
    report, first = _measure_model(model, read, measure_sets, oov, heldout, heldout_pairs, progress)
    if read.analogies or read.similarity:
        report |= {"fold_case": True} if fold_case else {}
        report["bootstrap"] = BOOTSTRAP
    for other in others:
        other_report, outcomes = _measure_model(other, read, measure_sets, oov, heldout, heldout_pairs, progress)
        other_report["paired"] = compare_outcomes(first, outcomes)
        report.setdefault("comparison", []).append(other_report)
    return report


def _check_models(models: Iterable[object]) -> None:
    for model in models:
        if not isinstance(model, (Embeddings, Model, str, os.PathLike)):
            kind = type(model).__name__
            raise InputError(
                f"a model is {format_value(model)}, of type {kind}; give Embeddings, a Model, or the path of one"
            )
        if isinstance(model, (str, os.PathLike)):
            check_path("a model", model)


def _measure_model(
    model: AnyModel,
    sets: EvaluationSets,
    measure_sets: Callable[[Embeddings], Outcomes],
    oov: bool,
    heldout: PathLike | None,
    heldout_pairs: int,
    progress: Callable[[str, int, int], None] | None,
) -> tuple[dict[str, Any], Outcomes]:
    source = None if isinstance(model, (Embeddings, Model)) else os.fspath(model)
    if isinstance(model, (Embeddings, Model)):
        embeddings = _embeddings_of(model)
    elif heldout is None:
        embeddings = Embeddings.load(model)
    else:
        directory, model = model, Model.load(model)
        embeddings = Embeddings.load(directory) if oov else _embeddings_of(model)  # a `Model` has no sub-words
    if oov and embeddings.subwords is None:
        raise InputError(
            f"{source or 'the model'}: it has no sub-words, so that unknown words have no vectors; leave --oov "
            "(oov=True) out"
        )
    outcomes = measure_sets(embeddings)
    report: dict[str, Any] = {
        "model": source,
        "vocabulary": len(embeddings),
        "dim": embeddings.vectors.shape[1],
        **summarise(sets, outcomes),
    }
    if heldout is not None and isinstance(model, Model):
        from nce_train.evaluation.heldout import heldout_loss  # imports numba

        report["heldout"] = heldout_loss(
            model,
            heldout,
            max_pairs=heldout_pairs,
            threads=usable_cpus(),
            progress=None if progress is None else functools.partial(progress, "held-out"),
        )
    return report, outcomes


def _embeddings_of(model: Embeddings | Model) -> Embeddings:
    return model if isinstance(model, Embeddings) else Embeddings(model.words, model.input, model.counts)


def evaluation_on(paths: list[str]) -> "EvaluateVectors":
    """Read evaluation sets, and return the function that evaluates embeddings on them during training.

    Analogies are evaluated among the `RESTRICT_VOCAB` most frequent words only: all words take several times as long.
    """
    sets = read_sets(paths) if paths else _own_sets()

    def evaluate_now(vocabulary: "Vocabulary", vectors: np.ndarray) -> dict[str, Any]:
        words, counts = vocabulary.words, vocabulary.counts
        embeddings = Embeddings(words, vectors, counts)
        report = {"model": None, "vocabulary": len(embeddings), "dim": vectors.shape[1]}
        if len(words) <= RESTRICT_VOCAB:
            return {**report, **summarise(sets, measure(embeddings, sets, None)), "bootstrap": BOOTSTRAP}
        frequent = Embeddings(words[:RESTRICT_VOCAB], vectors[:RESTRICT_VOCAB], counts[:RESTRICT_VOCAB])
        analogies = summarise(sets, measure(frequent, sets._replace(similarity={}), None))
        for result in analogies.get("analogies", {}).values():
            del result["whole_vocabulary"]
        similarity = summarise(sets, measure(embeddings, sets._replace(analogies={}), RESTRICT_VOCAB))
        return {**report, **analogies, **similarity, "bootstrap": BOOTSTRAP}

    return evaluate_now


def _own_sets() -> EvaluationSets:
    """The project's own analogies."""
    with resources.as_file(resources.files("nce_train.sample") / "analogies.txt") as path:
        return read_sets([], [path])
