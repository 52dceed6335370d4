"""The arithmetic of a block step as vector instructions: three small matrix products and the logistic.

A *panel* is PANEL = 8 centres in two *halves* of four. Against a list of rows of the output table it needs

    logits[r, g] = row_r · centre_g + offset_r + log m_g       `panel_logits`
    step[r, g]   = −rate · ∂loss/∂logit, and the loss          `logits_to_steps`
    centre_g    += Σ_r step[r, g] · row_r                      `add_to_centres`
    row_r       += Σ_g step[r, g] · centre_g                   `add_to_rows`

The first rows concern the first half only, the last rows the second half only (words at the panel's two ends, outside
the other half's windows); those between, with the noise words, concern both. Three numbers say where the parts end:
`low_end`, `both_end`, `count`. Products of a row with a half that it does not concern are not computed.

Masks, drawing noise words and laying out rows are here as well: whatever the kernel does a vector at a time.

LLVM finds neither the register tiling of the products nor the vector form of the logistic by itself (loops in
Python syntax ran 3 to 10 times slower, measured), so each is an intrinsic that writes the vector instructions out. The
loops around them are ordinary compiled functions. `tests/training/test_training_tiles.py` holds the NumPy twins.

Of a table's rows `width` numbers are looked at, a multiple of LANES; everything is C-contiguous; nothing depends on
alignment.
"""

import contextlib
import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from nce_train.training.limits import CACHE_LINE
from nce_train.training.vectors import (
    I32,
    I64,
    LANES,
    inlined,
    load,
    load_first,
    multiply_add,
    offset,
    outlined,
    prefetch,
    shuffle,
    splat,
    store,
    store_first,
    sum_of_lanes,
)

PANEL = 8  # centres worked on together; block_size is cut into panels of this many
HALF = PANEL // 2
COLUMNS = LANES // HALF  # columns of a packed half panel that a vector holds
ROW_TILE = 8  # rows a tile of logits
# vectors of columns a tile of the other products: with HALF centres they fill half of the 32 or 16 registers
TILE = 4 if LANES == 16 else 2
DRAWS_AT_ONCE = 8  # noise words drawn side by side, at most LANES
DRAWS = 32  # noise words among which repeats are looked for

# How the functions below a kernel are compiled. Without NRT no array is reference-counted (atomic operations in
# the innermost loops, measured at a quarter of the time); without wrappers they compile in two thirds of the time. Not
# inlined, each call would lay the hundreds of numbers of `Thread` on the stack: 7 % of the time for four calls a block.
_WITHOUT_WRAPPERS: Any = {
    "nogil": True,
    "error_model": "numpy",
    "_nrt": False,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
called = njit(**_WITHOUT_WRAPPERS)
inner = njit(**_WITHOUT_WRAPPERS, forceinline=True)
in_place = njit(inline="always", nogil=True, error_model="numpy", _nrt=False)


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
def context_weights(first, last, place, before, after, weights):
    """weights[r, g] = 1 where row r is a context of centre g, else 0, for first <= r < last.

    It is one where −before[g] <= place + r − g <= after[g], and not 0.
    """
    _context_weights(first, last, place, before, after, weights)


@in_place
def noise_weights(first, last, times, centre_weights, weights):
    """weights[r, g] = times[r − first] · centre_weights[g] for first <= r < last."""
    _noise_weights(first, last, times, centre_weights, weights)


@in_place
def remove_hits(rows, first, last, count, times, subtract, weights):
    """Take out of noise rows, first <= s < last, the centres of which the same word is a context.

    For each context row r, before `first` or from `last` on, with rows[r] == rows[s]: where `subtract`,
    weights[s, g] += times[s − first] · weights[r, g], else weights[s, g] = 0 where weights[r, g] > 0.

    Parameters
    ----------
    rows : int32 [>= count]
    first, last, count : int
    times : float [>= last − first]
    subtract : bool
    weights : float [>= count, PANEL]: of noise rows not positive; those rows are written
    """
    _remove_hits(rows, first, last, count, times, subtract, weights)


@in_place
def merge_repeats(draws, draw_count, words, times, count):
    """Append the different words among draws[:draw_count] to `words`, and how often each is there to `times`.

    Parameters
    ----------
    draws : int32 [>= DRAWS]
    draw_count : int, at most DRAWS
    words : int32, and times : float, written from `count` on; one entry more than is used may be written
    count : int

    Returns
    -------
    int
        `count` and the number of different words.
    """
    return _merge_repeats(draws, draw_count, words, times, count)


@in_place
def draw_words(columns, state, count, words, start):
    """Draw `count` words from an alias table with the random numbers state + 1, state + 2, … strides on.

    Parameters
    ----------
    columns : uint64 [classes]
        High half the greatest low half of a draw that stays, low half the alias.
    state : uint64
    count, start : int
    words : int32 [>= start + count], written from `start` on
    """
    _draw_words(columns, np.uint64(columns.shape[0]), state, np.int64(count), words, np.int64(start))


@in_place
def mix(state):
    """A random number, uint64, from a counter that advances by RANDOM_STRIDE."""
    return _mix(state)


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


def logits_to_steps(logits, weights, count, rate):
    """Turn logits into steps in place and return the loss, over the first `count` rows.

    With n = |weight|, and z = 1 where the weight is positive (data) and 0 where it is negative (noise):
    loss = Σ n · (softplus(logit) − z · logit), step = rate · n · (z − σ(logit)).

    Parameters
    ----------
    logits : float [>= count + 1, PANEL]
    weights : float, same shape; a row of zeros follows when `count` is odd
    rate : float

    Returns
    -------
    float64
    """
    raise NotImplementedError("compiled code only")


@overload(logits_to_steps)
def _logits_to_steps(logits, weights, count, rate):
    if logits.dtype == types.float32:
        return lambda logits, weights, count, rate: _steps_float32(logits, weights, count, rate)
    return lambda logits, weights, count, rate: _steps_exact(logits, weights, count, rate)


@inner
def _steps_exact(logits, weights, count, rate):
    loss = 0.0
    for r in range(count):
        for g in range(PANEL):
            logit, weight = logits[r, g], weights[r, g]
            small = math.exp(-abs(logit))
            sigma = 1.0 / (1.0 + small) if logit >= 0 else small / (1.0 + small)
            data = max(weight, 0.0)
            loss += abs(weight) * (max(logit, 0.0) + math.log1p(small)) - data * logit
            logits[r, g] = rate * (data - abs(weight) * sigma)
    return loss


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


@in_place
def prefetch_row(table, row):
    """Ask for a table row to be brought into the cache; changes nothing."""
    _prefetch_row(table, row)


@in_place
def merge_row(table, row, copy, base):
    """Add what table[copy] has changed since it was base[row] to table[row]; all three become the result."""
    for column in range(0, base.shape[1], LANES):
        _merge_vector(table, np.int64(row), np.int64(copy), base, column)


@in_place
def copy_row(source, source_row, target, target_row):
    """target[target_row] = source[source_row]; both tables have the same width."""
    for column in range(0, source.shape[1], LANES):
        _copy_vector(source, np.int64(source_row), target, np.int64(target_row), column)


# --- the intrinsics -------------------------------------------------------------------------------------------


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
            _fetch_row(builder, table, width, builder.sext(ahead.load(number), I64))
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
def _prefetch_row(typing, table, row):
    def prefetch_row(builder, table, row):
        _fetch_row(builder, table, table.width, row)

    return types.none(table, types.int64), inlined(prefetch_row)


def _fetch_row(builder, table, width, row):
    pointer = table.row(row)
    numbers_a_line = I64(CACHE_LINE // table.item_size)
    with cgutils.for_range_slice(builder, I64(0), width, numbers_a_line, I64) as (column, _):
        prefetch(builder, offset(builder, pointer, column))


@intrinsic
def _context_weights(typing, first, last, place, before, after, weights):
    def context_weights(builder, first, last, place, before, after, weights):
        integers = ir.VectorType(I32, PANEL)
        furthest_before = builder.neg(load(builder, before.data, integers))
        furthest_after = load(builder, after.data, integers)
        zeros = ir.Constant(integers, [0] * PANEL)
        centre_places = ir.Constant(integers, list(range(PANEL)))
        ones = ir.Constant(weights.vector(PANEL), [1.0] * PANEL)
        nones = ir.Constant(weights.vector(PANEL), [0.0] * PANEL)
        with cgutils.for_range_slice(builder, first, last, I64(1), I64) as (row, _):
            here = builder.trunc(builder.add(row, place), I32)
            distance = builder.sub(splat(builder, here, PANEL), centre_places)
            inside = builder.and_(
                builder.icmp_signed(">=", distance, furthest_before),
                builder.icmp_signed("<=", distance, furthest_after),
            )
            inside = builder.and_(inside, builder.icmp_signed("!=", distance, zeros))
            store(builder, builder.select(inside, ones, nones), weights.row(row))

    return types.none(types.int64, types.int64, types.int64, before, after, weights), inlined(context_weights)


@intrinsic
def _noise_weights(typing, first, last, times, centre_weights, weights):
    def noise_weights(builder, first, last, times, centre_weights, weights):
        by_centre = load(builder, centre_weights.data, weights.vector(PANEL))
        with cgutils.for_range_slice(builder, first, last, I64(1), I64) as (row, _):
            factor = splat(builder, times.load(builder.sub(row, first)), PANEL)
            store(builder, builder.fmul(factor, by_centre), weights.row(row))

    return types.none(types.int64, types.int64, times, centre_weights, weights), inlined(noise_weights)


@intrinsic
def _remove_hits(typing, rows, first, last, count, times, subtract, weights):
    def remove_hits(builder, rows, first, last, count, times, subtract, weights):
        vector = weights.vector(PANEL)
        zeros = ir.Constant(vector, [0.0] * PANEL)
        contexts = builder.sub(count, builder.sub(last, first))
        with cgutils.for_range_slice(builder, first, last, I64(1), I64) as (noise, _):
            word = rows.load(noise)
            factor = splat(builder, times.load(builder.sub(noise, first)), PANEL)
            with cgutils.for_range_slice(builder, I64(0), contexts, I64(1), I64) as (number, _):
                behind = builder.icmp_signed(">=", number, first)
                row = builder.add(number, builder.select(behind, builder.sub(last, first), I64(0)))
                with builder.if_then(builder.icmp_signed("==", rows.load(row), word), likely=False):
                    before = load(builder, weights.row(noise), vector)
                    of_context = load(builder, weights.row(row), vector)
                    less = builder.fadd(before, builder.fmul(factor, of_context))
                    none = builder.select(builder.fcmp_ordered(">", of_context, zeros), zeros, before)
                    store(builder, builder.select(subtract, less, none), weights.row(noise))

    index = types.int64
    return types.none(rows, index, index, index, times, types.boolean, weights), outlined(remove_hits)


@intrinsic
def _merge_repeats(typing, draws, draw_count, words, times, count):
    """Each draw is compared with all at once: loops with a table of the words seen took three times as long."""

    def merge_repeats(builder, draws, draw_count, words, times, count):
        all_draws = load(builder, draws.data, ir.VectorType(I32, DRAWS))
        # the lowest draw_count bits
        there = builder.lshr(I32(-1), builder.sub(I32(DRAWS), builder.trunc(draw_count, I32)))
        place = cgutils.alloca_once_value(builder, count)
        with cgutils.for_range_slice(builder, I64(0), draw_count, I64(1), I64) as (s, _):
            word = draws.load(s)
            same = builder.icmp_unsigned("==", all_draws, splat(builder, word, DRAWS))
            same = builder.and_(builder.bitcast(same, I32), there)
            here = builder.load(place)
            builder.store(word, words.at(here))
            builder.store(builder.uitofp(builder.ctpop(same), times.item), times.at(here))
            first = builder.icmp_unsigned("==", builder.cttz(same, ir.IntType(1)(1)), builder.trunc(s, I32))
            builder.store(builder.add(here, builder.zext(first, I64)), place)
        return builder.load(place)

    return types.int64(draws, types.int64, words, times, types.int64), outlined(merge_repeats)


# splitmix64 (Steele, Lea and Flood 2014)
RANDOM_STRIDE = 0x9E3779B97F4A7C15
_SHIFTS = (30, 27, 31)
_FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def _write_mix(builder, bits):
    for shift, factor in zip(_SHIFTS, (*_FACTORS, None), strict=True):
        bits = builder.xor(bits, builder.lshr(bits, _whole(bits, shift)))
        if factor is not None:
            bits = builder.mul(bits, _whole(bits, factor))
    return bits


def _whole(like, number):
    """A whole number as a constant of the type of `like`, in all lanes."""
    return ir.Constant(like.type, [number] * like.type.count if isinstance(like.type, ir.VectorType) else number)


@intrinsic
def _mix(typing, state):
    return types.uint64(types.uint64), inlined(_write_mix)


@intrinsic
def _draw_words(typing, columns, classes, state, count, words, start):
    """Eight draws at a time: their random numbers are computed, and their columns asked for, side by side."""

    def draw_words(builder, columns, classes, state, count, words, start):
        wide = ir.VectorType(I64, DRAWS_AT_ONCE)
        strides = ir.Constant(wide, [(RANDOM_STRIDE * (i + 1)) % 2**64 for i in range(DRAWS_AT_ONCE)])
        many_classes = splat(builder, classes, DRAWS_AT_ONCE)
        with cgutils.for_range_slice(builder, I64(0), count, I64(DRAWS_AT_ONCE), I64) as (i, _):
            first = builder.add(state, builder.mul(i, I64(RANDOM_STRIDE)))
            bits = _write_mix(builder, builder.add(splat(builder, first, DRAWS_AT_ONCE), strides))
            half = _whole(bits, 32)
            word = builder.lshr(builder.mul(builder.lshr(bits, half), many_classes), half)
            column = ir.Constant(wide, ir.Undefined)
            for lane in range(DRAWS_AT_ONCE):
                place = builder.extract_element(word, I32(lane))
                column = builder.insert_element(column, columns.load(place), I32(lane))
            # no branch: half of them would be mispredicted, each waiting for a cache miss
            stays = builder.icmp_unsigned("<=", builder.and_(bits, _whole(bits, 2**32 - 1)), builder.lshr(column, half))
            drawn = builder.trunc(builder.select(stays, word, column), ir.VectorType(I32, DRAWS_AT_ONCE))
            store_first(builder, drawn, words.at(builder.add(start, i)), builder.sub(count, i))

    index = types.int64
    return types.none(columns, types.uint64, types.uint64, index, words, index), inlined(draw_words)


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


# exp(x) for |x| <= log(2)/2 and log1p(x)/x for 0 <= x <= 1: minimax fits, relative errors 8e-8 and 1.3e-6. The second
# counts only in the loss that is shown.
_EXP = [0.00829765201, 0.0419153832, 0.166675746, 0.499988943, 0.999999702, 1.00000012]
_LOG1P = [0.0141408568, -0.0664013195, 0.149223364, -0.23503836, 0.331094441, -0.499869654, 0.999998732]
_TO_WHOLE = 1.5 * 2.0**23  # added to a float32, leaves its nearest whole number in the lowest bits


@intrinsic
def _steps_float32(typing, logits, weights, count, rate):
    def steps_float32(builder, logits, weights, count, rate):
        vector = logits.vector()
        integers = ir.VectorType(I32, LANES)
        rates = splat(builder, builder.fptrunc(rate, logits.item))

        def constant(number):
            return ir.Constant(vector, [number] * LANES)

        def bits_of(number):
            return ir.Constant(integers, [number] * LANES)

        def larger(left, right):
            # false for NaN on the left, which then comes through
            return builder.select(builder.fcmp_ordered("<", left, right), right, left)

        def polynomial(coefficients, x):
            total = constant(coefficients[0])
            for coefficient in coefficients[1:]:
                total = multiply_add(builder, total, x, constant(coefficient))
            return total

        loss = cgutils.alloca_once_value(builder, constant(0.0))
        numbers = builder.mul(count, I64(PANEL))
        with cgutils.for_range_slice(builder, I64(0), numbers, I64(LANES), I64) as (place, _):
            logit = load(builder, logits.at(place), vector)
            weight = load(builder, weights.at(place), vector)
            size = builder.bitcast(builder.and_(builder.bitcast(weight, integers), bits_of(0x7FFFFFFF)), vector)
            data = larger(weight, constant(0.0))
            # e = exp(−|logit|) = 2^n · exp(rest), n the nearest whole number; not so small that steps get denormal
            negative = builder.bitcast(builder.or_(builder.bitcast(logit, integers), bits_of(-(2**31))), vector)
            clamped = larger(negative, constant(-50.0))
            shifted = multiply_add(builder, clamped, constant(1.44269504), constant(_TO_WHOLE))
            n = builder.fsub(shifted, constant(_TO_WHOLE))
            rest = multiply_add(builder, n, constant(-0.693147181), clamped)
            exponent = builder.shl(builder.bitcast(shifted, integers), bits_of(23))
            e = builder.add(builder.bitcast(polynomial(_EXP, rest), integers), exponent)
            e = builder.bitcast(e, vector)
            share = builder.fdiv(constant(1.0), builder.fadd(constant(1.0), e))
            positive = builder.fcmp_ordered(">=", logit, constant(0.0))
            sigma = builder.select(positive, share, builder.fmul(e, share))
            softplus = multiply_add(builder, e, polynomial(_LOG1P, e), larger(logit, constant(0.0)))
            term = multiply_add(builder, size, softplus, builder.fneg(builder.fmul(data, logit)))
            builder.store(builder.fadd(builder.load(loss), term), loss)
            step = builder.fmul(rates, multiply_add(builder, builder.fneg(size), sigma, data))
            store(builder, step, logits.at(place))
        return builder.fpext(sum_of_lanes(builder, builder.load(loss)), ir.DoubleType())

    return types.float64(logits, weights, types.int64, types.float64), outlined(steps_float32)


@intrinsic
def _add_to_bias(typing, bias, rows, count, steps):
    def add_to_bias(builder, bias, rows, count, steps):
        with cgutils.for_range_slice(builder, I64(0), count, I64(1), I64) as (row, _):
            total = sum_of_lanes(builder, load(builder, steps.row(row), steps.vector(PANEL)))
            place = bias.at(builder.sext(rows.load(row), I64))
            builder.store(builder.fadd(builder.load(place), total), place)

    return types.none(bias, rows, types.int64, steps), inlined(add_to_bias)
