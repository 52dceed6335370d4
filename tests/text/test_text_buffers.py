"""A pool of reused arrays."""

import numpy as np

from nce_train.text.blocks import read_blocks
from nce_train.text.buffers import BufferPool
from nce_train.text.sources import list_sources


def test_only_released_arrays_are_reused():
    pool = BufferPool(np.int32)
    first, second = pool.take(5), pool.take(5)
    assert first.dtype == np.int32 and len(first) == 5 and not np.shares_memory(first, second)
    pool.release(first)
    third = pool.take(3)
    assert len(third) == 3 and np.shares_memory(third, first)
    pool.release(third)
    assert len(pool.take(6)) == 6  # larger than the free array


def test_a_text_is_complete_when_its_blocks_are_released_at_once(tmp_path):
    path = tmp_path / "text"
    path.write_text(" ".join(str(number) for number in range(3000)))
    read, addresses = [], set()
    for block in read_blocks(list_sources(path), 100):
        read += block.text[: block.end].tobytes().split()
        addresses.add(block.text.ctypes.data)
        block.text[:] = ord("x")  # as the next block may do
        block.release()
    assert read == [str(number).encode() for number in range(3000)]
    assert len(addresses) < 5
