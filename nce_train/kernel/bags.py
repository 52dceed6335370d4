"""A centre's vector as the mean of a bag of rows: its word's row alone, or with the rows of its n-grams.

    h_i = (1 / |B_i|) Σ_{r in B_i} input[r],      and after a block:  input[r] += Δ_i  for every r in B_i

where Δ_i is what the step adds to h_i, whole, as fastText has it: it is not divided by |B_i|. A row that stands twice
in a bag counts twice. One kernel is compiled for bags, where `bags` is `Bags`, and one without, where it is None and
the vector is the word's row itself: each function is chosen by the type. The twin is `block_step` of
`tests/kernel/twin.py`.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from nce_train.kernel.inlining import inner
from nce_train.kernel.row_places import input_row
from nce_train.kernel.rows import prefetch_row
from nce_train.kernel.sizes import PANEL
from nce_train.kernel.state import CENTRE_ID, CONTEXTS_AFTER, CONTEXTS_BEFORE, NUM_CENTRES, ContextWords
from nce_train.kernel.targets import is_cbow
from nce_train.kernel.vectors import I64, LANES, inlined, load, offset, splat, store

_OPTIONS: Any = {"nogil": True, "error_model": "numpy", "_nrt": False}


def place_centres(bags, shard_rows, kept, first, side, blocks):
    """Write which rows of the input table stand for the block's centres."""
    raise NotImplementedError("compiled code only")


def prefetch_centres(bags, table, side, blocks):
    """Ask for these rows to be brought into the cache."""
    raise NotImplementedError("compiled code only")


def centre_vectors(bags, table, side, blocks, scratch):
    """The table and its rows that the step takes for the centres' vectors, and adds to."""
    raise NotImplementedError("compiled code only")


def add_to_bags(bags, table, side, blocks, scratch):
    """Add what the step has added to each centre's vector to every row of its bag."""
    raise NotImplementedError("compiled code only")


def place_word(bags, shard_rows, side, word, rows, end):
    """Write which rows of the input table stand for a word, from `end` on; return where they end."""
    raise NotImplementedError("compiled code only")


@overload(place_centres, jit_options=_OPTIONS)
def _place_centres(bags, shard_rows, kept, first, side, blocks):
    if isinstance(bags, types.NoneType):

        def place(bags, shard_rows, kept, first, side, blocks):
            ids = blocks.centre_numbers[side, CENTRE_ID]
            for g in range(-(-blocks.counts[side, NUM_CENTRES] // PANEL) * PANEL):
                ids[g] = input_row(shard_rows, side, ids[g])

        return place

    if is_cbow(bags):

        def place_contexts(bags, shard_rows, kept, first, side, blocks):
            numbers, ends, rows = blocks.centre_numbers[side], blocks.bag_ends[side], blocks.bag_rows[side]
            end = 0
            for g in range(blocks.counts[side, NUM_CENTRES]):
                centre = first + g
                for position in range(centre - numbers[CONTEXTS_BEFORE, g], centre + numbers[CONTEXTS_AFTER, g] + 1):
                    if position != centre:
                        end = place_word(bags, shard_rows, side, kept[position], rows, end)
                ends[g + 1] = end

        return place_contexts

    def place_words(bags, shard_rows, kept, first, side, blocks):
        ids, ends, rows = blocks.centre_numbers[side, CENTRE_ID], blocks.bag_ends[side], blocks.bag_rows[side]
        end = 0
        for g in range(blocks.counts[side, NUM_CENTRES]):
            end = place_word(bags, shard_rows, side, ids[g], rows, end)
            ends[g + 1] = end

    return place_words


@overload(place_word, jit_options=_OPTIONS)
def _place_word(bags, shard_rows, side, word, rows, end):
    if bags.instance_class is ContextWords:

        def place_row(bags, shard_rows, side, word, rows, end):
            rows[end] = input_row(shard_rows, side, word)
            return end + 1

        return place_row

    def place_bag(bags, shard_rows, side, word, rows, end):
        for place in range(bags.starts[word], bags.starts[word + 1]):
            rows[end] = input_row(shard_rows, side, bags.rows[place])
            end += 1
        return end

    return place_bag


@overload(prefetch_centres, jit_options=_OPTIONS)
def _prefetch_centres(bags, table, side, blocks):
    if isinstance(bags, types.NoneType):

        def prefetch(bags, table, side, blocks):
            for g in range(blocks.counts[side, NUM_CENTRES]):
                prefetch_row(table, blocks.centre_numbers[side, CENTRE_ID, g])

        return prefetch

    def prefetch_bags(bags, table, side, blocks):
        for place in range(blocks.bag_ends[side, blocks.counts[side, NUM_CENTRES]]):
            prefetch_row(table, blocks.bag_rows[side, place])

    return prefetch_bags


@overload(centre_vectors, jit_options=_OPTIONS)
def _centre_vectors(bags, table, side, blocks, scratch):
    if isinstance(bags, types.NoneType):
        return lambda bags, table, side, blocks, scratch: (table, blocks.centre_numbers[side, CENTRE_ID])

    def compose(bags, table, side, blocks, scratch):
        ends, rows = blocks.bag_ends[side], blocks.bag_rows[side]
        for g in range(blocks.counts[side, NUM_CENTRES]):
            _compose(table, rows, ends[g], ends[g + 1], scratch.composed, g)
        return scratch.composed, scratch.places

    return compose


@overload(add_to_bags, jit_options=_OPTIONS)
def _add_to_bags(bags, table, side, blocks, scratch):
    if isinstance(bags, types.NoneType):
        return lambda bags, table, side, blocks, scratch: None

    def add(bags, table, side, blocks, scratch):
        ends, rows = blocks.bag_ends[side], blocks.bag_rows[side]
        for g in range(blocks.counts[side, NUM_CENTRES]):
            share = share_of_row(bags, blocks, side, g)
            _spread(table, rows, ends[g], ends[g + 1], scratch.composed, scratch.centres, g, share)

    return add


def share_of_row(bags, blocks, side, centre):
    """What each row of a centre's bag takes of the vector's step."""
    raise NotImplementedError("compiled code only")


@overload(share_of_row, jit_options=_OPTIONS)
def _share_of_row(bags, blocks, side, centre):
    if not is_cbow(bags):
        return lambda bags, blocks, side, centre: 1.0

    def share_of_row(bags, blocks, side, centre):
        numbers = blocks.centre_numbers[side]
        return bags.shares[numbers[CONTEXTS_BEFORE, centre] + numbers[CONTEXTS_AFTER, centre]]

    return share_of_row


@inner
def _compose(table, rows, begin, end, composed, centre):
    """composed[centre] = the mean of table[rows[begin:end]], zeros where there is none."""
    for column in range(0, composed.shape[1], LANES):
        _mean_vector(table, rows, begin, end, composed, centre, column)


@inner
def _spread(table, rows, begin, end, after, before, centre, share):
    """table[r] += share · (after[centre] − before[centre]) for each r of rows[begin:end]."""
    for column in range(0, before.shape[1], LANES):
        _add_difference(table, rows, begin, end, after, before, centre, share, column)


@intrinsic
def _mean_vector(typing, table, rows, begin, end, composed, centre, column):
    def mean_vector(builder, table, rows, begin, end, composed, centre, column):
        vector = table.vector()
        total = cgutils.alloca_once(builder, vector)
        builder.store(ir.Constant(vector, [0.0] * LANES), total)
        with cgutils.for_range_slice(builder, begin, end, I64(1), I64) as (place, _):
            pointer = offset(builder, table.row(builder.sext(rows.load(place), I64)), column)
            builder.store(builder.fadd(builder.load(total), load(builder, pointer, vector)), total)
        size = builder.sub(end, begin)
        size = builder.sitofp(builder.select(builder.icmp_signed(">", size, I64(0)), size, I64(1)), vector.element)
        mean = builder.fdiv(builder.load(total), splat(builder, size))
        store(builder, mean, offset(builder, composed.row(centre), column))

    index = types.int64
    return types.none(table, rows, index, index, composed, index, index), inlined(mean_vector)


@intrinsic
def _add_difference(typing, table, rows, begin, end, after, before, centre, share, column):
    def add_difference(builder, table, rows, begin, end, after, before, centre, share, column):
        vector = table.vector()
        new, old = (load(builder, offset(builder, each.row(centre), column), vector) for each in (after, before))
        if isinstance(vector.element, ir.FloatType):
            share = builder.fptrunc(share, vector.element)
        change = builder.fmul(builder.fsub(new, old), splat(builder, share))
        with cgutils.for_range_slice(builder, begin, end, I64(1), I64) as (place, _):
            pointer = offset(builder, table.row(builder.sext(rows.load(place), I64)), column)
            store(builder, builder.fadd(load(builder, pointer, vector), change), pointer)

    index = types.int64
    return types.none(table, rows, index, index, after, before, index, types.float64, index), inlined(add_difference)
