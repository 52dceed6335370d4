"""The n-grams of words: a vocabulary goes in, the hash buckets of each word's n-grams come out, as fastText has them.

A word is framed, `<word>`, and each sequence of n of its characters in UTF-8 is an n-gram, from the least n to the
most. A frame alone is none; the whole `<word>` is one where it is short enough; repeated ones count again. The end of
a sentence, `</s>`, has none. A bucket is the n-gram's 32-bit FNV-1a hash, with bytes taken as signed numbers, modulo
the number of buckets (P. Bojanowski et al.: "Enriching Word Vectors with Subword Information", 2017, and fastText's
code).

`ngram_buckets` is compiled, for whole vocabularies; `word_buckets` is plain Python, for a few words, and the
specification.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

_END_OF_SENTENCE = "</s>"
_WORDS_PER_TASK = 1 << 15
_FNV_OFFSET, _FNV_PRIME, _FNV_BITS = 2166136261, 16777619, 0xFFFFFFFF
_SIGN_BITS = 0xFFFFFF00  # what a byte from 128 on has above its own bits as a signed number


def ngram_buckets(
    words: Sequence[str], least: int, most: int, buckets: int, threads: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """The buckets of the n-grams of words, and where those of each word begin.

    Parameters
    ----------
    words : sequence of str
        UTF-8 decoded with `surrogateescape`.
    least, most : int
        Characters of the shortest and the longest n-grams.
    buckets : int
    threads : int

    Returns
    -------
    starts : int64 [words + 1]
    found : int32 [starts[-1]]
        Those of word i are `found[starts[i] : starts[i + 1]]`, in the order of fastText.

    Examples
    --------
    >>> starts, found = ngram_buckets(["word", "a"], 5, 5, 2_000_000)
    >>> starts.tolist(), found.tolist()  # <word and word>; <a> is too short
    ([0, 2, 2], [1510087, 754425])
    """
    from nce_train.text.ngrams_kernel import count_ngrams, write_buckets  # imports numba

    encoded = [b"" if word == _END_OF_SENTENCE else _framed(word) for word in words]
    text = np.frombuffer(b"".join(encoded), np.uint8)
    ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)))
    text_starts = np.concatenate([[0], ends])
    starts = np.zeros(len(words) + 1, np.int64)
    firsts = range(0, len(words), _WORDS_PER_TASK)
    with ThreadPoolExecutor(threads) as pool:
        tasks = [slice(first, first + _WORDS_PER_TASK + 1) for first in firsts]
        list(pool.map(lambda task: count_ngrams(text, text_starts[task], least, most, starts[task][1:]), tasks))
        np.cumsum(starts, out=starts)
        found = np.empty(starts[-1], np.int32)
        arguments = least, most, buckets
        list(pool.map(lambda task: write_buckets(text, text_starts[task], *arguments, starts[task], found), tasks))
    return starts, found


def word_buckets(word: str, least: int, most: int, buckets: int) -> list[int]:
    """The buckets of the n-grams of one word, as `ngram_buckets` has them.

    Parameters
    ----------
    word : str
        UTF-8 decoded with `surrogateescape`.
    least, most : int
        Characters of the shortest and the longest n-grams.
    buckets : int

    Returns
    -------
    list of int

    Raises
    ------
    UnicodeEncodeError
        When the word has a surrogate that does not stand for a byte.

    Examples
    --------
    >>> word_buckets("word", 5, 5, 2_000_000), word_buckets("a", 5, 5, 2_000_000)
    ([1510087, 754425], [])
    """
    if word == _END_OF_SENTENCE:
        return []
    text = _framed(word)
    starts = [place for place, byte in enumerate(text) if byte & 0xC0 != 0x80] + [len(text)]
    last = len(starts) - 1
    found = []
    for first in range(last):
        hashed = _FNV_OFFSET
        for end in range(first + 1, min(first + most, last) + 1):
            for byte in text[starts[end - 1] : starts[end]]:
                hashed = (hashed ^ (byte | _SIGN_BITS if byte >= 128 else byte)) * _FNV_PRIME & _FNV_BITS
            is_frame = end == first + 1 and (first == 0 or end == last)
            if end - first >= least and not is_frame:
                found.append(hashed % buckets)
    return found


def _framed(word: str) -> bytes:
    return f"<{word}>".encode("utf-8", "surrogateescape")
