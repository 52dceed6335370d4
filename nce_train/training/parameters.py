"""The parameters at the start of a run, and the numbers per word that the kernel looks up."""

import numpy as np

from nce_train.kernel.sizes import row_length
from nce_train.kernel.state import Tables, aligned_zeros
from nce_train.training.setting_types import parse_initialiser
from nce_train.training.settings import Settings

ALWAYS_KEEP = 2**32 - 1


def keep_probability(counts: np.ndarray, subsample: float) -> np.ndarray:
    """Probability that subsampling keeps each word: min(1, √(t/f) + t/f), f its share of all tokens.

    Parameters
    ----------
    counts : int64 [vocabulary]
    subsample : float
        The threshold t; 0 keeps everything.

    Returns
    -------
    float64 [vocabulary]
    """
    if subsample == 0:
        return np.ones(len(counts))
    ratio = subsample * counts.sum() / np.maximum(counts, 1)
    return np.minimum(1.0, np.sqrt(ratio) + ratio)


def keep_threshold(probability: np.ndarray) -> np.ndarray:
    """The greatest 32-bit draw that keeps a word, uint32 [vocabulary]."""
    return np.clip(np.ceil(probability * 2.0**32) - 1, 0, ALWAYS_KEEP).astype(np.uint32)


def initial_tables(
    counts: np.ndarray,
    settings: Settings,
    dtype: type = np.float32,
    *,
    ngram_rows: int = 0,
    copied_rows: int = 0,
    copied_words: int = 0,
) -> Tables:
    """Allocate and fill the parameters.

    Parameters
    ----------
    counts : int64 [vocabulary]
    settings : Settings
        Uses `dim`, `seed`, `subsample`, `input_init`, `output_init` and `bias_init`.
    dtype : type
        float32, or float64 for tests.
    ngram_rows : int
        Rows of the input table behind those of the words; they start as these do.
    copied_rows, copied_words : int
        Room behind all these for the threads' copies: of hot rows of the output table, and of hot words.

    Returns
    -------
    Tables
        With rows of `row_length(dim)` numbers; what is beyond `dim` is zero.
    """
    length = row_length(settings.dim)
    generator = np.random.default_rng([settings.seed, 0])
    input_rows = len(counts) + ngram_rows
    tables = Tables(
        input=aligned_zeros((input_rows + copied_words, length), dtype),
        output=aligned_zeros((len(counts) + copied_rows, length), dtype),
        bias=aligned_zeros((len(counts) + copied_rows,), dtype),
    )
    _initialise(tables.input[:input_rows, : settings.dim], settings.input_init, settings.dim, generator)
    _initialise(tables.output[: len(counts), : settings.dim], settings.output_init, settings.dim, generator)
    if settings.bias_init == "log-unigram":
        tables.bias[: len(counts)] = log_unigram(counts, settings.subsample)
    return tables


def log_unigram(counts: np.ndarray, subsample: float) -> np.ndarray:
    """Logarithm of each word's share of the tokens that subsampling keeps, float64 [vocabulary]."""
    kept = np.maximum(counts, 1) * keep_probability(counts, subsample)
    return np.asarray(np.log(kept / kept.sum()))


def _initialise(table: np.ndarray, initialiser: str, dim: int, generator: np.random.Generator) -> None:
    kind, scale = parse_initialiser(initialiser, dim)
    if kind == "zero":
        return
    rows = max(1, 2**20 // dim)  # a block at a time: no second table
    for first in range(0, len(table), rows):
        block = table[first : first + rows]
        if kind == "uniform":
            block[:] = generator.random(block.shape, np.float32)
            block -= 0.5
            block *= 2 * scale
        else:
            draws = generator.standard_normal(block.shape, np.float32)
            if kind == "truncated-normal":
                while (beyond := np.abs(draws) > 2).any():
                    draws[beyond] = generator.standard_normal(np.count_nonzero(beyond), np.float32)
            block[:] = draws * scale
