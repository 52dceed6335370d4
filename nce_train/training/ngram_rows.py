"""Which rows of the input table stand for a word: its own, and those of its n-grams.

A vocabulary and settings go in; the kernel's bags come out, and which bucket of n-grams each further row is of. Only
buckets that a word of the vocabulary touches have a row, behind the rows of the words, those touched most often first:
the rows that are needed together lie together. `docs/kernel.md` says what the kernel does with a bag.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from nce_train.kernel.bags import compose_words
from nce_train.kernel.sizes import table_width
from nce_train.kernel.state import AnyBags, Bags, ContextBags, ContextWords, aligned_zeros, context_shares
from nce_train.text.ngrams import ngram_buckets
from nce_train.training.parameters import keep_probability
from nce_train.training.settings import Settings

_WORDS_AT_ONCE = 4096


class NgramRows(NamedTuple):
    """The rows of the input table that a run with n-grams has."""

    bags: Bags  # the rows of each word: its own, and those of its n-grams
    buckets: np.ndarray  # int32 [n]: the bucket of each row behind those of the words


def ngram_rows(words: Sequence[str], counts: np.ndarray, settings: Settings) -> NgramRows | None:
    """Lay out the input table for words with n-grams; None where `ngrams` is off.

    Parameters
    ----------
    words : sequence of str
    counts : int64 [words]
    settings : Settings
        Resolved: `ngrams` is not auto.

    Returns
    -------
    NgramRows or None
    """
    lengths = settings.ngram_lengths
    if lengths is None:
        return None
    starts, found = ngram_buckets(words, *lengths, settings.buckets, threads=int(settings.threads))
    sizes = np.diff(starts)
    used = np.repeat(counts * keep_probability(counts, settings.subsample), sizes)  # occurrences of each n-gram
    uses = np.bincount(found, used, minlength=settings.buckets)
    touched = np.unique(found)
    buckets = touched[np.argsort(-uses[touched], kind="stable")].astype(np.int32)
    row_of_bucket = np.zeros(settings.buckets, np.int32)
    row_of_bucket[buckets] = np.arange(len(words), len(words) + len(buckets))
    own = starts[:-1] + np.arange(len(words))  # each word's own row comes first in its bag
    rows = np.empty(len(found) + len(words), np.int32)
    rows[own] = np.arange(len(words))
    is_ngram = np.ones(len(rows), np.bool_)
    is_ngram[own] = False
    rows[is_ngram] = row_of_bucket[found]
    return NgramRows(Bags(starts + np.arange(len(words) + 1), rows), buckets)


def set_ngram_vectors(table: np.ndarray, ngrams: NgramRows, buckets: np.ndarray, vectors: np.ndarray) -> None:
    """Set the rows of those buckets that have one.

    Parameters
    ----------
    table : float32 [rows, length]
        The input table, changed in place.
    ngrams : NgramRows
    buckets : int32 [n]
    vectors : float32 [n, dim]
        Of these buckets.
    """
    words, dim = len(ngrams.bags.starts) - 1, vectors.shape[1]
    _, own, known = np.intersect1d(ngrams.buckets, buckets, assume_unique=True, return_indices=True)
    for first in range(0, len(known), _WORDS_AT_ONCE):
        part = slice(first, first + _WORDS_AT_ONCE)
        table[words + own[part], :dim] = vectors[known[part]]


def set_word_vectors(
    table: np.ndarray,
    ngrams: NgramRows,
    words: np.ndarray,
    vectors: np.ndarray,
    vector_rows: np.ndarray,
    threads: int,
) -> None:
    """Set the words' own rows such that their vectors, composed with their n-grams as they are, become these.

    v = (own + Σ n-grams) / (n + 1), so own = (n + 1) v − Σ n-grams.

    Parameters
    ----------
    table : float32 [rows, length]
        The input table, changed in place.
    ngrams : NgramRows
    words : int64 [k]
        Rows of words.
    vectors : float32 [n, dim]
    vector_rows : int64 [k]
        Where the vectors of these words stand in `vectors`.
    threads : int
    """
    dim = vectors.shape[1]
    table[words, :dim] = 0
    sizes = np.diff(ngrams.bags.starts)[words]
    without = word_vectors(table, ngrams, dim, threads)
    for first in range(0, len(words), _WORDS_AT_ONCE):
        part = slice(first, first + _WORDS_AT_ONCE)
        table[words[part], :dim] = sizes[part, np.newaxis] * (vectors[vector_rows[part]] - without[words[part]])


def kernel_bags(settings: Settings, ngrams: NgramRows | None) -> AnyBags | None:
    """What the kernel composes a centre's vector of; None where it is a row of the input table."""
    if settings.model == "skipgram":
        return None if ngrams is None else ngrams.bags
    shares = context_shares(settings.window)
    return ContextWords(shares) if ngrams is None else ContextBags(shares, *ngrams.bags)


def word_vectors(table: np.ndarray, ngrams: NgramRows | None, dim: int, threads: int) -> np.ndarray:
    """The words' vectors, float32 [words, dim]: with n-grams the means of their rows of the input table, else views."""
    if ngrams is None:
        return table[:, :dim]
    bags = ngrams.bags
    words = len(bags.starts) - 1
    vectors = aligned_zeros((words, table_width(dim)), table.dtype.type)
    with ThreadPoolExecutor(threads) as pool:
        parts = [(first, min(first + _WORDS_AT_ONCE, words)) for first in range(0, words, _WORDS_AT_ONCE)]
        list(pool.map(lambda part: compose_words(table, bags, *part, vectors), parts))
    return vectors[:, :dim]
