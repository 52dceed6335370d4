"""Sums of a table's rows, and rows added to many of them, a vector at a time.

The NumPy twins are in `tests/kernel/test_kernel_tiles.py`.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from nce_train.kernel.inlining import inner
from nce_train.kernel.vectors import I64, LANES, inlined, load, offset, splat, store


@inner
def sum_rows(source, rows, begin, end, skipped, factor, target, place):
    """target[place] = factor · Σ source[rows[r]] over begin <= r < end, r ≠ skipped.

    Parameters
    ----------
    source : float [>= max(rows) + 1, >= width]
    rows : int32 [>= end]
    begin, end : int
    skipped : int
        At least `begin`; `end` skips none.
    factor : float64
    target : float [> place, width], written
    place : int
    """
    for column in range(0, target.shape[1], LANES):
        _sum_vector(source, rows, begin, end, skipped, factor, target, place, column)


@inner
def add_to_each(target, rows, begin, end, skipped, source, place):
    """target[rows[r]] += source[place] for each begin <= r < end, r ≠ skipped; a row may occur twice.

    Parameters are as in `sum_rows`; the width is that of `source`.
    """
    for column in range(0, source.shape[1], LANES):
        _add_vector(target, rows, begin, end, skipped, source, place, column)


@inner
def scale_change(after, before, factor, place):
    """after[place] = factor · (after[place] − before[place])."""
    for column in range(0, before.shape[1], LANES):
        _scale_change(after, before, factor, place, column)


@intrinsic
def _sum_vector(typing, source, rows, begin, end, skipped, factor, target, place, column):
    def sum_vector(builder, source, rows, begin, end, skipped, factor, target, place, column):
        vector = source.vector()
        total = cgutils.alloca_once(builder, vector)
        builder.store(ir.Constant(vector, [0.0] * LANES), total)

        def add(pointer):
            builder.store(builder.fadd(builder.load(total), load(builder, pointer, vector)), total)

        _for_each_row(builder, source, rows, begin, end, skipped, column, add)
        scaled = builder.fmul(builder.load(total), _splat_as(builder, factor, vector))
        store(builder, scaled, offset(builder, target.row(place), column))

    index = types.int64
    arguments = source, rows, index, index, index, types.float64, target, index, index
    return types.none(*arguments), inlined(sum_vector)


@intrinsic
def _add_vector(typing, target, rows, begin, end, skipped, source, place, column):
    def add_vector(builder, target, rows, begin, end, skipped, source, place, column):
        vector = target.vector()
        addend = load(builder, offset(builder, source.row(place), column), vector)

        def add(pointer):
            store(builder, builder.fadd(load(builder, pointer, vector), addend), pointer)

        _for_each_row(builder, target, rows, begin, end, skipped, column, add)

    index = types.int64
    return types.none(target, rows, index, index, index, source, index, index), inlined(add_vector)


@intrinsic
def _scale_change(typing, after, before, factor, place, column):
    def scale_change(builder, after, before, factor, place, column):
        vector = after.vector()
        new, old = (offset(builder, table.row(place), column) for table in (after, before))
        change = builder.fsub(load(builder, new, vector), load(builder, old, vector))
        store(builder, builder.fmul(change, _splat_as(builder, factor, vector)), new)

    return types.none(after, before, types.float64, types.int64, types.int64), inlined(scale_change)


def _for_each_row(builder, table, rows, begin, end, skipped, column, use):
    """Write the two loops before and behind the skipped row; `use` takes the address of a row's `column`."""
    for first, last in ((begin, skipped), (builder.add(skipped, I64(1)), end)):
        with cgutils.for_range_slice(builder, first, last, I64(1), I64) as (place, _):
            use(offset(builder, table.row(builder.sext(rows.load(place), I64)), column))


def _splat_as(builder, number, vector):
    """A float64 in all lanes of a vector of its own or a shorter type."""
    if isinstance(vector.element, ir.FloatType):
        number = builder.fptrunc(number, vector.element)
    return splat(builder, number)
