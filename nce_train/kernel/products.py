"""The three small matrix products of a block step, written as vector instructions.

A *panel* is PANEL = 8 centres in two *halves* of four. Against a list of rows of the output table it needs

    logits[r, g] = row_r · centre_g + offset_r + log m_g       `panel_logits`
    centre_g    += Σ_r step[r, g] · row_r                      `add_to_centres`
    row_r       += Σ_g step[r, g] · centre_g                   `add_to_rows`

with `step` from `logistic`. The first rows concern the first half only, the last rows the second half only (words at
the panel's two ends, outside the other half's windows); those between, with the noise words, concern both. Three
numbers say where the parts end: `low_end`, `both_end`, `count`. Products of a row with a half that it does not concern
are not computed.

LLVM does not find the register tiling of the products by itself (loops in Python syntax ran 3 to 10 times slower,
measured), so each is an intrinsic that writes the vector instructions out. The docstrings say what each computes, and
`tests/kernel/test_kernel_tiles.py` holds the NumPy twins.

Only the first `width` numbers of a row are used, a multiple of LANES. Arrays are C-contiguous; alignment does not
matter.
"""

import contextlib

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from nce_train.kernel.inlining import in_place
from nce_train.kernel.rows import fetch_row
from nce_train.kernel.sizes import COLUMNS, HALF, PANEL, ROW_TILE, TILE
from nce_train.kernel.vectors import (
    I64,
    LANES,
    inlined,
    load,
    multiply_add,
    offset,
    outlined,
    prefetch,
    shuffle,
    splat,
    store,
    sum_of_lanes,
)


@in_place
def pack_centres(table, ids, first, centres, packed):
    """Copy PANEL rows of a table, and lay them side by side for `panel_logits`.

    centres[first + g] = table[ids[first + g]], and packed[d // COLUMNS, g, d % COLUMNS] = centres[first + g, d].

    Parameters
    ----------
    table : float [classes, >= width]
    ids : int32 [>= first + PANEL]
    first : int
    centres : float [>= first + PANEL, width], written
    packed : float [width * PANEL], written
    """
    for column in range(0, centres.shape[1], LANES):
        _pack_tile(table, ids, first, column, centres, packed)


@in_place
def panel_logits(table, width, rows, low_end, both_end, count, packed, offsets, log_ratio, logits):
    """logits[r, g] = table[rows[r]] · centre_g + offsets[r] + log_ratio[g], for r < count and the halves r concerns.

    Parameters
    ----------
    table : float [classes, >= width]
    width : int
        The numbers of a row that count, a multiple of LANES.
    rows : int32 [>= count + ROW_TILE - 1]; the entries from `count` on must be valid ids
    low_end, both_end, count : int
        Rows before `low_end` concern the first half only, rows from `both_end` on the second half only.
    packed : float [width * PANEL]: the centres as `pack_centres` lays them
    offsets : float [>= count + ROW_TILE - 1]
    log_ratio : float [PANEL]
    logits : float [>= count + ROW_TILE - 1, PANEL], written; where a row does not concern a half, with anything finite
    """
    _panel_logits(table, width, rows, low_end, both_end, count, packed, offsets, log_ratio, logits)


@in_place
def add_to_centres(
    table, width, rows, ahead, ahead_count, low_end, both_end, count, steps, centre_table, centre_ids, first_centre
):
    """centre_table[centre_ids[first_centre + g]] += Σ_r steps[r, g] · table[rows[r]] over r < count, g < PANEL.

    Only over the rows that concern g's half. On the way half of the rows `ahead` is fetched: the next block's.
    """
    _add_to_centres(
        table, width, rows, ahead, ahead_count, low_end, both_end, count, steps, centre_table, centre_ids, first_centre
    )


@in_place
def add_to_rows(table, bias, width, rows, ahead, low_end, both_end, count, steps, centres, first_centre):
    """table[rows[r]] += Σ_g steps[r, g] · centres[first_centre + g] and bias[rows[r]] += Σ_g steps[r, g], r < count.

    Only over the halves that row r concerns (the other steps are 0). Row after row: a row may occur twice. On the way
    the other half of the rows `ahead` is fetched.
    """
    _add_to_bias(bias, rows, count, steps)
    _add_to_rows(table, width, rows, ahead, low_end, both_end, count, steps, centres, first_centre)


@intrinsic
def _pack_tile(typing, table, ids, first, column, centres, packed):
    """LANES columns of PANEL rows: each half is a transposition of 4 × 4 items of COLUMNS numbers."""

    def pack_tile(builder, table, ids, first, column, centres, packed):
        vector = table.vector()
        for half in range(2):
            items = []
            for g in range(half * HALF, (half + 1) * HALF):
                place = builder.add(first, I64(g))
                pointer = offset(builder, table.row(builder.sext(ids.load(place), I64)), column)
                row = load(builder, pointer, vector)
                store(builder, row, offset(builder, centres.row(place), column))
                items.append(row)
            # interleaving each row with the one two on, twice over, transposes
            for _ in range(2):
                items = [
                    part
                    for left, right in zip(items[:2], items[2:], strict=True)
                    for part in _interleave_items(builder, left, right)
                ]
            target = packed.at(builder.mul(column, I64(PANEL)))
            for number, item in enumerate(items):
                store(builder, item, offset(builder, target, (2 * number + half) * LANES))

    return types.none(table, ids, types.int64, types.int64, centres, packed), inlined(pack_tile)


def _interleave_items(builder, left, right):
    """Alternate the items of COLUMNS numbers of two vectors; the low and the high vector of the result."""
    order = [
        side * LANES + item * COLUMNS + number for item in range(HALF) for side in range(2) for number in range(COLUMNS)
    ]
    return shuffle(builder, left, right, order[:LANES]), shuffle(builder, left, right, order[LANES:])


@intrinsic
def _panel_logits(typing, table, width, rows, low_end, both_end, count, packed, offsets, log_ratio, logits):
    def panel_logits(builder, table, width, rows, low_end, both_end, count, packed, offsets, log_ratio, logits):
        def tile(*groups):
            _logits_tile(builder, table, width, rows, packed, offsets, log_ratio, logits, groups)

        # rows of the first half and of the second in one tile, since half a panel alone would wait for its sums; where
        # one side has more of them, the other's last ones, or some that come later, are computed once more
        longer = _greater(builder, low_end, builder.sub(count, both_end))
        with cgutils.for_range_slice(builder, I64(0), longer, I64(HALF), I64) as (row, _):
            low = _lesser(builder, row, _greater(builder, builder.sub(low_end, I64(1)), I64(0)))
            high = _lesser(builder, builder.add(both_end, row), _greater(builder, builder.sub(count, I64(1)), both_end))
            tile((low, HALF, (0,)), (high, HALF, (1,)))
        left = cgutils.alloca_once_value(builder, low_end)  # the first row that is left after whole tiles
        last_whole = builder.sub(both_end, I64(ROW_TILE // 2))
        with cgutils.for_range_slice(builder, low_end, last_whole, I64(ROW_TILE), I64) as (row, _):
            tile((row, ROW_TILE, (0, 1)))
            builder.store(builder.add(row, I64(ROW_TILE)), left)
        with builder.if_then(builder.icmp_signed("<", builder.load(left), both_end)):
            tile((builder.load(left), ROW_TILE // 2, (0, 1)))

    index = types.int64
    return types.none(table, index, rows, index, index, index, packed, offsets, log_ratio, logits), outlined(
        panel_logits
    )


def _logits_tile(builder, table, width, rows, packed, offsets, log_ratio, logits, groups):
    """Groups of rows against halves of the packed panel, in one loop over the columns.

    A group is its first row, how many there are, and the halves. Lanes g · COLUMNS … of a sum hold the parts of centre
    g of its half.
    """
    vector = table.vector()
    pointers = [
        [table.row(builder.sext(rows.load(builder.add(first, I64(r))), I64)) for r in range(row_count)]
        for first, row_count, _ in groups
    ]
    sums = [
        [[cgutils.alloca_once(builder, vector) for _ in halves] for _ in range(row_count)]
        for _, row_count, halves in groups
    ]
    for place in (place for group_sums in sums for row_sums in group_sums for place in row_sums):
        builder.store(ir.Constant(vector, [0.0] * LANES), place)
    halves_used = sorted({half for _, _, halves in groups for half in halves})
    with cgutils.for_range_slice(builder, I64(0), width, I64(LANES), I64) as (first_column, _):
        for step in range(0, LANES, COLUMNS):
            column = builder.add(first_column, I64(step))
            panel = packed.at(builder.mul(column, I64(PANEL)))
            packs = {half: load(builder, offset(builder, panel, half * LANES), vector) for half in halves_used}
            for (_, _, halves), group_pointers, group_sums in zip(groups, pointers, sums, strict=True):
                for pointer, row_sums in zip(group_pointers, group_sums, strict=True):
                    part = load(builder, offset(builder, pointer, column), table.vector(COLUMNS))
                    part = shuffle(builder, part, part, list(range(COLUMNS)) * HALF)
                    for half, place in zip(halves, row_sums, strict=True):
                        builder.store(multiply_add(builder, part, packs[half], builder.load(place)), place)
    for (first, row_count, halves), group_sums in zip(groups, sums, strict=True):
        totals = [builder.load(place) for row_sums in group_sums for place in row_sums]
        even, odd = list(range(0, 2 * LANES, 2)), list(range(1, 2 * LANES, 2))
        while len(totals) * COLUMNS > row_count * len(halves):
            totals = [
                builder.fadd(shuffle(builder, left, right, even), shuffle(builder, left, right, odd))
                for left, right in zip(totals[::2], totals[1::2], strict=True)
            ]
        # now LANES numbers of each total belong to consecutive rows
        centres = HALF * len(halves)
        ratio = load(builder, offset(builder, log_ratio.data, halves[0] * HALF), table.vector(centres))
        for number, total in enumerate(totals):
            for piece in range(LANES // centres):
                row = builder.add(first, I64(number * LANES // centres + piece))
                numbers = shuffle(builder, total, total, list(range(piece * centres, (piece + 1) * centres)))
                constant = builder.fadd(splat(builder, offsets.load(row), centres), ratio)
                place = offset(builder, logits.row(row), halves[0] * HALF)
                store(builder, builder.fadd(numbers, constant), place)


def _greater(builder, left, right):
    return builder.select(builder.icmp_signed(">", left, right), left, right)


def _lesser(builder, left, right):
    return builder.select(builder.icmp_signed("<", left, right), left, right)


@intrinsic
def _add_to_centres(
    typing,
    table,
    width,
    rows,
    ahead,
    ahead_count,
    low_end,
    both_end,
    count,
    steps,
    centre_table,
    centre_ids,
    first_centre,
):
    def add_to_centres(builder, *arguments):
        table, width, rows, ahead, ahead_count, *ends, steps, centre_table, centre_ids, first_centre = arguments
        vector = table.vector()

        def tile(column, vectors, first, centres, begin, end, fetched):
            sums = [[cgutils.alloca_once(builder, vector) for _ in range(vectors)] for _ in range(centres)]
            for place in (place for centre_sums in sums for place in centre_sums):
                builder.store(ir.Constant(vector, [0.0] * LANES), place)
            with _each_row(builder, table, rows, ahead, begin, end, column, fetched) as (row, pointer):
                values = [load(builder, offset(builder, pointer, v * LANES), vector) for v in range(vectors)]
                row_steps = offset(builder, steps.row(row), first)
                for g in range(centres):
                    factor = splat(builder, builder.load(offset(builder, row_steps, g)))
                    for v in range(vectors):
                        total = multiply_add(builder, factor, values[v], builder.load(sums[g][v]))
                        builder.store(total, sums[g][v])
            for g in range(centres):
                place = builder.add(builder.add(first_centre, first), I64(g))
                pointer = offset(builder, centre_table.row(builder.sext(centre_ids.load(place), I64)), column)
                for v in range(vectors):
                    numbers = offset(builder, pointer, v * LANES)
                    store(builder, builder.fadd(load(builder, numbers, vector), builder.load(sums[g][v])), numbers)

        # the rows ahead that not every pass reaches, whole: loops of any length after each pass would be guessed wrong
        low_end, both_end, count = ends
        passed = _lesser(builder, both_end, builder.sub(count, low_end))
        with cgutils.for_range_slice(builder, passed, ahead_count, I64(1), I64) as (number, _):
            fetch_row(builder, table, width, builder.sext(ahead.load(number), I64))
        _write_tiles(builder, width, *ends, tile, 0)

    index = types.int64
    return (
        types.none(table, index, rows, ahead, index, index, index, index, steps, centre_table, centre_ids, index),
        outlined(add_to_centres),
    )


@intrinsic
def _add_to_rows(typing, table, width, rows, ahead, low_end, both_end, count, steps, centres, first_centre):
    def add_to_rows(builder, *arguments):
        table, width, rows, ahead, *ends, steps, centres, first_centre = arguments
        vector = table.vector()

        def tile(column, vectors, first, centre_count, begin, end, fetched):
            panel = []
            for g in range(centre_count):
                place = builder.add(builder.add(first_centre, first), I64(g))
                pointer = offset(builder, centres.row(place), column)
                panel.append([load(builder, offset(builder, pointer, v * LANES), vector) for v in range(vectors)])
            with _each_row(builder, table, rows, ahead, begin, end, column, fetched) as (row, pointer):
                places = [offset(builder, pointer, v * LANES) for v in range(vectors)]
                totals = [load(builder, place, vector) for place in places]
                row_steps = offset(builder, steps.row(row), first)
                for g in range(centre_count):
                    factor = splat(builder, builder.load(offset(builder, row_steps, g)))
                    totals = [multiply_add(builder, factor, panel[g][v], totals[v]) for v in range(vectors)]
                for total, place in zip(totals, places, strict=True):
                    store(builder, total, place)

        _write_tiles(builder, width, *ends, tile, 2)

    index = types.int64
    return types.none(table, index, rows, ahead, index, index, index, steps, centres, index), outlined(add_to_rows)


def _write_tiles(builder, width, low_end, both_end, count, tile, first_fetched):
    """Write the loops over tiles of TILE vectors of columns and a half panel, and over what is left of the columns.

    Calls tile(first column, vectors, first centre, centres, first row, last row, fetched). A row of the next block
    is fetched a cache line each time that a row is passed: `fetched` is the column, or None. The two passes of
    `add_to_centres` take vectors 0 and 1 of a tile, those of `add_to_rows` 2 and 3: all at once they would wait.
    """

    def half_panels(column, vectors):
        with cgutils.for_range_slice(builder, I64(0), I64(PANEL), I64(HALF), I64) as (first, _):
            is_first = builder.icmp_signed("==", first, I64(0))
            begin = builder.select(is_first, I64(0), low_end)
            end = builder.select(is_first, both_end, count)
            fetched = None
            if first_fetched < vectors:
                passed = builder.mul(builder.sdiv(first, I64(HALF)), I64(LANES))
                fetched = builder.add(builder.add(column, passed), I64(first_fetched * LANES))
            tile(column, vectors, first, HALF, begin, end, fetched)

    whole = builder.and_(width, I64(-TILE * LANES))
    with cgutils.for_range_slice(builder, I64(0), whole, I64(TILE * LANES), I64) as (column, _):
        half_panels(column, TILE)
    pairs = builder.and_(width, I64(-2 * LANES))
    if TILE > 2:
        with builder.if_then(builder.icmp_signed("<", whole, pairs)):
            half_panels(whole, 2)
    with builder.if_then(builder.icmp_signed("<", pairs, width)):  # one vector: all centres at once; other steps are 0
        tile(pairs, 1, I64(0), PANEL, I64(0), count, pairs if first_fetched == 0 else None)


@contextlib.contextmanager
def _each_row(builder, table, rows, ahead, begin, end, column, fetched):
    """A loop over rows[begin:end], which gives each one's number and the address of its `column`.

    On the way the column `fetched` of as many of the rows `ahead` is fetched; None fetches nothing.
    """

    with cgutils.for_range_slice(builder, begin, end, I64(1), I64) as (row, passed):
        if fetched is not None:
            next_row = table.row(builder.sext(ahead.load(passed), I64))
            prefetch(builder, offset(builder, next_row, fetched))
        yield row, offset(builder, table.row(builder.sext(rows.load(row), I64)), column)


@intrinsic
def _add_to_bias(typing, bias, rows, count, steps):
    def add_to_bias(builder, bias, rows, count, steps):
        with cgutils.for_range_slice(builder, I64(0), count, I64(1), I64) as (row, _):
            total = sum_of_lanes(builder, load(builder, steps.row(row), steps.vector(PANEL)))
            place = bias.at(builder.sext(rows.load(row), I64))
            builder.store(builder.fadd(builder.load(place), total), place)

    return types.none(bias, rows, types.int64, steps), inlined(add_to_bias)
