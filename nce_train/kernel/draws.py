"""Random numbers, and noise words drawn from an alias table, several at a time."""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from nce_train.kernel.inlining import in_place, inner
from nce_train.kernel.sizes import DRAWS, DRAWS_AT_ONCE
from nce_train.kernel.vectors import I32, I64, inlined, load, outlined, splat, store_first


def alias_table(probability: np.ndarray) -> np.ndarray:
    """Walker's alias method: a column k that is drawn stays k with a chance of (threshold + 1) / 2^32, else its alias.

    Columns are swept in order: each column below the mean is filled up by the first large column that is not used
    up, and a large column that falls below the mean is filled up by the next one. As sums of what is missing and
    what is to spare, the sweep is two cumulative sums and a search.

    Parameters
    ----------
    probability : float64 [n], sums to 1

    Returns
    -------
    uint64 [n]
        The threshold in the high half, the alias in the low half.
    """
    size = len(probability)
    scaled = probability * (size / probability.sum())
    small = np.flatnonzero(scaled < 1)
    large = np.flatnonzero(scaled >= 1)
    stays = np.minimum(scaled, 1.0)
    alias = np.arange(size, dtype=np.int64)
    if len(small) and len(large):
        missing = np.cumsum(1 - scaled[small])
        spare = np.cumsum(scaled[large] - 1)
        before = np.concatenate([[0.0], missing[:-1]])
        filler = np.minimum(np.searchsorted(spare, before, side="right"), len(large) - 1)
        alias[small] = large[filler]
        # the last small column a large one filled may have taken more than was left: the next large column fills it
        last_filled = np.searchsorted(filler, np.arange(len(large)), side="right") - 1
        taken = np.where(last_filled >= 0, missing[last_filled], 0.0)
        stays[large] = np.clip(1 - (taken - spare), 0.0, 1.0)
        alias[large[:-1]] = large[1:]
        stays[large[-1]] = 1.0
    threshold = np.minimum(stays * 2.0**32, 2.0**32 - 1).astype(np.uint64)
    return threshold << np.uint64(32) | alias.astype(np.uint64)


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
def mix(state):
    """A random number, uint64, from a counter that advances by RANDOM_STRIDE."""
    return _mix(state)


@inner
def random_below(random, bound):
    state = random[0] + STRIDE
    random[0] = state
    return np.int64(((mix(state) >> HALF_BITS) * np.uint64(bound)) >> HALF_BITS)


# splitmix64 (Steele, Lea and Flood 2014)
RANDOM_STRIDE = 0x9E3779B97F4A7C15
_SHIFTS = (30, 27, 31)
_FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
STRIDE = np.uint64(RANDOM_STRIDE)
HALF_BITS = np.uint64(32)


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
    """Eight draws at a time: their random numbers and the loads of their columns overlap."""

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
