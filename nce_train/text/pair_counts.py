"""Counting pairs of neighbouring words exactly, in bounded memory.

A stream of ids goes in. Out come the number of distinct pairs of neighbours, and the pairs that occur often. Each
thread scans the whole stream but counts only its range of the pairs' hashes, so that no tables are merged. A thread
whose table is full postpones half of its range to another scan.
"""

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import NamedTuple

import numpy as np

from nce_train.memory import working_memory
from nce_train.text import phrases_kernel as kernel
from nce_train.text.token_file import thread_pool

_FIRST_SLOTS = 1 << 16
_MIN_SLOTS = 1 << 12
_BYTES_PER_SLOT = 16
_FULL = 5 / 8  # of the slots; beyond it, searches for a free slot become long
_IDS_AT_ONCE = 1 << 20  # between two checks of whether to stop


class PairCounts(NamedTuple):
    """The frequent pairs of neighbours, and the number of all distinct pairs."""

    left: np.ndarray  # int64 [n]: ids
    right: np.ndarray  # int64 [n]
    counts: np.ndarray  # int64 [n]
    num_distinct: int  # rare pairs included


class _HashRange(NamedTuple):
    """A range of the pairs' hashes, counted in one scan."""

    low: int
    high: int


def count_neighbours(
    stream: np.ndarray, min_count: int, threads: int, progress: Callable[[int, int], None] | None = None
) -> PairCounts:
    """Count the pairs of neighbouring ids.

    Parameters
    ----------
    stream : int32 [n]
        Ids, and `LINE_END` after each line. Words of different lines are not neighbours.
    min_count : int
        Rarer pairs count in `num_distinct` only.
    threads : int
    progress : callable or None
        Called as `progress(done, total)`, in ids of the stream; `total` grows with every additional scan.

    Returns
    -------
    PairCounts
        In no particular order.
    """
    slots = slots_per_table(threads)
    edges = np.linspace(0, kernel.NUM_HASHES, threads + 1).astype(np.int64).tolist()
    waiting = [_HashRange(low, high) for low, high in itertools.pairwise(edges)]
    num_scans = len(waiting)
    scans: list[_Scan] = []
    running: set[Future[list[_HashRange]]] = set()
    stop = threading.Event()
    with thread_pool(threads) as pool:
        try:
            while waiting or running:
                while waiting:
                    scans.append(_Scan(stream, min_count, slots, stop))
                    running.add(pool.submit(scans[-1].count, waiting.pop()))
                done, running = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in done:
                    postponed = future.result()
                    waiting += postponed
                    num_scans += len(postponed)
                if progress is not None:
                    progress(sum(scan.position for scan in scans), num_scans * len(stream))
        finally:
            stop.set()
    left, right, counts = (np.concatenate(columns) for columns in zip(*(scan.frequent for scan in scans), strict=True))
    return PairCounts(left, right, counts, sum(scan.num_pairs for scan in scans))


def slots_per_table(threads: int) -> int:
    """The largest number of slots of a thread's table, a power of two."""
    slots = working_memory() // threads // (2 * _BYTES_PER_SLOT)  # twice: a growing table exists in two sizes
    return max(_MIN_SLOTS, 1 << max(0, slots.bit_length() - 1))


class _Scan:
    """One scan of the stream by one thread.

    Attributes
    ----------
    position : int
        Ids scanned so far.
    num_pairs : int
        Distinct pairs counted.
    frequent : (int64 [n], int64 [n], int64 [n])
        Left ids, right ids and counts of the frequent pairs.
    """

    def __init__(self, stream: np.ndarray, min_count: int, max_slots: int, stop: threading.Event) -> None:
        self.stream = stream
        self.min_count = min_count
        self.max_slots = max_slots
        self.stop = stop
        self.position = 0
        self.num_pairs = 0
        self.frequent: tuple[np.ndarray, np.ndarray, np.ndarray]

    def count(self, hashes: _HashRange) -> list[_HashRange]:
        """Count the pairs of a range of hashes; returns the ranges that had to be postponed."""
        postponed: list[_HashRange] = []
        table = _new_table(min(_FIRST_SLOTS, self.max_slots))
        end = len(self.stream) - 1
        while self.position < end and not self.stop.is_set():
            room = int(_FULL * len(table))
            until = min(self.position + _IDS_AT_ONCE, end)
            self.position, self.num_pairs = kernel.count_pairs(
                self.stream, self.position, until, *hashes, table, self.num_pairs, room
            )
            if self.position < until:  # full
                if len(table) < self.max_slots:
                    larger = _new_table(2 * len(table))
                else:
                    middle = (hashes.low + hashes.high) // 2
                    postponed.append(_HashRange(middle, hashes.high))
                    hashes = _HashRange(hashes.low, middle)
                    larger = _new_table(len(table))
                self.num_pairs = kernel.copy_pairs(table, *hashes, larger)
                table = larger
        self.position = len(self.stream)
        chosen = np.flatnonzero(table[:, kernel.VALUE] >= self.min_count)
        keys, counts = table[chosen].T
        self.frequent = (keys >> 32, (keys & 0xFFFFFFFF) - 1, counts)
        return postponed


def _new_table(slots: int) -> np.ndarray:
    return np.zeros((slots, 2), np.int64)
