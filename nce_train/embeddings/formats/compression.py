"""Vectors files, compressed or not.

`open_reading` detects the compression by contents; `open_writing` chooses it by the ending of the file.
"""

import bz2
import contextlib
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from nce_train.errors import InputError
from nce_train.files import atomic_write

_UNSUPPORTED_ENDINGS = (".br", ".lz4", ".lzma", ".zip")  # of compressions that are neither read nor written

# Numbers hardly shrink to a third. A file that unpacks to more than this is damaged or malicious.
_LARGEST_RATIO = 1_000
_ALWAYS_ALLOWED = 1 << 26  # bytes, for small tables of equal numbers
_CHUNK = 1 << 16
_BUFFER = 1 << 17


class _Codec(NamedTuple):
    """A compression: ending and first bytes of its files, a decompressor for one member, a compressor for a file."""

    ending: str
    magic: re.Pattern[bytes]
    member: Callable[[], Any]
    writer: Callable[[IO[bytes]], Any]


# Sources: RFC 1952; bzip2's header and first block; the .xz format 1.2; RFC 8878. The levels are the fastest ones: the
# digits of numbers hardly compress beyond the entropy coding that these do already. No time or name is stored.
_CODECS = (
    _Codec(
        ".gz",
        re.compile(rb"\x1f\x8b"),
        lambda: zlib.decompressobj(wbits=31),
        lambda raw: gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0),
    ),
    _Codec(
        ".bz2",
        re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"),
        bz2.BZ2Decompressor,
        lambda raw: bz2.BZ2File(raw, "wb", compresslevel=1),
    ),
    _Codec(
        ".xz",
        re.compile(rb"\xfd7zXZ\x00"),
        lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ),
        lambda raw: lzma.LZMAFile(raw, "wb", preset=0),  # noqa: SIM115 (closed by open_writing)
    ),
    _Codec(".zst", re.compile(rb"\x28\xb5\x2f\xfd"), lambda: _ZstdFrame(), lambda raw: _zstd_writer(raw)),
)
ENDINGS = tuple(codec.ending for codec in _CODECS)
_LONGEST_MAGIC = 10


@contextlib.contextmanager
def open_reading(path: Path) -> Iterator[IO[bytes]]:
    """Open a file, plain or compressed (gzip, bzip2, xz, zstd), according to its first bytes.

    Raises
    ------
    InputError
        When the file is absent or unreadable, its compressed data is damaged, cut short or unpacks to far more than
        vectors do, or the extra `zstd` is missing.
    """
    try:
        if path.exists() and not path.is_file():
            raise InputError(
                f"{path}: not a regular file; vectors are read from regular files only, so save it as one first"
            )
        with path.open("rb") as raw:
            codec = _codec_of(raw)
            if codec is None:
                yield raw
            else:
                unpacked = _Unpacked(raw, codec, path)
                yield cast(IO[bytes], io.BufferedReader(unpacked, _BUFFER))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except PermissionError:
        raise InputError(f"{path}: this file may not be read; change its permissions") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None


@contextlib.contextmanager
def open_writing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that appears whole or not at all; an ending of `ENDINGS` compresses it.

    The same contents give the same bytes.

    Raises
    ------
    InputError
        When the extra `zstd` is missing.
    """
    codec = _codec_of_ending(path)
    with atomic_write(path) as raw:
        if codec is None:
            yield raw
        else:
            with codec.writer(raw) as packed:
                yield packed


def is_compressed(path: Path) -> bool:
    """Whether `open_reading` unpacks this file."""
    with path.open("rb") as raw:
        return _codec_of(raw) is not None


def most_bytes(path: Path) -> int:
    """The most bytes that `open_reading` can yield, to check a size that the file states."""
    stored = path.stat().st_size
    return _most_unpacked(stored) if is_compressed(path) else stored


def without_ending(path: Path) -> Path:
    """Drop a compression ending: `v.txt.gz` → `v.txt`."""
    return path if _codec_of_ending(path) is None else path.with_suffix("")


def check_writable(path: Path) -> None:
    """Refuse the ending of a compression that is not supported, or whose extra is missing.

    Raises
    ------
    InputError
    """
    if path.suffix.lower() in _UNSUPPORTED_ENDINGS:
        raise InputError(f"{path}: {path.suffix} is not written; compress with an ending {', '.join(ENDINGS)}")
    if path.suffix.lower() == ".zst":
        _zstandard()


class _Unpacked(io.RawIOBase):
    """All members of a compressed file, one after the other.

    Stricter than the standard library's file objects, which treat damage after the first member as the end.
    """

    def __init__(self, packed: IO[bytes], codec: _Codec, path: Path) -> None:
        self._packed = packed
        self._codec = codec
        self._path = path
        self._member: Any = None
        self._input = self._output = b""
        self._left = _most_unpacked(path.stat().st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._output:
            if not self._input and getattr(self._member, "needs_input", True):
                self._input = self._packed.read(_CHUNK)
                if not self._input and self._member is None:
                    return 0
                if not self._input:
                    raise self._damaged("it has no end")
            if self._member is None:
                self._input = self._input.lstrip(b"\0")  # padding between members
                if not self._input:
                    continue
                self._member = self._codec.member()
            self._output = self._unpack(len(buffer))
        count = min(len(buffer), len(self._output))
        buffer[:count] = self._output[:count]
        self._output = self._output[count:]
        self._left -= count
        if self._left < 0:
            raise InputError(
                f"{self._path}: it unpacks to more than {_LARGEST_RATIO} times its size, which vectors never do; "
                "unpack it first if it is correct"
            )
        return count

    def _unpack(self, limit: int) -> bytes:
        try:
            output = self._member.decompress(self._input, limit)
        except (zlib.error, lzma.LZMAError, OSError, ValueError) as error:
            raise self._damaged(str(error)) from None
        if self._member.eof:
            self._input = self._member.unused_data
            self._member = None
        else:
            self._input = getattr(self._member, "unconsumed_tail", b"")
        return output

    def _damaged(self, how: str) -> InputError:
        return InputError(f"{self._path}: its compressed data is damaged or cut short ({how}); fetch it again")


class _ZstdFrame:
    """One frame, with the interface of the standard library's decompressors."""

    _CHUNK = 1 << 10  # zstandard unpacks its whole input: up to 128 KiB for each 4 bytes

    def __init__(self) -> None:
        zstandard = _zstandard()
        self._error = zstandard.ZstdError
        self._frame = zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj()
        self.eof = False
        self.unconsumed_tail = self.unused_data = b""

    def decompress(self, data: bytes, _limit: int) -> bytes:
        try:
            output = self._frame.decompress(data[: self._CHUNK])
        except self._error as error:
            raise ValueError(str(error)) from None
        self.unconsumed_tail = data[self._CHUNK :]
        self.eof = self._frame.eof
        if self.eof:
            self.unused_data = self._frame.unused_data + self.unconsumed_tail
        return output


def _zstd_writer(raw: IO[bytes]) -> Any:
    return _zstandard().ZstdCompressor(level=1, write_checksum=True).stream_writer(raw, closefd=False)


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError:
        raise InputError("zstd compression needs an extra: pip install 'nce-train[zstd]'") from None
    return zstandard


def _most_unpacked(stored: int) -> int:
    return _ALWAYS_ALLOWED + _LARGEST_RATIO * stored


def _codec_of(raw: IO[bytes]) -> _Codec | None:
    head = raw.read(_LONGEST_MAGIC)
    raw.seek(0)
    return next((codec for codec in _CODECS if codec.magic.match(head)), None)


def _codec_of_ending(path: Path) -> _Codec | None:
    return next((codec for codec in _CODECS if codec.ending == path.suffix.lower()), None)
