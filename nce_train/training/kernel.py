"""The training kernel: from a range of token ids to changed parameters, without Python in the loop.

`train_blocks` walks a thread's range of the token stream, drops frequent words, cuts what is left into blocks of
centres, renews a part of the noise set, and makes one synchronous gradient step a block. Contexts are words of a
centre's own sentence, but a block goes on into the next one: cut at the sentences' ends, blocks of 8 held 7.4 centres
on a text with lines of 90 words, and took as long. A block is worked on in panels of PANEL centres, whose rows of the
output table are in four parts: contexts of the panel's first half only, contexts of both halves, noise words,
contexts of the second half only. A noise word drawn k times is one row of weight k, where that happens often enough
to be worth the search. The next block is drawn before the current one is worked on, so that its rows are fetched
meanwhile.

Everything a thread needs to go on stands in `Thread`; nothing is allocated here. The mathematics below
is repeated in float64 NumPy in `tests/training/twin.py`; float64 tables get the exact logistic, float32 tables
polynomials with an error of about one unit in the last place.

For a centre i with contexts C_i, m = |C_i|, and S noise ids with expected counts Q:

    window:  G(i, w) = v_i·u_w + b_w − log Q(w) + log m,   loss_i = Σ_{C_i} softplus(−G) + Σ_noise softplus(G)
    pairs:   G(i, w) = v_i·u_w + b_w − log Q(w),           loss_i = Σ_{C_i} softplus(−G) + m Σ_noise softplus(G)

and every parameter moves by −(learning rate) × the gradient of Σ_i loss_i (`mean`: divided by Σ m), all taken at
the values before the block.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from nce_train.compiled import cached_njit
from nce_train.training.limits import CACHE_LINE
from nce_train.training.tiles import (
    DRAWS,
    HALF,
    PANEL,
    RANDOM_STRIDE,
    ROW_TILE,
    add_to_centres,
    add_to_rows,
    called,
    context_weights,
    copy_row,
    draw_words,
    in_place,
    inner,
    logits_to_steps,
    merge_repeats,
    merge_row,
    mix,
    move_words,
    noise_weights,
    pack_centres,
    panel_logits,
    prefetch_row,
    remove_hits,
)

LINE_END = -1  # closes a sentence in the token stream
BEYOND = 2**20  # further than any window reaches

# dynamic_window
RADIUS_PER_BLOCK, RADIUS_PER_CENTRE, RADIUS_FIXED = 0, 1, 2

# places in Thread.cursor
POSITION, RANGE_END, KEPT, CENTRE, SENTENCE, TOKENS, BLOCKS, PAIRS, CENTRES, PRODUCTS, RING_PLACE = range(11)
CURSOR_SIZE = RING_PLACE + 1

# places in Thread.hot
HOT_ROWS, HOT_START, HOT_EVERY = range(3)

# places in a row of Thread.hot_tiers
TIER_END, TIER_BLOCKS = range(2)
NO_TIERS = np.zeros((0, 2), np.int64)

# places in Thread.centre_numbers, for each centre of a block: its contexts are so many words before and after it
CENTRE_ID, BEFORE, AFTER = range(3)

# places in Thread.shape
SHAPE_CENTRES, SHAPE_PAIRS, SHAPE_TRIES, SHAPE_NOISE = range(4)

# places in Thread.parts: where the noise rows begin and the other parts end, the first context's place in the panel
LOW_END, NOISE_START, BOTH_END, COUNT, FIRST_PLACE = range(5)


class Tables(NamedTuple):
    """The parameters, in rows of `row_length(dim)` numbers; those beyond dim are and stay zero.

    Behind the classes' rows `output` and `bias` hold the threads' own copies of the hottest rows (see `Thread.hot`);
    they are counted in `rows`.
    """

    input: np.ndarray  # float [classes, length]
    output: np.ndarray  # float [rows, length]
    bias: np.ndarray  # float [rows]


class Noise(NamedTuple):
    """The noise distribution q as an alias table, and its logarithms."""

    columns: np.ndarray  # uint64 [classes]: high half the greatest low half of a draw that stays, low half the alias
    log_count: np.ndarray  # float [rows]: log(S·q), the log expected count with replacement
    log_miss: np.ndarray  # float64 [rows]: log1p(−q)


class Plan(NamedTuple):
    """The settings that the kernel looks at, as numbers."""

    window: int
    radius_kind: int
    block_size: int
    num_sampled: int
    fresh_noise: int  # so many of them are drawn anew for each block; all with `unique`
    merge_noise: bool  # noise words drawn several times are one row
    pairs: bool
    mean: bool
    unique: bool
    remove_accidental_hits: bool
    linear: bool


class Schedule(NamedTuple):
    """Where training stands. Progress is the greater of that by tokens and that by blocks (`max_steps`).

    At a block it is (tokens + threads · tokens of this thread since the kernel was called) ÷ all_tokens: the other
    threads are taken to be as fast as this one. In whole numbers, so that nothing depends on how calls are cut.
    """

    lr: float
    tokens: int
    all_tokens: int
    blocks: int
    all_blocks: int
    threads: int


class Copies(NamedTuple):
    """A shard's own copies of the rows that it has touched in a round, in the order in which it touched them.

    The kernel then trains `Tables` that hold only these copies, and `Noise` whose logarithms are copied with them.
    """

    base: Tables  # what is copied
    noise: Noise
    input_place: np.ndarray  # int32 [classes]: where a word's copy stands, -1 where there is none
    output_place: np.ndarray  # int32 [classes]
    used: np.ndarray  # int64 [2]: copies of input rows, of output rows
    fresh: np.ndarray  # int32 [2, 2, capacity]: by side and table, words whose rows are still to be copied
    fresh_count: np.ndarray  # int64 [2, 2]


class Blocks(NamedTuple):
    """The current and the next block: first index 0 or 1."""

    shape: np.ndarray  # int64 [2, 4]: centres, pairs, tries that the noise words took, different noise words
    lr: np.ndarray  # float64 [2]
    centre_numbers: np.ndarray  # int32 [2, 3, padded block]: see CENTRE_ID …
    rows: np.ndarray  # int32 [2, panels, row capacity]: contexts, noise words, contexts, padding
    parts: np.ndarray  # int64 [2, panels, 5]: see LOW_END …
    noise_rows: np.ndarray  # int32 [2, S + 1]: the rows of the different noise words
    noise_times: np.ndarray  # float [2, S + 1]: how often each was drawn; ones unless `merge_noise`


class Scratch(NamedTuple):
    """What one step writes and reads."""

    centres: np.ndarray  # float [padded block, width]
    packed: np.ndarray  # float [width · PANEL]
    logits: np.ndarray  # float [panels, row capacity, PANEL]
    weights: np.ndarray  # float [row capacity, PANEL]
    offsets: np.ndarray  # float [row capacity]: b − log Q of a panel's rows
    log_ratio: np.ndarray  # float [PANEL]: log m of the panel's centres for the window objective, else 0
    noise_weights: np.ndarray  # float [PANEL]: how much a noise word counts at the panel's centres
    log_contexts: np.ndarray  # float [2 window + 1]: log m by m, or zeros; constant


class Thread(NamedTuple):
    """All that one thread owns. The arrays up to `loss` are its state.

    Functions are handed the parts they need, not all of it: hundreds of numbers, which compiling would write out at
    each call.
    """

    cursor: np.ndarray  # int64 [CURSOR_SIZE]: see POSITION …
    random: np.ndarray  # uint64 [1]
    kept: np.ndarray  # int32 [capacity]: the words that subsampling kept, from the last window on, as far as read
    sentences: np.ndarray  # int32 [capacity]: the number of each one's sentence in the range
    ring: np.ndarray  # int32 [S, rounded up to DRAWS]: the noise words, the oldest at RING_PLACE; −1 before the first
    loss: np.ndarray  # float64 [1]: summed since it was last set to 0
    hot: np.ndarray  # int64 [3]: how many rows have a copy of this thread's own, where these start, HOT_EVERY
    hot_tiers: np.ndarray  # int64 [tiers, 2]: the row behind a tier's last, and blocks between its merges
    hot_output: np.ndarray  # float [hot rows, width]: what the copies were when they were merged last
    hot_bias: np.ndarray  # float [hot rows]
    copies: Copies | None  # where the thread works on copies of its own
    seen: np.ndarray  # int32 [power of two > 2 S]: table of the different noise words with `unique`
    blocks: Blocks
    scratch: Scratch


def new_thread(
    plan: Plan,
    width: int,
    dtype: type,
    random_state: int,
    hot_tiers: np.ndarray = NO_TIERS,
    hot_start: int = 0,
    kept_capacity: int = 4096,
    copied: tuple[Tables, Noise] | None = None,
) -> Thread:
    """Allocate a thread's arrays for tables of `dtype`; its hot rows are still zero.

    `width` is `table_width(dim)`, the numbers of a row that are worked on.

    `hot_tiers` tells how many hot rows the thread has copies of, and how often they are merged; the copies stand in the
    table from row `hot_start` on.

    With `copied`, the thread works on copies of the rows of these.
    """
    panels = -(-plan.block_size // PANEL)
    padded_block = panels * PANEL
    row_capacity = PANEL + 2 * plan.window + plan.num_sampled + ROW_TILE
    log_contexts = np.zeros(2 * plan.window + 1)
    if not plan.pairs:
        log_contexts[1:] = np.log(np.arange(1, 2 * plan.window + 1))
    hot_rows = int(hot_tiers[-1, TIER_END]) if len(hot_tiers) else 0
    seen_size = 1 << (2 * plan.num_sampled).bit_length()
    kept_capacity = max(kept_capacity, 4 * (padded_block + 2 * plan.window))
    return Thread(
        cursor=np.zeros(CURSOR_SIZE, np.int64),
        random=np.array([random_state], np.uint64),
        kept=np.zeros(kept_capacity, np.int32),
        sentences=np.zeros(kept_capacity, np.int32),
        ring=np.full(-(-plan.num_sampled // DRAWS) * DRAWS, -1, np.int32),
        loss=np.zeros(1, np.float64),
        hot=np.array([hot_rows, hot_start, max(1, np.gcd.reduce(hot_tiers[:, TIER_BLOCKS]))], np.int64),
        hot_tiers=hot_tiers,
        hot_output=aligned_zeros((hot_rows, width), dtype),
        hot_bias=aligned_zeros((hot_rows,), dtype),
        copies=None if copied is None else _new_copies(*copied, panels * row_capacity),
        seen=np.zeros(seen_size, np.int32),
        blocks=Blocks(
            shape=np.zeros((2, 4), np.int64),
            lr=np.zeros(2, np.float64),
            centre_numbers=np.zeros((2, 3, padded_block), np.int32),
            rows=np.zeros((2, panels, row_capacity), np.int32),
            parts=np.zeros((2, panels, 5), np.int64),
            noise_rows=np.zeros((2, plan.num_sampled + 1), np.int32),
            noise_times=np.ones((2, plan.num_sampled + 1), dtype),
        ),
        scratch=Scratch(
            centres=aligned_zeros((padded_block, width), dtype),
            packed=aligned_zeros((width * PANEL,), dtype),
            logits=aligned_zeros((panels, row_capacity, PANEL), dtype),
            weights=aligned_zeros((row_capacity, PANEL), dtype),
            offsets=aligned_zeros((row_capacity,), dtype),
            log_ratio=aligned_zeros((PANEL,), dtype),
            noise_weights=aligned_zeros((PANEL,), dtype),
            log_contexts=log_contexts.astype(dtype),
        ),
    )


def _new_copies(base: Tables, noise: Noise, capacity: int) -> Copies:
    classes = len(base.input)
    return Copies(
        base=base,
        noise=noise,
        input_place=np.full(classes, -1, np.int32),
        output_place=np.full(classes, -1, np.int32),
        used=np.zeros(2, np.int64),
        fresh=np.zeros((2, 2, capacity), np.int32),
        fresh_count=np.zeros((2, 2), np.int64),
    )


def aligned_zeros(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Zeros that start at a cache line: vectors that straddle two lines load at half the speed."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + CACHE_LINE, np.uint8)
    start = -raw.ctypes.data % CACHE_LINE
    return raw[start : start + size].view(dtype).reshape(shape)


@cached_njit(nogil=True, error_model="numpy", _nrt=False, no_cfunc_wrapper=True)
def train_blocks(tables, noise, keep, stream, plan, schedule, thread, max_blocks):
    """Train at most `max_blocks` blocks of the thread's range.

    Parameters
    ----------
    tables : Tables
    noise : Noise
    keep : uint32 [classes]
        A word stays when a 32-bit draw is not above this.
    stream : int32 [n]
        Class ids; LINE_END closes a sentence.
    plan : Plan
    schedule : Schedule
    thread : Thread
        Goes on from its cursor; `loss` and the counters in `cursor`, from TOKENS on, are added to.
    max_blocks : int

    Returns
    -------
    int
        Blocks done; fewer than `max_blocks` means that the range is exhausted. With `max_blocks` 0 the thread's
        copies of hot rows are merged, all of them, which makes `tables` complete.
    """
    token_base = thread.cursor[TOKENS]
    block_base = thread.cursor[BLOCKS]
    drawn = done = 0
    side = np.int64(0)  # of the next block; a literal 0 would have all of the below compiled for it once more
    if max_blocks == 0:
        _merge_when_due(tables, thread, np.int64(0))
    while True:  # `_next_block` is called at one place only: it is compiled into this function, and is large
        is_drawn = drawn < max_blocks and _next_block(
            tables, noise, keep, stream, plan, schedule, thread, side, token_base, block_base
        )
        side = 1 - side
        if done < drawn:
            _step(tables, noise, plan, thread, side)
            done += 1
            _merge_when_due(tables, thread, thread.cursor[BLOCKS])
        if not is_drawn:
            return done
        drawn += 1


# --- which words: subsampling, blocks, noise ------------------------------------------------------------------


@in_place
def _next_block(tables, noise, keep, stream, plan, schedule, thread, side, token_base, block_base):
    """Fill side `side` with the next block that has pairs, and ask for its rows; False at the range's end."""
    cursor, copies, blocks = thread.cursor, thread.copies, thread.blocks
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
    # rows are looked up only now: a block without pairs must not take copies that no step would fill
    for g in range(-(-blocks.shape[side, SHAPE_CENTRES] // PANEL) * PANEL):
        blocks.centre_numbers[side, CENTRE_ID, g] = input_row(copies, side, blocks.centre_numbers[side, CENTRE_ID, g])
    _draw_noise(noise, plan, cursor, thread.random, thread.ring, thread.seen, copies, thread.hot, blocks, side)
    _lay_out_rows(cursor, thread.kept, copies, thread.hot, blocks, side, first)
    progress = max(
        (schedule.tokens + schedule.threads * (cursor[TOKENS] - token_base)) / schedule.all_tokens,
        (schedule.blocks + schedule.threads * (cursor[BLOCKS] - block_base)) / schedule.all_blocks,
    )
    blocks.lr[side] = schedule.lr * max(1e-4, 1.0 - progress) if plan.linear else schedule.lr
    cursor[BLOCKS] += 1
    cursor[PAIRS] += blocks.shape[side, SHAPE_PAIRS]
    _prefetch_centres(tables.input, blocks, side)
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
        state += _STRIDE
        kept[np.uint64(count)] = word
        sentences[np.uint64(count)] = sentence
        count += np.uint32(mix(state) >> _HALF) <= keep[np.uint32(word)]
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
        radius = _random_below(random, plan.window) + 1
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
                radius = _random_below(random, plan.window) + 1
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
    blocks.shape[side, SHAPE_CENTRES] = centres
    blocks.shape[side, SHAPE_PAIRS] = pairs
    cursor[CENTRES] += with_pairs
    return pairs


@inner
def _draw_noise(noise, plan, cursor, random, ring, seen, copies, hot, blocks, side):
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
            state += _STRIDE * np.uint64(samples - drawn)
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
            state += _STRIDE * np.uint64(some)
            fresh -= some
            place = place + some if place + some < samples else 0
        cursor[RING_PLACE] = place
        if plan.merge_noise:
            for first in range(0, samples, DRAWS):
                count = merge_repeats(ring[first:], min(DRAWS, samples - first), words, times, count)
        else:
            words, count = ring, samples
    random[0] = state
    blocks.shape[side, SHAPE_TRIES] = tries
    blocks.shape[side, SHAPE_NOISE] = count
    place_rows(copies, hot, side, words, 0, count, blocks.noise_rows[side], 0)


@inner
def _lay_out_rows(cursor, kept, copies, hot, blocks, side, first):
    """Write each panel's rows in their four parts."""
    centres, noise = blocks.shape[side, SHAPE_CENTRES], blocks.shape[side, SHAPE_NOISE]
    for panel in range(-(-centres // PANEL)):
        begin = first + panel * PANEL
        low, high, low_end, high_start = _reach(blocks, side, panel, min(PANEL, centres - panel * PANEL))
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
        place_rows(copies, hot, side, kept, low, noise_start, rows, 0)
        move_words(blocks.noise_rows[side], 0, noise, 0, 0, rows, noise_start)
        place_rows(copies, hot, side, kept, high_start, high - high_start, rows, noise_start + noise)
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


@in_place
def _prefetch_centres(table, blocks, side):
    for g in range(blocks.shape[side, 0]):
        prefetch_row(table, blocks.centre_numbers[side, CENTRE_ID, g])


# --- which rows: the tables' own, the thread's hot ones, or its copies ------------------------------------------
#
# One kernel is compiled for threads with copies and one for those without: each function is chosen by the type.


_OPTIONS: Any = {"nogil": True, "error_model": "numpy", "_nrt": False}


def input_row(copies, side, word):
    """The row of the input table that stands for a word."""
    raise NotImplementedError("compiled code only")


def place_rows(copies, hot, side, words, first, count, rows, start):
    """Write the output table's rows that stand for words[first : first + count] to `rows`, from `start` on."""
    raise NotImplementedError("compiled code only")


def copy_fresh_rows(copies, tables, noise, side):
    """Copy the rows that the block on side `side` is the first to touch; they were asked for when it was drawn."""
    raise NotImplementedError("compiled code only")


@overload(input_row, jit_options=_OPTIONS)
def _input_row(copies, side, word):
    if isinstance(copies, types.NoneType):
        return lambda copies, side, word: word
    return lambda copies, side, word: _place_of(copies, copies.base.input, copies.input_place, 0, side, word)


@overload(place_rows, jit_options=_OPTIONS)
def _place_rows(copies, hot, side, words, first, count, rows, start):
    if isinstance(copies, types.NoneType):
        return lambda copies, hot, side, words, first, count, rows, start: move_words(
            words, first, count, hot[HOT_ROWS], hot[HOT_START], rows, start
        )

    def place(copies, hot, side, words, first, count, rows, start):
        for i in range(count):
            rows[start + i] = _place_of(copies, copies.base.output, copies.output_place, 1, side, words[first + i])

    return place


@overload(copy_fresh_rows, jit_options=_OPTIONS)
def _copy_fresh_rows(copies, tables, noise, side):
    if isinstance(copies, types.NoneType):
        return lambda copies, tables, noise, side: None

    def copy(copies, tables, noise, side):
        base, fresh = copies.base, copies.fresh
        for i in range(copies.fresh_count[side, 0]):
            word = fresh[side, 0, i]
            copy_row(base.input, word, tables.input, copies.input_place[word])
        for i in range(copies.fresh_count[side, 1]):
            word = fresh[side, 1, i]
            place = copies.output_place[word]
            copy_row(base.output, word, tables.output, place)
            tables.bias[place] = base.bias[word]
            noise.log_count[place] = copies.noise.log_count[word]
            noise.log_miss[place] = copies.noise.log_miss[word]
        copies.fresh_count[side, 0] = 0
        copies.fresh_count[side, 1] = 0

    return copy


@inner
def _place_of(copies, table, places, kind, side, word):
    place = places[word]
    if place < 0:
        place = copies.used[kind]
        copies.used[kind] = place + 1
        places[word] = place
        copies.fresh[side, kind, copies.fresh_count[side, kind]] = word
        copies.fresh_count[side, kind] += 1
        prefetch_row(table, word)
    return place


# --- one step -------------------------------------------------------------------------------------------------


@in_place
def _step(tables, noise, plan, thread, side):
    """One synchronous gradient step for the block on side `side`."""
    blocks, scratch = thread.blocks, thread.scratch
    output, width = tables.output, scratch.centres.shape[1]
    copy_fresh_rows(thread.copies, tables, noise, side)
    centres, pairs = blocks.shape[side, SHAPE_CENTRES], blocks.shape[side, SHAPE_PAIRS]
    ids = blocks.centre_numbers[side, CENTRE_ID]
    panels = -(-centres // PANEL)
    rate = blocks.lr[side] / pairs if plan.mean else blocks.lr[side]
    loss = 0.0
    for panel in range(panels):
        rows, logits = blocks.rows[side, panel], scratch.logits[panel]
        low_end, both_end, count = _ends(blocks, side, panel)
        _constants(tables.bias, noise, plan, blocks, scratch, side, panel)
        pack_centres(tables.input, ids, panel * PANEL, scratch.centres, scratch.packed)
        panel_logits(
            output, width, rows, low_end, both_end, count, scratch.packed, scratch.offsets, scratch.log_ratio, logits
        )
        _weigh(plan, blocks, scratch, side, panel)
        loss += logits_to_steps(logits, scratch.weights, count, rate)
    thread.loss[0] += loss
    for panel in range(panels):
        first = panel * PANEL
        rows, ahead, steps = blocks.rows[side, panel], blocks.rows[1 - side, panel], scratch.logits[panel]
        ahead_count = blocks.parts[1 - side, panel, COUNT]
        low_end, both_end, count = _ends(blocks, side, panel)
        add_to_centres(
            output, width, rows, ahead, ahead_count, low_end, both_end, count, steps, tables.input, ids, first
        )
    for panel in range(panels):
        first = panel * PANEL
        rows, ahead, steps = blocks.rows[side, panel], blocks.rows[1 - side, panel], scratch.logits[panel]
        low_end, both_end, count = _ends(blocks, side, panel)
        add_to_rows(output, tables.bias, width, rows, ahead, low_end, both_end, count, steps, scratch.centres, first)


@in_place
def _ends(blocks, side, panel):
    parts = blocks.parts[side, panel]
    return parts[LOW_END], parts[BOTH_END], parts[COUNT]


@inner
def _constants(bias, noise, plan, blocks, scratch, side, panel):
    """Write what is added to v·u: b − log Q for each row, log m (window) or 0 (pairs) for each centre.

    Q is S·q with replacement or where no draw was rejected, else 1 − (1 − q)^tries.
    """
    rows, count, tries = blocks.rows[side, panel], blocks.parts[side, panel, COUNT], blocks.shape[side, SHAPE_TRIES]
    if tries == plan.num_sampled:
        for r in range(count):
            row = np.uint32(rows[r])
            scratch.offsets[r] = bias[row] - noise.log_count[row]
    else:
        for r in range(count):
            row = np.uint32(rows[r])
            scratch.offsets[r] = bias[row] - math.log(-math.expm1(tries * noise.log_miss[row]))
    before, after = blocks.centre_numbers[side, BEFORE], blocks.centre_numbers[side, AFTER]
    for g in range(PANEL):
        scratch.log_ratio[g] = scratch.log_contexts[before[panel * PANEL + g] + after[panel * PANEL + g]]


@inner
def _weigh(plan, blocks, scratch, side, panel):
    """Write how often each (row, centre) counts: 1 for a context, minus the noise weight for noise, else 0."""
    weights, parts, times = scratch.weights, blocks.parts[side, panel], blocks.noise_times[side]
    noise, count = blocks.shape[side, SHAPE_NOISE], parts[COUNT]
    start, end = parts[NOISE_START], parts[NOISE_START] + noise
    before = blocks.centre_numbers[side, BEFORE, panel * PANEL :]
    after = blocks.centre_numbers[side, AFTER, panel * PANEL :]
    context_weights(0, start, parts[FIRST_PLACE], before, after, weights)
    context_weights(end, count, parts[FIRST_PLACE] - noise, before, after, weights)
    for g in range(PANEL):
        contexts = before[g] + after[g]
        scratch.noise_weights[g] = -contexts if plan.pairs else -min(contexts, 1)
        weights[count, g] = 0  # rows are worked on two at a time
    noise_weights(start, end, times, scratch.noise_weights, weights)
    if plan.remove_accidental_hits:
        remove_hits(blocks.rows[side, panel], start, end, count, times, plan.pairs, weights)


# --- hot rows -------------------------------------------------------------------------------------------------
#
# Threads that write the same row take its cache lines from each other, at about 100 ns a time: on two cores a third
# of the speed with log-uniform noise, which draws row 0 twice a block. So threads but the first work on copies of
# their own of the rows touched most often, and add what they have changed to the shared ones now and then: the
# hotter, the oftener. All periods are multiples of HOT_EVERY blocks, and only then is looked at what is due.


@in_place
def _merge_when_due(tables, thread, blocks):
    if blocks % thread.hot[HOT_EVERY] == 0:
        _merge_hot_rows(
            tables.output, tables.bias, thread.hot, thread.hot_tiers, thread.hot_output, thread.hot_bias, blocks
        )


@called
def _merge_hot_rows(output, bias, hot, tiers, hot_output, hot_bias, blocks):
    """Add the changes of the thread's copies to the shared rows, and take these over: all tiers due at so many blocks.

    At 0 blocks all are due.
    """
    start = hot[HOT_START]
    first = np.int64(0)
    for tier in range(tiers.shape[0]):
        end = tiers[tier, TIER_END]
        if blocks % tiers[tier, TIER_BLOCKS] == 0:
            for row in range(first, end):
                merge_row(output, row, start + row, hot_output)
                merged = bias[row] + (bias[start + row] - hot_bias[row])
                bias[row] = merged
                bias[start + row] = merged
                hot_bias[row] = merged
        first = end


# --- random numbers ---------------------------------------------------------------------------------------------

_STRIDE = np.uint64(RANDOM_STRIDE)
_HALF = np.uint64(32)


@inner
def _random_below(random, bound):
    state = random[0] + _STRIDE
    random[0] = state
    return np.int64(((mix(state) >> _HALF) * np.uint64(bound)) >> _HALF)
