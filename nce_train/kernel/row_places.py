"""Which row stands for a word: the table's own, the thread's hot one, or its copy.

One kernel is compiled for threads with copies and one for those without: each function is chosen by the type.
"""

from typing import Any

from numba import types
from numba.extending import overload

from nce_train.kernel.inlining import inner
from nce_train.kernel.rows import copy_row, move_words, prefetch_row
from nce_train.kernel.state import HOT_ROWS, HOT_START

_OPTIONS: Any = {"nogil": True, "error_model": "numpy", "_nrt": False}


def input_row(copies, side, word):
    """The row of the input table that stands for a word."""
    raise NotImplementedError("compiled code only")


def place_rows(copies, hot, side, words, first, count, rows, start):
    """Write the output table's rows that stand for words[first : first + count] to `rows`, from `start` on."""
    raise NotImplementedError("compiled code only")


def copy_fresh_rows(copies, tables, noise, side):
    """Copy the rows that the block on side `side` is the first to touch; they were prefetched when it was drawn."""
    raise NotImplementedError("compiled code only")


@overload(input_row, jit_options=_OPTIONS)
def _input_row(copies, side, word):
    if isinstance(copies, types.NoneType):
        return lambda copies, side, word: word
    return lambda copies, side, word: _place_of(copies, copies.base.input, copies.input_place, 0, side, word)


@overload(place_rows, jit_options=_OPTIONS)
def _place_rows(copies, hot, side, words, first, count, rows, start):
    if isinstance(copies, types.NoneType):
        return lambda copies, hot, side, words, first, count, rows, start: move_words(
            words, first, count, hot[HOT_ROWS], hot[HOT_START], rows, start
        )

    def place(copies, hot, side, words, first, count, rows, start):
        for i in range(count):
            rows[start + i] = _place_of(copies, copies.base.output, copies.output_place, 1, side, words[first + i])

    return place


@overload(copy_fresh_rows, jit_options=_OPTIONS)
def _copy_fresh_rows(copies, tables, noise, side):
    if isinstance(copies, types.NoneType):
        return lambda copies, tables, noise, side: None

    def copy(copies, tables, noise, side):
        base, fresh = copies.base, copies.fresh
        for i in range(copies.fresh_count[side, 0]):
            word = fresh[side, 0, i]
            copy_row(base.input, word, tables.input, copies.input_place[word])
        for i in range(copies.fresh_count[side, 1]):
            word = fresh[side, 1, i]
            place = copies.output_place[word]
            copy_row(base.output, word, tables.output, place)
            tables.bias[place] = base.bias[word]
            noise.log_count[place] = copies.noise.log_count[word]
            noise.log_miss[place] = copies.noise.log_miss[word]
        copies.fresh_count[side, 0] = 0
        copies.fresh_count[side, 1] = 0

    return copy


@inner
def _place_of(copies, table, places, kind, side, word):
    place = places[word]
    if place < 0:
        place = copies.used[kind]
        copies.used[kind] = place + 1
        places[word] = place
        copies.fresh[side, kind, copies.fresh_count[side, kind]] = word
        copies.fresh_count[side, kind] += 1
        prefetch_row(table, word)
    return place
