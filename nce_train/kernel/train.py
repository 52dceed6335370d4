"""The training kernel: from a range of token ids to changed parameters, without Python in the loop.

`train_blocks` walks a thread's range of the token stream, drops frequent words, cuts what is left into blocks of
centres, renews a part of the noise set, and makes one synchronous gradient step a block. Contexts are words of a
centre's own sentence, but a block goes on into the next one: cut at the sentences' ends, blocks of 8 held 7.4 centres
on a text with lines of 90 words, and took as long. The next block is drawn before the current one is worked on, so that
its rows are fetched meanwhile.

Everything a thread needs to go on stands in `ThreadArrays`; nothing is allocated here. `docs/kernel.md` walks through a
block. The mathematics below is repeated in float64 NumPy in `tests/kernel/twin.py`; float64 tables get the exact
logistic, float32 tables polynomials with an error of about one unit in the last place.

For a centre i with contexts C_i, m = |C_i|, and S noise ids with expected counts Q:

    window:  G(i, w) = v_i·u_w + b_w − log Q(w) + log m,   loss_i = Σ_{C_i} softplus(−G) + Σ_noise softplus(G)
    pairs:   G(i, w) = v_i·u_w + b_w − log Q(w),           loss_i = Σ_{C_i} softplus(−G) + m Σ_noise softplus(G)

and every parameter moves by −(learning rate) × the gradient of Σ_i loss_i (`mean`: divided by Σ m), all taken at
the values before the block. With CBOW C_i is the centre itself (`targets`); with CBOW or sub-words v_i is the mean of
several rows (`bags`).
"""

import numpy as np

from nce_train.compiled import cached_njit
from nce_train.kernel.hot_rows import merge_rows_when_due
from nce_train.kernel.hot_words import merge_words_when_due
from nce_train.kernel.inlining import in_place
from nce_train.kernel.next_block import next_block
from nce_train.kernel.state import BLOCKS, TOKENS
from nce_train.kernel.step import block_step

MERGE_ONLY = 0  # for `max_blocks`


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
    thread : ThreadArrays
        Goes on from its cursor; `loss` and the counters in `cursor`, from TOKENS on, are added to.
    max_blocks : int

    Returns
    -------
    int
        Blocks done; fewer than `max_blocks` means that the range is exhausted. With `MERGE_ONLY` the thread's
        copies of hot rows and words are merged, all of them: what they have changed is then in `tables`, and they are
        as these. A thread begins with it.
    """
    token_base = thread.cursor[TOKENS]
    block_base = thread.cursor[BLOCKS]
    drawn = done = 0
    side = np.int64(0)  # of the next block; a literal 0 would have all of the below compiled for it once more
    if max_blocks == MERGE_ONLY:
        _merge_when_due(tables, thread, np.int64(0))
    while True:  # `next_block` is called at one place only: it is compiled into this function, and is large
        is_drawn = drawn < max_blocks and next_block(
            tables, noise, keep, stream, plan, schedule, thread, side, token_base, block_base
        )
        side = 1 - side
        if done < drawn:
            block_step(tables, noise, plan, thread, side)
            done += 1
            _merge_when_due(tables, thread, thread.cursor[BLOCKS])
        if not is_drawn:
            return done
        drawn += 1


@in_place
def _merge_when_due(tables, thread, blocks):
    merge_rows_when_due(tables, thread, blocks)
    merge_words_when_due(tables.input, thread.bags, thread.hot_words, blocks)
