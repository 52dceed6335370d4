"""A centre's vector as the mean of a bag of rows, and the step of the vector added to every row of the bag.

    h_i = (1 / |B_i|) Σ_{r in B_i} input[r],      and after a block:  input[r] += share · Δ_i  for every r in B_i

where Δ_i is what the step adds to h_i. A row that is in a bag twice counts twice. Which model is trained is chosen by
the type of `bags`, and only its kernel is compiled:

    None          skip-gram: the row of the centre's word, without a bag
    Bags          skip-gram with sub-words: the rows of the centre's word, its own and those of its n-grams
    ContextWords  CBOW: the rows of the centre's contexts
    ContextBags   CBOW with sub-words: all rows of the centre's contexts

The share is 1, as fastText has it: Δ_i is not divided by |B_i|. With CBOW it is 1 / the number of contexts:
`state.context_shares` says why. The centres of a block have most of their contexts in common. So with CBOW the rows of
each word of the block are summed once, its vectors are made of these sums, and what a word's rows are to take is summed
before it is added to them.

The twin is `block_step` of `tests/kernel/twin.py`.
"""

from typing import Any

from numba import types
from numba.extending import overload

from nce_train.compiled import cached_njit
from nce_train.kernel.inlining import in_place, inner
from nce_train.kernel.row_places import input_row
from nce_train.kernel.row_sums import add_to_each, scale_change, sum_rows
from nce_train.kernel.rows import prefetch_row
from nce_train.kernel.sizes import PANEL
from nce_train.kernel.state import (
    CENTRE_ID,
    CONTEXTS_AFTER,
    CONTEXTS_BEFORE,
    HOT_ROWS,
    HOT_START,
    NUM_BAGS,
    NUM_BAGS_BEFORE,
    NUM_CENTRES,
    ContextWords,
)
from nce_train.kernel.targets import is_cbow, take_own_words

_OPTIONS: Any = {"nogil": True, "error_model": "numpy", "_nrt": False}


def place_centres(bags, hot_words, shard_rows, kept, first, side, blocks):
    """Write which rows of the input table stand for the block's centres, the first of which is kept[first].

    With CBOW the centres' targets are from then on their own words.
    """
    raise NotImplementedError("compiled code only")


def place_word(bags, hot_words, shard_rows, side, word, rows, end):
    """Write which rows of the input table stand for a word, from `end` on; return where they end."""
    raise NotImplementedError("compiled code only")


def prefetch_centres(bags, table, side, blocks):
    """Ask for these rows to be brought into the cache."""
    raise NotImplementedError("compiled code only")


def centre_vectors(bags, table, side, blocks, scratch):
    """The table and its rows that the step takes for the centres' vectors, and adds to."""
    raise NotImplementedError("compiled code only")


def add_to_bags(bags, table, side, blocks, scratch):
    """Add what the step has added to each centre's vector to every row of its bag."""
    raise NotImplementedError("compiled code only")


@overload(place_centres, jit_options=_OPTIONS)
def _place_centres(bags, hot_words, shard_rows, kept, first, side, blocks):
    if isinstance(bags, types.NoneType):

        def place(bags, hot_words, shard_rows, kept, first, side, blocks):
            ids = blocks.centre_numbers[side, CENTRE_ID]
            for g in range(-(-blocks.counts[side, NUM_CENTRES] // PANEL) * PANEL):
                ids[g] = input_row(shard_rows, side, ids[g])

        return place

    if is_cbow(bags):

        def place_words(bags, hot_words, shard_rows, kept, first, side, blocks):
            """The words of the block are those from the first context to the last, and centres among them."""
            take_own_words(side, blocks)
            before, after = blocks.centre_numbers[side, CONTEXTS_BEFORE], blocks.centre_numbers[side, CONTEXTS_AFTER]
            words_before = words_from_first = 0
            for g in range(blocks.counts[side, NUM_CENTRES]):
                words_before = max(words_before, before[g] - g)
                words_from_first = max(words_from_first, g + after[g] + 1)
            words = words_before + words_from_first
            blocks.counts[side, NUM_BAGS] = words
            blocks.counts[side, NUM_BAGS_BEFORE] = words_before
            _place_bags(bags, hot_words, shard_rows, kept[first - words_before :], words, side, blocks)

        return place_words

    def place_centre_words(bags, hot_words, shard_rows, kept, first, side, blocks):
        blocks.counts[side, NUM_BAGS] = blocks.counts[side, NUM_CENTRES]
        _place_bags(bags, hot_words, shard_rows, kept[first:], blocks.counts[side, NUM_CENTRES], side, blocks)

    return place_centre_words


@inner
def _place_bags(bags, hot_words, shard_rows, words, count, side, blocks):
    ends, rows = blocks.bag_ends[side], blocks.bag_rows[side]
    end = 0
    for i in range(count):
        end = place_word(bags, hot_words, shard_rows, side, words[i], rows, end)
        ends[i + 1] = end


@overload(place_word, jit_options=_OPTIONS)
def _place_word(bags, hot_words, shard_rows, side, word, rows, end):
    if bags.instance_class is ContextWords:

        def place_row(bags, hot_words, shard_rows, side, word, rows, end):
            rows[end] = input_row(shard_rows, side, word)
            return end + 1

        return place_row

    def place_bag(bags, hot_words, shard_rows, side, word, rows, end):
        if word < hot_words.numbers[HOT_ROWS]:
            rows[end] = hot_words.numbers[HOT_START] + word
            return end + 1
        for place in range(bags.starts[word], bags.starts[word + 1]):
            rows[end] = input_row(shard_rows, side, bags.rows[place])
            end += 1
        return end

    return place_bag


@overload(prefetch_centres, jit_options=_OPTIONS)
def _prefetch_centres(bags, table, side, blocks):
    if isinstance(bags, types.NoneType):

        def prefetch(bags, table, side, blocks):
            for g in range(blocks.counts[side, NUM_CENTRES]):
                prefetch_row(table, blocks.centre_numbers[side, CENTRE_ID, g])

        return prefetch

    def prefetch_bags(bags, table, side, blocks):
        for place in range(blocks.bag_ends[side, blocks.counts[side, NUM_BAGS]]):
            prefetch_row(table, blocks.bag_rows[side, place])

    return prefetch_bags


@overload(centre_vectors, jit_options=_OPTIONS)
def _centre_vectors(bags, table, side, blocks, scratch):
    if isinstance(bags, types.NoneType):
        return lambda bags, table, side, blocks, scratch: (table, blocks.centre_numbers[side, CENTRE_ID])

    if is_cbow(bags):

        def compose_of_words(bags, table, side, blocks, scratch):
            ends, rows, word_sums = blocks.bag_ends[side], blocks.bag_rows[side], _word_sums(scratch)
            for word in range(blocks.counts[side, NUM_BAGS]):
                begin, end = ends[word], ends[word + 1]
                sum_rows(table, rows, begin, end, end, 1.0, word_sums, word)
            for g in range(blocks.counts[side, NUM_CENTRES]):
                begin, own, end = _contexts(blocks, side, g)
                size = ends[end] - ends[begin] - (ends[own + 1] - ends[own])
                factor = 1.0 / max(size, 1)  # the vector of a centre without contexts is 0, and not used
                sum_rows(word_sums, scratch.places, begin, end, own, factor, scratch.composed, g)
            return scratch.composed, scratch.places

        return compose_of_words

    def compose(bags, table, side, blocks, scratch):
        ends, rows = blocks.bag_ends[side], blocks.bag_rows[side]
        for g in range(blocks.counts[side, NUM_CENTRES]):
            begin, end = ends[g], ends[g + 1]
            sum_rows(table, rows, begin, end, end, 1.0 / (end - begin), scratch.composed, g)
        return scratch.composed, scratch.places

    return compose


@overload(add_to_bags, jit_options=_OPTIONS)
def _add_to_bags(bags, table, side, blocks, scratch):
    if isinstance(bags, types.NoneType):
        return lambda bags, table, side, blocks, scratch: None

    if is_cbow(bags):

        def add_to_words(bags, table, side, blocks, scratch):
            ends, rows, word_sums = blocks.bag_ends[side], blocks.bag_rows[side], _word_sums(scratch)
            word_sums[:] = 0
            for g in range(blocks.counts[side, NUM_CENTRES]):
                begin, own, end = _contexts(blocks, side, g)
                scale_change(scratch.composed, scratch.centres, bags.shares[end - begin - 1], g)
                add_to_each(word_sums, scratch.places, begin, end, own, scratch.composed, g)
            for word in range(blocks.counts[side, NUM_BAGS]):
                begin, end = ends[word], ends[word + 1]
                add_to_each(table, rows, begin, end, end, word_sums, word)

        return add_to_words

    def add(bags, table, side, blocks, scratch):
        ends, rows = blocks.bag_ends[side], blocks.bag_rows[side]
        for g in range(blocks.counts[side, NUM_CENTRES]):
            begin, end = ends[g], ends[g + 1]
            scale_change(scratch.composed, scratch.centres, 1.0, g)
            add_to_each(table, rows, begin, end, end, scratch.composed, g)

    return add


@cached_njit(nogil=True, error_model="numpy", _nrt=False, no_cfunc_wrapper=True)
def compose_words(table, bags, first, last, vectors):
    """vectors[word] = the mean of the rows of its bag, float [words, width], for first <= word < last."""
    for word in range(first, last):
        begin, end = bags.starts[word], bags.starts[word + 1]
        sum_rows(table, bags.rows, begin, end, end, 1.0 / (end - begin), vectors, word)


@inner
def _contexts(blocks, side, centre):
    """Among the words of a block: where a centre's contexts begin, the centre itself, where they end."""
    own = blocks.counts[side, NUM_BAGS_BEFORE] + centre
    numbers = blocks.centre_numbers[side]
    return own - numbers[CONTEXTS_BEFORE, centre], own, own + numbers[CONTEXTS_AFTER, centre] + 1


@in_place
def _word_sums(scratch):
    """A row for each word of a block, behind the vectors of its centres."""
    return scratch.composed[scratch.centres.shape[0] :]
