"""What a classifier predicts from: words go in, the vector that stands for them comes out.

With skip-gram it is one word, the centre. With CBOW it is a bag, the contexts of a position, and the vector is the mean
of all rows that stand for its words in training. A word's vector is the mean of its own row and those of its n-grams.
So with v_w the vector and s_w the number of rows of word w, the mean over the bag is Σ s_w v_w / Σ s_w.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nce_train.text.ngrams import ngram_buckets


class WordBags(NamedTuple):
    """Bags of words, one a row, of at most `most` words each.

    Attributes
    ----------
    ids : int32 [bags, most]
    weights : float64 [bags, most]
        Those of a bag sum to 1; a place that holds no word has 0.
    """

    ids: NDArray[np.int32]
    weights: NDArray[np.float64]

    def part(self, rows: slice) -> "WordBags":
        """Some of the bags, as views."""
        return WordBags(self.ids[rows], self.weights[rows])


def single_words(ids: NDArray[np.int32]) -> WordBags:
    """A bag for each word [words], which holds that word only."""
    return WordBags(ids[:, None], np.ones((len(ids), 1)))


def is_cbow(settings: Mapping[str, Any]) -> bool:
    """Whether a run trains CBOW; the settings of earlier versions have no `model`."""
    return bool(settings.get("model", "skipgram") == "cbow")


def row_counts(words: Sequence[str], settings: Mapping[str, Any], threads: int = 1) -> NDArray[np.int64]:
    """How many rows stand for each word in training: its own, and one for each of its n-grams.

    Parameters
    ----------
    words : sequence of str
    settings : mapping
        Of the run. `ngrams` is "MIN-MAX", or "off", as in earlier versions, which have none.
    threads : int

    Returns
    -------
    int64 [words]
    """
    ngrams = settings.get("ngrams", "off")
    if ngrams == "off":
        return np.ones(len(words), np.int64)
    least, most = map(int, ngrams.split("-"))
    starts, _ = ngram_buckets(words, least, most, 1, threads)
    return np.diff(starts) + 1


def bag_vectors(bags: WordBags, input: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute the weighted mean of the vectors of each bag's words.

    One word of all bags after the other, so that it takes 20 bytes a number of the result at most, whatever `most` is.

    Parameters
    ----------
    bags : WordBags
    input : float32 [vocabulary, dim]
        The words' vectors, composed of their n-grams where they have some.

    Returns
    -------
    float64 [bags, dim]
    """
    vectors = np.zeros((len(bags.ids), input.shape[1]))
    for ids, weights in zip(bags.ids.T, bags.weights.T, strict=True):
        vectors += weights[:, None] * input[ids]
    return vectors
