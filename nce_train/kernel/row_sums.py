"""Sums of a table's rows, and a row added to many of them, as vector instructions.

Only the first numbers of a row are used, as many as the other table's rows have, a multiple of LANES. The NumPy twins
are in `tests/kernel/test_kernel_tiles.py`.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from nce_train.kernel.inlining import in_place
from nce_train.kernel.sizes import TILE
from nce_train.kernel.vectors import I64, LANES, load, offset, outlined, splat, store

# Vectors of columns that are summed side by side. One at a time, each sum would wait for its last addition, and the
# loop over a few rows would cost more than its body.
_TILES = (2 * TILE, 2, 1)


@in_place
def sum_rows(source, rows, begin, end, skipped, factor, target, place):
    """target[place] = factor · Σ source[rows[r]] over begin <= r < end, r ≠ skipped.

    Parameters
    ----------
    source : float [> every row, >= width]
    rows : int32 [>= end]
    begin, end : int
    skipped : int
        At least `begin`; `end` skips none.
    factor : float64
    target : float [> place, width], written
    place : int
    """
    _sum_rows(source, rows, np.int64(begin), np.int64(end), np.int64(skipped), factor, target, np.int64(place))


@in_place
def add_to_each(target, rows, begin, end, skipped, source, place):
    """target[rows[r]] += source[place] for each begin <= r < end, r ≠ skipped. A row may occur twice.

    Parameters are as in `sum_rows`; `source` has `width` columns, `target` at least as many.
    """
    _add_to_each(target, rows, np.int64(begin), np.int64(end), np.int64(skipped), source, np.int64(place))


@in_place
def add_shares_to_each(target, rows, begin, end, shares, source, place):
    """target[rows[r]] += shares[r] · source[place] for each begin <= r < end; `shares` is float32 [>= end]."""
    _add_shares_to_each(target, rows, np.int64(begin), np.int64(end), shares, source, np.int64(place))


@in_place
def scale_change(after, before, factor, place):
    """after[place] = factor · (after[place] − before[place]); `before` has as many columns as `after` at least."""
    _scale_change(after, before, factor, np.int64(place))


@intrinsic
def _sum_rows(typing, source, rows, begin, end, skipped, factor, target, place):
    def sum_rows(builder, source, rows, begin, end, skipped, factor, target, place):
        vector = source.vector()
        factors = _splat_as(builder, factor, vector)

        def tile(column, vectors):
            sums = [cgutils.alloca_once(builder, vector) for _ in range(vectors)]
            for total in sums:
                builder.store(ir.Constant(vector, [0.0] * LANES), total)

            def add(pointer):
                for v, total in enumerate(sums):
                    numbers = load(builder, offset(builder, pointer, v * LANES), vector)
                    builder.store(builder.fadd(builder.load(total), numbers), total)

            _each_row(builder, source, rows, begin, end, skipped, column, add)
            pointer = offset(builder, target.row(place), column)
            for v, total in enumerate(sums):
                store(builder, builder.fmul(builder.load(total), factors), offset(builder, pointer, v * LANES))

        _write_tiles(builder, target.width, tile)

    index = types.int64
    return types.none(source, rows, index, index, index, types.float64, target, index), outlined(sum_rows)


@intrinsic
def _add_to_each(typing, target, rows, begin, end, skipped, source, place):
    def add_to_each(builder, target, rows, begin, end, skipped, source, place):
        vector = target.vector()

        def tile(column, vectors):
            pointer = offset(builder, source.row(place), column)
            addends = [load(builder, offset(builder, pointer, v * LANES), vector) for v in range(vectors)]

            def add(pointer):
                for v, addend in enumerate(addends):
                    numbers = offset(builder, pointer, v * LANES)
                    store(builder, builder.fadd(load(builder, numbers, vector), addend), numbers)

            _each_row(builder, target, rows, begin, end, skipped, column, add)

        _write_tiles(builder, source.width, tile)

    index = types.int64
    return types.none(target, rows, index, index, index, source, index), outlined(add_to_each)


@intrinsic
def _add_shares_to_each(typing, target, rows, begin, end, shares, source, place):
    def add_shares_to_each(builder, target, rows, begin, end, shares, source, place):
        vector = target.vector()
        with cgutils.for_range_slice(builder, begin, end, I64(1), I64) as (r, _):
            share = builder.fpext(shares.load(r), ir.DoubleType())
            factors = _splat_as(builder, share, vector)
            row = target.row(builder.sext(rows.load(r), I64))
            with cgutils.for_range_slice(builder, I64(0), source.width, I64(LANES), I64) as (column, _):
                addend = load(builder, offset(builder, source.row(place), column), vector)
                numbers = offset(builder, row, column)
                total = builder.fadd(load(builder, numbers, vector), builder.fmul(addend, factors))
                store(builder, total, numbers)

    index = types.int64
    return types.none(target, rows, index, index, shares, source, index), outlined(add_shares_to_each)


@intrinsic
def _scale_change(typing, after, before, factor, place):
    def scale_change(builder, after, before, factor, place):
        vector = after.vector()
        factors = _splat_as(builder, factor, vector)
        with cgutils.for_range_slice(builder, I64(0), after.width, I64(LANES), I64) as (column, _):
            new, old = (offset(builder, table.row(place), column) for table in (after, before))
            change = builder.fsub(load(builder, new, vector), load(builder, old, vector))
            store(builder, builder.fmul(change, factors), new)

    return types.none(after, before, types.float64, types.int64), outlined(scale_change)


def _write_tiles(builder, width, tile):
    """Write the loops over the columns; calls tile(first column, vectors)."""
    start = I64(0)
    for vectors in _TILES:
        stop = builder.and_(width, I64(-vectors * LANES))
        with cgutils.for_range_slice(builder, start, stop, I64(vectors * LANES), I64) as (column, _):
            tile(column, vectors)
        start = stop


def _each_row(builder, table, rows, begin, end, skipped, column, use):
    """Write the two loops before and behind the skipped row; `use` takes the address of a row's `column`."""
    for first, last in ((begin, skipped), (builder.add(skipped, I64(1)), end)):
        with cgutils.for_range_slice(builder, first, last, I64(1), I64) as (place, _):
            use(offset(builder, table.row(builder.sext(rows.load(place), I64)), column))


def _splat_as(builder, number, vector):
    """A float64 in all lanes of a vector of its own or a shorter type."""
    if isinstance(vector.element, ir.FloatType):
        number = builder.fptrunc(number, vector.element)
    return splat(builder, number)
