"""The compiled functions of this package: random draws, exact inclusion, and sums of gradients.

In: arrays only. Out: arrays, new or filled in place. The conversions from random words to numbers are TensorFlow's,
so that its stream can be repeated; `random_stream.py` says where a stream begins and how a call moves it.
"""

import math

import numpy as np

from nce_train.compiled import cached_njit

# The kinds of distribution that `draw_candidates` knows.
LOG_UNIFORM, UNIFORM, ALIAS, CUMULATIVE = 0, 1, 2, 3

# A reader is a uint64 array of eight: these four fields, then the four words of the current block.
KEY, COUNTER_LOW, COUNTER_HIGH, POSITION, WORDS = 0, 1, 2, 3, 4

_LOW_WORD = np.uint64(0xFFFFFFFF)
_WORD_BITS = np.uint64(32)
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_STEPS = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)
_HASH_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_ZERO = np.uint64(0)
_ONE = np.uint64(1)
_BLOCK = np.uint64(4)


@cached_njit(nogil=True)
def draw_candidates(kind, reader, num_sampled, unique, range_max, log_range, threshold, alias, cumulative, sampled):
    """Fill `sampled` (int64 [num_sampled]) and return the number of draws made.

    With `unique`, every draw of an id that was drawn before is rejected. ALIAS reads `threshold` (float32
    [range_max]) and `alias` (int64 [range_max]), CUMULATIVE reads `cumulative` (int64 [range_max]), and
    LOG_UNIFORM reads `log_range` = ln(range_max + 1). The tables that a kind does not read may be empty.
    """
    if not unique:
        for position in range(num_sampled):
            sampled[position] = _draw_one(kind, reader, range_max, log_range, threshold, alias, cumulative)
        return num_sampled

    slots = 4
    while slots < 2 * num_sampled:
        slots *= 2
    seen = np.full(slots, -1, np.int64)  # open addressing, at most half full
    num_tries = 0
    accepted = 0
    while accepted < num_sampled:
        candidate = _draw_one(kind, reader, range_max, log_range, threshold, alias, cumulative)
        num_tries += 1
        slot = np.int64((np.uint64(candidate) * _HASH_MULTIPLIER) >> _WORD_BITS) & (slots - 1)
        while seen[slot] != -1 and seen[slot] != candidate:
            slot = (slot + 1) & (slots - 1)
        if seen[slot] == -1:
            seen[slot] = candidate
            sampled[accepted] = candidate
            accepted += 1
    return num_tries


@cached_njit(nogil=True, error_model="numpy")
def build_alias_table(weights):
    """Walker's alias table of float32 weights [n]: `threshold` float32 [n] and `alias` int64 [n].

    A draw takes a random index i and returns i with probability threshold[i], else alias[i].
    """
    size = weights.size
    total = 0.0
    for index in range(size):
        total += np.float64(weights[index])
    scaled = np.empty(size, np.float64)
    low = np.empty(size, np.int64)
    high = np.empty(size, np.int64)
    low_count = 0
    high_count = 0
    for index in range(size):
        scaled[index] = np.float64(weights[index] * np.float32(size)) / total
        if scaled[index] < 1.0:
            low[low_count] = index
            low_count += 1
        else:
            high[high_count] = index
            high_count += 1

    threshold = np.ones(size, np.float32)
    alias = np.arange(size)
    # Both are stacks, as in TensorFlow: the pairing decides which id a given random word stands for.
    while low_count > 0 and high_count > 0:
        low_count -= 1
        poor = low[low_count]
        rich = high[high_count - 1]
        threshold[poor] = np.float32(scaled[poor])
        alias[poor] = rich
        scaled[rich] -= 1.0 - scaled[poor]
        if scaled[rich] < 1.0:
            high_count -= 1
            low[low_count] = rich
            low_count += 1
    return threshold, alias


@cached_njit(nogil=True)
def philox_block(counter_low, counter_high, key):
    """The four 32-bit words of one Philox 4x32-10 block (Salmon et al. 2011), as uint64.

    `counter_low`, `counter_high` and `key` are uint64: two 32-bit words each, the lower one first.
    """
    word_0 = counter_low & _LOW_WORD
    word_1 = counter_low >> _WORD_BITS
    word_2 = counter_high & _LOW_WORD
    word_3 = counter_high >> _WORD_BITS
    key_0 = key & _LOW_WORD
    key_1 = key >> _WORD_BITS
    for _ in range(10):
        product_0 = _MULTIPLIERS[0] * word_0
        product_1 = _MULTIPLIERS[1] * word_2
        word_0 = (product_1 >> _WORD_BITS) ^ word_1 ^ key_0
        word_2 = (product_0 >> _WORD_BITS) ^ word_3 ^ key_1
        word_1 = product_1 & _LOW_WORD
        word_3 = product_0 & _LOW_WORD
        key_0 = (key_0 + _KEY_STEPS[0]) & _LOW_WORD
        key_1 = (key_1 + _KEY_STEPS[1]) & _LOW_WORD
    return word_0, word_1, word_2, word_3


@cached_njit(nogil=True)
def next_word(reader):
    """The next 32-bit word of the reader's stream, as uint64."""
    if reader[POSITION] == _BLOCK:
        words = philox_block(reader[COUNTER_LOW], reader[COUNTER_HIGH], reader[KEY])
        for index in range(4):
            reader[WORDS + index] = words[index]
        reader[COUNTER_LOW] += _ONE
        reader[POSITION] = _ZERO
    word = reader[WORDS + np.int64(reader[POSITION])]
    reader[POSITION] += _ONE
    return word


@cached_njit(nogil=True)
def draw_double(reader):
    """A float64 in [0, 1) with 52 random bits."""
    high = next_word(reader) & np.uint64(0xFFFFF)
    return np.float64((high << _WORD_BITS) | next_word(reader)) / 4503599627370496.0


@cached_njit(nogil=True)
def draw_float(reader):
    """A float32 in [0, 1) with 23 random bits."""
    return np.float32(next_word(reader) & np.uint64(0x7FFFFF)) / np.float32(8388608.0)


@cached_njit(nogil=True)
def draw_below(reader, limit, wide):
    """A uniform integer in [0, limit), from 32-bit words or, if `wide`, from 64-bit words."""
    limit = np.uint64(limit)
    all_bits = _ALL_BITS if wide else _LOW_WORD
    power_of_two = (limit & (limit - _ONE)) == _ZERO
    rejected_below = (all_bits % limit) + _ONE
    while True:
        value = next_word(reader)
        if wide:
            value |= next_word(reader) << _WORD_BITS
        if power_of_two:
            return np.int64(value & (limit - _ONE))
        if value >= rejected_below:
            return np.int64(value % limit)


@cached_njit(nogil=True)
def _draw_one(kind, reader, range_max, log_range, threshold, alias, cumulative):
    if kind == LOG_UNIFORM:
        # exp can round up to range_max + 1, hence the remainder.
        return (np.int64(math.exp(draw_double(reader) * log_range)) - 1) % range_max
    if kind == UNIFORM:
        return draw_below(reader, range_max, True)
    if kind == ALIAS:
        uniform = draw_float(reader)
        index = draw_below(reader, range_max, False)
        return index if uniform < threshold[index] else alias[index]
    total = cumulative[-1]
    return np.searchsorted(cumulative, draw_below(reader, total, total > 0xFFFFFFFF), side="right")


@cached_njit(nogil=True)
def count_cdf(probabilities, limit, size):
    """Poisson-binomial: P(at most `limit` of independent events happen), if `size` or more cannot happen."""
    return _count_pmf(probabilities, size)[: limit + 1].sum()


@cached_njit(nogil=True, error_model="numpy")
def leave_one_out_cdf(probabilities, limit, size):
    """For each event, P(at most `limit` of the others happen); float64 [events].

    ``pmf[n] = others[n] (1 - p) + others[n - 1] p`` is solved for `others`: upwards from n = 0 where p is at most
    1/2, else downwards from the top. In these directions rounding errors do not grow.
    """
    pmf = _count_pmf(probabilities, size)
    cdf = np.empty(probabilities.size)
    for event in range(probabilities.size):
        happens = probabilities[event]
        fails = 1.0 - happens
        others = 0.0
        total = 0.0
        if happens <= 0.5:
            for count in range(min(limit + 1, size)):
                others = (pmf[count] - happens * others) / fails
                total += others
        else:
            for count in range(size - 1, 0, -1):
                others = (pmf[count] - fails * others) / happens
                if count - 1 <= limit:
                    total += others
        cdf[event] = total
    return cdf


@cached_njit(nogil=True)
def _count_pmf(probabilities, size):
    pmf = np.zeros(size)
    pmf[0] = 1.0
    for event in range(probabilities.size):
        happens = probabilities[event]
        fails = 1.0 - happens
        for count in range(min(event + 1, size - 1), 0, -1):
            pmf[count] = pmf[count] * fails + pmf[count - 1] * happens
        pmf[0] *= fails
    return pmf


@cached_njit(nogil=True)
def sum_by_place(place, rows, values, row_sums, value_sums):
    """Add `rows` [n, dim] and `values` [n] into `row_sums` and `value_sums` at `place` int64 [n]."""
    for source in range(place.size):
        target = place[source]
        value_sums[target] += values[source]
        for column in range(rows.shape[1]):
            row_sums[target, column] += rows[source, column]
