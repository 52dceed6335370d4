"""The training kernel: from a range of token ids to changed parameters, without Python in the loop.

`train_blocks` walks a thread's range of the token stream, drops frequent words, cuts what is left of a sentence
into blocks of centres, draws one noise set a block, and makes one synchronous gradient step a block. A block is
worked on in panels of PANEL centres; its rows of the output table are the context words of the panel, then the
noise words. The next block is drawn before the current one is worked on, so that its rows are fetched meanwhile.

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
from typing import NamedTuple

import numpy as np
from numba import njit

from nce_train.training.tiles import (
    PANEL,
    ROW_TILE,
    add_to_centres,
    add_to_rows,
    context_weights,
    inner,
    logits_to_steps,
    pack_centres,
    panel_logits,
    prefetch_row,
)

LINE_END = -1  # closes a sentence in the token stream

# dynamic_window
RADIUS_PER_BLOCK, RADIUS_PER_CENTRE, RADIUS_FIXED = 0, 1, 2

# places in Thread.cursor
POSITION, RANGE_END, KEPT, CENTRE, SENTENCE_ENDS, TOKENS, BLOCKS, PAIRS = range(8)

# places in Thread.hot
HOT_ROWS, HOT_START, HOT_PERIOD = range(3)
HOT_TIER = 16  # rows merged every time; twice as many every second time, and so on

# places in Thread.centre_numbers, for each centre of a block
CENTRE_ID, RADIUS, CONTEXTS = range(3)


class Tables(NamedTuple):
    """The parameters. `width` is dim rounded up to whole vectors; the numbers beyond dim are and stay zero.

    Behind the classes' rows `output` and `bias` hold the threads' own copies of the hottest rows (see `Thread.hot`);
    they are counted in `rows`.
    """

    input: np.ndarray  # float [classes, width]
    output: np.ndarray  # float [rows, width]
    bias: np.ndarray  # float [rows]


class Noise(NamedTuple):
    """The noise distribution q as an alias table, and its logarithms."""

    columns: np.ndarray  # uint64 [classes]: high half the greatest low half of a draw that stays, low half the alias
    log_count: np.ndarray  # float64 [rows]: log(S·q), the log expected count with replacement
    log_miss: np.ndarray  # float64 [rows]: log1p(−q)


class Plan(NamedTuple):
    """The settings that the kernel looks at, as numbers."""

    window: int
    radius_kind: int
    block_size: int
    num_sampled: int
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


class Thread(NamedTuple):
    """All that one thread owns. The arrays up to `loss` are its state; the others are scratch."""

    cursor: np.ndarray  # int64 [8]: see POSITION …
    random: np.ndarray  # uint64 [1]
    kept: np.ndarray  # int32 [capacity]: the words of the sentence that subsampling kept, as far as read
    loss: np.ndarray  # float64 [1]: summed since it was last set to 0
    hot: np.ndarray  # int64 [3]: how many rows have a copy of this thread's own, where it starts, blocks between merges
    hot_output: np.ndarray  # float [hot rows, width]: what the copies were when they were merged last
    hot_bias: np.ndarray  # float [hot rows]
    # the current and the next block: first index 0 or 1
    shape: np.ndarray  # int64 [2, 3]: centres, pairs, tries that the noise words took
    lr: np.ndarray  # float64 [2]
    centre_numbers: np.ndarray  # int32 [2, 3, padded block]: see CENTRE_ID …
    rows: np.ndarray  # int32 [2, panels, row capacity]: context words, noise words, padding
    context_rows: np.ndarray  # int32 [2, panels, 2]: how many context rows, and the first one's offset to the panel
    noise_log_count: np.ndarray  # float64 [2, S]: log Q of the noise words
    seen: np.ndarray  # int32 [power of two > 2 S]
    # scratch of one step
    centres: np.ndarray  # float [padded block, width]
    packed: np.ndarray  # float [width · PANEL]
    logits: np.ndarray  # float [panels, row capacity, PANEL]
    weights: np.ndarray  # float [row capacity, PANEL]
    offsets: np.ndarray  # float [row capacity]: b − log Q of a panel's rows
    log_ratio: np.ndarray  # float [PANEL]: log m of the panel's centres for the window objective, else 0
    log_contexts: np.ndarray  # float [2 window + 1]: log m by m, or zeros; constant


def new_thread(
    plan: Plan,
    width: int,
    dtype: type,
    random_state: int,
    hot: tuple[int, int, int] = (0, 0, 1),
    kept_capacity: int = 4096,
) -> Thread:
    """Allocate a thread's arrays for tables of rows of `width` numbers of `dtype`; its hot rows are still zero."""
    panels = -(-plan.block_size // PANEL)
    padded_block = panels * PANEL
    row_capacity = PANEL + 2 * plan.window + plan.num_sampled + ROW_TILE
    log_contexts = np.zeros(2 * plan.window + 1)
    if not plan.pairs:
        log_contexts[1:] = np.log(np.arange(1, 2 * plan.window + 1))
    seen_size = 1 << (2 * plan.num_sampled).bit_length()
    return Thread(
        cursor=np.zeros(8, np.int64),
        random=np.array([random_state], np.uint64),
        kept=np.zeros(max(kept_capacity, 4 * (padded_block + 2 * plan.window)), np.int32),
        loss=np.zeros(1, np.float64),
        hot=np.array(hot, np.int64),
        hot_output=aligned_zeros((hot[HOT_ROWS], width), dtype),
        hot_bias=aligned_zeros((hot[HOT_ROWS],), dtype),
        shape=np.zeros((2, 3), np.int64),
        lr=np.zeros(2, np.float64),
        centre_numbers=np.zeros((2, 3, padded_block), np.int32),
        rows=np.zeros((2, panels, row_capacity), np.int32),
        context_rows=np.zeros((2, panels, 2), np.int32),
        noise_log_count=np.zeros((2, plan.num_sampled), np.float64),
        seen=np.zeros(seen_size, np.int32),
        centres=aligned_zeros((padded_block, width), dtype),
        packed=aligned_zeros((width * PANEL,), dtype),
        logits=aligned_zeros((panels, row_capacity, PANEL), dtype),
        weights=aligned_zeros((row_capacity, PANEL), dtype),
        offsets=aligned_zeros((row_capacity,), dtype),
        log_ratio=aligned_zeros((PANEL,), dtype),
        log_contexts=log_contexts.astype(dtype),
    )


def aligned_zeros(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Zeros that start at a cache line: vectors that straddle two lines load at half the speed."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dtype).reshape(shape)


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
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
        Goes on from its cursor; `loss`, `cursor[TOKENS]`, `cursor[BLOCKS]` and `cursor[PAIRS]` are added to.
    max_blocks : int

    Returns
    -------
    int
        Blocks done; fewer than `max_blocks` means that the range is exhausted. With `max_blocks` 0 the thread's
        copies of hot rows are merged, all of them, which makes `tables` complete.
    """
    token_base = thread.cursor[TOKENS]
    block_base = thread.cursor[BLOCKS]
    done = 0
    side = np.int64(0)  # a literal 0 would have all of the below compiled for it once more
    ready = max_blocks > 0 and _next_block(
        tables, noise, keep, stream, plan, schedule, thread, side, token_base, block_base
    )
    if max_blocks == 0:
        merge_hot_rows(tables, thread, thread.hot[HOT_ROWS])
    while ready:
        done += 1
        ready = done < max_blocks and _next_block(
            tables, noise, keep, stream, plan, schedule, thread, 1 - side, token_base, block_base
        )
        _step(tables, noise, plan, thread, side)
        side = 1 - side
        _merge_when_due(tables, thread)
    return done


# --- which words: subsampling, blocks, noise ------------------------------------------------------------------


@inner
def _next_block(tables, noise, keep, stream, plan, schedule, thread, side, token_base, block_base):
    """Fill side `side` with the next block that has pairs, and ask for its rows; False at the range's end."""
    cursor = thread.cursor
    while True:
        first = cursor[CENTRE]
        if not cursor[SENTENCE_ENDS] and first + plan.block_size + plan.window > cursor[KEPT]:
            _read_on(keep, stream, plan, thread)
            first = cursor[CENTRE]
        if first >= cursor[KEPT]:
            if cursor[POSITION] >= cursor[RANGE_END]:
                return False
            cursor[KEPT] = 0
            cursor[CENTRE] = 0
            cursor[SENTENCE_ENDS] = 0
            continue
        centres = min(plan.block_size, cursor[KEPT] - first)
        cursor[CENTRE] = first + centres
        if _choose_contexts(plan, thread, side, first, centres) > 0:
            break
    _draw_noise(noise, plan, thread, side)
    progress = max(
        (schedule.tokens + schedule.threads * (cursor[TOKENS] - token_base)) / schedule.all_tokens,
        (schedule.blocks + schedule.threads * (cursor[BLOCKS] - block_base)) / schedule.all_blocks,
    )
    thread.lr[side] = schedule.lr * max(1e-4, 1.0 - progress) if plan.linear else schedule.lr
    cursor[BLOCKS] += 1
    cursor[PAIRS] += thread.shape[side, 1]
    _prefetch_centres(tables, thread, side)
    return True


@inner
def _read_on(keep, stream, plan, thread):
    """Read the sentence on into `kept`, whose words behind the last window are dropped to make room."""
    cursor, kept = thread.cursor, thread.kept
    behind = max(0, cursor[CENTRE] - plan.window)
    count = cursor[KEPT] - behind
    for i in range(count):
        kept[i] = kept[behind + i]
    cursor[CENTRE] -= behind
    position = cursor[POSITION]
    tokens = 0
    state = thread.random[0]
    while count < kept.shape[0] and position < cursor[RANGE_END]:
        word = stream[position]
        position += 1
        if word == LINE_END:
            cursor[SENTENCE_ENDS] = 1
            break
        tokens += 1
        state += _STRIDE
        kept[count] = word
        count += np.uint32(_mix(state) >> _HALF) <= keep[word]
    if position >= cursor[RANGE_END]:
        cursor[SENTENCE_ENDS] = 1
    thread.random[0] = state
    cursor[POSITION] = position
    cursor[TOKENS] += tokens
    cursor[KEPT] = count


@inner
def _choose_contexts(plan, thread, side, first, centres):
    """Write the block's centres, radii and context rows; return its number of pairs."""
    kept, length = thread.kept, thread.cursor[KEPT]
    numbers = thread.centre_numbers[side]
    radius = plan.window
    if plan.radius_kind == RADIUS_PER_BLOCK:
        radius = _random_below(thread, plan.window) + 1
    pairs = 0
    for g in range(centres):
        if plan.radius_kind == RADIUS_PER_CENTRE:
            radius = _random_below(thread, plan.window) + 1
        position = first + g
        contexts = min(length - 1, position + radius) - max(0, position - radius)
        numbers[CENTRE_ID, g] = kept[position]
        numbers[RADIUS, g] = radius
        numbers[CONTEXTS, g] = contexts
        pairs += contexts
    panels = (centres + PANEL - 1) // PANEL
    for g in range(centres, panels * PANEL):  # the last panel is filled up with centres that have no contexts
        numbers[CENTRE_ID, g] = kept[first]
        numbers[RADIUS, g] = 0
        numbers[CONTEXTS, g] = 0
    for panel in range(panels):
        begin = first + panel * PANEL
        reach = 0
        for g in range(panel * PANEL, (panel + 1) * PANEL):
            reach = max(reach, numbers[RADIUS, g])
        low = max(0, begin - reach)
        high = min(length, min(first + centres, begin + PANEL) + reach)
        for position in range(low, high):
            thread.rows[side, panel, position - low] = _row_of(thread, kept[position])
        thread.context_rows[side, panel, 0] = high - low
        thread.context_rows[side, panel, 1] = low - begin
    thread.shape[side, 0] = centres
    thread.shape[side, 1] = pairs
    return pairs


@inner
def _draw_noise(noise, plan, thread, side):
    """Draw the block's noise ids and write them behind the context rows of each panel, with their log Q."""
    rows, context_rows = thread.rows[side], thread.context_rows[side]
    classes = np.uint64(noise.columns.shape[0])
    samples = plan.num_sampled
    log_count = thread.noise_log_count[side]
    start = context_rows[0, 0]
    state = thread.random[0]
    tries = samples
    if plan.unique:
        tries = 0
        mask = thread.seen.shape[0] - 1
        thread.seen[:] = -1
        s = 0
        while s < samples:
            state += _STRIDE
            tries += 1
            word = _draw(noise, classes, state)
            slot = word & mask
            while thread.seen[slot] >= 0 and thread.seen[slot] != word:
                slot = (slot + 1) & mask
            if thread.seen[slot] < 0:
                thread.seen[slot] = word
                rows[0, start + s] = _row_of(thread, word)
                s += 1
    else:
        for s in range(samples):
            state += _STRIDE
            rows[0, start + s] = _row_of(thread, _draw(noise, classes, state))
    thread.random[0] = state
    thread.shape[side, 2] = tries
    for s in range(samples):
        log_count[s] = _log_expected_count(noise, rows[0, start + s], samples, tries)
    panels = (thread.shape[side, 0] + PANEL - 1) // PANEL
    for panel in range(panels):
        behind = context_rows[panel, 0]
        for s in range(samples):
            rows[panel, behind + s] = rows[0, start + s]
        for r in range(behind + samples, behind + samples + ROW_TILE):
            rows[panel, r] = rows[panel, 0]


@inner
def _draw(noise, classes, state):
    bits = _mix(state)
    word = ((bits >> _HALF) * classes) >> _HALF
    column = noise.columns[np.int64(word)]
    # no branch: half of them would be mispredicted, each waiting for a cache miss (9 ns a draw instead of 2.5)
    stays = np.uint64((bits & _LOW) <= (column >> _HALF))
    return np.int64(stays * word + (_ONE - stays) * (column & _LOW))


@inner
def _row_of(thread, word):
    """The row of the output table that this thread uses for a word: its own copy of a hot one."""
    return word + (word < thread.hot[HOT_ROWS]) * thread.hot[HOT_START]


@inner
def _log_expected_count(noise, word, samples, tries):
    """Log of the expected count: S·q with replacement or without a rejection, else 1 − (1 − q)^tries."""
    if tries == samples:
        return noise.log_count[word]
    return math.log(-math.expm1(tries * noise.log_miss[word]))


@inner
def _prefetch_centres(tables, thread, side):
    for g in range(thread.shape[side, 0]):
        prefetch_row(tables.input, thread.centre_numbers[side, CENTRE_ID, g])


# --- one step -------------------------------------------------------------------------------------------------


@inner
def _step(tables, noise, plan, thread, side):
    """One synchronous gradient step for the block on side `side`."""
    centres, pairs, _ = thread.shape[side]
    numbers = thread.centre_numbers[side]
    panels = (centres + PANEL - 1) // PANEL
    width = tables.input.shape[1]
    rate = thread.lr[side] / pairs if plan.mean else thread.lr[side]
    for g in range(panels * PANEL):
        row = tables.input[numbers[CENTRE_ID, g]]
        for d in range(width):
            thread.centres[g, d] = row[d]
    loss = 0.0
    for panel in range(panels):
        rows, logits = thread.rows[side, panel], thread.logits[panel]
        count = thread.context_rows[side, panel, 0] + plan.num_sampled
        _log_ratios(tables, noise, plan, thread, side, panel)
        pack_centres(thread.centres, panel * PANEL, thread.packed)
        panel_logits(tables.output, rows, count, thread.packed, thread.offsets, thread.log_ratio, logits)
        _weigh(plan, thread, side, panel)
        loss += logits_to_steps(logits, thread.weights, count, rate)
    thread.loss[0] += loss
    for panel in range(panels):
        rows, steps = thread.rows[side, panel], thread.logits[panel]
        count = thread.context_rows[side, panel, 0] + plan.num_sampled
        ahead = thread.rows[1 - side, panel]
        add_to_centres(tables.output, rows, ahead, count, steps, tables.input, numbers[CENTRE_ID], panel * PANEL)
    for panel in range(panels):
        rows, steps = thread.rows[side, panel], thread.logits[panel]
        count = thread.context_rows[side, panel, 0] + plan.num_sampled
        ahead = thread.rows[1 - side, panel]
        add_to_rows(tables.output, tables.bias, rows, ahead, count, steps, thread.centres, panel * PANEL)


@inner
def _log_ratios(tables, noise, plan, thread, side, panel):
    """Write what is added to v·u: b − log Q for each row, log m (window) or 0 (pairs) for each centre."""
    rows = thread.rows[side, panel]
    contexts = thread.context_rows[side, panel, 0]
    tries = thread.shape[side, 2]
    for r in range(contexts):
        log_count = _log_expected_count(noise, rows[r], plan.num_sampled, tries)
        thread.offsets[r] = tables.bias[rows[r]] - log_count
    for s in range(plan.num_sampled):
        r = contexts + s
        thread.offsets[r] = tables.bias[rows[r]] - thread.noise_log_count[side, s]
    for g in range(PANEL):
        thread.log_ratio[g] = thread.log_contexts[thread.centre_numbers[side, CONTEXTS, panel * PANEL + g]]


@inner
def _weigh(plan, thread, side, panel):
    """Write how often each (row, centre) counts: 1 for a context, minus the noise weight for noise, else 0."""
    weights = thread.weights
    rows = thread.rows[side, panel]
    contexts, offset = thread.context_rows[side, panel]
    last = contexts + plan.num_sampled
    numbers = thread.centre_numbers[side, :, panel * PANEL : (panel + 1) * PANEL]
    context_weights(contexts, offset, numbers[RADIUS], weights)
    for g in range(PANEL):
        count = numbers[CONTEXTS, g]
        weights[contexts, g] = -count if plan.pairs else -min(count, 1)
        weights[last, g] = 0  # rows are worked on two at a time
    for r in range(contexts + 1, last):
        for g in range(PANEL):
            weights[r, g] = weights[contexts, g]
    if plan.remove_accidental_hits:
        for s in range(contexts, last):
            for r in range(contexts):
                if rows[r] == rows[s]:
                    for g in range(PANEL):
                        if plan.pairs:
                            weights[s, g] += weights[r, g]
                        elif weights[r, g] > 0:
                            weights[s, g] = 0


# --- hot rows -------------------------------------------------------------------------------------------------
#
# Threads that write the same row take its cache lines from each other, at about 100 ns a time: on two cores a third
# of the speed with log-uniform noise, which draws row 0 twice a block. So each thread works on its own copies of the
# rows drawn most often, and adds what it has changed to the shared ones now and then: the hotter, the oftener.


@inner
def _merge_when_due(tables, thread):
    blocks, period = thread.cursor[BLOCKS], thread.hot[HOT_PERIOD]
    if thread.hot[HOT_ROWS] > 0 and blocks % period == 0:
        count = HOT_TIER
        tick = blocks // period
        while tick % 2 == 0 and count < thread.hot[HOT_ROWS]:
            tick //= 2
            count *= 2
        merge_hot_rows(tables, thread, min(count, thread.hot[HOT_ROWS]))


@inner
def merge_hot_rows(tables, thread, count):
    """Add the changes of the thread's first `count` copies to the shared rows, and take these over."""
    start = thread.hot[HOT_START]
    output, bias = tables.output, tables.bias
    for row in range(count):
        for d in range(output.shape[1]):
            merged = output[row, d] + (output[start + row, d] - thread.hot_output[row, d])
            output[row, d] = merged
            output[start + row, d] = merged
            thread.hot_output[row, d] = merged
        merged = bias[row] + (bias[start + row] - thread.hot_bias[row])
        bias[row] = merged
        bias[start + row] = merged
        thread.hot_bias[row] = merged


# --- random numbers: splitmix64 (Steele, Lea and Flood 2014), one counter a thread ------------------------------

_STRIDE = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_ONE = np.uint64(1)
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


@inner
def _mix(state):
    bits = (state ^ (state >> _SHIFTS[0])) * _FACTORS[0]
    bits = (bits ^ (bits >> _SHIFTS[1])) * _FACTORS[1]
    return bits ^ (bits >> _SHIFTS[2])


@inner
def _random_below(thread, bound):
    state = thread.random[0] + _STRIDE
    thread.random[0] = state
    return np.int64(((_mix(state) >> _HALF) * np.uint64(bound)) >> _HALF)
