"""The words of many counters as one list, in bounded memory and without losing a count.

A counter that is full is closed: its words become a run, in the order of buckets (a hash of the spelling), and
it begins anew. Runs stay in memory while they are small; otherwise they go to a nameless file. In the end
`merge` takes some buckets of all runs at a time, in which every word is complete: its counts are summed, and
the words that are wanted get their final numbers. No word is ever counted twice, estimated, or forgotten.
"""

import mmap
import os
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import IO, NamedTuple

import numpy as np

from nce_train.errors import RunError
from nce_train.text import scan
from nce_train.text.counting import ArenaWords, WordCounter
from nce_train.text.sources import PADDING
from nce_train.text.vocabulary import DROPPED

BUCKETS = 1024  # merging takes at least one of them at a time

_ALIGNMENT = 8
_BEFORE_EVERYTHING = -1  # as a position in the corpus
_WORDS_AT_ONCE = 1 << 16  # their table fits in a cache: 0.7 s for 10 million words; with 1 << 22 at once 1.7 s


class Run(NamedTuple):
    """The words of one counter, sorted by bucket; the same spelling may stand in it several times.

    Arrays of n words, unless said otherwise.
    """

    begins: np.ndarray  # int64 [BUCKETS + 1]: where each bucket begins, in words
    text_begins: np.ndarray  # int64 [BUCKETS + 1]: and in `text`
    ids: np.ndarray  # int32: the counter's provisional ids
    lengths: np.ndarray  # int64, in bytes
    counts: np.ndarray  # int64
    first: np.ndarray  # int64: positions of the first sight
    numbers: np.ndarray  # int32: the word's number among the wanted ones, or DROPPED; `merge` writes it
    text: np.ndarray  # uint8: the words' bytes, one after the other, and PADDING

    @property
    def num_words(self) -> int:
        """n; the same spelling may be among them several times."""
        return len(self.ids)

    def translation(self, row_of: np.ndarray, row_of_others: int) -> np.ndarray:
        """int32 [n], the row of each provisional id, when `merge`'s words have the rows `row_of`."""
        rows = np.empty(len(self.ids), np.int32)
        rows[self.ids] = np.append(row_of, np.int32(row_of_others))[np.maximum(self.numbers, -1)]
        return rows


class Words(NamedTuple):
    """The wanted words of all runs, and what is left."""

    words: ArenaWords
    counts: np.ndarray  # int64
    first: np.ndarray  # int64
    num_others: int
    tokens_of_others: int


def close(counter: WordCounter, lowercase: bool) -> Run:
    """The words of a counter as a run in memory."""
    return Run(*_columns(counter, lowercase))


def of_words(words: Sequence[str]) -> Run:
    """Distinct words as a run whose ids are their places; merged with a text's runs they tell what `is_known` there."""
    encoded = [word.encode("utf-8", "surrogateescape") for word in words]
    lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
    text = np.frombuffer(b"".join(encoded) + bytes(PADDING), np.uint8)
    counter = WordCounter(False, False, capacity=max(1, len(words)))
    never, before = np.zeros(len(words), np.int64), np.full(len(words), _BEFORE_EVERYTHING, np.int64)
    counter.add(text, np.cumsum(lengths) - lengths, lengths, never, before)
    return close(counter, lowercase=False)


def is_known(counter: WordCounter) -> np.ndarray:
    """Which of the merged words are in a run of `of_words`; bool [len(counter)]."""
    return counter.first() == _BEFORE_EVERYTHING


def places_by_number(known: Run) -> np.ndarray:
    """int32 [merged words]: their places, when all words that `is_known` were merged."""
    places = np.empty(known.num_words, np.int32)
    places[known.numbers] = known.ids
    return places


class Spill:
    """Runs in one file that has no name: it is gone when this process is, however that ends.

    Parameters
    ----------
    directory : path
        Where the file is.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = directory
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        self._places: dict[int, list[tuple[int, np.dtype, int]]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def add(self, number: int, counter: WordCounter, lowercase: bool) -> None:
        """Write the words of a counter as the run of that number. Threads may call it at the same time.

        Raises
        ------
        RunError
            When the file cannot be written.
        """
        with self._lock:
            try:
                if self._file is None:
                    self._file = tempfile.TemporaryFile(dir=self.directory)  # noqa: SIM115 - closed by runs()
                self._places[number] = [_append(self._file, column) for column in _columns(counter, lowercase)]
                self._file.flush()
            except OSError as error:
                raise RunError(
                    f"cannot write to {self.directory}: {error.strerror}; a temporary file there takes about 50 bytes "
                    "for each of the distinct words, which are too many for the memory"
                ) from None

    def runs(self) -> dict[int, Run]:
        """All runs by number, mapped into memory; the file lives as long as they do."""
        if self._file is None:
            return {}
        with self._file:
            content = mmap.mmap(self._file.fileno(), 0)
        return {
            number: Run(*(np.frombuffer(content, dtype, length, start) for start, dtype, length in places))
            for number, places in self._places.items()
        }


def merge(
    runs: Collection[Run], is_wanted: Callable[[WordCounter], np.ndarray], words_at_once: int = _WORDS_AT_ONCE
) -> Words:
    """Join the words of all runs, and number the wanted ones in `Run.numbers`.

    Parameters
    ----------
    runs : collection of Run
    is_wanted : callable
        Called with counters that hold every word once in all, with its final count; tells bool [words].
    words_at_once : int
        How many words of runs to hold in memory, as far as buckets allow.
    """
    pieces: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
    num_wanted = num_others = tokens_of_others = 0
    for begin, end in _bucket_ranges(runs, words_at_once):
        parts = [(run, slice(run.begins[begin], run.begins[end])) for run in runs]
        num_words = sum(int(run.begins[end] - run.begins[begin]) for run in runs)
        counter = WordCounter(False, False, capacity=max(1, num_words))
        ids_of_parts = []
        for run, part in parts:
            text = run.text[run.text_begins[begin] : run.text_begins[end] + PADDING]
            starts = np.cumsum(run.lengths[part]) - run.lengths[part]
            ids_of_parts.append(counter.add(text, starts, run.lengths[part], run.counts[part], run.first[part]))

        wanted = is_wanted(counter)
        numbers = np.full(len(counter), DROPPED, np.int32)
        chosen = np.flatnonzero(wanted)
        numbers[chosen] = np.arange(num_wanted, num_wanted + len(chosen))
        for (run, part), ids in zip(parts, ids_of_parts, strict=True):
            run.numbers[part] = numbers[ids]

        counts = counter.counts()
        pieces.append((*_text_of(counter.words(), chosen), counts[chosen], counter.first()[chosen]))
        num_wanted += len(chosen)
        num_others += len(counter) - len(chosen)
        tokens_of_others += int(counts.sum() - counts[chosen].sum())

    text, lengths, counts, first = (np.concatenate(columns) for columns in zip(*pieces, strict=True))
    return Words(ArenaWords(text, np.cumsum(lengths) - lengths, lengths), counts, first, num_others, tokens_of_others)


def _columns(counter: WordCounter, lowercase: bool) -> Iterator[np.ndarray]:
    """The fields of a Run one by one, so that they need not be in memory together."""
    words = counter.words()
    if lowercase:
        words = words.lower()
    buckets = scan.buckets_of_words(words.arena, words.starts, words.lengths, BUCKETS)
    order = np.argsort(buckets, kind="stable")  # a radix sort, the buckets being of 16 bits
    begins = np.concatenate([[0], np.cumsum(np.bincount(buckets, minlength=BUCKETS))])
    lengths = words.lengths[order]
    yield begins
    yield np.concatenate([[0], np.cumsum(lengths)])[begins]
    yield order.astype(np.int32)
    yield lengths
    yield counter.counts()[order]
    yield counter.first()[order]
    yield np.zeros(len(order), np.int32)
    text, _ = _text_of(words, order)
    yield np.concatenate([text, np.zeros(PADDING, np.uint8)])


def _append(file: IO[bytes], column: np.ndarray) -> tuple[int, np.dtype, int]:
    """Write an array at an aligned place: where it begins, its type and its length."""
    file.write(bytes(-file.tell() % _ALIGNMENT))
    start = file.tell()
    file.write(column.data)
    return start, column.dtype, len(column)


def _text_of(words: ArenaWords, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bytes of some words, one after the other, and their lengths."""
    lengths = words.lengths[order]
    text = np.empty(lengths.sum(), np.uint8)
    scan.copy_words(words.arena, words.starts[order], lengths, text)
    return text, lengths


def _bucket_ranges(runs: Collection[Run], words_at_once: int) -> Iterator[tuple[int, int]]:
    """All buckets in stretches of at most so many words, or one bucket."""
    ends = np.sum([run.begins for run in runs], axis=0)
    begin = 0
    while begin < BUCKETS:
        end = int(np.searchsorted(ends, ends[begin] + words_at_once, side="right")) - 1
        end = max(end, begin + 1)
        yield begin, end
        begin = end
