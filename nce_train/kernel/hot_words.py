"""The threads' own vectors of the words met most often, composed of their n-grams once for many occurrences.

A step adds the same to every row of a word's bag, so the mean of these rows moves by just that. So a thread can train a
word for a while as one row of its own, and add what the word has moved to the rows of its bag later. That is as if each
step had been added at once, but for what other words have meanwhile added to the rows that they have in common.

Where many words wait with a change of the same row, their sum would overshoot, as none of them has seen that the others
go the same way. So an n-gram takes only a share of a word's change, the less the more steps of other words wait for it,
and the word's own row takes what is left, as much as brings the word to where it is. `training.hot_word_plan` plans the
shares and the merges; `docs/kernel.md` says what all this saves. The twin is `merge_words` of `tests/kernel/twin.py`.
"""

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from nce_train.kernel.inlining import called, in_place
from nce_train.kernel.row_sums import add_shares_to_each, scale_change, sum_rows
from nce_train.kernel.rows import copy_row, prefetch_row
from nce_train.kernel.state import HOT_EVERY, HOT_START, TIER_BLOCKS, TIER_END, Bags

_OPTIONS: Any = {"nogil": True, "error_model": "numpy", "_nrt": False}


def merge_words_when_due(table, bags, hot_words, blocks):
    """Merge the words that are due when the thread has drawn `blocks` blocks; at 0 all are due."""
    raise NotImplementedError("compiled code only")


@overload(merge_words_when_due, jit_options=_OPTIONS)
def _merge_words_when_due(table, bags, hot_words, blocks):
    if isinstance(bags, types.NoneType) or bags.instance_class is not Bags:
        return lambda table, bags, hot_words, blocks: None

    def merge(table, bags, hot_words, blocks):
        if blocks % hot_words.numbers[HOT_EVERY] == 0:
            _merge_words(table, bags, hot_words, blocks)

    return merge


@called
def _merge_words(table, bags, hot_words, blocks):
    """Merge the words whose turn it is.

    Those of a tier take turns between its merges: all at once, what they add to the rows that they have in common would
    come in leaps.
    """
    tier_first = np.int64(0)
    for tier in range(hot_words.tiers.shape[0]):
        tier_end = hot_words.tiers[tier, TIER_END]
        first, end = tier_first, tier_end
        if blocks > 0:
            turns = hot_words.tiers[tier, TIER_BLOCKS] // hot_words.numbers[HOT_EVERY]
            turn = blocks // hot_words.numbers[HOT_EVERY] % turns
            first = tier_first + (tier_end - tier_first) * turn // turns
            end = tier_first + (tier_end - tier_first) * (turn + 1) // turns
        if first < end:
            _prefetch_bag(table, bags, first)
        for word in range(first, end):
            if word + 1 < end:
                _prefetch_bag(table, bags, word + 1)
            _merge_word(table, bags, hot_words, word)
        tier_first = tier_end


@in_place
def _merge_word(table, bags, hot_words, word):
    """Add what the word's vector has moved to the rows of its bag, by their shares, and compose it anew."""
    vectors, start = hot_words.vectors, hot_words.numbers[HOT_START]
    begin, end = bags.starts[word], bags.starts[word + 1]
    scale_change(vectors, table[start:], -1.0, word)
    add_shares_to_each(table, bags.rows, begin, end, hot_words.shares, vectors, word)
    sum_rows(table, bags.rows, begin, end, end, 1.0 / (end - begin), vectors, word)
    copy_row(vectors, word, table, start + word, vectors.shape[1])


@in_place
def _prefetch_bag(table, bags, word):
    for place in range(bags.starts[word], bags.starts[word + 1]):
        prefetch_row(table, bags.rows[place])
