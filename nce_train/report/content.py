"""The content of the page as one JSON object: models with curves, results and settings, and the map of words.

Models, their results and a map go in. The scripts of the page read what comes out. The numbers of the map are
little-endian arrays in base64, which take half the space of decimal numbers.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nce_train.embeddings import Embeddings
from nce_train.names import readable
from nce_train.report.models import Manifest, Reading, ReportedModel
from nce_train.report.word_map import WordMap

# The most readings of a curve: a run of a week takes 100,000.
MAX_READINGS = 4_000
# Similarities are multiplied by this and kept in 16 bits.
_SIMILARITY_SCALE = 10_000
_MAX_WORD_LENGTH = 200


def page_content(
    models: Sequence[ReportedModel], evaluations: Sequence[Mapping[str, Any]], word_map: WordMap
) -> dict[str, Any]:
    """Collect what the page shows, of JSON's types; words that are not UTF-8 contain lone surrogates.

    `evaluations` is what `nce_train.evaluate` returned for each model. The words of the first are mapped.
    """
    return {
        "models": [_model(model, evaluation) for model, evaluation in zip(models, evaluations, strict=True)],
        "map": _map(models[0].embeddings, word_map),
    }


def shorten_word(word: str) -> str:
    """Shorten a word that is too long to be shown; words may have a megabyte."""
    return word if len(word) <= _MAX_WORD_LENGTH else word[:_MAX_WORD_LENGTH] + "…"


def _model(model: ReportedModel, evaluation: Mapping[str, Any]) -> dict[str, Any]:
    training = model.training_readings()
    every = max(1, -(-len(training) // MAX_READINGS))
    drawn = training[:-1:every] + training[-1:]
    words, dim = model.embeddings.vectors.shape
    return {
        "name": model.name,
        "vocabulary": words,
        "dim": dim,
        "drawn_every": every,
        "readings": {
            key: [getattr(reading, key) for reading in drawn]
            for key in ("step", "tokens", "seconds", "loss", "learning_rate", "tokens_per_second")
        },
        "evaluation_curves": _evaluation_curves(model.readings, training),
        "manifest": None if model.manifest is None else _manifest(model.manifest),
        "evaluation": readable(evaluation),
    }


def _manifest(manifest: Manifest) -> dict[str, Any]:
    content = manifest.model_dump()
    for file in content["corpus"]:  # without its directory, which is private
        file["name"] = file["name"].replace("\\", "/").rpartition("/")[2]
    return content


def _evaluation_curves(readings: Iterable[Reading], training: Sequence[Reading]) -> list[dict[str, Any]]:
    """The curves of measures taken during training: held-out loss, and each set's accuracy or correlation."""
    curves: dict[tuple[str, str], dict[str, Any]] = {}
    for reading in readings:
        for measure, name, value, interval in _measures(reading):
            curve = curves.setdefault(
                (measure, name), {"measure": measure, "name": name, "step": [], "value": [], "interval": []}
            )
            curve["step"].append(reading.step)
            curve["value"].append(value)
            curve["interval"].append(interval)
    known = [reading for reading in training if reading.tokens is not None and reading.seconds is not None]
    for curve in curves.values():
        # These readings have a step only; tokens and seconds are interpolated between the readings of training.
        for key in ("tokens", "seconds"):
            steps = [0, *(reading.step for reading in known)]
            values = [0, *(getattr(reading, key) for reading in known)]
            curve[key] = np.interp(curve["step"], steps, values).tolist() if known else [None] * len(curve["step"])
    return list(curves.values())


def _measures(reading: Reading) -> Iterable[tuple[str, str, float, list[float] | None]]:
    """Yield (measure, name of the set, value, interval) for each result of a reading; others are skipped."""
    evaluation = reading.evaluation or {}
    heldout = reading.heldout if reading.heldout is not None else evaluation.get("heldout")
    if isinstance(heldout, dict) and _is_number(heldout.get("nce_loss")):
        yield "heldout", "held-out text", heldout["nce_loss"], None
    for kind, measure in (("analogies", "accuracy"), ("similarity", "spearman")):
        results = evaluation.get(kind)
        for name, result in results.items() if isinstance(results, dict) else ():
            if isinstance(result, dict) and _is_number(result.get(measure)):
                yield measure, name, result[measure], _interval(result)


def _interval(result: Mapping[str, Any]) -> list[float] | None:
    interval = result.get("interval")
    if isinstance(interval, list) and len(interval) == 2 and all(map(_is_number, interval)):
        return interval
    return None


def _is_number(value: object) -> bool:
    # an integer in JSON may have any number of digits
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -1e300 < value < 1e300


def _map(embeddings: Embeddings, word_map: WordMap) -> dict[str, Any]:
    mapped = len(word_map.points)
    # Neighbours may be any words of the vocabulary: those that are not on the map follow those that are.
    beyond = np.unique(word_map.neighbours[word_map.neighbours >= mapped])
    places = np.where(
        word_map.neighbours < mapped, word_map.neighbours, mapped + np.searchsorted(beyond, word_map.neighbours)
    )
    rows = [*range(mapped), *beyond.tolist()]
    return {
        "layout": word_map.layout,
        "mapped": mapped,
        "words": [shorten_word(embeddings.index_to_key[row]) for row in rows],
        "counts": None if embeddings.counts is None else embeddings.counts[rows].tolist(),
        "ranks_beyond": beyond.tolist(),
        "x": _base64(word_map.points[:, 0], "<f4"),
        "y": _base64(word_map.points[:, 1], "<f4"),
        "neighbours_each": word_map.neighbours.shape[1],
        "neighbours": _base64(places, "<u4"),
        "similarities": _base64(np.rint(word_map.similarities * _SIMILARITY_SCALE), "<i2"),
        "similarity_scale": _SIMILARITY_SCALE,
    }


def _base64(numbers: ArrayLike, dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(numbers, dtype).tobytes()).decode("ascii")
