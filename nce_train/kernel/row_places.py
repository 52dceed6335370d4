"""Which row stands for a word: the table's own, the thread's hot row, or, in a round, the shard's copy.

One kernel is compiled for shards of a round, where `shard_rows` is `ShardRows`, and one for threads that share the
tables, where it is None: each function is chosen by the type.
"""

from typing import Any

from numba import types
from numba.extending import overload

from nce_train.kernel.inlining import inner
from nce_train.kernel.rows import copy_row, move_words, prefetch_row
from nce_train.kernel.state import HOT_ROWS, HOT_START

_OPTIONS: Any = {"nogil": True, "error_model": "numpy", "_nrt": False}


def input_row(shard_rows, side, word):
    """The row of the input table that stands for a word."""
    raise NotImplementedError("compiled code only")


def place_rows(shard_rows, hot, side, words, first, count, rows, start):
    """Write the output table's rows that stand for words[first : first + count] to `rows`, from `start` on."""
    raise NotImplementedError("compiled code only")


def copy_new_rows(shard_rows, tables, noise, unique, width, side):
    """Copy the rows that the block on side `side` is the first to touch; they were prefetched when it was drawn.

    Of a row its first `width` numbers; of the noise's logarithms those that are used with `unique` noise or without.
    """
    raise NotImplementedError("compiled code only")


@overload(input_row, jit_options=_OPTIONS)
def _input_row(shard_rows, side, word):
    if isinstance(shard_rows, types.NoneType):
        return lambda shard_rows, side, word: word
    return lambda shard_rows, side, word: _place_of(
        shard_rows, shard_rows.base.input, shard_rows.input_place, 0, side, word
    )


@overload(place_rows, jit_options=_OPTIONS)
def _place_rows(shard_rows, hot, side, words, first, count, rows, start):
    if isinstance(shard_rows, types.NoneType):
        return lambda shard_rows, hot, side, words, first, count, rows, start: move_words(
            words, first, count, hot[HOT_ROWS], hot[HOT_START], rows, start
        )

    def place(shard_rows, hot, side, words, first, count, rows, start):
        for i in range(count):
            rows[start + i] = _place_of(
                shard_rows, shard_rows.base.output, shard_rows.output_place, 1, side, words[first + i]
            )

    return place


@overload(copy_new_rows, jit_options=_OPTIONS)
def _copy_new_rows(shard_rows, tables, noise, unique, width, side):
    if isinstance(shard_rows, types.NoneType):
        return lambda shard_rows, tables, noise, unique, width, side: None

    def copy(shard_rows, tables, noise, unique, width, side):
        base, fresh = shard_rows.base, shard_rows.to_copy
        for i in range(shard_rows.num_to_copy[side, 0]):
            word = fresh[side, 0, i]
            copy_row(base.input, word, tables.input, shard_rows.input_place[word], width)
        for i in range(shard_rows.num_to_copy[side, 1]):
            word = fresh[side, 1, i]
            place = shard_rows.output_place[word]
            copy_row(base.output, word, tables.output, place, width)
            tables.bias[place] = base.bias[word]
            noise.log_count[place] = shard_rows.noise.log_count[word]
            if unique:
                noise.log_miss[place] = shard_rows.noise.log_miss[word]
        shard_rows.num_to_copy[side, 0] = 0
        shard_rows.num_to_copy[side, 1] = 0

    return copy


@inner
def _place_of(shard_rows, table, places, kind, side, word):
    place = places[word]
    if place < 0:
        place = shard_rows.used[kind]
        shard_rows.used[kind] = place + 1
        places[word] = place
        shard_rows.to_copy[side, kind, shard_rows.num_to_copy[side, kind]] = word
        shard_rows.num_to_copy[side, kind] += 1
        prefetch_row(table, word)
    return place
