"""Rows of tables: fetched ahead, copied, merged; and lists of row numbers.

The NumPy twins are in `tests/kernel/test_kernel_tiles.py`.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from nce_train.kernel.inlining import in_place
from nce_train.kernel.sizes import CACHE_LINE
from nce_train.kernel.vectors import (
    I32,
    I64,
    LANES,
    inlined,
    load,
    load_first,
    offset,
    prefetch,
    splat,
    store,
    store_first,
)


@in_place
def prefetch_row(table, row):
    """Ask for a table row to be brought into the cache; changes nothing."""
    _prefetch_row(table, row)


@in_place
def copy_row(source, source_row, target, target_row, width):
    """target[target_row] = source[source_row], the first `width` numbers: a multiple of LANES."""
    for column in range(0, width, LANES):
        _copy_vector(source, np.int64(source_row), target, np.int64(target_row), column)


@in_place
def merge_row(table, row, copy, base):
    """Add what table[copy] has changed since it was base[row] to table[row]; all three become the result."""
    for column in range(0, base.shape[1], LANES):
        _merge_vector(table, np.int64(row), np.int64(copy), base, column)


@in_place
def move_words(words, first, count, bound, shift, target, start):
    """target[start + i] = words[first + i], plus `shift` where that is below `bound`, for i < count.

    Parameters
    ----------
    words : int32 [>= first + count]
    first, count : int
    bound, shift : int
    target : int32 [>= start + count]; may be `words` itself where first == start
    start : int
    """
    _move_words(words, np.int64(first), np.int64(count), np.int64(bound), np.int64(shift), target, np.int64(start))


@intrinsic
def _prefetch_row(typing, table, row):
    def prefetch_row(builder, table, row):
        fetch_row(builder, table, table.width, row)

    return types.none(table, types.int64), inlined(prefetch_row)


def fetch_row(builder, table, width, row):
    pointer = table.row(row)
    numbers_a_line = I64(CACHE_LINE // table.item_size)
    with cgutils.for_range_slice(builder, I64(0), width, numbers_a_line, I64) as (column, _):
        prefetch(builder, offset(builder, pointer, column))


@intrinsic
def _copy_vector(typing, source, source_row, target, target_row, column):
    def copy_vector(builder, source, source_row, target, target_row, column):
        values = load(builder, offset(builder, source.row(source_row), column), source.vector())
        store(builder, values, offset(builder, target.row(target_row), column))

    return types.none(source, types.int64, target, types.int64, types.int64), inlined(copy_vector)


@intrinsic
def _merge_vector(typing, table, row, copy, base, column):
    # written out, since LLVM cannot tell that the three do not overlap and would take the numbers one by one
    def merge_vector(builder, table, row, copy, base, column):
        places = [offset(builder, start, column) for start in (table.row(row), table.row(copy), base.row(row))]
        shared, own, before = (load(builder, place, table.vector()) for place in places)
        merged = builder.fadd(shared, builder.fsub(own, before))
        for place in places:
            store(builder, merged, place)

    return types.none(table, types.int64, types.int64, base, types.int64), inlined(merge_vector)


@intrinsic
def _move_words(typing, words, first, count, bound, shift, target, start):
    def move_words(builder, words, first, count, bound, shift, target, start):
        integers = ir.VectorType(I32, LANES)
        bounds = splat(builder, builder.trunc(bound, I32))
        shifts = splat(builder, builder.trunc(shift, I32))
        zeros = ir.Constant(integers, [0] * LANES)
        with cgutils.for_range_slice(builder, I64(0), count, I64(LANES), I64) as (i, _):
            left = builder.sub(count, i)
            some = load_first(builder, words.at(builder.add(first, i)), integers, left)
            shifted = builder.select(builder.icmp_signed("<", some, bounds), shifts, zeros)
            store_first(builder, builder.add(some, shifted), target.at(builder.add(start, i)), left)

    index = types.int64
    return types.none(words, index, index, index, index, target, index), inlined(move_words)
