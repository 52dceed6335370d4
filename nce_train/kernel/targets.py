"""A centre's targets, the words that it is to tell from noise: its contexts, or with CBOW its own word.

What follows the choice of a block's centres knows targets by how many of them are before and after a centre, which is
none itself. With CBOW the centre's word counts as the one behind it: BEFORE is 0, AFTER is 1, and places are counted
from the word before the block's first centre, which is no target. So the layout of rows, the weights and the losses are
the same for all models. A centre without contexts has no target, and a block as many pairs as targets.
"""

from typing import Any

from numba import types
from numba.extending import overload

from nce_train.kernel.inlining import inner
from nce_train.kernel.sizes import PANEL
from nce_train.kernel.state import (
    AFTER,
    BEFORE,
    CONTEXTS_AFTER,
    CONTEXTS_BEFORE,
    NUM_CENTRES,
    NUM_PAIRS,
    ContextBags,
    ContextWords,
)

_OPTIONS: Any = {"nogil": True, "error_model": "numpy", "_nrt": False}


def is_cbow(bags):
    """Whether this type of `bags` is one of CBOW."""
    return not isinstance(bags, types.NoneType) and bags.instance_class in (ContextWords, ContextBags)


def target_shift(bags):
    """How many places before a block's first centre the places of targets are counted from."""
    raise NotImplementedError("compiled code only")


@overload(target_shift, jit_options=_OPTIONS)
def _target_shift(bags):
    shift = int(is_cbow(bags))
    return lambda bags: shift


@inner
def take_own_words(side, blocks):
    """Make BEFORE and AFTER of a block's centres, which are about their contexts, be about their own words."""
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
