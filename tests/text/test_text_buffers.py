"""Arrays that are used again."""

import numpy as np

from nce_train.text.buffers import Buffers
from nce_train.text.sources import SourceList, list_sources


def test_what_is_given_back_is_used_again_and_nothing_else():
    buffers = Buffers(np.int32)
    first, second = buffers.take(5), buffers.take(5)
    assert first.dtype == np.int32 and len(first) == 5 and not np.shares_memory(first, second)
    buffers.give_back(first)
    third = buffers.take(3)
    assert len(third) == 3 and np.shares_memory(third, first)
    buffers.give_back(third)
    assert len(buffers.take(6)) == 6  # too large for what was there


def test_a_text_is_whole_when_its_blocks_are_given_back_at_once(tmp_path):
    path = tmp_path / "text"
    path.write_text(" ".join(str(number) for number in range(3000)))
    read, places = [], set()
    for block in SourceList(list_sources(str(path)).sources).blocks(block_bytes=100):
        read += block.text[: block.end].tobytes().split()
        places.add(block.text.ctypes.data)
        block.text[:] = ord("x")  # as the next one may
        block.give_back()
    assert read == [str(number).encode() for number in range(3000)]
    assert len(places) < 5
