"""Which words stand next to each other, and how often: exact counts in bounded memory.

In goes a stream of ids; out come how many different pairs of neighbours it has, and those that occur often. Each
thread scans the whole stream but counts only its part of the pairs, told by a hash, so that nothing is merged. A
thread whose table is full puts off half of its part to a further scan.
"""

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import NamedTuple

import numpy as np

from nce_train.memory import available_memory
from nce_train.text import phrases_kernel as kernel
from nce_train.text.provisional import workers

_MEMORY = 2**30
_MEMORY_SHARE = 1 / 4  # of what is available, where that is little
_FIRST_SLOTS = 1 << 16
_LEAST_SLOTS = 1 << 12
_BYTES_A_SLOT = 16
_FULL = 5 / 8  # beyond it, the way to a free slot grows long
_IDS_AT_ONCE = 1 << 20  # between two looks at whether to stop


class PairCounts(NamedTuple):
    """Pairs of neighbours that occur often, and the number of all that occur."""

    left: np.ndarray  # int64 [n]: ids
    right: np.ndarray  # int64 [n]
    counts: np.ndarray  # int64 [n]
    num_distinct: int  # rare ones included


class _Part(NamedTuple):
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
        Ids, and `LINE_END` behind each line, across which nothing is a neighbour.
    min_count : int
        Leave out pairs that occur less often; they are counted in `num_distinct` only.
    threads : int
    progress : callable or None
        Called as `progress(done, total)`, in ids of the stream; `total` grows with every further scan.

    Returns
    -------
    PairCounts
        In no particular order.
    """
    slots = slots_a_table(threads)
    edges = np.linspace(0, kernel.PARTS, threads + 1).astype(np.int64).tolist()
    waiting = [_Part(low, high) for low, high in itertools.pairwise(edges)]
    num_scans = len(waiting)
    scans: list[_Scan] = []
    running: set[Future[list[_Part]]] = set()
    stop = threading.Event()
    with workers(threads) as pool:
        try:
            while waiting or running:
                while waiting:
                    scans.append(_Scan(stream, min_count, slots, stop))
                    running.add(pool.submit(scans[-1].count, waiting.pop()))
                done, running = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in done:
                    put_off = future.result()
                    waiting += put_off
                    num_scans += len(put_off)
                if progress is not None:
                    progress(sum(scan.position for scan in scans), num_scans * len(stream))
        finally:
            stop.set()
    left, right, counts = (np.concatenate(columns) for columns in zip(*(scan.frequent for scan in scans), strict=True))
    return PairCounts(left, right, counts, sum(scan.num_pairs for scan in scans))


def slots_a_table(threads: int) -> int:
    """How many slots a thread's table may have, a power of two."""
    available = available_memory()
    memory = _MEMORY if available is None else min(_MEMORY, int(_MEMORY_SHARE * available))
    slots = memory // threads // (2 * _BYTES_A_SLOT)  # twice: while a table is exchanged, there are two
    return max(_LEAST_SLOTS, 1 << max(0, slots.bit_length() - 1))


class _Scan:
    """One scan of the stream by one thread.

    Attributes
    ----------
    position : int
        How far it is.
    num_pairs : int
        Different pairs counted.
    frequent : (int64 [n], int64 [n], int64 [n])
        Left ids, right ids and counts of those that are not rare.
    """

    def __init__(self, stream: np.ndarray, min_count: int, most_slots: int, stop: threading.Event) -> None:
        self.stream = stream
        self.min_count = min_count
        self.most_slots = most_slots
        self.stop = stop
        self.position = 0
        self.num_pairs = 0
        self.frequent: tuple[np.ndarray, np.ndarray, np.ndarray]

    def count(self, part: _Part) -> list[_Part]:
        """Count the pairs of a part; what had to be put off."""
        put_off: list[_Part] = []
        table = _new_table(min(_FIRST_SLOTS, self.most_slots))
        end = len(self.stream) - 1
        while self.position < end and not self.stop.is_set():
            room = int(_FULL * len(table))
            until = min(self.position + _IDS_AT_ONCE, end)
            self.position, self.num_pairs = kernel.count_pairs(
                self.stream, self.position, until, *part, table, self.num_pairs, room
            )
            if self.position < until:  # full
                if len(table) < self.most_slots:
                    larger = _new_table(2 * len(table))
                else:
                    middle = (part.low + part.high) // 2
                    put_off.append(_Part(middle, part.high))
                    part = _Part(part.low, middle)
                    larger = _new_table(len(table))
                self.num_pairs = kernel.copy_pairs(table, *part, larger)
                table = larger
        self.position = len(self.stream)
        chosen = np.flatnonzero(table[:, kernel.VALUE] >= self.min_count)
        keys, counts = table[chosen].T
        self.frequent = (*kernel.ids_of(keys), counts)
        return put_off


def _new_table(slots: int) -> np.ndarray:
    return np.zeros((slots, 2), np.int64)
