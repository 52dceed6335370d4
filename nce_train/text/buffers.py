"""Arrays that are used again from block to block.

Where large ones go back to the system at once, as Dask has it on its workers, a new one costs a page fault every 4 KB:
a sixth of the time of counting.
"""

from collections import deque

import numpy as np


class Buffers:
    """Arrays of one type that are free; threads may take and give back at the same time."""

    def __init__(self, dtype: type) -> None:
        self._dtype = dtype
        self._free: deque[np.ndarray] = deque()

    def take(self, size: int) -> np.ndarray:
        """An array of `size`; what is in it is left over from before."""
        try:
            array = self._free.pop()
        except IndexError:
            array = np.empty(0, self._dtype)
        if len(array) < size:
            array = np.empty(size, self._dtype)
        return array[:size]

    def give_back(self, array: np.ndarray) -> None:
        """Nobody may use an array that was taken any more."""
        self._free.append(array if array.base is None else array.base)
