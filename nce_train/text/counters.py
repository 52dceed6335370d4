"""The counters of all threads, within the memory that is set aside for words.

In go blocks, from any thread; out come ids, numbered anew with every run, and in the end the runs. A counter
that is full is closed as a run on disk and begins anew, so that ids and tables stay small however many distinct
words there are.
"""

import itertools
import os
import queue
from typing import NamedTuple

import numpy as np

from nce_train.memory import available_memory
from nce_train.text import runs
from nce_train.text.counting import WordCounter
from nce_train.text.runs import Run
from nce_train.text.sources import Block

_MEMORY = 2**30
_MEMORY_SHARE = 1 / 4  # of what is available, where that is little
_BYTES_A_WORD = 128  # what a counter takes, its growing included
_BYTES_OF_TEXT_A_WORD = 16
_LEAST_WORDS = 1 << 16
_FULL = 7 / 8  # the rest is for the block that comes next


class Scanned(NamedTuple):
    """A block as ids: those of the words of a run, and what `WordCounter.scan` puts between them."""

    run: int
    ids: np.ndarray
    counter: WordCounter  # that takes the ids back


class Counters:
    """One counter for each thread.

    Parameters
    ----------
    takes_words, mark_lines : bool
        See `WordCounter`.
    lowercase : bool
        Whether the runs hold the words in lower case.
    threads : int
    directory : path
        Where the words go that are too many for the memory.
    """

    def __init__(
        self, takes_words: bool, mark_lines: bool, lowercase: bool, threads: int, directory: str | os.PathLike[str]
    ) -> None:
        self.lowercase = lowercase
        self._words_a_counter = words_a_counter(threads)
        self._counters = [WordCounter(takes_words, mark_lines) for _ in range(threads)]
        self._runs = list(range(threads))  # that the words of each counter will belong to
        self._next_run = itertools.count(threads)
        self._idle: queue.SimpleQueue[int] = queue.SimpleQueue()
        for worker in range(threads):
            self._idle.put(worker)
        self._spill = runs.Spill(directory)

    def scan(self, block: Block, origin: int) -> "Scanned":
        """Count the tokens of a block, and give its text back.

        Raises
        ------
        InputError
            When the block holds a NUL byte.
        RunError
            When a full counter cannot be written.
        """
        worker = self._idle.get()
        try:
            counter = self._counters[worker]
            if self._is_full(counter):
                self._spill.add(self._runs[worker], counter, self.lowercase)
                counter.clear()
                self._runs[worker] = next(self._next_run)
            return Scanned(self._runs[worker], counter.scan(block, origin), counter)
        finally:
            self._idle.put(worker)
            block.give_back()

    def close(self) -> dict[int, Run]:
        """All runs by number; the counters are gone."""
        num_words = sum(map(len, self._counters))
        is_small = len(self._spill) == 0 and num_words <= self._words_a_counter * len(self._counters) // 4
        in_memory: dict[int, Run] = {}
        while self._counters:
            counter, number = self._counters.pop(), self._runs.pop()
            if is_small:
                in_memory[number] = runs.close(counter, self.lowercase)
            else:
                self._spill.add(number, counter, self.lowercase)
        return in_memory or self._spill.runs()

    def _is_full(self, counter: WordCounter) -> bool:
        room = _FULL * self._words_a_counter
        num_words, num_bytes = counter.table.used
        return bool(num_words >= room or num_bytes >= room * _BYTES_OF_TEXT_A_WORD)


def words_a_counter(threads: int) -> int:
    """How many words a counter may hold when there are so many."""
    available = available_memory()
    memory = _MEMORY if available is None else min(_MEMORY, int(_MEMORY_SHARE * available))
    return max(_LEAST_WORDS, memory // _BYTES_A_WORD // threads)
