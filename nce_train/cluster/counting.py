"""Counting a corpus on workers: what they do for it, and the vocabulary made of what they return.

Each part of the corpus is counted on its own. Its words come in runs sorted by bucket (a hash of the spelling), see
`nce_train.text.word_runs`. One task then merges some buckets of all parts. Every word is complete in it, so only the
words of the vocabulary come to the coordinator.
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from distributed import get_worker

from nce_train.text import word_runs
from nce_train.text.blocks import PADDING
from nce_train.text.corpus import count_punctuated_tokens, needed_to_extend, punctuation_warnings
from nce_train.text.counted_part import CountedPart, count_part
from nce_train.text.sources import Source
from nce_train.text.vocabulary import Vocabulary, extend_vocabulary
from nce_train.text.word_counter import PackedWords, WordCounter
from nce_train.text.word_runs import WordRun
from nce_train.training.settings import Settings

_FIRST_BITS = 40  # of a position in a part


class MergedWords(NamedTuple):
    """The wanted words of some buckets, and sums over all their words."""

    text: np.ndarray  # uint8: the words' bytes
    lengths: np.ndarray  # int64 [words]
    counts: np.ndarray  # int64 [words]
    first: np.ndarray  # int64 [words]: positions of first occurrence
    num_other_words: int
    num_other_tokens: int
    tokens: int
    punctuated: int  # tokens that end in punctuation


def count_words(part: Source, tokens: str, lowercase: bool, line_breaks: str) -> CountedPart:
    """Count a part of the corpus; see `count_part`. Runs on a worker."""
    return count_part(part, get_worker().local_directory, tokens, lowercase, line_breaks)


def bucket_runs(part: CountedPart, number: int, begin: int, end: int) -> list[WordRun]:
    """The words in the buckets [begin, end) of part `number`. Runs on the worker that has counted it.

    Positions of first occurrence are moved behind those of all parts before this one.
    """
    return [_slice_of(run, begin, end, number << _FIRST_BITS) for run in part.counted.runs.values()]


def merge_buckets(parts: Sequence[Sequence[WordRun]], min_count: int, raw: bool, old: Vocabulary | None) -> MergedWords:
    """Merge the same buckets of all parts. Runs on any worker.

    Parameters
    ----------
    parts : sequence of sequences of WordRun
        As `bucket_runs` returns them.
    min_count : int
        Words that occur so often are wanted.
    raw : bool
        Whether to count tokens that end in punctuation.
    old : Vocabulary or None
        Its words are wanted too.
    """
    tokens = punctuated = 0

    def is_wanted(counter: WordCounter) -> np.ndarray:
        nonlocal tokens, punctuated
        counts = counter.counts()
        tokens += int(counts.sum())
        punctuated += count_punctuated_tokens(counter) if raw else 0
        return counts >= min_count if old is None else needed_to_extend(counter, min_count, old)

    # the arrays of another worker are read-only, and merging writes `merged_ids`
    writable = [run._replace(merged_ids=np.zeros(run.num_words, np.int32)) for run in itertools.chain(*parts)]
    merged = word_runs.merge(writable, is_wanted)
    return MergedWords(
        text=merged.words.text,
        lengths=merged.words.lengths,
        counts=merged.counts,
        first=merged.first,
        num_other_words=merged.num_other_words,
        num_other_tokens=merged.num_other_tokens,
        tokens=tokens,
        punctuated=punctuated,
    )


def concatenated(merged: Sequence[MergedWords]) -> MergedWords:
    """The words of all buckets."""
    columns = list(zip(*merged, strict=True))
    return MergedWords._make([*map(np.concatenate, columns[:4]), *map(sum, columns[4:])])


def choose_vocabulary(
    merged: MergedWords, settings: Settings, extend: Vocabulary | None
) -> tuple[Vocabulary, list[str]]:
    """The vocabulary that `encode_corpus` would choose, and warnings.

    Parameters
    ----------
    merged : MergedWords
        Of all buckets.
    settings : Settings
    extend : Vocabulary or None
        See `encode_corpus`.
    """
    words = PackedWords(merged.text, np.cumsum(merged.lengths) - merged.lengths, merged.lengths)
    limits: dict[str, Any] = {
        "min_count": settings.min_count,
        "max_vocab": settings.max_vocab,
        "num_other_tokens": merged.num_other_tokens,
    }
    warnings = punctuation_warnings(merged.tokens, merged.punctuated)
    if extend is not None:
        vocabulary, _, more = extend_vocabulary(extend, words, merged.counts, merged.first, **limits)
        return vocabulary, [*warnings, *more]
    limits |= {"unknown": settings.unknown, "num_other_words": merged.num_other_words}
    vocabulary, _ = Vocabulary.select(words, merged.counts, merged.first, **limits)
    return vocabulary, warnings


def _slice_of(run: WordRun, begin: int, end: int, origin: int) -> WordRun:
    words = slice(run.bucket_starts[begin], run.bucket_starts[end])
    text = slice(run.bucket_text_starts[begin], run.bucket_text_starts[end] + PADDING)
    return WordRun(
        bucket_starts=np.clip(run.bucket_starts, words.start, words.stop) - words.start,
        bucket_text_starts=np.clip(run.bucket_text_starts, text.start, text.stop - PADDING) - text.start,
        ids=run.ids[words],
        lengths=run.lengths[words],
        counts=run.counts[words],
        first=run.first[words] + origin,
        merged_ids=run.merged_ids[words],
        text=run.text[text],
    )
