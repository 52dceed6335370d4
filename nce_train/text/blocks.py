"""Reading: the sources of a corpus go in, blocks of decompressed text come out.

Each block ends at white space. The stored bytes are counted and hashed while they are read. Files are read, not
memory-mapped: a file that is truncated meanwhile must raise an error, not a signal.
"""

import dataclasses
import hashlib
import io
import itertools
import os
import re
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from nce_train.decompression import HEAD_BYTES, decompressed, detect_codec, peeked, read_fully
from nce_train.errors import InputError, RunError
from nce_train.text.not_text import refuse_not_text
from nce_train.text.sentences import SentenceReader
from nce_train.text.sources import Source, SourceList
from nce_train.text.text_forms import text_form
from nce_train.zip_archive import refuse_archive

BLOCK_BYTES = 1 << 20
SAMPLE_BYTES = 1 << 14  # that a source is judged by
PADDING = 16  # bytes after a block's text that the scanner may read (eight at a time) but ignores

_SPACES = b" \n\t\r\v\f"
_LINE_ENDS = (b"\n", b"\r")
_MOST_SAMPLED, _SAMPLED_OF_ONE = 1 << 14, 1 << 12
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class BufferPool:
    """Free arrays of one type, to be reused from block to block. Several threads may use it at the same time.

    Where the allocator returns large arrays to the system at once, as on Dask workers, a new array costs a page fault
    every 4 KB: a sixth of the time of counting.
    """

    def __init__(self, dtype: type) -> None:
        self._dtype = dtype
        self._free: deque[np.ndarray] = deque()

    def take(self, size: int) -> np.ndarray:
        """An array of `size` elements with arbitrary content."""
        try:
            array = self._free.pop()
        except IndexError:
            array = np.empty(0, self._dtype)
        if len(array) < size:
            array = np.empty(size, self._dtype)
        return array[:size]

    def release(self, array: np.ndarray) -> None:
        """Return an array that was taken. The caller must not use it any more."""
        self._free.append(array if array.base is None else array.base)


@dataclass
class Block:
    """A stretch of text that ends at ASCII white space, never inside a token."""

    text: np.ndarray  # uint8 [end + PADDING or more]
    end: int
    source: Source
    offset: int  # of text[0] in the source's decompressed text
    buffers: BufferPool  # the pool that `text` belongs to

    def release(self) -> None:
        """Return the memory of `text` for the next block."""
        self.buffers.release(self.text)


def read_blocks(listed: SourceList, block_bytes: int) -> Iterator[Block]:
    """Read all sources, once.

    Each source gets its `bytes`, and unless it is a part its `sha256`, when it has been read. A block has
    `block_bytes`; without white space it grows until it holds some.

    Raises
    ------
    InputError
        A damaged or truncated compressed file, a missing extra, or an invalid sentence of an iterable.
    RunError
        A read error, or a file that changed after it was listed.
    """
    buffers = BufferPool(np.uint8)
    for source in listed.sources:
        with _open(source) as file:
            counting = _CountingReader(file, source, listed)
            try:
                if source.sentences is None and file.seekable():
                    refuse_archive(file, source.display_name, "UTF-8 text")
                at_line_start = True
                if source.span is not None and source.span[0] > 0:
                    file.seek(source.span[0] - 1)
                    at_line_start = file.read(1) in _LINE_ENDS
                is_stored_text = source.span is not None or source.sentences is not None
                stream = counting if is_stored_text else decompressed(counting, source.display_name)
                if source.sentences is None and (source.span is None or source.span[0] == 0):
                    head, stream = peeked(stream, SAMPLE_BYTES)
                    _judge_start(head, source, listed)
                yield from _split(stream, source, block_bytes, buffers, at_line_start)
            except InputError:
                _check_unchanged(source, file)  # a file that is still being written looks damaged
                raise
            except OSError as error:
                if source.sentences is not None:  # it comes from the iterable
                    raise
                raise RunError(f"cannot read {source.display_name}: {error.strerror}") from None
            if source.span is None:
                source.sha256 = counting.digest.hexdigest()
            _check_unchanged(source, file)
            if source.size is not None and source.span is None and source.bytes != source.size:
                raise _changed(source)


def judge_source(source: Source, listed: SourceList) -> None:
    """Judge a file by its first bytes, as reading it does."""
    with _open(source) as file:
        head, _ = peeked(decompressed(file, source.display_name), SAMPLE_BYTES)  # type: ignore[arg-type]
    _judge_start(head, source, listed)


def _judge_start(head: bytes, source: Source, listed: SourceList) -> None:
    """Judge a source by its first bytes: note its form, and raise InputError when it is not text.

    Some of them are kept as `SourceList.sample`.
    """
    refuse_not_text(head, source.display_name)
    if codec := detect_codec(head, source.display_name):  # of what is decompressed already
        raise InputError(
            f"{source.display_name} is compressed twice, the inner time with {codec.name}: unpack it first"
        )
    source.form = text_form(head)
    if len(listed.sample) < _MOST_SAMPLED:
        listed.sample += head[:_SAMPLED_OF_ONE]


def split_source(source: Source, part_bytes: int, at_line_ends: bool) -> list[Source]:
    """Split a plain file into parts that can be read independently; a compressed file stays whole.

    The parts have about `part_bytes`, and end after white space, or `at_line_ends` only. A part without one is joined
    to the next part.
    """
    assert source.size is not None
    if source.size <= part_bytes:
        return [source]
    with _open(source) as file:
        head = file.read(HEAD_BYTES) or b""
        if detect_codec(head, source.display_name) is not None:
            return [source]
        cuts = [0]
        for target in range(part_bytes, source.size, part_bytes):
            cut = _next_cut(file, target, min(source.size, target + part_bytes), at_line_ends)
            if cut is not None:
                cuts.append(cut)
    if cuts[-1] < source.size:
        cuts.append(source.size)
    return [dataclasses.replace(source, span=span) for span in itertools.pairwise(cuts)]


def _next_cut(file: BinaryIO | io.RawIOBase, begin: int, end: int, at_line_ends: bool) -> int | None:
    """The position after the first byte of a line end, or of white space, in [begin, end) of a file."""
    file.seek(begin)
    while begin < end:
        chunk = file.read(min(1 << 16, end - begin)) or b""
        space = re.search(rb"[\r\n]" if at_line_ends else rb"\s", chunk)
        if space is not None:
            return begin + space.end()
        if not chunk:
            return None
        begin += len(chunk)
    return None


def _open(source: Source) -> BinaryIO | io.RawIOBase:
    if source.sentences is not None:
        return SentenceReader(source.sentences)
    if source.url is not None:
        import fsspec

        return fsspec.open(source.url, "rb").open()
    if source.path is None:
        try:
            return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
        except (AttributeError, OSError, ValueError):
            raise InputError("the corpus is standard input (-), but there is none") from None
    try:
        return source.path.open("rb", buffering=0)
    except OSError as error:
        raise RunError(f"cannot read {source.display_name}, which was there before: {error.strerror}") from None


def _check_unchanged(source: Source, file: BinaryIO | io.RawIOBase) -> None:
    """Raise RunError when a regular file was written to after it was listed."""
    if source.status is None:
        return
    now = os.fstat(file.fileno())
    if (now.st_size, now.st_mtime_ns) != (source.status.st_size, source.status.st_mtime_ns):
        raise _changed(source)


def _changed(source: Source) -> RunError:
    read = f"{source.size} bytes at first" + (f", {source.bytes} read" if source.span is None else "")
    return RunError(f"{source.display_name} changed while it was read ({read}): start again when it is complete")


def _split(
    stream: io.RawIOBase, source: Source, block_bytes: int, buffers: BufferPool, at_line_start: bool
) -> Iterator[Block]:
    """The blocks of a stream, without the byte order marks at line starts: files put together have several."""
    carried = np.empty(0, np.uint8)
    offset = 0 if source.span is None else source.span[0]
    has_marks = source.sentences is None
    while True:
        # Doubling the size when there was no white space keeps the copying linear in the length of a long token.
        size = max(block_bytes, 2 * len(carried))
        text = buffers.take(size + PADDING)
        text[: len(carried)] = carried
        filled = read_fully(stream, text[:size], len(carried))
        if filled < size:
            text[filled] = ord("\n")  # the end of a file ends its last line
            if has_marks:
                _blank_out_marks(text[:filled], at_line_start)
            yield Block(text, filled + 1, source, offset, buffers)
            return
        cut = _end_of_last_space(text, len(carried), filled)
        carried = text[cut:filled]
        if cut:
            carried = carried.copy()  # the consumer of the block may release `text`
            if has_marks:
                _blank_out_marks(text[:cut], at_line_start)
            at_line_start = text[cut - 1 : cut].tobytes() in _LINE_ENDS
            yield Block(text, cut, source, offset, buffers)
        offset += cut


def _blank_out_marks(text: np.ndarray, at_line_start: bool) -> None:
    """Replace byte order marks at the start of lines by spaces, so that positions stay."""
    content = text.tobytes()
    if _BYTE_ORDER_MARK[:1] not in content:  # a search for one byte is a tenth of the work of one for three
        return
    line_start = 0 if at_line_start else -1  # where the last line, or the last mark at its start, is known to end
    place = content.find(_BYTE_ORDER_MARK)
    while place >= 0:
        stop = place + len(_BYTE_ORDER_MARK)
        if place == line_start or content[place - 1 : place] in _LINE_ENDS:
            text[place:stop] = ord(" ")
            line_start = stop
        place = content.find(_BYTE_ORDER_MARK, stop)


def _end_of_last_space(text: np.ndarray, start: int, end: int) -> int:
    """The position after the last white space in `text[start:end]`, or 0 when there is none."""
    for begin in (max(start, end - 256), start):  # the last few bytes nearly always contain one
        tail = text[begin:end].tobytes()
        last = max(tail.rfind(space) for space in _SPACES)
        if last >= 0:
            return begin + last + 1
    return 0


class _CountingReader(io.RawIOBase):
    """Counts and hashes the bytes of a source as they are stored."""

    def __init__(self, file: BinaryIO | io.RawIOBase, source: Source, listed: SourceList) -> None:
        self.file = file
        self.source = source
        self.listed = listed
        self.digest = hashlib.sha256()
        self._is_at_end = False

    def readinto(self, buffer: Any) -> int:
        wanted = memoryview(buffer)
        if self.source.span is not None:
            begin, end = self.source.span
            wanted = wanted[: end - begin - self.source.bytes]
        count = 0 if self._is_at_end else self.file.readinto(wanted)  # type: ignore[union-attr]
        self._is_at_end = not count and len(wanted) > 0  # a terminal would ask for another Ctrl-D
        if self.source.span is None:  # the hash of a part is not needed
            self.digest.update(memoryview(buffer)[:count])
        self.source.bytes += count
        self.listed.bytes_read += count
        return count
