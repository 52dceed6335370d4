"""What the page shows, as one JSON object: runs with curves, tables and facts, and the map.

Numbers of the map are packed as little-endian arrays in base64, half of their size in decimal.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nce_train.embeddings import Embeddings
from nce_train.report.run import Manifest, Reading, Run
from nce_train.report.word_map import WordMap

# A run of a week takes 100,000 readings; so many are drawn of each.
MOST_READINGS = 4_000
# What a similarity is multiplied with to be kept in 16 bits.
_SIMILARITY_SCALE = 10_000
_LONGEST_WORD = 200


def content_of(runs: Sequence[Run], evaluations: Sequence[Mapping[str, Any]], word_map: WordMap) -> dict[str, Any]:
    """Gather what the page shows.

    Parameters
    ----------
    runs : sequence of Run
        The first is the one whose words are mapped.
    evaluations : sequence of dict
        What `nce_train.evaluate` returned for each run.
    word_map : WordMap

    Returns
    -------
    dict
        Of JSON's types; words that are not UTF-8 hold lone surrogates.
    """
    return {
        "runs": [_run(run, evaluation) for run, evaluation in zip(runs, evaluations, strict=True)],
        "map": _map(runs[0].embeddings, word_map),
    }


def shown_word(word: str) -> str:
    """Cut short a word that is too long to be looked at; there are words of a megabyte."""
    return word if len(word) <= _LONGEST_WORD else word[:_LONGEST_WORD] + "…"


def training_readings(run: Run) -> list[Reading]:
    """The readings of training, without the looks at the model in between."""
    return [reading for reading in run.readings if reading.heldout is None and reading.evaluation is None]


def _run(run: Run, evaluation: Mapping[str, Any]) -> dict[str, Any]:
    training = training_readings(run)
    every = max(1, -(-len(training) // MOST_READINGS))
    drawn = training[:-1:every] + training[-1:]
    words, dim = run.embeddings.vectors.shape
    return {
        "name": run.name,
        "vocabulary": words,
        "dim": dim,
        "drawn_every": every,
        "readings": {
            key: [getattr(reading, key) for reading in drawn]
            for key in ("step", "tokens", "seconds", "loss", "learning_rate", "tokens_per_second")
        },
        "looks": _looks(run.readings, training),
        "manifest": None if run.manifest is None else _facts(run.manifest),
        "evaluation": evaluation,
    }


def _facts(manifest: Manifest) -> dict[str, Any]:
    facts = manifest.model_dump()
    for file in facts["corpus"]:  # where it lies on its owner's machine is nobody else's business
        file["name"] = file["name"].replace("\\", "/").rpartition("/")[2]
    return facts


def _looks(readings: Iterable[Reading], training: Sequence[Reading]) -> list[dict[str, Any]]:
    """The curves of what was measured in between: held-out loss, and each set's accuracy or correlation."""
    curves: dict[tuple[str, str], dict[str, Any]] = {}
    for reading in readings:
        for measure, name, value, interval in _measured(reading):
            curve = curves.setdefault(
                (measure, name), {"measure": measure, "name": name, "step": [], "value": [], "interval": []}
            )
            curve["step"].append(reading.step)
            curve["value"].append(value)
            curve["interval"].append(interval)
    known = [reading for reading in training if reading.tokens is not None and reading.seconds is not None]
    for curve in curves.values():
        # Such a reading tells its step only; the readings of training around it tell the rest.
        for key in ("tokens", "seconds"):
            steps = [0, *(reading.step for reading in known)]
            values = [0, *(getattr(reading, key) for reading in known)]
            curve[key] = np.interp(curve["step"], steps, values).tolist() if known else [None] * len(curve["step"])
    return list(curves.values())


def _measured(reading: Reading) -> Iterable[tuple[str, str, float, list[float] | None]]:
    """Yield (measure, name of the set, value, interval) for what a reading looked at."""
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
    # whole numbers of JSON may be of any length
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
        "words": [shown_word(embeddings.index_to_key[row]) for row in rows],
        "counts": None if embeddings.counts is None else embeddings.counts[rows].tolist(),
        "ranks_beyond": beyond.tolist(),
        "x": _packed(word_map.points[:, 0], "<f4"),
        "y": _packed(word_map.points[:, 1], "<f4"),
        "neighbours_each": word_map.neighbours.shape[1],
        "neighbours": _packed(places, "<u4"),
        "similarities": _packed(np.rint(word_map.similarities * _SIMILARITY_SCALE), "<i2"),
        "similarity_scale": _SIMILARITY_SCALE,
    }


def _packed(numbers: ArrayLike, dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(numbers, dtype).tobytes()).decode("ascii")
