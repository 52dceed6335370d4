"""The compiled part of finding phrases: pairs of neighbours are counted, joined, and spelt.

All of it works on a stream of ids as `corpus.encode_corpus` writes it. Pairs of ids live in open-addressing tables
of int64 [a power of two, 2]: column `KEY` (0 is an empty slot) and column `VALUE`.
"""

import numpy as np

from nce_train.compiled import cached_njit
from nce_train.text.vocabulary import LINE_END

KEY, VALUE = 0, 1
PARTS = 1 << 32  # `part_of_pair` is below it

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio
_FINAL_MULTIPLIER = np.uint64(0xD6E8FEB86659FD93)  # odd, about half of its bits set


@cached_njit(nogil=True)
def count_pairs(ids, begin, end, low, high, table, num_pairs, room):
    """Count the pairs `ids[i], ids[i + 1]` for begin <= i < end, none across a line end, in `table`.

    Parameters
    ----------
    ids : int32 [more than end]
    low, high : int
        Only pairs with low <= part < high are counted, so that threads, or one scan after the other, share the work.
    table : int64 [a power of two, 2]
        Changed in place.
    num_pairs, room : int
        Pairs in the table, and how many it may hold.

    Returns
    -------
    (int, int)
        `end`, or the first i whose pair found no room: go on from there with another table; and the pairs in `table`.
    """
    mask = table.shape[0] - 1
    for place in range(begin, end):
        left, right = np.int64(ids[place]), np.int64(ids[place + 1])
        if left < 0 or right < 0:
            continue
        key = _key(left, right)
        mixed = _hash(key)
        if not low <= _part(mixed) < high:
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
    """Enter the pairs of `table` with low <= part < high into the empty table `target`; how many they are."""
    mask = target.shape[0] - 1
    num_pairs = 0
    for source in range(table.shape[0]):
        key = table[source, KEY]
        if key == 0:
            continue
        mixed = _hash(key)
        if not low <= _part(mixed) < high:
            continue
        slot = np.int64(mixed) & mask
        while target[slot, KEY] != 0:
            slot = (slot + 1) & mask
        target[slot, KEY] = key
        target[slot, VALUE] = table[source, VALUE]
        num_pairs += 1
    return num_pairs


@cached_njit(nogil=True)
def enter_pairs(table, lefts, rights, values):
    """Enter pairs, all different, with their values into `table`, which has room for them."""
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
    """Replace pairs by the ids that `table` has for them, from left to right: of a b c, where both a b and b c are
    in the table, a b is joined.

    Parameters
    ----------
    ids : int32 [n]
    begin : int
        Where to go on in `ids`.
    table : int64 [a power of two, 2]
    counts : int64 [ids there are, new ones included]
        Kept in step with the stream.
    output : int32
        May be where `ids[:begin]` lies.

    Returns
    -------
    (int, int)
        Where to go on, `output` being full; ids written.
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
def spell(ids, begin, line_is_open, text, starts, output):
    """Write the words of a stream, with spaces between them and a line feed behind each line.

    Parameters
    ----------
    ids : int32 [n]
    begin : int
        Where to go on in `ids`.
    line_is_open : bool
        Whether a word has been written since the last line feed.
    text : uint8
        The words, a byte behind each that is not written.
    starts : int64 [words + 1]
        Where each begins in `text`.
    output : uint8
        More than the longest word and a space.

    Returns
    -------
    (int, int, bool)
        Where to go on, `output` having no room for the next word; bytes written; whether the line is open.
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
    return left << 32 | right + 1


def ids_of(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The left and the right ids of an int64 array of keys."""
    return keys >> 32, (keys & 0xFFFFFFFF) - 1


@cached_njit(nogil=True)
def _hash(key):
    """Spread over all 64 bits: the low ones choose the slot, the high half is the part."""
    mixed = np.uint64(key) * _MULTIPLIER
    mixed = (mixed ^ (mixed >> np.uint64(32))) * _FINAL_MULTIPLIER
    return mixed ^ (mixed >> np.uint64(32))


@cached_njit(nogil=True)
def _part(mixed):
    return np.int64(mixed >> np.uint64(32))
