"""Held-out text: how well a classifier predicts the context words of text that it was not trained on.

`heldout_loss` evaluates a trained `Model`: NCE loss, full sigmoid loss and perplexity by full softmax, each the mean of
the text's (centre, context) pairs, and log Z, which shows how far the model normalises itself. `HeldoutText` keeps the
pairs of a text and gives the NCE loss of parameters that are still being trained.
"""

import math
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nce_train.errors import InputError
from nce_train.evaluation.classifier import Model
from nce_train.evaluation.heldout_batches import nce_batches, sum_of_nce_losses
from nce_train.text.corpus import encode_corpus
from nce_train.text.vocabulary import LINE_END, Vocabulary

MAX_PAIRS = 100_000
_PLACES_PER_BLOCK = 1 << 20
_LOGIT_BYTES = 64 * 2**20  # of a thread's block of logits

Progress = Callable[[int, int], None]


def heldout_loss(
    model: Model,
    text: str | os.PathLike[str],
    *,
    max_pairs: int = MAX_PAIRS,
    threads: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Compute the losses of a trained classifier on text that it was not trained on.

    The text is read as the training text was (`tokens`, `lowercase`, `normalize`, `line_breaks`, `unknown`). At most
    `max_pairs` (centre, context) pairs are evaluated, an even spread of its pairs in the full window. `progress` is
    called with (done, total), numbers of distinct centres.

    Returns
    -------
    dict
        `pairs`; `nce_loss`: the mean per pair, each pair an example of `nce_loss` with the run's sampler, `num_sampled`
        and `unique`, seed 0; `sigmoid_loss`: full, target 1; `perplexity`: exp of the mean −log p by full
        softmax; `mean_log_z`, `std_log_z`: of log Σ exp(F) at the pairs' centres.

    Raises
    ------
    InputError
        When the text cannot be read or has no pair of words of the vocabulary, or a loss is not finite.
    """
    centres, contexts = _read_pairs(text, model.words, model.counts, model.settings, max_pairs, threads)
    distinct, row_of_pair = np.unique(centres, return_inverse=True)
    log_z, softplus_sum = _sum_over_classes(model, distinct, threads, progress)
    batches = nce_batches(centres, contexts, model.counts, model.settings)
    sums = (sum_of_nce_losses(batch, model.input, model.output, model.bias) for batch in batches)
    with np.errstate(over="ignore", invalid="ignore"):  # a model that diverged is refused below
        logits = np.einsum("pd,pd->p", model.input[centres], model.output[contexts], dtype=np.float64)
        logits += model.bias[contexts]
        pair_log_z = log_z[row_of_pair]
        losses = {
            "nce_loss": math.fsum(sums) / len(centres),
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


class HeldoutText:
    """The pairs of a text that is not trained on, evaluated repeatedly while a model is trained.

    The text is read as the training text is. All losses are against the same noise, so that those of one run can be
    compared. `batches` takes at most 2.5 MB whatever the size of the text.
    """

    def __init__(self, text: str | os.PathLike[str], vocabulary: Vocabulary, settings: Mapping[str, Any]) -> None:
        words, counts = vocabulary.words, vocabulary.counts
        centres, contexts = _read_pairs(text, words, counts, settings, MAX_PAIRS, int(settings["threads"]))
        self.batches = list(nce_batches(centres, contexts, counts, settings))
        self._pairs = len(centres)

    def loss(
        self, input: NDArray[np.float32], output: NDArray[np.float32], bias: NDArray[np.float32]
    ) -> dict[str, float]:
        """Compute `pairs`, and the `nce_loss` of parameters as `heldout_loss` does."""
        return self.mean(sum_of_nce_losses(batch, input, output, bias) for batch in self.batches)

    def mean(self, sums: Iterable[float]) -> dict[str, float]:
        """Return what `loss` returns, from the sums of the batches' losses."""
        return {"pairs": self._pairs, "nce_loss": math.fsum(sums) / self._pairs}


def heldout_pairs(
    stream: NDArray[np.int32], window: int, max_pairs: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose an even spread of at most `max_pairs` of the pairs of a stream of ids, which has LINE_END after each line.

    Two words of a line at a distance of at most `window`, in either direction, are a pair. Out: centres and contexts,
    int64 [pairs], in the order of the text.
    """
    ends = np.flatnonzero(stream == LINE_END)
    # The number of pairs up to each place. All else is computed block by block, to limit the memory.
    until = np.empty(len(stream), np.int64)
    for start in range(0, len(stream), _PLACES_PER_BLOCK):
        places = np.arange(start, min(start + _PLACES_PER_BLOCK, len(stream)))
        low, high = _window_of(places, ends, len(stream), window)
        until[places] = np.where(stream[places] == LINE_END, 0, high - low)
    np.cumsum(until, out=until)
    total = int(until[-1]) if len(until) else 0
    if total > max_pairs:
        offset = np.random.default_rng(0).random()
        chosen = ((np.arange(max_pairs) + offset) * (total / max_pairs)).astype(np.int64)
    else:
        chosen = np.arange(total)
    centre = np.searchsorted(until, chosen, side="right")
    low, high = _window_of(centre, ends, len(stream), window)
    context = low + chosen - (until[centre] - (high - low))
    context += context >= centre  # a word is not its own context
    return stream[centre].astype(np.int64), stream[context].astype(np.int64)


def _window_of(
    places: NDArray[np.int64], ends: NDArray[np.int64], length: int, window: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first and the last place in the window of each place, within its line."""
    line = np.searchsorted(ends, places)
    first = np.concatenate([[0], ends + 1])[line]
    last = np.concatenate([ends, [length]])[line] - 1
    return np.maximum(first, places - window), np.minimum(last, places + window)


def _read_pairs(
    text: str | os.PathLike[str],
    words: Sequence[str],
    counts: NDArray[np.int64],
    settings: Mapping[str, Any],
    max_pairs: int,
    threads: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Read the (centre, context) pairs of a text as the training text is read."""
    with tempfile.TemporaryDirectory(prefix="nce-train-") as scratch:
        encoded = encode_corpus(
            text,
            scratch,
            tokens=settings["tokens"],
            lowercase=settings["lowercase"],
            normalize=settings.get("normalize", "none"),  # models of 0.1.0 have no such setting
            line_breaks=settings["line_breaks"],
            unknown=settings["unknown"],
            vocabulary=Vocabulary(list(words), counts, settings["unknown"]),
            threads=threads,
            cache=False,
            role="held-out text",
        )
        stream = np.array(encoded.stream)
    centres, contexts = heldout_pairs(stream, int(settings["window"]), max_pairs)
    if len(centres) == 0:
        raise InputError(f"the held-out text {os.fspath(text)} has no two words of the vocabulary near each other")
    return centres, contexts


def _sum_over_classes(
    model: Model, rows: NDArray[np.int64], threads: int, progress: Progress | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute log Z and the sum of softplus(F) over all classes for each centre in `rows`."""
    from nce_train.evaluation.class_sums import sum_over_classes  # numba: only when it is needed

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
