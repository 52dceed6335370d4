"""Zip archives of one file: the stored bytes go in, as a stream, and the contents of that file come out.

The local headers are read one after the other (APPNOTE.TXT 4.3), since a pipe cannot be searched for the directory at
the end. Directories and what macOS adds (`__MACOSX/`) do not count as files.
"""

import contextlib
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from nce_train.errors import InputError
from nce_train.file_kinds import HEAD_BYTES, Wanted, recognise_zipped
from nce_train.foreign_files import foreign_file

FILE, DIRECTORY, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"  # what begins with each

_DESCRIPTOR = b"PK\x07\x08"
_AFTER_FILES = (DIRECTORY, END, b"PK\x06\x06", b"PK\x06\x08")  # the last: what `zip -A` writes before the directory
_STORED, _DEFLATED = 0, 8
_METHODS = {9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "zstd", 95: "xz", 98: "PPMd", 99: "AES encryption"}
_IN_EXTRA_FIELD = 0xFFFFFFFF  # a size of zip64
_CHUNK = 1 << 16
_END_BYTES, _LONGEST_COMMENT = 22, 1 << 16
_NAMED_FILES = 4


class _Header(NamedTuple):
    """A local file header."""

    flags: int
    method: int
    crc: int
    packed_bytes: int  # 0 where they stand in a descriptor after the data
    name: bytes

    @property
    def is_a_file(self) -> bool:
        return _is_a_file(self.name)

    @property
    def has_descriptor(self) -> bool:
        return bool(self.flags & 8)


class ZipReader(io.RawIOBase):
    """The only file in a zip archive, deflated or stored; messages give the archive's `name`, and `wanted`."""

    def __init__(self, stored: io.RawIOBase, name: str, wanted: Wanted) -> None:
        self.stored = stored
        self.archive = name
        self.wanted = wanted
        self.input = b""
        self.output = b""
        self.chunks = self._contents()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.output:
            chunk = next(self.chunks, None)
            if chunk is None:
                return 0
            self.output = chunk
        count = min(len(buffer), len(self.output))
        buffer[:count] = self.output[:count]
        self.output = self.output[count:]
        return count

    def _contents(self) -> Iterator[bytes]:
        """The contents of the only file, in chunks; all of the archive is read."""
        found = b""
        while (signature := self._take(4)) == FILE:
            header = self._header()
            if header.is_a_file and found:
                raise _several_files(self.archive, [found, header.name, "…".encode()], self.wanted)
            for chunk in self._member(header):
                if header.is_a_file:
                    yield chunk
            found = header.name if header.is_a_file else found
        if signature not in _AFTER_FILES:
            raise self._damaged("what follows a file is neither a file nor the directory")
        if not found:
            raise InputError(f"{self.archive} is a zip archive without a file: make it again")
        last = signature
        while self._fill():
            last = last[-_END_BYTES - _LONGEST_COMMENT :] + self.input
            self.input = b""
        if not 0 <= last.rfind(END) <= len(last) - _END_BYTES:
            raise self._cut_short()

    def _header(self) -> _Header:
        fixed = self._take(26)
        _, flags, method, _, _, crc, packed, _, name_length, extra = struct.unpack("<5H3L2H", fixed)
        name = self._take(name_length)
        self._take(extra)
        _refuse_program(FILE + fixed + name, self.archive, self.wanted)
        way_out = _unzip(self.archive, self.wanted)
        if flags & 1:
            raise InputError(f"{self.archive} is an encrypted zip archive: {way_out}")
        if method not in (_STORED, _DEFLATED):
            how = _METHODS.get(method, f"method {method}")
            raise InputError(f"{self.archive} is a zip archive with {how}, which is not read: {way_out}")
        if method == _STORED and (packed == _IN_EXTRA_FIELD or (flags & 8 and not name.endswith(b"/"))):
            raise InputError(
                f"{self.archive} is a zip archive that does not compress and states no size before the data, which is "
                f"not read: {way_out}"
            )
        return _Header(flags, method, crc, packed, name)

    def _member(self, header: _Header) -> Iterator[bytes]:
        """The contents of one member, checked."""
        crc = 0
        for chunk in self._inflated() if header.method == _DEFLATED else self._copied(header.packed_bytes):
            crc = zlib.crc32(chunk, crc)
            yield chunk
        if crc != (self._descriptor_crc() if header.has_descriptor else header.crc):
            raise self._damaged("its checksum is another")

    def _inflated(self) -> Iterator[bytes]:
        member = zlib.decompressobj(wbits=-15)
        while not member.eof:
            if not self._fill():
                raise self._cut_short()
            try:
                yield member.decompress(self.input, _CHUNK)
            except zlib.error as error:
                raise self._damaged(str(error)) from None
            self.input = member.unused_data if member.eof else member.unconsumed_tail

    def _copied(self, num_bytes: int) -> Iterator[bytes]:
        while num_bytes:
            if not self._fill():
                raise self._cut_short()
            chunk, self.input = self.input[:num_bytes], self.input[num_bytes:]
            num_bytes -= len(chunk)
            yield chunk

    def _descriptor_crc(self) -> int:
        """Read the descriptor after the data: the checksum and two sizes, of 4 or (in zip64) 8 bytes each.

        It may begin with a signature, which is not required. What follows it tells how long it is.
        """
        while len(self.input) < 28 and self._fill(more=True):
            pass
        begin = 4 if self.input.startswith(_DESCRIPTOR) else 0
        for end in (begin + 12, begin + 20):
            if self.input[end : end + 4] in (FILE, *_AFTER_FILES):
                break
        else:
            raise self._damaged("no size follows the data") if len(self.input) >= 28 else self._cut_short()
        (crc,) = struct.unpack("<L", self.input[begin : begin + 4])
        self.input = self.input[end:]
        return int(crc)

    def _take(self, num_bytes: int) -> bytes:
        while len(self.input) < num_bytes:
            if not self._fill(more=True):
                raise self._cut_short()
        taken, self.input = self.input[:num_bytes], self.input[num_bytes:]
        return taken

    def _fill(self, more: bool = False) -> bool:
        """Read on when there is no input left, or `more` is wanted; whether there is input."""
        if self.input and not more:
            return True
        chunk = self.stored.read(_CHUNK) or b""
        self.input += chunk
        return bool(chunk)

    def _cut_short(self) -> InputError:
        return InputError(f"{self.archive} is cut short: its zip data has no end; fetch it again")

    def _damaged(self, why: str) -> InputError:
        return InputError(f"{self.archive} is damaged: its zip data is invalid ({why}); fetch it again")


def refuse_archive(stored: Any, archive: str, wanted: Wanted) -> None:
    """Raise InputError, before a file that can be searched is read, when an archive does not hold just one file."""
    position = stored.tell()
    stored.seek(0)
    head = stored.read(HEAD_BYTES)
    names: list[bytes] = []
    if head.startswith(FILE):
        _refuse_program(head, archive, wanted)
        with contextlib.suppress(zipfile.BadZipFile, NotImplementedError, ValueError):  # the reader says what is wrong
            names = [name.encode() for name in zipfile.ZipFile(stored).namelist()]
    stored.seek(position)
    if len(names := [name for name in names if _is_a_file(name)]) > 1:
        raise _several_files(archive, names, wanted)


def _refuse_program(head: bytes, archive: str, wanted: Wanted) -> None:
    """Raise InputError for an archive that is another program's format of files."""
    if kind := recognise_zipped(head, wanted):
        raise foreign_file(archive, kind.name, wanted, kind.advice(wanted))


def _several_files(archive: str, names: Sequence[bytes], wanted: Wanted) -> InputError:
    shown = [re.sub(r"[^ -~\u00a1-\uffff]", "?", name.decode(errors="replace")[:40]) for name in names[:_NAMED_FILES]]
    shown += ["…"] * (len(names) > _NAMED_FILES)
    return InputError(f"{archive} is a zip archive of several files ({', '.join(shown)}): {_unzip(archive, wanted)}")


def _is_a_file(member: bytes) -> bool:
    return not member.endswith(b"/") and not member.startswith(b"__MACOSX/")


def _unzip(archive: str, wanted: Wanted) -> str:
    if wanted != "UTF-8 text":
        return "unpack it and name what is inside"
    return f"unpack it, or pipe it (unzip -p {archive} | … -, with - in the place of the file)"
