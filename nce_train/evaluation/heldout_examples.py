"""Examples of a text: its ids and a window go in; out come labels, and the words from which they are to be predicted.

The stream of ids has LINE_END after each line. A word's contexts are the other words of its line at a distance of at
most `window`, in either direction. Where there are more examples than wanted, an even spread of them is chosen, which
is always the same.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nce_train.evaluation.word_bags import WordBags, single_words
from nce_train.text.vocabulary import LINE_END

_PLACES_PER_BLOCK = 1 << 20


class Examples(NamedTuple):
    """Examples in the order of the text: the words to predict from, and the word to predict, int32 [examples]."""

    bags: WordBags
    labels: NDArray[np.int32]


def skipgram_examples(stream: NDArray[np.int32], window: int, most: int) -> Examples:
    """Choose at most `most` (centre, context) pairs; the context is the label."""
    ends = np.flatnonzero(stream == LINE_END)
    centre, left = _even_spread(_num_contexts(stream, ends, window), most)
    _, high = _window_of(centre, ends, len(stream), window)
    context = high - left
    context += context >= centre  # a word is not its own context
    return Examples(single_words(stream[centre]), stream[context])


def cbow_examples(stream: NDArray[np.int32], window: int, most: int, row_counts: NDArray[np.int64]) -> Examples:
    """Choose at most `most` of the positions that have a context; the word there is the label, the contexts its bag.

    `row_counts` has the number of rows that stand for each word of the vocabulary.
    """
    ends = np.flatnonzero(stream == LINE_END)
    has_context = np.minimum(_num_contexts(stream, ends, window), 1)
    centre, _ = _even_spread(has_context, most)
    low, high = _window_of(centre, ends, len(stream), window)
    reach = int(max(np.max(centre - low, initial=0), np.max(high - centre, initial=0)))
    distances = [distance for distance in range(-reach, reach + 1) if distance != 0]
    ids = np.zeros((len(centre), len(distances)), np.int32)
    weights = np.zeros(ids.shape)
    for column, distance in enumerate(distances):  # not all at once, to limit the memory
        context = centre + distance
        inside = (low <= context) & (context <= high)
        ids[inside, column] = stream[context[inside]]
        weights[inside, column] = row_counts[ids[inside, column]]
    weights /= weights.sum(1, keepdims=True)
    return Examples(WordBags(ids, weights), stream[centre])


def _num_contexts(stream: NDArray[np.int32], ends: NDArray[np.int64], window: int) -> NDArray[np.int64]:
    """The number of contexts at each place; 0 at line ends."""
    numbers = np.empty(len(stream), np.int64)
    for start in range(0, len(stream), _PLACES_PER_BLOCK):  # to limit the memory
        places = np.arange(start, min(start + _PLACES_PER_BLOCK, len(stream)))
        low, high = _window_of(places, ends, len(stream), window)
        numbers[places] = np.where(stream[places] == LINE_END, 0, high - low)
    return numbers


def _even_spread(numbers: NDArray[np.int64], most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose from examples of which each place has a number, which is overwritten.

    Out: the place of each chosen one, and how many of the examples of that place are left from it on.
    """
    until = np.cumsum(numbers, out=numbers)
    total = int(until[-1]) if len(until) else 0
    if total > most:
        offset = np.random.default_rng(0).random()
        chosen = ((np.arange(most) + offset) * (total / most)).astype(np.int64)
    else:
        chosen = np.arange(total)
    place = np.searchsorted(until, chosen, side="right")
    return place, until[place] - chosen


def _window_of(
    places: NDArray[np.int64], ends: NDArray[np.int64], length: int, window: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first and the last place in the window of each place, within its line."""
    line = np.searchsorted(ends, places)
    first = np.concatenate([[0], ends + 1])[line]
    last = np.concatenate([ends, [length]])[line] - 1
    return np.maximum(first, places - window), np.minimum(last, places + window)
