"""How much each row counts at each centre of a panel: contexts, noise words, accidental hits.

The NumPy twins are in `tests/kernel/test_kernel_tiles.py`.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from nce_train.kernel.inlining import in_place
from nce_train.kernel.sizes import PANEL
from nce_train.kernel.vectors import I32, I64, inlined, load, outlined, splat, store


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
