"""The compiled part of finding phrases: pairs of neighbours are counted and joined, and ids are written as text.

The stream of ids is that of `corpus.encode_corpus`. Pairs of ids are the keys of open-addressing hash tables: int64
[a power of two, 2], with the columns `KEY` (0 is an empty slot) and `VALUE`.
"""

import numpy as np

from nce_train.compiled import cached_njit
from nce_train.text.scan import finish_hash
from nce_train.text.vocabulary import LINE_END

KEY, VALUE = 0, 1
NUM_HASHES = 1 << 32  # `_high_half` is below this


@cached_njit(nogil=True)
def count_pairs(ids, begin, end, low, high, table, num_pairs, room):
    """Count the pairs `ids[i], ids[i + 1]` for begin <= i < end, none across a line end, in `table`.

    Parameters
    ----------
    ids : int32 [more than end]
    low, high : int
        Only pairs whose hash has a high half in [low, high) are counted. Threads and scans share the work by this.
    table : int64 [a power of two, 2]
        Changed in place.
    num_pairs, room : int
        Number of pairs in the table, and its maximum.

    Returns
    -------
    (int, int)
        `end`, or the first i whose pair did not fit: continue there with another table; and the number of pairs in
        `table`.
    """
    mask = table.shape[0] - 1
    for place in range(begin, end):
        left, right = np.int64(ids[place]), np.int64(ids[place + 1])
        if left < 0 or right < 0:
            continue
        key = _key(left, right)
        mixed = _hash(key)
        if not low <= _high_half(mixed) < high:
            continue
        slot = np.int64(mixed) & mask
        while table[slot, KEY] != key:
            if table[slot, KEY] == 0:
                if num_pairs == room:
                    return place, num_pairs
                table[slot, KEY] = key
                num_pairs += 1
                break
            slot = (slot + 1) & mask
        table[slot, VALUE] += 1
    return end, num_pairs


@cached_njit(nogil=True)
def copy_pairs(table, low, high, target):
    """Insert the pairs of `table` with a hash in [low, high) into the empty table `target`; returns their number."""
    mask = target.shape[0] - 1
    num_pairs = 0
    for source in range(table.shape[0]):
        key = table[source, KEY]
        if key == 0:
            continue
        mixed = _hash(key)
        if not low <= _high_half(mixed) < high:
            continue
        slot = np.int64(mixed) & mask
        while target[slot, KEY] != 0:
            slot = (slot + 1) & mask
        target[slot, KEY] = key
        target[slot, VALUE] = table[source, VALUE]
        num_pairs += 1
    return num_pairs


@cached_njit(nogil=True)
def insert_pairs(table, lefts, rights, values):
    """Insert distinct pairs with their values into `table`, which is large enough."""
    mask = table.shape[0] - 1
    for i in range(lefts.size):
        key = _key(np.int64(lefts[i]), np.int64(rights[i]))
        slot = np.int64(_hash(key)) & mask
        while table[slot, KEY] != 0:
            slot = (slot + 1) & mask
        table[slot, KEY] = key
        table[slot, VALUE] = values[i]


@cached_njit(nogil=True)
def join_pairs(ids, begin, table, counts, output):
    """Replace pairs by the ids that `table` has for them, from left to right: with a b and b c in the table, a b c
    becomes a_b c.

    Parameters
    ----------
    ids : int32 [n]
    begin : int
        Where to start in `ids`.
    table : int64 [a power of two, 2]
    counts : int64 [ids, new ones included]
        Updated.
    output : int32
        May overlap `ids[:begin]`.

    Returns
    -------
    (int, int)
        Where to continue when `output` is full; number of ids written.
    """
    mask = table.shape[0] - 1
    place = begin
    written = 0
    while place < ids.size and written < output.size:
        left = np.int64(ids[place])
        place += 1
        if left >= 0 and place < ids.size and ids[place] >= 0:
            right = np.int64(ids[place])
            key = _key(left, right)
            slot = np.int64(_hash(key)) & mask
            while table[slot, KEY] != 0:
                if table[slot, KEY] == key:
                    joined = table[slot, VALUE]
                    counts[left] -= 1
                    counts[right] -= 1
                    counts[joined] += 1
                    left = joined
                    place += 1
                    break
                slot = (slot + 1) & mask
        output[written] = left
        written += 1
    return place, written


@cached_njit(nogil=True)
def write_text(ids, begin, line_is_open, text, starts, output):
    """Write the words of a stream, with spaces between them and a line feed after each line.

    Parameters
    ----------
    ids : int32 [n]
    begin : int
        Where to start in `ids`.
    line_is_open : bool
        Whether a word has been written since the last line feed.
    text : uint8
        The words, each followed by one byte that is not written.
    starts : int64 [words + 1]
        Position of each word in `text`.
    output : uint8
        Longer than the longest word and a space.

    Returns
    -------
    (int, int, bool)
        Where to continue when `output` is full; number of bytes written; whether the line is open.
    """
    written = 0
    for place in range(begin, ids.size):
        word = ids[place]
        if word == LINE_END:
            if written == output.size:
                return place, written, line_is_open
            output[written] = 10
            written += 1
            line_is_open = False
            continue
        start, stop = starts[word], starts[word + 1] - 1
        if written + 1 + stop - start > output.size:
            return place, written, line_is_open
        if line_is_open:
            output[written] = 32
            written += 1
        for i in range(start, stop):
            output[written] = text[i]
            written += 1
        line_is_open = True
    return ids.size, written, line_is_open


@cached_njit(nogil=True)
def _key(left, right):
    """A key that is never 0; `pair_counts` decodes it."""
    return left << 32 | right + 1


@cached_njit(nogil=True)
def _hash(key):
    """The low bits choose the slot, the high half chooses the thread and the scan."""
    return finish_hash(np.uint64(key), 0)


@cached_njit(nogil=True)
def _high_half(mixed):
    return np.int64(mixed >> np.uint64(32))
