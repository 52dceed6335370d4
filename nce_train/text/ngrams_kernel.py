"""The compiled part of `ngrams`: n-grams of words are counted and hashed."""

import numpy as np

from nce_train.compiled import cached_njit

_FNV_OFFSET, _FNV_PRIME = np.uint32(2166136261), np.uint32(16777619)


@cached_njit(nogil=True)
def count_ngrams(text, text_starts, least, most, counts):
    """Write the number of n-grams of each word of `text`, which begin at `text_starts`, int64 [words + 1]."""
    for word in range(text_starts.size - 1):
        length = 0
        for place in range(text_starts[word], text_starts[word + 1]):
            length += not _is_inside(text[place])
        count = 0
        for n in range(least, min(most, length) + 1):
            count += length - n + 1
            if n == 1:
                count -= 2  # the frames
        counts[word] = count


@cached_njit(nogil=True)
def write_buckets(text, text_starts, least, most, buckets, starts, found):
    """Write the bucket of each n-gram; the words' n-grams begin at `starts`, int64 [words + 1]."""
    for word in range(text_starts.size - 1):
        begin, end = text_starts[word], text_starts[word + 1]
        written = starts[word]
        for first in range(begin, end):
            if _is_inside(text[first]):
                continue
            hashed = _FNV_OFFSET
            place = first
            n = 0
            while place < end and n < most:
                hashed = _hash_byte(hashed, text[place])
                place += 1
                while place < end and _is_inside(text[place]):
                    hashed = _hash_byte(hashed, text[place])
                    place += 1
                n += 1
                if n >= least and not (n == 1 and (first == begin or place == end)):
                    found[written] = hashed % np.uint32(buckets)
                    written += 1


@cached_njit(nogil=True)
def _is_inside(byte):
    """Whether this is a byte of a character other than its first."""
    return byte & 0xC0 == 0x80


@cached_njit(nogil=True)
def _hash_byte(hashed, byte):
    return np.uint32((hashed ^ np.uint32(np.int8(byte))) * _FNV_PRIME)
