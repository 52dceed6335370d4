"""`SubWords`: the rows of n-grams, of which the vector of any word is composed, also that of an unknown word.

As in fastText (P. Bojanowski et al.: "Enriching Word Vectors with Subword Information", 2017), the vector v of a word
of the vocabulary is the mean of its own row and the rows of its n n-grams; an unknown word has no own row. Files of
ours hold v and the n-gram rows. `own_rows` gives the own rows, (n + 1)·v − Σ n-gram rows, and `composed_vectors` is
its inverse: so any vectors can be stored as fastText does, however they came about.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nce_train.errors import InputError
from nce_train.text.ngrams import ngram_buckets, word_buckets

MOST_BUCKETS = 2**31 - 1  # fastText counts them with 32 bits

_WORDS_AT_ONCE = 1 << 12
_NUMBERS_AT_ONCE = 1 << 22  # float64, of n-gram rows
_CHECKED_ROWS = 1 << 14


@dataclass(frozen=True, eq=False)
class SubWords:
    """The rows of the n-grams of a model.

    Parameters
    ----------
    least, most : int
        Characters of the shortest and the longest n-grams.
    buckets : int
        N-grams are hashed to this many buckets.
    rows : int32 [n]
        The buckets that have a row, in any order; all others count as zeros.
    vectors : float32 [n, dim]
        Their rows; may be a read-only memory map.
    source : str
        Where they come from, for messages.

    Raises
    ------
    InputError
        When the lengths or the number of buckets are out of range, sizes disagree, or a bucket repeats.

    Examples
    --------
    >>> subwords = SubWords(5, 5, 2_000_000, np.array([754425], np.int32), np.array([[2, 4]], np.float32))
    >>> subwords.vector_of("word")  # of <word, which has no row, and word>
    array([1., 2.], dtype=float32)
    """

    least: int
    most: int
    buckets: int
    rows: NDArray[np.int32] = field(repr=False)
    vectors: NDArray[np.float32] = field(repr=False)
    source: str = "the sub-words"

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise InputError(
                f"{self.source}: n-grams of {self.least} to {self.most} characters; the shortest have at least 1, and "
                "the longest no fewer"
            )
        if not 1 <= self.buckets <= MOST_BUCKETS:
            raise InputError(f"{self.source}: {self.buckets} buckets; there are from 1 to {MOST_BUCKETS}")
        if self.vectors.ndim != 2 or self.rows.shape != self.vectors.shape[:1]:
            raise InputError(
                f"{self.source}: buckets of shape {self.rows.shape} for n-gram rows of shape {self.vectors.shape}; "
                "give one bucket for each row"
            )
        ordered = self._sorted[0]
        if len(ordered) and not 0 <= ordered[0] <= ordered[-1] < self.buckets:
            wrong = ordered[0] if ordered[0] < 0 else ordered[-1]
            raise InputError(f"{self.source}: the bucket {wrong} is not from 0 to {self.buckets - 1}")
        if len(repeated := np.flatnonzero(ordered[1:] == ordered[:-1])):
            raise InputError(f"{self.source}: the bucket {ordered[repeated[0]]} has two rows; keep one")

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
        """The buckets by number, and the row of each."""
        order = np.argsort(self.rows, kind="stable")
        return self.rows[order], order

    def known_rows(self, buckets: ArrayLike) -> NDArray[np.intp]:
        """Find the row of each bucket, -1 where it has none."""
        ordered, order = self._sorted
        asked = np.asarray(buckets, np.int32)
        places = np.searchsorted(ordered, asked)
        rows = np.full(len(asked), -1, np.intp)
        inside = np.flatnonzero(places < len(ordered))
        found = inside[ordered[places[inside]] == asked[inside]]
        rows[found] = order[places[found]]
        return rows

    def rows_by_bucket(self, first: int, stop: int) -> NDArray[np.float32]:
        """Return the rows [stop - first, dim] of the buckets from `first` to before `stop`, zeros for those without."""
        ordered, order = self._sorted
        begin, end = np.searchsorted(ordered, [first, stop])
        rows = np.zeros((stop - first, self.vectors.shape[1]), np.float32)
        rows[ordered[begin:end] - first] = self.vectors[order[begin:end]]
        return rows

    def known_ngrams(self, word: str) -> int:
        """Count the n-grams of a word that have a row."""
        return int((self._rows_of_word(word) >= 0).sum())

    def vector_of(self, word: str) -> NDArray[np.float32] | None:
        """Compose the vector [dim] of an unknown word: the mean of the rows of all its n-grams.

        Returns
        -------
        float32 [dim] or None
            None when none of its n-grams has a row.
        """
        rows = self._rows_of_word(word)
        known = rows[rows >= 0]
        if not len(known):
            return None
        return (self.vectors[known].sum(axis=0, dtype=np.float64) / len(rows)).astype(np.float32)

    def most_known(self, spellings: Iterable[str]) -> str | None:
        """Return the spelling of which the most n-grams have a row, the first of equal ones; None if none has any."""
        best, best_known = None, 0
        for spelling in spellings:
            if (known := self.known_ngrams(spelling)) > best_known:
                best, best_known = spelling, known
        return best

    def _rows_of_word(self, word: str) -> NDArray[np.intp]:
        try:
            buckets = word_buckets(word, self.least, self.most, self.buckets)
        except UnicodeEncodeError:  # a surrogate that does not stand for a byte
            buckets = []
        return self.known_rows(buckets)


def check_subwords(subwords: SubWords, dim: int) -> None:
    """Refuse sub-words whose rows are not of `dim` numbers, or hold a number that is not finite."""
    if subwords.vectors.shape[1] != dim:
        raise InputError(
            f"{subwords.source}: the n-gram rows have {subwords.vectors.shape[1]} numbers, and the vectors {dim}; they "
            "are of different models"
        )
    for start in range(0, len(subwords.vectors), _CHECKED_ROWS):
        finite = np.isfinite(subwords.vectors[start : start + _CHECKED_ROWS])
        if not finite.all():
            row = start + int(np.argmin(finite.all(axis=1)))
            raise InputError(
                f"{subwords.source}, row {row}: an n-gram row holds a number that is not finite (NaN or infinity); "
                "train or export it again"
            )


def own_rows(words: Sequence[str], vectors: NDArray[np.float32], subwords: SubWords) -> Iterator[NDArray[np.float32]]:
    """Compute the words' own rows, (n + 1)·v − Σ n-gram rows, in float64, some thousand words at a time.

    Parameters
    ----------
    words : sequence of str
    vectors : float32 [words, dim]
        The composed vectors.
    subwords : SubWords

    Yields
    ------
    float32 [some words, dim]
        In the order of the words; infinite where a row is beyond the range of float32.
    """
    for chosen, sums, sizes in _ngram_sums(words, subwords):
        with np.errstate(over="ignore"):
            rows = (sizes * vectors[chosen] - sums).astype(np.float32)
        yield rows


def composed_vectors(
    words: Sequence[str], own: NDArray[np.float32], subwords: SubWords
) -> Iterator[NDArray[np.float32]]:
    """Compute the words' vectors from their own rows [words, dim]: the inverse of `own_rows`, except for rounding."""
    for chosen, sums, sizes in _ngram_sums(words, subwords):
        with np.errstate(over="ignore", invalid="ignore"):  # of numbers that are not finite, which readers refuse
            vectors = ((own[chosen] + sums) / sizes).astype(np.float32)
        yield vectors


def _ngram_sums(
    words: Sequence[str], subwords: SubWords
) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.int64]]]:
    """Yield some words, the sum of the n-gram rows of each [some words, dim], and its rows' number [some words, 1]."""
    for first in range(0, len(words), _WORDS_AT_ONCE):
        chosen = slice(first, min(first + _WORDS_AT_ONCE, len(words)))
        starts, found = ngram_buckets(words[chosen], subwords.least, subwords.most, subwords.buckets)
        with np.errstate(invalid="ignore"):
            sums = _sums_of(subwords.vectors, subwords.known_rows(found), starts)
        yield chosen, sums, np.diff(starts)[:, None] + 1


def _sums_of(ngrams: NDArray[np.float32], rows: NDArray[np.intp], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sum the n-gram rows of each word: those of word i are `rows[starts[i] : starts[i + 1]]`, -1 for zeros."""
    dim = ngrams.shape[1]
    most_rows = max(1, _NUMBERS_AT_ONCE // dim)
    known = np.flatnonzero(rows >= 0)
    word_of = np.searchsorted(starts, known, side="right") - 1
    sums = np.zeros((len(starts) - 1, dim))
    for start in range(0, len(known), most_rows):  # the n-grams of a long word may be in several pieces
        piece = slice(start, start + most_rows)
        begins = np.flatnonzero(np.diff(word_of[piece], prepend=-1))
        sums[word_of[piece][begins]] += np.add.reduceat(ngrams[rows[known[piece]]].astype(np.float64), begins)
    return sums
