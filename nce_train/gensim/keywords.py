"""gensim's keywords as settings of ours: the numbers that differ, and what is refused.

A model with gensim's attributes goes in, the `Settings` of a run come out. docs/gensim.md has the same as a table.
"""

import warnings
from typing import Any

from nce_train.errors import InputError, NceTrainWarning
from nce_train.gensim.vocabulary import subsample_threshold
from nce_train.training.settings import MOST_BUCKETS, MOST_THREADS, Settings, usable_cpus
from nce_train.training.settings_files import load_settings

# Noise samples for each of gensim's `negative`, and at least so many. gensim draws noise for each pair; here the
# samples are shared by 8 centres, so that as many more cost little.
NOISE_OF_A_NEGATIVE, LEAST_NOISE = 6.4, 32
# Our learning rate for each of gensim's `alpha`: with skip-gram, and with CBOW, where gensim does not divide the change
# of a context word by the number of them.
LR_OF_ALPHA = {"skipgram": 2.0, "cbow": 4.0}
# With skip-gram a centre's row takes a step for each context at once: lr times their number is at most this. Text
# learnt at up to 4 with windows from 20 to 300; sessions of items have been seen to diverge at a lower rate.
MOST_STEPS = 2.4
MOST_LR = 0.2  # at 0.4 CBOW with a window of 2 diverged
WORDS_OF_A_THREAD = 50_000  # in the corpus, at least: smaller ones are trained by one thread, and so the same again
MOST_WINDOW = 1000
_SAME_RATE = 0.999  # of the first alpha: from here on the rate counts as constant


def check_keywords(model: Any, *, hs: Any, cbow_mean: Any, null_word: Any, hashfxn: Any) -> None:
    """Raise InputError for what is not supported or out of range; warn of what has no effect."""
    if hs:
        raise InputError("hs=1 asks for hierarchical softmax, which nce-train does not have; take negative=5 and hs=0")
    if not cbow_mean:
        raise InputError("cbow_mean=0 asks for the sum of the context vectors; CBOW here takes their mean, cbow_mean=1")
    if null_word:
        raise InputError("null_word=1 asks for a padding word, which training here does not need; leave null_word out")
    if model.negative <= 0:
        raise InputError(f"negative is {model.negative}; give at least 1, as there is no hierarchical softmax")
    for name, most in (("vector_size", 4096), ("window", None), ("epochs", None), ("workers", None)):
        value = getattr(model, name)
        if value < 1 or (most is not None and value > most):
            raise InputError(f"{name} is {value}; give at least 1" + ("" if most is None else f", and at most {most}"))
    if model.window > MOST_WINDOW:
        warnings.warn(
            f"window is {model.window:,}, and {MOST_WINDOW:,} is used: contexts that are farther away are left out.",
            NceTrainWarning,
            stacklevel=4,
        )
    if hashfxn not in (None, hash):
        warnings.warn("hashfxn has no effect: the start does not depend on hashes.", NceTrainWarning, stacklevel=4)


def run_settings(
    model: Any, alpha: float, end_alpha: float, epochs: int, tokens: int, ngrams: tuple[int, int, int] | None
) -> Settings:
    """The settings of one call of `train`; their `epochs` are those in which the rate would fall to nothing.

    Parameters
    ----------
    model : Word2Vec
    alpha, end_alpha : float
        gensim's rates at the start and at the end.
    epochs : int
        Those to train.
    tokens : int
        Of the vocabulary's words in the corpus.
    ngrams : (int, int, int), optional
        Least and most characters, and buckets.
    """
    kind = "skipgram" if model.sg else "cbow"
    window = min(int(model.window), MOST_WINDOW)
    is_constant = end_alpha >= _SAME_RATE * alpha
    falling = epochs if is_constant else max(epochs, round(epochs * alpha / (alpha - max(0.0, end_alpha))))
    given: dict[str, Any] = {
        "model": kind,
        "dim": int(model.vector_size),
        "window": window,
        "dynamic_window": "block" if model.shrink_windows else "none",
        "min_count": 1,
        "subsample": subsample_threshold(model.sample, tokens),
        "num_sampled": num_sampled(model.negative),
        "distortion": float(model.ns_exponent),
        "epochs": falling,
        "lr": learning_rate(kind, alpha, window, bool(model.shrink_windows)),
        "lr_schedule": "constant" if is_constant else "linear",
        "threads": max(1, min(int(model.workers), usable_cpus(), MOST_THREADS, tokens // WORDS_OF_A_THREAD)),
        "seed": model.seed % 2**63,
        "ngrams": "off",
    }
    if ngrams is not None:
        least, most, buckets = ngrams
        given |= {"ngrams": f"{least}-{most}", "buckets": min(int(buckets), MOST_BUCKETS)}
    return load_settings(None, given).resolved()


def num_sampled(negative: int) -> int:
    """Noise samples that 8 centres share, where gensim draws `negative` for each pair.

    >>> num_sampled(5), num_sampled(15), num_sampled(1)
    (32, 96, 32)
    """
    return max(LEAST_NOISE, round(NOISE_OF_A_NEGATIVE * negative))


def learning_rate(kind: str, alpha: float, window: int, shrinks: bool) -> float:
    """Our learning rate for gensim's `alpha`, lower where a centre has many contexts.

    >>> learning_rate("skipgram", 0.025, 5, True), learning_rate("cbow", 0.025, 5, True)
    (0.05, 0.1)
    >>> round(learning_rate("skipgram", 0.025, 60, False), 3)
    0.02
    """
    lr = min(MOST_LR, LR_OF_ALPHA[kind] * alpha)
    if kind == "skipgram":
        contexts = window + 1 if shrinks else 2 * window
        lr = min(lr, MOST_STEPS / contexts)
    return float(lr)
