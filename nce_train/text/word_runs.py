"""Runs of counted words, and their merge: many counters go in, one list of words comes out, in bounded memory.

As in an external merge sort, a full counter becomes a run: its words sorted by bucket, a hash of the spelling. Runs
stay in memory while they are small, and otherwise go to a nameless file. `merge` then reads a few buckets of all runs
at a time. Within a bucket every word is complete, so its counts can be summed. All counts are exact.
"""

import itertools
import os
import tempfile
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import IO, Any, NamedTuple

import numpy as np

from nce_train.errors import RunError
from nce_train.mapped_files import map_writable
from nce_train.text import scan
from nce_train.text.blocks import PADDING
from nce_train.text.encodings import PlacedWords, earliest
from nce_train.text.token_rules import BLANKS, TokenRules
from nce_train.text.vocabulary import DROPPED
from nce_train.text.word_counter import PackedWords, WordCounter

BUCKETS = 1024  # `merge` reads at least one at a time

_ALIGNMENT = 8
_BEFORE_EVERYTHING = -1  # as a position in the corpus
_WORDS_AT_ONCE = 1 << 16  # the table then fits in a cache: 0.7 s for 10 million words; with 1 << 22 words 1.7 s


class WordRun(NamedTuple):
    """The n words of one counter, sorted by bucket. The same spelling may occur several times."""

    bucket_starts: np.ndarray  # int64 [BUCKETS + 1]: index of the first word of each bucket
    bucket_text_starts: np.ndarray  # int64 [BUCKETS + 1]: and its position in `text`
    ids: np.ndarray  # int32 [n]: the counter's provisional ids
    lengths: np.ndarray  # int64 [n], in bytes
    counts: np.ndarray  # int64 [n]
    first: np.ndarray  # int64 [n]: positions of the first occurrence
    merged_ids: np.ndarray  # int32 [n]: index in the result of `merge`, or DROPPED; `merge` writes it
    text: np.ndarray  # uint8: the words' bytes without gaps, and PADDING

    @property
    def num_words(self) -> int:
        """n; repeated spellings included."""
        return len(self.ids)

    def translation(self, row_of: np.ndarray, row_of_others: int) -> np.ndarray:
        """int32 [n], the row of each provisional id, where `row_of` gives the rows of the merged words."""
        rows = np.empty(len(self.ids), np.int32)
        rows[self.ids] = np.append(row_of, np.int32(row_of_others))[np.maximum(self.merged_ids, -1)]
        return rows


class MergedWords(NamedTuple):
    """The selected words of all runs, and sums over all words."""

    words: PackedWords  # without gaps
    counts: np.ndarray  # int64 [words]
    first: np.ndarray  # int64 [words]
    num_other_words: int
    num_other_tokens: int
    num_bytes: int  # of all tokens
    num_punctuated: int  # tokens that end in punctuation, where they were counted
    num_with_blanks: np.ndarray  # int64 [len(BLANKS)], see `WordCounter`; also 0 where they were not counted
    num_not_utf8: int  # tokens
    not_utf8: PlacedWords  # the first of their words, for a guess at the encoding

    @property
    def num_words(self) -> int:
        """All distinct words of the text: one of a vocabulary that is merged with it may have a count of 0."""
        return int(np.count_nonzero(self.counts)) + self.num_other_words

    @property
    def num_tokens(self) -> int:
        """All tokens."""
        return int(self.counts.sum()) + self.num_other_tokens


def run_of_counter(counter: WordCounter, rules: TokenRules) -> WordRun:
    """The words of a counter as a run in memory, spelled as the rules say."""
    return WordRun(*_columns(counter, rules))


def vocabulary_run(words: Sequence[str]) -> WordRun:
    """The words of a vocabulary as a run for `merge_with_vocabulary`, with their rows as ids."""
    encoded = [word.encode("utf-8", "surrogateescape") for word in words]
    lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
    text = np.frombuffer(b"".join(encoded) + bytes(PADDING), np.uint8)
    counter = WordCounter(False, False, capacity=max(1, len(words)))
    zeros, before = np.zeros(len(words), np.int64), np.full(len(words), _BEFORE_EVERYTHING, np.int64)
    counter.add(text, np.cumsum(lengths) - lengths, lengths, zeros, before)
    return run_of_counter(counter, TokenRules())


class SpillFile:
    """Runs in one nameless file in `directory`, which disappears with this process, however that ends."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = directory
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        self._locations: dict[int, list[tuple[int, np.dtype, int]]] = {}

    def __len__(self) -> int:
        return len(self._locations)

    def add(self, number: int, counter: WordCounter, rules: TokenRules) -> None:
        """Write the words of a counter as run `number`. Several threads may call this at the same time."""
        with self._lock:
            try:
                if self._file is None:
                    self._file = tempfile.TemporaryFile(dir=self.directory)  # noqa: SIM115 - closed by runs()
                self._locations[number] = [_append(self._file, column) for column in _columns(counter, rules)]
                self._file.flush()
            except OSError as error:
                raise RunError(
                    f"cannot write to {self.directory}: {error.strerror}; a temporary file there takes about 50 bytes "
                    "for each of the distinct words, which are too many for the memory"
                ) from None

    def runs(self) -> dict[int, WordRun]:
        """All runs by number, memory-mapped if possible. The file exists as long as they do."""
        if self._file is None:
            return {}
        with self._file:
            content = map_writable(self._file)
        return {
            number: WordRun(*(np.frombuffer(content, dtype, length, start) for start, dtype, length in columns))
            for number, columns in self._locations.items()
        }


def merge(
    runs: Collection[WordRun], is_wanted: Callable[[WordCounter], np.ndarray], is_raw: bool = False
) -> MergedWords:
    """Merge the words of all runs, and write the index of each selected word to `WordRun.merged_ids`.

    `is_wanted` is called with several counters, which together contain every word once, with its final count. It
    returns bool [len(counter)], the words to select. Punctuation and blanks are counted where the text `is_raw`.
    """
    pieces: list[MergedWords] = []
    num_wanted = 0
    for begin, end in _bucket_ranges(runs):
        parts = [(run, slice(run.bucket_starts[begin], run.bucket_starts[end])) for run in runs]
        num_words = sum(int(run.bucket_starts[end] - run.bucket_starts[begin]) for run in runs)
        counter = WordCounter(False, False, capacity=max(1, num_words))
        ids_of_parts = []
        for run, part in parts:
            text = run.text[run.bucket_text_starts[begin] : run.bucket_text_starts[end] + PADDING]
            starts = np.cumsum(run.lengths[part]) - run.lengths[part]
            ids_of_parts.append(counter.add(text, starts, run.lengths[part], run.counts[part], run.first[part]))

        chosen = np.flatnonzero(is_wanted(counter))
        merged_ids = np.full(len(counter), DROPPED, np.int32)
        merged_ids[chosen] = np.arange(num_wanted, num_wanted + len(chosen))
        for (run, part), ids in zip(parts, ids_of_parts, strict=True):
            run.merged_ids[part] = merged_ids[ids]

        num_wanted += len(chosen)
        counts, words = counter.counts(), counter.words()
        not_utf8 = np.flatnonzero(words.are_not_utf8())
        pieces.append(
            MergedWords(
                words=words.take(chosen),
                counts=counts[chosen],
                first=counter.first()[chosen],
                num_other_words=len(counter) - len(chosen),
                num_other_tokens=int(counts.sum() - counts[chosen].sum()),
                num_bytes=int(words.lengths @ counts),
                num_punctuated=counter.num_punctuated() if is_raw else 0,
                num_with_blanks=counter.num_with_blanks() if is_raw else np.zeros(len(BLANKS), np.int64),
                num_not_utf8=int(counts[not_utf8].sum()),
                not_utf8=counter.placed(not_utf8),
            )
        )
    return concatenated(pieces)


def concatenated(pieces: Iterable[MergedWords]) -> MergedWords:
    """The words of merges of different buckets."""
    words, counts, first, *columns, not_utf8 = zip(*pieces, strict=True)
    sums: list[Any] = list(map(sum, columns))
    first_not_utf8 = earliest(itertools.chain.from_iterable(not_utf8))
    lengths = np.concatenate([each.lengths for each in words])
    packed = PackedWords(np.concatenate([each.text for each in words]), np.cumsum(lengths) - lengths, lengths)
    return MergedWords(packed, np.concatenate(counts), np.concatenate(first), *sums, first_not_utf8)  # type: ignore[call-arg]


def merge_with_vocabulary(
    runs: Iterable[WordRun], vocabulary: WordRun, is_raw: bool = False
) -> tuple[np.ndarray, MergedWords]:
    """Merge the words of a text that are in a `vocabulary_run`; returns their rows, int32 [merged words], too."""
    own = vocabulary._replace(merged_ids=np.zeros_like(vocabulary.merged_ids))  # other threads may merge theirs
    merged = merge([*runs, own], lambda counter: counter.first() == _BEFORE_EVERYTHING, is_raw)
    rows = np.empty(own.num_words, np.int32)
    rows[own.merged_ids] = own.ids
    return rows, merged


def _columns(counter: WordCounter, rules: TokenRules) -> Iterator[np.ndarray]:
    """The fields of a WordRun one by one, so that they need not all be in memory."""
    words = counter.words()
    if rules != TokenRules():
        words = words.spelled(rules)
    buckets = scan.buckets_of_words(words.text, words.starts, words.lengths, BUCKETS)
    order = np.argsort(buckets, kind="stable")  # a radix sort, because the buckets are 16-bit numbers
    bucket_starts = np.concatenate([[0], np.cumsum(np.bincount(buckets, minlength=BUCKETS))])
    lengths = words.lengths[order]
    yield bucket_starts
    yield np.concatenate([[0], np.cumsum(lengths)])[bucket_starts]
    yield order.astype(np.int32)
    yield lengths
    yield counter.counts()[order]
    yield counter.first()[order]
    yield np.zeros(len(order), np.int32)
    yield np.concatenate([words.take(order).text, np.zeros(PADDING, np.uint8)])


def _append(file: IO[bytes], column: np.ndarray) -> tuple[int, np.dtype, int]:
    """Write an array at an aligned position; returns the position, the type and the length."""
    file.write(bytes(-file.tell() % _ALIGNMENT))
    start = file.tell()
    file.write(column.data)
    return start, column.dtype, len(column)


def _bucket_ranges(runs: Collection[WordRun]) -> Iterator[tuple[int, int]]:
    """Ranges of buckets that contain at most `_WORDS_AT_ONCE` words, or one bucket each."""
    ends = np.sum([run.bucket_starts for run in runs], axis=0)
    begin = 0
    while begin < BUCKETS:
        end = int(np.searchsorted(ends, ends[begin] + _WORDS_AT_ONCE, side="right")) - 1
        end = max(end, begin + 1)
        yield begin, end
        begin = end
