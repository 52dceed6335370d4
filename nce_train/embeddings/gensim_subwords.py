"""Sub-words from gensim 4's `FastTextKeyedVectors`, and such an object with ours: gensim has a row for every bucket."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings.formats.table import check_memory
from nce_train.embeddings.subwords import SubWords, own_rows

if TYPE_CHECKING:
    from gensim.models.fasttext import FastTextKeyedVectors


def subwords_of(keyed: Any) -> SubWords | None:
    """Take over the n-gram rows of gensim's vectors, those of zeros left out; None where they have no n-grams."""
    table = getattr(keyed, "vectors_ngrams", None)
    if table is None or not len(table) or keyed.max_n < max(1, keyed.min_n):
        return None
    rows = np.flatnonzero(table.any(axis=1))
    ngrams = table if len(rows) == len(table) else table[rows]
    return SubWords(
        max(1, keyed.min_n),
        keyed.max_n,
        keyed.bucket,
        rows.astype(np.int32),
        ngrams.astype(np.float32, copy=False),
        "gensim's n-grams",
    )


def to_fasttext_vectors(words: list[str], vectors: NDArray[np.float32], subwords: SubWords) -> "FastTextKeyedVectors":
    """Copy words, vectors [words, dim] and sub-words to gensim's class; raise ImportError without gensim.

    InputError is raised when the rows of all buckets do not fit into memory.
    """
    from gensim.models.fasttext import FastTextKeyedVectors

    dim = vectors.shape[1]
    check_memory("to_gensim", 2 * len(words) + subwords.buckets, dim)
    keyed = FastTextKeyedVectors(dim, subwords.least, subwords.most, subwords.buckets)
    keyed.add_vectors(words, np.asarray(vectors))
    keyed.vectors_vocab = np.concatenate([np.empty((0, dim), np.float32), *own_rows(words, vectors, subwords)])
    keyed.vectors_ngrams = subwords.rows_by_bucket(0, subwords.buckets)
    keyed.recalc_char_ngram_buckets()
    return keyed
