"""Blocks of text, and the pool of arrays that they reuse."""

import dataclasses
import itertools

import numpy as np
import pytest

from nce_train.text.blocks import BufferPool, read_blocks, split_source
from nce_train.text.sources import SourceList, list_sources


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


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("at_line_ends", [True, False])
def test_a_file_is_split_at_any_line_end_and_marks_at_line_starts_are_left_out(tmp_path, line_end, at_line_ends):
    mark = b"\xef\xbb\xbf"
    text = b"".join(mark + b"%d two %sthree" % (number, mark) + line_end for number in range(200))
    path = tmp_path / "text"
    path.write_bytes(text)
    (source,) = list_sources(path).sources
    parts = split_source(source, 100, at_line_ends)
    assert len(parts) > 30
    cuts = [text[part.span[1] - 1 : part.span[1]] for part in parts]
    assert {bytes([byte]) for byte in line_end} >= set(cuts) - (set() if at_line_ends else {b" "})
    # read with small blocks, so that some of them begin with a mark
    listed = SourceList([dataclasses.replace(part) for part in parts])
    read = b"".join(block.text[: block.end].tobytes() + b"|" for block in read_blocks(listed, 10))
    numbers = itertools.count()
    assert read.replace(b"|", b" ").split() == [
        word for _ in range(200) for word in (b"%d" % next(numbers), b"two", mark + b"three")
    ]
