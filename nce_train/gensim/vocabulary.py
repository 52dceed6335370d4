"""Which words a model has: sentences, a file or frequencies go in, the words that are kept and their counts come out.

The rules are gensim's: `min_count`, `max_final_vocab`, `max_vocab_size` and `trim_rule`. Words keep the order of their
first appearance; any hashable value may be a word.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from nce_train.errors import InputError, NceTrainWarning
from nce_train.gensim.sentences import open_text
from nce_train.training.settings import usable_cpus

RULE_DEFAULT, RULE_DISCARD, RULE_KEEP = 0, 1, 2  # what a `trim_rule` returns

_BLOCK = 1 << 20  # bytes

TrimRule = Callable[[Any, int, int], int]


class Counted(NamedTuple):
    """The words of a corpus, in the order of their first appearance, and its size."""

    counts: dict[Hashable, int]
    words: int  # all tokens
    sentences: int


class Kept(NamedTuple):
    """The words that a model keeps of a corpus, and the `min_count` that was applied to them."""

    counts: dict[Hashable, int]
    min_count: int


def count_sentences(
    sentences: Iterable[Iterable[Hashable]], max_vocab_size: int | None = None, trim_rule: TrimRule | None = None
) -> Counted:
    """Count the words of sentences.

    Where more than `max_vocab_size` distinct words are held, the rarest are forgotten, as in gensim: the second time
    those that occurred once so far, the third time those that occurred at most twice, and so on.

    Raises
    ------
    TypeError
        When a sentence is not iterable, or a word not hashable.
    """
    counts: Counter[Hashable] = Counter()
    total = number = 0
    least = 1  # occurrences, of words that stay
    for number, sentence in enumerate(sentences, start=1):
        words = _words_of(sentence, number)
        counts.update(words)
        total += len(words)
        if max_vocab_size and len(counts) > max_vocab_size:
            for word in [word for word, count in counts.items() if not _stays(word, count, least, trim_rule)]:
                del counts[word]
            least += 1
    return Counted(dict(counts), total, number)


def count_file(path: Any) -> Counted:
    """Count the words of a text file with a sentence a line."""
    from nce_train.text.corpus import count_corpus  # imports numba

    try:
        vocabulary, text, _, _ = count_corpus(path, min_count=1, threads=usable_cpus())
    except InputError as error:
        if "one distinct word" not in str(error):
            raise
        return Counted({}, 0, 0)
    return Counted(dict(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True)), text.tokens, _lines(path))


def keep(
    counts: Mapping[Hashable, int], min_count: int, max_final_vocab: int | None, trim_rule: TrimRule | None
) -> Kept:
    """Choose the words that occur often enough, and that the rule does not discard.

    With `max_final_vocab`, `min_count` is raised until no more than so many words occur as often; words with equal
    counts are kept or dropped together.
    """
    if max_final_vocab is not None and len(counts) > max_final_vocab:
        ordered = sorted(counts.values(), reverse=True)
        min_count = max(min_count, ordered[max_final_vocab] + 1)
    kept = {word: count for word, count in counts.items() if _stays(word, count, min_count, trim_rule)}
    return Kept(kept, min_count)


def by_frequency(counts: Mapping[Hashable, int]) -> list[Hashable]:
    """The words by decreasing count, equal ones in their own order."""
    return sorted(counts, key=counts.__getitem__, reverse=True)


def subsample_threshold(sample: float, tokens: int) -> float:
    """gensim's `sample` as a share of the tokens, from 0 to 1; from 1 on `sample` is a count, not a share."""
    if sample <= 0:
        return 0.0
    if sample < 1:
        return float(sample)
    return min(1.0, int(sample * (3 + np.sqrt(5)) / 2) / max(1, tokens))


def _words_of(sentence: Any, number: int) -> list[Hashable]:
    if isinstance(sentence, (str, bytes)):
        if number == 1:
            warnings.warn(
                "sentence 1 is one text, whose letters are taken for words; give [line.split() for line in lines]",
                NceTrainWarning,
                stacklevel=5,
            )
    elif not isinstance(sentence, Iterable):
        raise TypeError(f"sentence {number} is of type {type(sentence).__name__}; give a list of words")
    return sentence if isinstance(sentence, list) else list(sentence)


def _stays(word: Hashable, count: int, min_count: int, rule: TrimRule | None) -> bool:
    answer = RULE_DEFAULT if rule is None else rule(word, count, min_count)
    return answer == RULE_KEEP or (answer != RULE_DISCARD and count >= min_count)


def _lines(path: Any) -> int:
    with open_text(path) as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK), b""))
