"""An earlier vocabulary and the words of a new corpus, as one.

In go the rows of a model and the distinct words of the text on which it is to be trained further; out comes a
vocabulary that has all the old words, sorted by what both counted together, and which row each word has now.
"""

from collections.abc import Sequence

import numpy as np

from nce_train.errors import InputError
from nce_train.text.vocabulary import DROPPED, Vocabulary


def extend_vocabulary(
    old: Vocabulary,
    words: Sequence[str],
    counts: np.ndarray,
    first: np.ndarray,
    *,
    min_count: int,
    max_vocab: int | None = None,
    tokens_of_others: int = 0,
) -> tuple[Vocabulary, np.ndarray, int]:
    """Add counts to old words, add new words, and sort by decreasing count.

    Ties: old words first, in their old order, then new ones by first appearance. The old `unknown` stays row 0, and
    counts also for the words that are cut off now. No old word is ever cut off.

    Parameters
    ----------
    old : Vocabulary
    words : sequence of str
        Distinct words of the corpus: all that are in `old`, and all others that occur `min_count` times.
    counts, first : int64 [len(words)]
        Number of occurrences in the corpus, and the position of the first one.
    min_count : int
        A new word needs so many occurrences in the corpus.
    max_vocab : int or None
        New words are added, the most frequent first, up to so many rows in all; at least the old ones.
    tokens_of_others : int
        How often words that are not among `words` occur.

    Returns
    -------
    vocabulary : Vocabulary
    row_of : int32 [len(words)]
        The row of each of `words`, or `DROPPED` (never with `unknown`).
    num_without_room : int
        New words that `max_vocab` leaves out.

    Raises
    ------
    InputError
        When the corpus holds none of the old words.

    Examples
    --------
    >>> old = Vocabulary(["the", "cat", "sat"], np.array([5, 3, 1]))
    >>> new, rows, _ = extend_vocabulary(old, ["dog", "sat"], np.array([4, 2]), np.array([0, 1]), min_count=2)
    >>> new.words, new.counts.tolist(), rows.tolist()
    (['the', 'dog', 'cat', 'sat'], [5, 4, 3, 3], [1, 3])
    """
    old_row = np.fromiter((old.index.get(word, DROPPED) for word in words), np.int64, len(words))
    is_old = old_row != DROPPED
    if not is_old.any():
        raise InputError(
            "no word of the corpus is a word of the model: check --tokens and --lowercase, or start anew with this text"
        )
    added = np.flatnonzero(~is_old & (counts >= min_count))
    added = added[np.lexsort((first[added], -counts[added]))]
    num_candidates = len(added)
    if max_vocab is not None:
        added = added[: max_vocab - len(old)]

    summed = np.concatenate([old.counts, counts[added]])
    summed[old_row[is_old]] += counts[is_old]
    if old.unknown is not None:
        summed[0] += tokens_of_others + counts[~is_old].sum() - counts[added].sum()
    order = np.argsort(-summed, kind="stable")
    if old.unknown is not None:
        order = np.concatenate([[0], order[order != 0]])
    row_now = np.empty(len(order), np.int32)  # of old rows, and of added words behind them
    row_now[order] = np.arange(len(order), dtype=np.int32)

    row_of = np.full(len(words), DROPPED if old.unknown is None else 0, np.int32)
    row_of[is_old] = row_now[old_row[is_old]]
    row_of[added] = row_now[len(old) :]
    names = [*old.words, *(words[i] for i in added.tolist())]
    extended = Vocabulary([names[i] for i in order], summed[order], old.unknown)
    return extended, row_of, num_candidates - len(added)
