"""Drawing the next block: subsampling, centres and their contexts, noise words, and the order of their rows.

A block is worked on in panels of PANEL centres, whose rows of the output table are in four parts: contexts of the
panel's first half only, contexts of both halves, noise words, contexts of the second half only. A noise word drawn k
times is one row of weight k, where that happens often enough to be worth the search.
"""

import numpy as np

from nce_train.kernel.bags import place_centres, prefetch_centres
from nce_train.kernel.draws import HALF_BITS, STRIDE, draw_words, merge_repeats, mix, random_below
from nce_train.kernel.inlining import in_place, inner
from nce_train.kernel.row_places import place_rows
from nce_train.kernel.rows import move_words
from nce_train.kernel.schedule import learning_rate, progress
from nce_train.kernel.sizes import DRAWS, HALF, PANEL, ROW_TILE
from nce_train.kernel.state import (
    AFTER,
    BEFORE,
    BEYOND,
    BLOCKS,
    BOTH_END,
    CENTRE,
    CENTRE_ID,
    CENTRES,
    COUNT,
    FIRST_PLACE,
    KEPT,
    LINE_END,
    LOW_END,
    NOISE_START,
    NUM_CENTRES,
    NUM_NOISE,
    NUM_PAIRS,
    NUM_TRIES,
    PAIRS,
    POSITION,
    PRODUCTS,
    RADIUS_PER_BLOCK,
    RADIUS_PER_CENTRE,
    RANGE_END,
    RING_PLACE,
    SENTENCE,
    TOKENS,
)
from nce_train.kernel.targets import target_shift

_progress = in_place(progress)
_learning_rate = in_place(learning_rate)


@in_place
def next_block(tables, noise, keep, stream, plan, schedule, thread, side, token_base, block_base):
    """Fill side `side` with the next block that has pairs, and ask for its rows; False at the range's end."""
    cursor, shard_rows, blocks = thread.cursor, thread.shard_rows, thread.blocks
    while True:
        if cursor[CENTRE] + plan.block_size + plan.window > cursor[KEPT] and cursor[POSITION] < cursor[RANGE_END]:
            _read_on(keep, stream, plan, cursor, thread.random, thread.kept, thread.sentences)
        first = cursor[CENTRE]
        if first >= cursor[KEPT]:
            return False
        centres = min(plan.block_size, cursor[KEPT] - first)
        cursor[CENTRE] = first + centres
        if (
            _choose_contexts(plan, cursor, thread.random, thread.kept, thread.sentences, blocks, side, first, centres)
            > 0
        ):
            break
    # rows are looked up only now: a block without pairs must not take shard rows that no step would fill
    place_centres(thread.bags, thread.hot_words, shard_rows, thread.kept, first, side, blocks)
    _draw_noise(noise, plan, cursor, thread.random, thread.ring, thread.seen, shard_rows, thread.hot, blocks, side)
    _lay_out_rows(target_shift(thread.bags), cursor, thread.kept, shard_rows, thread.hot, blocks, side, first)
    done = _progress(schedule, cursor[TOKENS] - token_base, cursor[BLOCKS] - block_base)
    blocks.lr[side] = _learning_rate(schedule, plan.linear, done)
    cursor[BLOCKS] += 1
    cursor[PAIRS] += blocks.counts[side, NUM_PAIRS]
    prefetch_centres(thread.bags, tables.input, side, blocks)
    return True


@inner
def _read_on(keep, stream, plan, cursor, random, kept, sentences):
    """Read on into `kept` until a block's words are there and a sentence ends; words before the last window go."""
    behind = max(0, cursor[CENTRE] - plan.window)
    count = cursor[KEPT] - behind
    for i in range(count):
        kept[i] = kept[behind + i]
        sentences[i] = sentences[behind + i]
    cursor[CENTRE] -= behind
    enough = cursor[CENTRE] + plan.block_size + plan.window
    position, sentence = cursor[POSITION], cursor[SENTENCE]
    tokens = 0
    state = random[0]
    end = cursor[RANGE_END]
    # indices as unsigned numbers, or Numba would look whether they count from the end
    while count < kept.shape[0] and position < end:
        word = stream[np.uint64(position)]
        position += 1
        if word == LINE_END:
            sentence += 1
            if count >= enough:
                break
            continue
        tokens += 1
        state += STRIDE
        kept[np.uint64(count)] = word
        sentences[np.uint64(count)] = sentence
        count += np.uint32(mix(state) >> HALF_BITS) <= keep[np.uint32(word)]
    random[0] = state
    cursor[POSITION] = position
    cursor[SENTENCE] = sentence
    cursor[TOKENS] += tokens
    cursor[KEPT] = count


@inner
def _choose_contexts(plan, cursor, random, kept, sentences, blocks, side, first, centres):
    """Write the block's centres and how far their contexts reach; return its number of pairs."""
    last = cursor[KEPT] - 1
    numbers = blocks.centre_numbers[side]
    radius = plan.window
    if plan.radius_kind == RADIUS_PER_BLOCK:
        radius = random_below(random, plan.window) + 1
    low, high = first - radius, first + centres - 1 + radius
    pairs = with_pairs = 0
    one_radius = plan.radius_kind != RADIUS_PER_CENTRE
    if one_radius and low >= 0 and high <= last and sentences[low] == sentences[high]:  # nothing ends near the block
        for g in range(centres):
            numbers[BEFORE, g] = radius
            numbers[AFTER, g] = radius
        pairs, with_pairs = 2 * radius * centres, centres
    else:
        for g in range(centres):
            if plan.radius_kind == RADIUS_PER_CENTRE:
                radius = random_below(random, plan.window) + 1
            position = first + g
            low, high = max(0, position - radius), min(last, position + radius)
            if sentences[low] != sentences[high]:
                while sentences[low] != sentences[position]:
                    low += 1
                while sentences[high] != sentences[position]:
                    high -= 1
            numbers[BEFORE, g] = position - low
            numbers[AFTER, g] = high - position
            pairs += high - low
            with_pairs += high > low
    for g in range(centres):
        numbers[CENTRE_ID, g] = kept[first + g]
    for g in range(centres, -(-centres // PANEL) * PANEL):  # the last panel is filled up with centres without contexts
        numbers[CENTRE_ID, g] = kept[first]
        numbers[BEFORE, g] = 0
        numbers[AFTER, g] = 0
    blocks.counts[side, NUM_CENTRES] = centres
    blocks.counts[side, NUM_PAIRS] = pairs
    cursor[CENTRES] += with_pairs
    return pairs


@inner
def _draw_noise(noise, plan, cursor, random, ring, seen, shard_rows, hot, blocks, side):
    """Draw the block's noise words: the different ones, and how often each is among them.

    Without `unique` only the oldest words of the ring give way to new ones: rows that the last blocks have worked on
    are in the cache. Each word is a draw from q all the same, so what is learnt has the same expectation.
    """
    samples = plan.num_sampled
    words, times = blocks.noise_rows[side], blocks.noise_times[side]
    mask = seen.shape[0] - 1
    state = random[0]
    count = 0
    tries = samples
    if plan.unique:
        tries = 0
        seen[:] = -1
        while count < samples:
            drawn = count
            draw_words(noise.columns, state, samples - drawn, words, drawn)
            state += STRIDE * np.uint64(samples - drawn)
            tries += samples - drawn
            for s in range(drawn, samples):
                word = words[s]
                slot = word & mask
                while seen[slot] >= 0 and seen[slot] != word:
                    slot = (slot + 1) & mask
                if seen[slot] < 0:
                    seen[slot] = word
                    words[count] = word
                    count += 1
    else:
        place = cursor[RING_PLACE]
        fresh = samples if ring[0] < 0 else plan.fresh_noise
        while fresh > 0:
            some = min(fresh, samples - place)
            draw_words(noise.columns, state, some, ring, place)
            state += STRIDE * np.uint64(some)
            fresh -= some
            place = place + some if place + some < samples else 0
        cursor[RING_PLACE] = place
        if plan.merge_noise:
            for first in range(0, samples, DRAWS):
                count = merge_repeats(ring[first:], min(DRAWS, samples - first), words, times, count)
        else:
            words, count = ring, samples
    random[0] = state
    blocks.counts[side, NUM_TRIES] = tries
    blocks.counts[side, NUM_NOISE] = count
    place_rows(shard_rows, hot, side, words, 0, count, blocks.noise_rows[side], 0)


@inner
def _lay_out_rows(shift, cursor, kept, shard_rows, hot, blocks, side, first):
    """Write each panel's rows in their four parts; `shift` is `targets.target_shift`."""
    centres, noise = blocks.counts[side, NUM_CENTRES], blocks.counts[side, NUM_NOISE]
    for panel in range(-(-centres // PANEL)):
        begin = first - shift + panel * PANEL
        low, high, low_end, high_start = _reach(blocks, side, panel, min(PANEL, centres - panel * PANEL))
        low, low_end = low + shift, low_end + shift
        low, high = begin + low, begin + high
        low_end = min(max(low, begin + low_end), high)
        high_start = max(min(high, begin + high_start), low_end)
        rows, parts = blocks.rows[side, panel], blocks.parts[side, panel]
        noise_start, count = high_start - low, high - low + noise
        parts[LOW_END] = low_end - low
        parts[NOISE_START] = noise_start
        parts[BOTH_END] = noise_start + noise
        parts[COUNT] = count
        parts[FIRST_PLACE] = low - begin
        place_rows(shard_rows, hot, side, kept, low, noise_start, rows, 0)
        move_words(blocks.noise_rows[side], 0, noise, 0, 0, rows, noise_start)
        place_rows(shard_rows, hot, side, kept, high_start, high - high_start, rows, noise_start + noise)
        for r in range(count, count + ROW_TILE):
            rows[r] = rows[0]
        if centres - panel * PANEL <= HALF:  # there is no second half
            parts[LOW_END] = parts[BOTH_END] = parts[COUNT]
        cursor[PRODUCTS] += HALF * (parts[BOTH_END] + parts[COUNT] - parts[LOW_END])


@in_place
def _reach(blocks, side, panel, centres):
    """A panel's first context and the one behind its last; the same of its second half, and of its first half.

    As places relative to the panel's first centre.
    """
    before, after = blocks.centre_numbers[side, BEFORE], blocks.centre_numbers[side, AFTER]
    low = second_low = BEYOND
    high = first_high = -BEYOND
    for g in range(centres):
        first, end = g - before[panel * PANEL + g], g + after[panel * PANEL + g] + 1
        low = min(low, first)
        high = max(high, end)
        if g < HALF:
            first_high = max(first_high, end)
        else:
            second_low = min(second_low, first)
    return low, high, second_low, first_high
