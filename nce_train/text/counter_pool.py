"""Counting with several threads, within a memory budget.

Blocks go in, from any thread. Out come their provisional ids, and at the end the counted words as runs. A full counter
is written to disk as a run and starts again empty, so memory stays bounded however many distinct words there are.
"""

import itertools
import os
import queue
from typing import NamedTuple

import numpy as np

from nce_train.memory import working_memory
from nce_train.text import word_runs
from nce_train.text.blocks import Block
from nce_train.text.encodings import TornTokens
from nce_train.text.token_rules import TokenRules
from nce_train.text.word_counter import WordCounter
from nce_train.text.word_runs import WordRun

_BYTES_PER_WORD = 128  # memory of a counter, including its growth
_TEXT_BYTES_PER_WORD = 16
_MIN_WORDS = 1 << 16
_FULL = 7 / 8  # the rest is for the next block


class ScannedBlock(NamedTuple):
    """A block as provisional ids: those of a run, with what `WordCounter.scan` puts between them."""

    run: int
    ids: np.ndarray
    counter: WordCounter  # the owner of `ids`, to which they are released


class CounterPool:
    """One counter (see `WordCounter`) for each thread.

    The runs contain the words as the rules say. `directory` is for a temporary file, when the words do not fit in
    memory.
    """

    def __init__(self, rules: TokenRules, mark_lines: bool, threads: int, directory: str | os.PathLike[str]) -> None:
        self._rules = rules
        self._words_per_counter = words_per_counter(threads)
        self._counters = [WordCounter(rules.tokens == "words", mark_lines) for _ in range(threads)]
        self._runs = list(range(threads))  # the run that each counter is filling
        self._next_run = itertools.count(threads)
        self._idle: queue.SimpleQueue[int] = queue.SimpleQueue()
        for worker in range(threads):
            self._idle.put(worker)
        self._spill = word_runs.SpillFile(directory)
        self.torn = TornTokens()  # when it is closed

    def scan(self, block: Block, origin: int) -> ScannedBlock:
        """Count the tokens of a block, whose position in the corpus is `origin`, and release its text."""
        worker = self._idle.get()
        try:
            counter = self._counters[worker]
            limit = _FULL * self._words_per_counter
            num_words, num_bytes = counter.table.used
            if num_words >= limit or num_bytes >= limit * _TEXT_BYTES_PER_WORD:
                self._spill.add(self._runs[worker], counter, self._rules)
                counter.clear()
                self._runs[worker] = next(self._next_run)
            return ScannedBlock(self._runs[worker], counter.scan(block, origin), counter)
        finally:
            self._idle.put(worker)
            block.release()

    def close(self) -> dict[int, WordRun]:
        """All runs by number. The counters cannot be used any more."""
        num_words = sum(map(len, self._counters))
        is_small = len(self._spill) == 0 and num_words <= self._words_per_counter * len(self._counters) // 4
        in_memory: dict[int, WordRun] = {}
        while self._counters:
            counter, number = self._counters.pop(), self._runs.pop()
            self.torn.add(counter.torn)
            if is_small:
                in_memory[number] = word_runs.run_of_counter(counter, self._rules)
            else:
                self._spill.add(number, counter, self._rules)
        return in_memory or self._spill.runs()


def words_per_counter(threads: int) -> int:
    """How many words each of the counters may hold."""
    return max(_MIN_WORDS, working_memory() // _BYTES_PER_WORD // threads)
