"""Counting a corpus on workers: what they do for it, and the vocabulary made of what they return.

Each part of the corpus is counted on its own. Its words come in runs sorted by bucket (a hash of the spelling), see
`nce_train.text.runs`. One task then merges some buckets of all parts. Every word is complete in it, so only the words
of the vocabulary come to the coordinator.
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from distributed import get_worker

from nce_train.text import runs
from nce_train.text.corpus import frequent_or_old, punctuated_tokens, warnings_of, words_without_room
from nce_train.text.counting import ArenaWords, WordCounter
from nce_train.text.extension import extend_vocabulary
from nce_train.text.parts import CountedPart, count_part
from nce_train.text.runs import Run
from nce_train.text.sources import PADDING, Source
from nce_train.text.vocabulary import Vocabulary
from nce_train.training.settings import Settings

_FIRST_BITS = 40  # of a position in a part


class MergedWords(NamedTuple):
    """The wanted words of some buckets, and sums over all their words."""

    text: np.ndarray  # uint8: the words' bytes
    lengths: np.ndarray  # int64 [words]
    counts: np.ndarray  # int64 [words]
    first: np.ndarray  # int64 [words]: positions of first occurrence
    num_others: int
    tokens_of_others: int
    tokens: int
    punctuated: int  # tokens that end in punctuation


def count_words(part: Source, tokens: str, lowercase: bool, line_breaks: str) -> CountedPart:
    """Count a part of the corpus; see `count_part`. Runs on a worker."""
    return count_part(part, get_worker().local_directory, tokens, lowercase, line_breaks)


def bucket_runs(part: CountedPart, number: int, begin: int, end: int) -> list[Run]:
    """The words in the buckets [begin, end) of part `number`. Runs on the worker that has counted it.

    Positions of first occurrence are moved behind those of all parts before this one.
    """
    return [_slice_of(run, begin, end, number << _FIRST_BITS) for run in part.counted.runs.values()]


def merge_buckets(parts: Sequence[Sequence[Run]], min_count: int, raw: bool, old: Vocabulary | None) -> MergedWords:
    """Merge the same buckets of all parts. Runs on any worker.

    Parameters
    ----------
    parts : sequence of sequences of Run
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
        punctuated += punctuated_tokens(counter) if raw else 0
        return counts >= min_count if old is None else frequent_or_old(counter, min_count, old)

    # the arrays of another worker are read-only, and merging writes `numbers`
    writable = [run._replace(numbers=np.zeros(run.num_words, np.int32)) for run in itertools.chain(*parts)]
    merged = runs.merge(writable, is_wanted)
    return MergedWords(
        text=merged.words.arena,
        lengths=merged.words.lengths,
        counts=merged.counts,
        first=merged.first,
        num_others=merged.num_others,
        tokens_of_others=merged.tokens_of_others,
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
    words = ArenaWords(merged.text, np.cumsum(merged.lengths) - merged.lengths, merged.lengths)
    limits: dict[str, Any] = {
        "min_count": settings.min_count,
        "max_vocab": settings.max_vocab,
        "tokens_of_others": merged.tokens_of_others,
    }
    warnings = warnings_of(merged.tokens, merged.punctuated)
    if extend is not None:
        vocabulary, _, left_out = extend_vocabulary(extend, words, merged.counts, merged.first, **limits)
        return vocabulary, [*warnings, *words_without_room(left_out, settings.max_vocab)]
    limits |= {"unknown": settings.unknown, "num_others": merged.num_others}
    vocabulary, _ = Vocabulary.select(words, merged.counts, merged.first, **limits)
    return vocabulary, warnings


def _slice_of(run: Run, begin: int, end: int, origin: int) -> Run:
    words = slice(run.begins[begin], run.begins[end])
    text = slice(run.text_begins[begin], run.text_begins[end] + PADDING)
    return Run(
        begins=np.clip(run.begins, words.start, words.stop) - words.start,
        text_begins=np.clip(run.text_begins, text.start, text.stop - PADDING) - text.start,
        ids=run.ids[words],
        lengths=run.lengths[words],
        counts=run.counts[words],
        first=run.first[words] + origin,
        numbers=run.numbers[words],
        text=run.text[text],
    )
