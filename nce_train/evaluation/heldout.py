"""Held-out text: how well the trained classifier foretells the words around a centre.

In: a `Model` and a text. Out: NCE loss, full sigmoid loss and perplexity by the full softmax, each a mean over
(centre, context) pairs, and log Z, which shows how far the model normalises itself.
"""

import math
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nce_train.errors import InputError
from nce_train.evaluation.classifier import Model
from nce_train.evaluation.heldout_batches import mean_nce_loss, nce_batches, sum_of_nce_losses
from nce_train.text.corpus import encode_corpus
from nce_train.text.vocabulary import LINE_END, Vocabulary

MOST_PAIRS = 100_000
_PLACES_AT_ONCE = 1 << 20
_LOGIT_BYTES = 64 * 2**20  # of a block of logits a thread

Progress = Callable[[int, int], None]


def heldout_loss(
    model: Model,
    text: str | os.PathLike[str],
    *,
    most_pairs: int = MOST_PAIRS,
    threads: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Losses of a trained classifier on text that it was not trained on.

    Parameters
    ----------
    model : Model
    text : path
        Read as the training text was (`tokens`, `lowercase`, `line_breaks`, `unknown`).
    most_pairs : int
        Of all (centre, context) pairs of the text in the full window, an even spread of so many is looked at.
    threads : int
    progress : callable, optional
        Called as `progress(done, total)` with centres.

    Returns
    -------
    dict
        `pairs`; `nce_loss`: mean a pair, each pair an example of `nce_loss` with the run's sampler, `num_sampled`
        and `unique`, seed 0; `sigmoid_loss`: full, target 1; `perplexity`: exp of the mean −log p by full
        softmax; `mean_log_z`, `std_log_z`: of log Σ exp(F) at the pairs' centres.

    Raises
    ------
    InputError
        When the text cannot be read or has no pair of words of the vocabulary, or a loss is not finite.
    """
    centres, contexts = heldout_pairs(encode_text(model, text, threads), int(model.settings["window"]), most_pairs)
    if len(centres) == 0:
        raise without_pairs(text)
    distinct, row_of_pair = np.unique(centres, return_inverse=True)
    log_z, softplus_sum = _sums(model, distinct, threads, progress)
    batches = nce_batches(centres, contexts, model.counts, model.settings)
    sums = (sum_of_nce_losses(batch, model.input, model.output, model.bias) for batch in batches)
    with np.errstate(over="ignore", invalid="ignore"):  # of a model that diverged: told below
        logits = np.einsum("pd,pd->p", model.input[centres], model.output[contexts], dtype=np.float64)
        logits += model.bias[contexts]
        pair_log_z = log_z[row_of_pair]
        losses = {
            "nce_loss": mean_nce_loss(sums, len(centres)),
            "sigmoid_loss": float(np.mean(softplus_sum[row_of_pair] - logits)),
            "perplexity": float(np.exp(np.mean(pair_log_z - logits))),
            "mean_log_z": float(np.mean(pair_log_z)),
            "std_log_z": float(np.std(pair_log_z)),
        }
    for name, value in losses.items():
        if not math.isfinite(value):
            raise InputError(
                f"{os.fspath(text)}: the {name} of its words is {value}: the model has diverged; train it again with a "
                "smaller lr"
            )
    return {"pairs": len(centres), **losses}


def heldout_pairs(
    stream: NDArray[np.int32], window: int, most_pairs: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """An even spread of at most `most_pairs` of the (centre, context) pairs of a stream of ids.

    Parameters
    ----------
    stream : int32 [n]
        Ids, LINE_END behind each line.
    window : int
        Greatest distance; every pair of two words of a line within it counts, in both directions.
    most_pairs : int

    Returns
    -------
    centres, contexts : int64 [pairs], in the order of the text
    """
    ends = np.flatnonzero(stream == LINE_END)
    # How many pairs there are up to each place; all else is computed for some places at a time.
    until = np.empty(len(stream), np.int64)
    for start in range(0, len(stream), _PLACES_AT_ONCE):
        places = np.arange(start, min(start + _PLACES_AT_ONCE, len(stream)))
        low, high = _reach(places, ends, len(stream), window)
        until[places] = np.where(stream[places] == LINE_END, 0, high - low)
    np.cumsum(until, out=until)
    total = int(until[-1]) if len(until) else 0
    if total > most_pairs:
        offset = np.random.default_rng(0).random()
        chosen = ((np.arange(most_pairs) + offset) * (total / most_pairs)).astype(np.int64)
    else:
        chosen = np.arange(total)
    centre = np.searchsorted(until, chosen, side="right")
    low, high = _reach(centre, ends, len(stream), window)
    context = low + chosen - (until[centre] - (high - low))
    context += context >= centre  # a word is no context of itself
    return stream[centre].astype(np.int64), stream[context].astype(np.int64)


def _reach(
    places: NDArray[np.int64], ends: NDArray[np.int64], length: int, window: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first and the last place within the window of each of some places, in its line."""
    line = np.searchsorted(ends, places)
    first = np.concatenate([[0], ends + 1])[line]
    last = np.concatenate([ends, [length]])[line] - 1
    return np.maximum(first, places - window), np.minimum(last, places + window)


def without_pairs(text: str | os.PathLike[str]) -> InputError:
    """The error of a text that says nothing about a model."""
    return InputError(f"the held-out text {os.fspath(text)} has no two words of the vocabulary near each other")


def encode_text(model: Model, text: str | os.PathLike[str], threads: int) -> NDArray[np.int32]:
    settings = model.settings
    with tempfile.TemporaryDirectory(prefix="nce-train-") as scratch:
        encoded = encode_corpus(
            text,
            scratch,
            tokens=settings["tokens"],
            lowercase=settings["lowercase"],
            line_breaks=settings["line_breaks"],
            unknown=settings["unknown"],
            vocabulary=Vocabulary(model.words, model.counts, settings["unknown"]),
            threads=threads,
            cache=False,
            role="held-out text",
        )
        return np.array(encoded.stream)


def _sums(
    model: Model, rows: NDArray[np.int64], threads: int, progress: Progress | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from nce_train.evaluation.kernel import sum_over_classes

    log_z, softplus_sum = np.empty(len(rows)), np.empty(len(rows))
    size = max(1, _LOGIT_BYTES // (4 * len(model.words)))
    output = np.ascontiguousarray(model.output.T)

    def work(first: int) -> int:
        part = slice(first, first + size)
        with np.errstate(over="ignore", invalid="ignore"):
            logits = model.input[rows[part]] @ output
            logits += model.bias
        sum_over_classes(logits, log_z[part], softplus_sum[part])
        return len(rows[part])

    done = 0
    with ThreadPoolExecutor(threads) as pool:
        for number in pool.map(work, range(0, len(rows), size)):
            done += number
            if progress is not None:
                progress(done, len(rows))
    return log_z, softplus_sum
