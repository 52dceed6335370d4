"""Decompression: the stored bytes of a text or of vectors go in, their contents come out.

The kind of compression (gzip, bzip2, xz, zstd, lzma, a zip archive of one file, or none) is detected from the first
bytes, never from the file name. A file may consist of several members; all of them are read, except that of a zip
archive, which is one file. Damaged and truncated files raise `InputError`.
"""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from nce_train import zip_archive
from nce_train.errors import InputError
from nce_train.file_kinds import Wanted

ENDINGS = (".gz", ".bz2", ".xz", ".zst")  # of what is read and written
READ_ENDINGS = (*ENDINGS, ".lzma", ".zip")
HEAD_BYTES = 14  # the length of the longest magic number

_COMPRESSED_CHUNK = 1 << 16


class Codec(NamedTuple):
    """A kind of compression: its name, a factory of decompressors for one member, and the error they raise.

    Without a factory it is a zip archive.
    """

    name: str
    new_member: Callable[[], Any] | None
    error: type[Exception]


def decompressed(stored: io.RawIOBase, name: str, wanted: Wanted = "UTF-8 text") -> io.RawIOBase:
    """The contents of a stored stream, decompressed where necessary; messages give the file's `name`, and `wanted`."""
    head, whole = peeked(stored, HEAD_BYTES)
    codec = detect_codec(head, name)
    if codec is None:
        return whole
    if codec.new_member is not None:
        return _Decompressor(whole, codec, name)
    if stored.seekable():
        zip_archive.refuse_archive(stored, name, wanted)
    return zip_archive.ZipReader(whole, name, wanted)


def peeked(stream: io.RawIOBase, count: int) -> tuple[bytes, io.RawIOBase]:
    """The first `count` bytes of a stream, fewer at its end; and the stream from its beginning."""
    head = np.empty(count, np.uint8)
    start = head[: read_fully(stream, head, 0)].tobytes()
    return start, _Prepended(start, stream)


def detect_codec(head: bytes, name: str) -> Codec | None:
    """The codec of a file that begins with `head` (`HEAD_BYTES`), or None for plain text.

    The magic numbers are those of RFC 1952 (gzip), bzip2's header and first block, the .xz format 1.2, RFC 8878 (zstd),
    and APPNOTE.TXT 4.3 (zip). The older .lzma has none: its header is 0x5D, a dictionary size that is a multiple of
    64 KiB, and the size of the contents, where -1 means unknown; the first byte of the data is 0.
    """
    if head.startswith(b"\x1f\x8b\x08"):
        return Codec("gzip", lambda: zlib.decompressobj(wbits=31), zlib.error)
    if head.startswith(b"BZh") and head[4:10] in (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"):
        return Codec("bzip2", bz2.BZ2Decompressor, OSError)
    if head.startswith(b"\xfd7zXZ\0"):
        return Codec("xz", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ), lzma.LZMAError)
    is_size = head[5:13] == b"\xff" * 8 or head[10:13] == b"\0\0\0"
    if head.startswith(b"\x5d\0\0") and is_size and head[13:14] == b"\0":
        return Codec("lzma", lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE), lzma.LZMAError)
    if head.startswith((zip_archive.FILE, zip_archive.END)):
        return Codec("zip", None, InputError)
    is_skippable_frame = head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F
    if head.startswith(b"\x28\xb5\x2f\xfd") or is_skippable_frame:
        try:
            import zstandard
        except ImportError:
            raise InputError(
                f"{name} is compressed with zstd, which needs an extra: pip install 'nce-train[zstd]'"
            ) from None
        return Codec("zstd", _ZstdMember, zstandard.ZstdError)
    return None


def read_fully(stream: io.RawIOBase, text: np.ndarray, filled: int) -> int:
    """Read into `text` (uint8) from position `filled` on until it is full or the stream ends; the end position."""
    view = text.data
    while filled < len(text):
        count = stream.readinto(view[filled:])
        if not count:
            break
        filled += count
    return filled


class _Prepended(io.RawIOBase):
    """A stream with the bytes put back that `peeked` has read."""

    def __init__(self, head: bytes, rest: io.RawIOBase) -> None:
        self.head = head
        self.rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self.head:
            return self.rest.readinto(buffer) or 0
        count = min(len(buffer), len(self.head))
        buffer[:count] = self.head[:count]
        self.head = self.head[count:]
        return count


class _Decompressor(io.RawIOBase):
    """All members of a compressed file, one after the other.

    The standard library's file objects are less strict: they take damage after the first member for the end.
    """

    def __init__(self, stored: io.RawIOBase, codec: Codec, name: str) -> None:
        self.stored = stored
        self.codec = codec
        self.file_name = name
        self.member: Any = None
        self.input = b""
        self.output = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.output:
            if not self.input and (self.member is None or getattr(self.member, "needs_input", True)):
                self.input = self.stored.read(_COMPRESSED_CHUNK) or b""
                if not self.input and self.member is not None:
                    raise InputError(
                        f"{self.file_name} is cut short: its {self.codec.name} data has no end; fetch it again"
                    )
                if not self.input:
                    return 0
            if self.member is None:
                self.input = self.input.lstrip(b"\0")  # padding between members
                if not self.input:
                    continue
                assert self.codec.new_member is not None
                self.member = self.codec.new_member()
            self.output = self._decompress(len(buffer))
        count = min(len(buffer), len(self.output))
        buffer[:count] = self.output[:count]
        self.output = self.output[count:]
        return count

    def _decompress(self, limit: int) -> bytes:
        try:
            output = self.member.decompress(self.input, limit)
        except self.codec.error as error:
            raise InputError(
                f"{self.file_name} is damaged: its {self.codec.name} data is invalid ({error}); fetch it again"
            ) from None
        if self.member.eof:
            self.input = self.member.unused_data
            self.member = None
        else:
            self.input = getattr(self.member, "unconsumed_tail", b"")
        return output


class _ZstdMember:
    """One frame, with the interface of the standard library's decompressors."""

    CHUNK = 1 << 10  # zstandard returns everything its input decompresses to: at most 128 KiB for each 4 bytes

    def __init__(self) -> None:
        import zstandard

        self.frame = zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj()
        self.eof = False
        self.unconsumed_tail = b""
        self.unused_data = b""

    def decompress(self, data: bytes, _limit: int) -> bytes:
        output = self.frame.decompress(data[: self.CHUNK])
        self.unconsumed_tail = data[self.CHUNK :]
        self.eof = self.frame.eof
        if self.eof:
            self.unused_data = self.frame.unused_data + self.unconsumed_tail
        return output
