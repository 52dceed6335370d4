"""The compiled tokeniser: the position of each token in a block, and the id of its word.

`find_tokens_…` turns a block of text (which ends at white space and is followed by `PADDING` readable bytes) into
starts and lengths; a length of 0 marks the end of a line. `look_up_tokens` turns these into ids, numbered by first
occurrence, with an open-addressing hash table over the words' bytes.

The kernels pass no arrays to other compiled functions: the reference counting of such a call costs more than looking up
a word (measured: 5 million tokens/s instead of 25).
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from nce_train.compiled import cached_njit
from nce_train.text.blocks import PADDING
from nce_train.text.vocabulary import DROPPED, LINE_END

# Classes of code points. Their order saves the tokeniser a comparison.
SEPARATOR = 0
JOINS = 1  # joiners and connectors: only between two of the following
CONTINUES = 2  # combining marks: only inside a word, or at its end
STARTS = 3  # letters and digits

# Columns of WordTable.words and WordTable.origins.
HEAD, LENGTH, START, COUNT = 0, 1, 2, 3
HASH, FIRST = 0, 1

_ONES = np.uint64(0x0101010101010101)
_HIGH_BITS = np.uint64(0x8080808080808080)
_THIRTY_THREES = np.uint64(0x2121212121212121)  # the space and all control characters lie below 33
_ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)
_LOW_HALF = np.uint64(0xFFFFFFFF)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio
_FINAL_MULTIPLIER = np.uint64(0xD6E8FEB86659FD93)  # odd, about half of its bits set


class WordTable(NamedTuple):
    """The distinct words of one counter, as a tuple of arrays for compiled code."""

    slots: np.ndarray  # uint64 [a power of two]: high half of the hash, low half word + 1; 0 is empty
    words: np.ndarray  # int64 [capacity, 4]: first eight bytes, length in bytes, start in the arena, count
    origins: np.ndarray  # int64 [capacity, 2]: hash, and the position in the corpus of the first occurrence
    arena: np.ndarray  # uint8: the words' bytes without gaps, and PADDING
    used: np.ndarray  # int64 [2]: words in the table, bytes in the arena


@cached_njit(nogil=True)
def find_tokens_whitespace(text, end, mark_lines, starts, lengths):
    """Find the tokens: sequences of bytes between ASCII white space.

    `text` is uint8 [end + PADDING], and `text[end - 1]` is ASCII white space. With `mark_lines`, a `\\n` or `\\r`
    writes a length of 0; consecutive line ends write one. The output, `starts` and `lengths`, is int64 [end]. Returns
    the number of entries written, and the position of the first NUL byte, where reading stopped, or -1.
    """
    num_tokens = 0
    position = 0
    while position < end:
        byte = text[position]
        if _is_space(byte):
            if _is_line_end(byte) and mark_lines and (num_tokens == 0 or lengths[num_tokens - 1] != 0):
                starts[num_tokens] = position
                lengths[num_tokens] = 0
                num_tokens += 1
            position += 1
            continue
        stop = position
        while True:
            below = _flag_below_33(_load(text, stop))
            if below == 0:
                stop += 8
                continue
            stop += _bytes_before_flag(below)
            byte = text[stop]
            if _is_space(byte):
                break
            if byte == 0:
                return num_tokens, stop
            stop += 1  # a control character inside a token
        starts[num_tokens] = position
        lengths[num_tokens] = stop - position
        num_tokens += 1
        position = stop
    return num_tokens, -1


@cached_njit(nogil=True)
def find_tokens_words(text, end, mark_lines, starts, lengths, classes):
    """Find the tokens: sequences of letters and digits, with the combining marks that follow one of them, and with the
    joiners between two of these.

    `classes` : uint8 [0x110000], the class of every code point. Bytes that are not valid UTF-8 separate tokens.
    The other parameters and the result are those of `find_tokens_whitespace`.
    """
    num_tokens = 0
    position = 0
    begin = -1  # of the token being read
    joiners_begin, joiners_end = -1, -1  # the last joiners, one behind the other
    while position < end:
        byte = text[position]
        if byte < 0x80:
            kind = classes[byte]
            width = 1
        else:
            code, width = _code_point(_load(text, position))
            kind = classes[code] if code >= 0 else SEPARATOR
        if kind == STARTS:
            if begin < 0:
                begin = position
        elif kind <= JOINS:
            if kind == JOINS:
                if joiners_end != position:
                    joiners_begin = position
                position += width
                joiners_end = position
                continue
            if begin >= 0:
                starts[num_tokens] = begin
                lengths[num_tokens] = position - begin
                if joiners_end == position:
                    lengths[num_tokens] = joiners_begin - begin
                num_tokens += 1
                begin = -1
            if _is_line_end(byte) and mark_lines and (num_tokens == 0 or lengths[num_tokens - 1] != 0):
                starts[num_tokens] = position
                lengths[num_tokens] = 0
                num_tokens += 1
            if byte == 0:
                return num_tokens, position
        position += width
    return num_tokens, -1


@cached_njit(nogil=True)
def look_up_tokens(table, text, starts, lengths, begin, origin, weight, ids):
    """Count every token and write the id of its word; new words are added to the table.

    Returns n, or the index of the first token that does not fit in the table: grow the table and continue there.

    Parameters
    ----------
    table : WordTable
        Changed in place, up to its capacity.
    text : uint8
        The text of the tokens; `PADDING` bytes follow the last one.
    starts, lengths : int64 [n]
        Tokens, and lengths of 0 for line ends.
    begin : int
        Index of the first token to look up.
    origin : int
        Position in the corpus of `text[0]`, for the first positions.
    weight : int
        What one token adds to its word's count.
    ids : int32 [n]
        The output.
    """
    slots, words, origins, arena, used = table
    mask = np.int64(slots.size - 1)
    for token in range(begin, starts.size):
        length = lengths[token]
        if length == 0:
            ids[token] = LINE_END
            continue
        start = starts[token]

        # hash: one multiplication every eight bytes
        head = _load(text, start)
        if length < 8:
            head &= _keep_bytes(length)
        mixed = head
        for i in range(8, length, 8):
            mixed = (mixed ^ (mixed >> np.uint64(32))) * _MULTIPLIER
            chunk = _load(text, start + i)
            if length - i < 8:
                chunk &= _keep_bytes(length - i)
            mixed ^= chunk
        mixed = finish_hash(mixed, length)

        # find the slot of this word, or the empty one where it belongs
        word = np.int64(-1)
        slot = np.int64(mixed) & mask
        entry = slots[slot]
        while entry != 0:
            if entry >> np.uint64(32) == mixed >> np.uint64(32):
                word = np.int64(entry & _LOW_HALF) - 1
                same = words[word, HEAD] == np.int64(head) and words[word, LENGTH] == length
                if same and length > 8:
                    word_start = words[word, START]
                    for i in range(8, length, 8):
                        difference = _load(text, start + i) ^ _load(arena, word_start + i)
                        if length - i < 8:
                            difference &= _keep_bytes(length - i)
                        if difference != 0:
                            same = False
                            break
                if same:
                    break
                word = np.int64(-1)
            slot = (slot + 1) & mask
            entry = slots[slot]

        if word < 0:
            word = used[0]
            word_start = used[1]
            if word == words.shape[0] or word_start + length + PADDING > arena.size:
                return token
            for i in range(length):
                arena[word_start + i] = text[start + i]
            used[0] = word + 1
            used[1] = word_start + length
            slots[slot] = _slot_entry(mixed, word)
            words[word, HEAD] = np.int64(head)
            words[word, LENGTH] = length
            words[word, START] = word_start
            words[word, COUNT] = 0
            origins[word, HASH] = np.int64(mixed)
            origins[word, FIRST] = origin + start
        words[word, COUNT] += weight
        ids[token] = word
    return starts.size


@cached_njit(nogil=True)
def refill_slots(table):
    """Insert every word of `table` into its slots, which are all empty."""
    slots, _, origins, _, used = table
    mask = np.int64(slots.size - 1)
    for word in range(used[0]):
        word_hash = np.uint64(origins[word, HASH])
        slot = np.int64(word_hash) & mask
        while slots[slot] != 0:
            slot = (slot + 1) & mask
        slots[slot] = _slot_entry(word_hash, word)


@cached_njit(nogil=True)
def buckets_of_words(text, starts, lengths, num_buckets):
    """uint16 [words], a number below `num_buckets` (a power of two) that depends only on the spelling."""
    buckets = np.empty(starts.size, np.uint16)
    for i in range(starts.size):
        mixed = np.uint64(lengths[i])
        for place in range(starts[i], starts[i] + lengths[i]):
            mixed = (mixed ^ np.uint64(text[place])) * _MULTIPLIER
        buckets[i] = (mixed >> np.uint64(40)) & np.uint64(num_buckets - 1)
    return buckets


@cached_njit(nogil=True)
def copy_words(text, starts, lengths, output):
    """Write words without gaps to `output`, which has exactly the necessary size."""
    written = 0
    for i in range(starts.size):
        for place in range(starts[i], starts[i] + lengths[i]):
            output[written] = text[place]
            written += 1


@cached_njit(nogil=True)
def translate_ids(ids, translation, output, line_is_open):
    """Replace each id, int32 [n], by `translation[id]`, without the dropped words and the lines that become empty.

    `translation`, int32 [words], has new ids, or `DROPPED`. `output`, int32 [n], may be `ids` itself. A line is open
    when a word has been written since the last `LINE_END`. Returns the number of ids written, `LINE_END` included; the
    number of words among them; and whether the last line is open.
    """
    written = 0
    num_words = 0
    for provisional in ids:
        if provisional == LINE_END:
            if line_is_open:
                output[written] = LINE_END
                written += 1
                line_is_open = False
        else:
            row = translation[provisional]
            if row != DROPPED:
                output[written] = row
                written += 1
                num_words += 1
                line_is_open = True
    return written, num_words, line_is_open


@cached_njit(nogil=True)
def _is_space(byte):
    return byte == 32 or (9 <= byte <= 13)


@cached_njit(nogil=True)
def _is_line_end(byte):
    return byte <= 13 and (byte == 10 or byte == 13)  # one comparison for a space


@cached_njit(nogil=True)
def _flag_below_33(chunk):
    """The high bit of each byte below 33; exact up to the first such byte (borrows propagate upwards only)."""
    return (chunk - _THIRTY_THREES) & ~chunk & _HIGH_BITS


@cached_njit(nogil=True)
def _bytes_before_flag(flags):
    """The number of bytes before the first one whose high bit is set."""
    before = (flags ^ (flags - np.uint64(1))) >> np.uint64(8)
    return np.int64(((before & _ONES) * _ONES) >> np.uint64(56))


@cached_njit(nogil=True)
def _keep_bytes(count):
    """The mask of the first `count` bytes of a load, 1 to 8."""
    return _ALL_BITS >> np.uint64(64 - 8 * count)


@cached_njit(nogil=True)
def finish_hash(mixed, length):
    """Spread a hash over all 64 bits: the low bits choose the slot, the high half is compared first."""
    mixed = (mixed ^ np.uint64(length)) * _MULTIPLIER
    mixed = (mixed ^ (mixed >> np.uint64(32))) * _FINAL_MULTIPLIER
    return mixed ^ (mixed >> np.uint64(32))


@cached_njit(nogil=True)
def _slot_entry(word_hash, word):
    return (word_hash & ~_LOW_HALF) | np.uint64(word + 1)


@cached_njit(nogil=True)
def _code_point(chunk):
    """Code point and width in bytes of the UTF-8 sequence at the start of `chunk`; (-1, 1) when it is invalid.

    The first byte is not ASCII. Overlong forms and code points above U+10FFFF are invalid (the Unicode Standard, table
    3-7). Surrogates, also invalid, are accepted here: their class is a separator.
    """
    first = np.int64(chunk & np.uint64(0xFF))
    second = np.int64((chunk >> np.uint64(8)) & np.uint64(0xFF))
    third = np.int64((chunk >> np.uint64(16)) & np.uint64(0xFF))
    fourth = np.int64((chunk >> np.uint64(24)) & np.uint64(0xFF))
    if first < 0xC2 or first > 0xF4 or second & 0xC0 != 0x80:
        return -1, 1
    if first < 0xE0:
        return (first & 0x1F) << 6 | (second & 0x3F), 2
    if third & 0xC0 != 0x80:
        return -1, 1
    if first < 0xF0:
        code = (first & 0x0F) << 12 | (second & 0x3F) << 6 | (third & 0x3F)
        if code < 0x800:
            return -1, 1
        return code, 3
    code = (first & 0x07) << 18 | (second & 0x3F) << 12 | (third & 0x3F) << 6 | (fourth & 0x3F)
    if fourth & 0xC0 != 0x80 or code < 0x10000 or code > 0x10FFFF:
        return -1, 1
    return code, 4


def _type_and_code_of_load(typing_context, array, index):

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        pointer = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(64).as_pointer())
        return builder.load(pointer, align=1)

    return types.uint64(array, types.int64), generate


# _load(array, index): eight bytes of a uint8 array from `index` on, unaligned; the first byte is the lowest (Numba
# supports little-endian machines only).
_load: Any = intrinsic(_type_and_code_of_load)
