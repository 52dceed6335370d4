"""A centre's targets, the words that it is to tell from noise: its contexts, or with CBOW its own word.

What follows the choice of a block's centres knows targets by how many of them are before and after a centre, which is
none itself. With CBOW the centre's word counts as the one behind it: BEFORE is 0, AFTER is 1, and places are counted
from the word before the block's first centre. So the layout of rows, the weights and the losses are the same for all
models. A centre without contexts has no target, and a block as many pairs as targets. The functions are chosen by the
type of `bags`.
"""

from typing import Any

from numba import types
from numba.extending import overload

from nce_train.kernel.inlining import in_place
from nce_train.kernel.sizes import HALF, PANEL
from nce_train.kernel.state import (
    AFTER,
    BEFORE,
    BEYOND,
    CONTEXTS_AFTER,
    CONTEXTS_BEFORE,
    NUM_CENTRES,
    NUM_PAIRS,
    ContextBags,
    ContextWords,
)

_OPTIONS: Any = {"nogil": True, "error_model": "numpy", "_nrt": False}


def set_targets(bags, side, blocks):
    """Make BEFORE and AFTER of the block's centres, which are about their contexts, be about their targets."""
    raise NotImplementedError("compiled code only")


def places_from(bags, first):
    """The place in `kept` that targets are counted from, by that of the block's first centre."""
    raise NotImplementedError("compiled code only")


def reach_of_panel(bags, blocks, side, panel, centres):
    """A panel's first target and the one behind its last; the first of its second half, the end of its first half's.

    As places relative to the panel's first centre, counted as `places_from` says.
    """
    raise NotImplementedError("compiled code only")


def is_cbow(bags):
    """Whether this type of `bags` is one of CBOW."""
    return not isinstance(bags, types.NoneType) and bags.instance_class in (ContextWords, ContextBags)


@overload(set_targets, jit_options=_OPTIONS)
def _set_targets(bags, side, blocks):
    if not is_cbow(bags):
        return lambda bags, side, blocks: None

    def set_own_words(bags, side, blocks):
        numbers = blocks.centre_numbers[side]
        targets = 0
        for g in range(-(-blocks.counts[side, NUM_CENTRES] // PANEL) * PANEL):
            before, after = numbers[BEFORE, g], numbers[AFTER, g]
            numbers[CONTEXTS_BEFORE, g] = before
            numbers[CONTEXTS_AFTER, g] = after
            numbers[BEFORE, g] = 0
            numbers[AFTER, g] = min(before + after, 1)
            targets += numbers[AFTER, g]
        blocks.counts[side, NUM_PAIRS] = targets

    return set_own_words


@overload(places_from, jit_options=_OPTIONS)
def _places_from(bags, first):
    if is_cbow(bags):
        return lambda bags, first: first - 1
    return lambda bags, first: first


@overload(reach_of_panel, inline="always", jit_options=_OPTIONS)
def _reach_of_panel(bags, blocks, side, panel, centres):
    if is_cbow(bags):
        # the own words of all centres, of those without contexts too
        return lambda bags, blocks, side, panel, centres: (1, centres + 1, HALF + 1, min(HALF, centres) + 1)
    return lambda bags, blocks, side, panel, centres: _reach_of_contexts(blocks, side, panel, centres)


@in_place
def _reach_of_contexts(blocks, side, panel, centres):
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
