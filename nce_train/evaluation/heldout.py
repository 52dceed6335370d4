"""Held-out text: how well a classifier predicts the words of text that it was not trained on.

An example is a (centre, context) pair, or with CBOW a position with its contexts. `heldout_loss` evaluates a trained
`Model`: NCE loss, full sigmoid loss and perplexity by full softmax, each the mean over the text's examples, and log Z,
which shows how far the model normalises itself. `HeldoutText` keeps the examples of a text and gives the NCE loss of
parameters that are still being trained.
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
from nce_train.evaluation.heldout_batches import EXAMPLES_PER_BATCH, nce_batches, sum_of_nce_losses
from nce_train.evaluation.heldout_examples import Examples, cbow_examples, skipgram_examples
from nce_train.evaluation.word_bags import WordBags, bag_vectors, is_cbow, row_counts, single_words
from nce_train.text.corpus import encode_corpus
from nce_train.text.vocabulary import Vocabulary

MAX_PAIRS = 100_000
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

    The text is read as the training text was (`tokens`, `lowercase`, `normalize`, `line_breaks`, `unknown`). An example
    is a (centre, context) pair in the full window; with CBOW it is a position that has a context, whose word is
    predicted from all words of its full window. At most `max_pairs` examples are evaluated, an even spread. `progress`
    is called with (done, total), numbers of distinct centres, or with CBOW of examples.

    Returns
    -------
    dict
        `pairs`, the number of examples; `nce_loss`: the mean per example, each an example of `nce_loss` with one label,
        the run's sampler, `num_sampled` and `unique`, seed 0; `sigmoid_loss`: full, target 1; `perplexity`: exp of the
        mean −log p by full softmax; `mean_log_z`, `std_log_z`: of log Σ exp(F) at the examples.

    Raises
    ------
    InputError
        When the text cannot be read or has no pair of words of the vocabulary, or a loss is not finite.
    """
    examples = _read_examples(text, model.words, model.counts, model.settings, max_pairs, threads)
    labels = examples.labels
    distinct, row_of_example = _distinct(examples.bags)
    batches = nce_batches(examples, model.counts, model.settings)
    sums = (sum_of_nce_losses(batch, model.input, model.output, model.bias) for batch in batches)
    with np.errstate(over="ignore", invalid="ignore"):  # a model that diverged is refused below
        vectors = _vectors_of(distinct, model.input)
        log_z, softplus_sum = _sum_over_classes(model, vectors, threads, progress)
        logits = np.einsum("pd,pd->p", vectors[row_of_example], model.output[labels], dtype=np.float64)
        logits += model.bias[labels]
        log_z = log_z[row_of_example]
        losses = {
            "nce_loss": math.fsum(sums) / len(labels),
            "sigmoid_loss": float(np.mean(softplus_sum[row_of_example] - logits)),
            "perplexity": float(np.exp(np.mean(log_z - logits))),
            "mean_log_z": float(np.mean(log_z)),
            "std_log_z": float(np.std(log_z)),
        }
    for name, value in losses.items():
        if not math.isfinite(value):
            raise InputError(
                f"{os.fspath(text)}: the {name} of its words is {value}: the model has diverged; train it again with a "
                "smaller lr"
            )
    return {"pairs": len(labels), **losses}


class HeldoutText:
    """The examples of a text that is not trained on, evaluated repeatedly while a model is trained.

    The text is read as the training text is. All losses are against the same noise, so that those of one run can be
    compared. `batches` takes at most 2.5 MB whatever the size of the text, and with CBOW 2.4 MB more for each word of
    `window`.
    """

    def __init__(self, text: str | os.PathLike[str], vocabulary: Vocabulary, settings: Mapping[str, Any]) -> None:
        words, counts = vocabulary.words, vocabulary.counts
        examples = _read_examples(text, words, counts, settings, MAX_PAIRS, int(settings["threads"]))
        self.batches = list(nce_batches(examples, counts, settings))
        self._pairs = len(examples.labels)

    def loss(
        self, input: NDArray[np.float32], output: NDArray[np.float32], bias: NDArray[np.float32]
    ) -> dict[str, float]:
        """Compute `pairs`, and the `nce_loss` of parameters as `heldout_loss` does."""
        return self.mean(sum_of_nce_losses(batch, input, output, bias) for batch in self.batches)

    def mean(self, sums: Iterable[float]) -> dict[str, float]:
        """Return what `loss` returns, from the sums of the batches' losses."""
        return {"pairs": self._pairs, "nce_loss": math.fsum(sums) / self._pairs}


def _read_examples(
    text: str | os.PathLike[str],
    words: Sequence[str],
    counts: NDArray[np.int64],
    settings: Mapping[str, Any],
    max_pairs: int,
    threads: int,
) -> Examples:
    """Read the examples of a text as the training text is read."""
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
    window = int(settings["window"])
    if is_cbow(settings):
        examples = cbow_examples(stream, window, max_pairs, row_counts(words, settings, threads))
    else:
        examples = skipgram_examples(stream, window, max_pairs)
    if len(examples.labels) == 0:
        raise InputError(f"the held-out text {os.fspath(text)} has no two words of the vocabulary near each other")
    return examples


def _distinct(bags: WordBags) -> tuple[WordBags, NDArray[np.intp]]:
    """The bags that differ, and which of them each bag is. Those of more than one word hardly ever repeat."""
    if bags.ids.shape[1] > 1:
        return bags, np.arange(len(bags.ids))
    ids, row_of_bag = np.unique(bags.ids[:, 0], return_inverse=True)
    return single_words(ids), row_of_bag


def _vectors_of(bags: WordBags, input: NDArray[np.float32]) -> NDArray[np.float32]:
    vectors = np.empty((len(bags.ids), input.shape[1]), np.float32)
    for first in range(0, len(vectors), EXAMPLES_PER_BATCH):
        part = slice(first, first + EXAMPLES_PER_BATCH)
        vectors[part] = bag_vectors(bags.part(part), input)
    return vectors


def _sum_over_classes(
    model: Model, vectors: NDArray[np.float32], threads: int, progress: Progress | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute log Z and the sum of softplus(F) over all classes for each of the vectors [vectors, dim]."""
    from nce_train.evaluation.class_sums import sum_over_classes  # numba: only when it is needed

    log_z, softplus_sum = np.empty(len(vectors)), np.empty(len(vectors))
    size = max(1, _LOGIT_BYTES // (4 * len(model.words)))
    output = np.ascontiguousarray(model.output.T)

    def work(first: int) -> int:
        part = slice(first, first + size)
        with np.errstate(over="ignore", invalid="ignore"):
            logits = vectors[part] @ output
            logits += model.bias
        sum_over_classes(logits, log_z[part], softplus_sum[part])
        return len(logits)

    done = 0
    with ThreadPoolExecutor(threads) as pool:
        for number in pool.map(work, range(0, len(vectors), size)):
            done += number
            if progress is not None:
                progress(done, len(vectors))
    return log_z, softplus_sum
