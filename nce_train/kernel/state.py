"""What the kernel works on: the parameters, the noise, the plan, and all that one thread owns.

Arrays in named tuples, which Numba takes as they are.
"""

from typing import NamedTuple

import numpy as np

from nce_train.kernel.sizes import CACHE_LINE, DRAWS, PANEL, ROW_TILE

LINE_END = -1  # closes a sentence in the token stream
BEYOND = 2**20  # further than any window reaches
# dynamic_window
RADIUS_PER_BLOCK, RADIUS_PER_CENTRE, RADIUS_FIXED = 0, 1, 2
# places in ThreadArrays.cursor
POSITION, RANGE_END, KEPT, CENTRE, SENTENCE, TOKENS, BLOCKS, PAIRS, CENTRES, PRODUCTS, RING_PLACE = range(11)
CURSOR_SIZE = RING_PLACE + 1
# places in ThreadArrays.hot and in HotWords.numbers
HOT_ROWS, HOT_START, HOT_EVERY = range(3)
# places in a row of ThreadArrays.hot_tiers and of HotWords.tiers
TIER_END, TIER_BLOCKS = range(2)
NO_TIERS = np.zeros((0, 2), np.int64)
NO_SHARES = np.zeros(0, np.float32)
# places in Blocks.centre_numbers, for each centre of a block: its id, how many contexts are before and after it; with
# CBOW BEFORE and AFTER are about its target (see `kernel.targets`), and its contexts are in the last two
CENTRE_ID, BEFORE, AFTER, CONTEXTS_BEFORE, CONTEXTS_AFTER = range(5)
# places in Blocks.counts: centres, pairs, tries that the noise words took, different noise words; with bags, how many
# there are, one for each centre or with CBOW for each word of the block, and how many words are before the first centre
NUM_CENTRES, NUM_PAIRS, NUM_TRIES, NUM_NOISE, NUM_BAGS, NUM_BAGS_BEFORE = range(6)
# places in Blocks.parts, about a panel's list of rows: where the rows of the first half only end, where the noise rows
# begin, where the rows of both halves end, how many rows there are; and the first context's place relative to the panel
LOW_END, NOISE_START, BOTH_END, COUNT, FIRST_PLACE = range(5)


class Tables(NamedTuple):
    """The parameters, in rows of `row_length(dim)` numbers; those beyond dim are and stay zero.

    Behind the classes' rows `output` and `bias` hold the threads' own copies of the hot rows (`ThreadArrays.hot`); they
    are counted in `rows`.
    """

    input: np.ndarray  # float [classes, length]; with sub-words the rows of n-grams follow
    output: np.ndarray  # float [rows, length]
    bias: np.ndarray  # float [rows]


class Noise(NamedTuple):
    """The noise distribution q as an alias table, and its logarithms."""

    columns: np.ndarray  # uint64 [classes]: the threshold (high half) up to which a draw stays, and the alias
    log_count: np.ndarray  # float [rows]: log(S·q), the log expected count with replacement
    log_miss: np.ndarray  # float64 [rows]: log1p(−q)


class Plan(NamedTuple):
    """The settings that the kernel needs, as numbers."""

    window: int
    radius_kind: int
    block_size: int
    num_sampled: int
    fresh_noise: int  # how many of them each block draws anew; all with `unique`
    merge_noise: bool  # noise words drawn several times are one row
    pairs: bool
    mean: bool
    unique: bool
    remove_accidental_hits: bool
    linear: bool


class Bags(NamedTuple):
    """The rows of the input table whose mean is a word's vector; see `kernel.bags`."""

    starts: np.ndarray  # int64 [classes + 1]: where each word's rows begin
    rows: np.ndarray  # int32 [n]

    def longest(self) -> int:
        """The most rows that a word has."""
        return int(np.diff(self.starts).max())


class ContextWords(NamedTuple):
    """CBOW: the mean of the rows of its contexts is a centre's vector, and the centre's own word its target."""

    shares: np.ndarray  # float64 [2 window + 1]: see `context_shares`

    def longest(self) -> int:
        """The most rows that a word has."""
        return 1


class ContextBags(NamedTuple):
    """CBOW with sub-words: as `ContextWords`, of all rows of the contexts' words together."""

    shares: np.ndarray  # float64 [2 window + 1]: see `context_shares`
    starts: np.ndarray  # int64 [classes + 1]: where each word's rows begin
    rows: np.ndarray  # int32 [n]

    def longest(self) -> int:
        """The most rows that a word has."""
        return int(np.diff(self.starts).max())


def context_shares(window: int) -> np.ndarray:
    """What each row takes of the step of a vector that CBOW has composed, by the number of the centre's contexts.

    It is the step divided by the number of contexts, as the gradient of a mean of words is (O. Irsoy, A. Benton and
    K. Stratos: "Corrected CBOW Performs as well as Skip-gram", 2021). word2vec and fastText take the whole step. Where
    few words occur again and again near each other, that diverges at half the learning rate.

    Returns
    -------
    float64 [2 window + 1]
    """
    contexts = np.arange(2 * window + 1)
    return 1 / np.maximum(contexts, 1)


class HotWords(NamedTuple):
    """A thread's own composed vectors of the words met most often; see `kernel.hot_words`.

    The thread trains them in rows of the input table, behind those of words and n-grams.
    """

    numbers: np.ndarray  # int64 [3]: how many words there are, where their rows start, HOT_EVERY
    tiers: np.ndarray  # int64 [tiers, 2]: the word behind a tier's last, and blocks between its merges
    shares: np.ndarray  # float32 [rows of these words' bags]: what each row takes of a word's change
    vectors: np.ndarray  # float [hot words, width]: the vectors as they were when they were merged last


AnyBags = Bags | ContextWords | ContextBags


class ShardRows(NamedTuple):
    """A shard's own copies of the rows that it has touched in a round, in the order in which it touched them.

    The kernel then trains `Tables` that hold only these copies, and `Noise` whose logarithms are copied with them.
    """

    base: Tables  # what is copied
    noise: Noise
    input_place: np.ndarray  # int32 [input rows]: where a row's copy stands, -1 where there is none
    output_place: np.ndarray  # int32 [output rows]
    used: np.ndarray  # int64 [2]: copies of input rows, of output rows
    to_copy: np.ndarray  # int32 [2, 2, capacity]: by side and table, rows that are still to be copied
    num_to_copy: np.ndarray  # int64 [2, 2]


class Blocks(NamedTuple):
    """The current and the next block: first index 0 or 1."""

    counts: np.ndarray  # int64 [2, 6]: see NUM_CENTRES …
    lr: np.ndarray  # float64 [2]
    bag_ends: np.ndarray  # int64 [2, words + 1]: where the rows of each centre, or with CBOW word, end in `bag_rows`
    bag_rows: np.ndarray  # int32 [2, rows of a block's words]: rows of the input table; none without bags
    centre_numbers: np.ndarray  # int32 [2, 5, padded block]: see CENTRE_ID …
    rows: np.ndarray  # int32 [2, panels, row capacity]: contexts, noise words, contexts, padding
    parts: np.ndarray  # int64 [2, panels, 5]: see LOW_END …
    noise_rows: np.ndarray  # int32 [2, S + 1]: the rows of the different noise words
    noise_times: np.ndarray  # float [2, S + 1]: how often each was drawn; ones unless `merge_noise`


class Scratch(NamedTuple):
    """What one step writes and reads."""

    centres: np.ndarray  # float [padded block, width]: the vectors before the step
    composed: np.ndarray  # float [padded block + words, width]: with bags, the vectors, and with CBOW sums by word
    places: np.ndarray  # int32 [words]: rows of `composed`, 0, 1, …
    packed: np.ndarray  # float [width · PANEL]
    logits: np.ndarray  # float [panels, row capacity, PANEL]
    weights: np.ndarray  # float [row capacity, PANEL]
    offsets: np.ndarray  # float [row capacity]: b − log Q of a panel's rows
    log_ratio: np.ndarray  # float [PANEL]: log m of the panel's centres for the window objective, else 0
    noise_weights: np.ndarray  # float [PANEL]: how much a noise word counts at the panel's centres
    log_contexts: np.ndarray  # float [2 window + 1]: log m by m, or zeros; constant


class ThreadArrays(NamedTuple):
    """All that one thread owns. The arrays up to `loss` are its state.

    Functions are handed the parts they need, not all of it: hundreds of numbers, which compiling would write out at
    each call.
    """

    cursor: np.ndarray  # int64 [CURSOR_SIZE]: see POSITION …
    random: np.ndarray  # uint64 [1]
    kept: np.ndarray  # int32 [capacity]: the words that subsampling kept and that are read, from the last window on
    sentences: np.ndarray  # int32 [capacity]: the number of each one's sentence in the range
    ring: np.ndarray  # int32 [S, rounded up to DRAWS]: the noise words, the oldest at RING_PLACE; −1 before the first
    loss: np.ndarray  # float64 [1]: summed since it was last set to 0
    hot: np.ndarray  # int64 [3]: how many rows have a copy of this thread's own, where these start, HOT_EVERY
    hot_tiers: np.ndarray  # int64 [tiers, 2]: the row behind a tier's last, and blocks between its merges
    hot_output: np.ndarray  # float [hot rows, width]: what the copies were when they were merged last
    hot_bias: np.ndarray  # float [hot rows]
    shard_rows: ShardRows | None  # where it trains a shard of a round
    bags: AnyBags | None  # where vectors are composed; shared by all threads
    hot_words: HotWords
    seen: np.ndarray  # int32 [power of two > 2 S]: table of the different noise words with `unique`
    blocks: Blocks
    scratch: Scratch


def new_thread_arrays(
    plan: Plan,
    width: int,
    dtype: type,
    random_state: int,
    hot_tiers: np.ndarray = NO_TIERS,
    hot_start: int = 0,
    kept_capacity: int = 4096,
    copied: tuple[Tables, Noise] | None = None,
    bags: AnyBags | None = None,
    hot_words: HotWords | None = None,
) -> ThreadArrays:
    """Allocate a thread's arrays for tables of `dtype`; its hot rows are still zero.

    `width` is `table_width(dim)`, the numbers of a row that are worked on.

    `hot_tiers` says how many hot rows the thread has copies of, and how often they are merged; the copies are in the
    table from row `hot_start` on.

    With `copied`, it trains a shard of a round, on copies of the rows of these. `bags` says what a centre's vector is
    the mean of, and with it the model: its word's row alone where it is None. `hot_words` are the words whose composed
    vectors the thread has for itself.
    """
    panels = -(-plan.block_size // PANEL)
    padded_block = panels * PANEL
    row_capacity = PANEL + 2 * plan.window + plan.num_sampled + ROW_TILE
    log_contexts = np.zeros(2 * plan.window + 1)
    if not plan.pairs:
        log_contexts[1:] = np.log(np.arange(1, 2 * plan.window + 1))
    hot_rows = tiers_end(hot_tiers)
    seen_size = 1 << (2 * plan.num_sampled).bit_length()
    words = padded_block + 2 * plan.window
    bag_capacity = 0 if bags is None else words * bags.longest()
    kept_capacity = max(kept_capacity, 4 * words)
    return ThreadArrays(
        cursor=np.zeros(CURSOR_SIZE, np.int64),
        random=np.array([random_state], np.uint64),
        kept=np.zeros(kept_capacity, np.int32),
        sentences=np.zeros(kept_capacity, np.int32),
        ring=np.full(-(-plan.num_sampled // DRAWS) * DRAWS, -1, np.int32),
        loss=np.zeros(1, np.float64),
        hot=_hot_numbers(hot_tiers, hot_start),
        hot_tiers=hot_tiers,
        hot_output=aligned_zeros((hot_rows, width), dtype),
        hot_bias=aligned_zeros((hot_rows,), dtype),
        shard_rows=None if copied is None else _new_shard_rows(*copied, max(panels * row_capacity, bag_capacity)),
        bags=bags,
        hot_words=new_hot_words(width, dtype) if hot_words is None else hot_words,
        seen=np.zeros(seen_size, np.int32),
        blocks=Blocks(
            counts=np.zeros((2, 6), np.int64),
            lr=np.zeros(2, np.float64),
            bag_ends=np.zeros((2, words + 1), np.int64),
            bag_rows=np.zeros((2, bag_capacity), np.int32),
            centre_numbers=np.zeros((2, 5, padded_block), np.int32),
            rows=np.zeros((2, panels, row_capacity), np.int32),
            parts=np.zeros((2, panels, 5), np.int64),
            noise_rows=np.zeros((2, plan.num_sampled + 1), np.int32),
            noise_times=np.ones((2, plan.num_sampled + 1), dtype),
        ),
        scratch=Scratch(
            centres=aligned_zeros((padded_block, width), dtype),
            composed=aligned_zeros((padded_block + words, width), dtype),
            places=np.arange(words, dtype=np.int32),
            packed=aligned_zeros((width * PANEL,), dtype),
            logits=aligned_zeros((panels, row_capacity, PANEL), dtype),
            weights=aligned_zeros((row_capacity, PANEL), dtype),
            offsets=aligned_zeros((row_capacity,), dtype),
            log_ratio=aligned_zeros((PANEL,), dtype),
            noise_weights=aligned_zeros((PANEL,), dtype),
            log_contexts=log_contexts.astype(dtype),
        ),
    )


def new_hot_words(
    width: int, dtype: type, tiers: np.ndarray = NO_TIERS, start: int = 0, shares: np.ndarray = NO_SHARES
) -> HotWords:
    """Allocate a thread's vectors of the hot words, which `MERGE_ONLY` composes; by default of none."""
    return HotWords(_hot_numbers(tiers, start), tiers, shares, aligned_zeros((tiers_end(tiers), width), dtype))


def tiers_end(tiers: np.ndarray) -> int:
    """How many rows the tiers have."""
    return int(tiers[-1, TIER_END]) if len(tiers) else 0


def _hot_numbers(tiers: np.ndarray, start: int) -> np.ndarray:
    return np.array([tiers_end(tiers), start, max(1, np.gcd.reduce(tiers[:, TIER_BLOCKS]))], np.int64)


def _new_shard_rows(base: Tables, noise: Noise, capacity: int) -> ShardRows:
    return ShardRows(
        base=base,
        noise=noise,
        input_place=np.full(len(base.input), -1, np.int32),
        output_place=np.full(len(base.output), -1, np.int32),
        used=np.zeros(2, np.int64),
        to_copy=np.zeros((2, 2, capacity), np.int32),
        num_to_copy=np.zeros((2, 2), np.int64),
    )


def aligned_zeros(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Zeros that start at a cache line: vectors that straddle two lines load at half the speed."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + CACHE_LINE, np.uint8)
    start = -raw.ctypes.data % CACHE_LINE
    return raw[start : start + size].view(dtype).reshape(shape)
