"""Vectors files, compressed or not.

`open_reading` detects the compression by contents; `open_writing` chooses it by the ending of the file.
"""

import bz2
import contextlib
import gzip
import io
import lzma
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

from nce_train.decompression import ENDINGS, HEAD_BYTES, decompressed, detect_codec
from nce_train.errors import InputError
from nce_train.files import atomic_write

_UNSUPPORTED_ENDINGS = (".br", ".lz4", ".lzma", ".zip")  # of compressions that are neither read nor written

# Numbers hardly shrink to a third. A file that unpacks to more than this is damaged or malicious.
_LARGEST_RATIO = 1_000
_ALWAYS_ALLOWED = 1 << 26  # bytes, for small tables of equal numbers
_BUFFER = 1 << 17


# The fastest levels: the digits of numbers hardly compress beyond the entropy coding that these do already. No time or
# name is stored.
_WRITERS: dict[str, Callable[[IO[bytes]], Any]] = {
    ".gz": lambda raw: gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0),
    ".bz2": lambda raw: bz2.BZ2File(raw, "wb", compresslevel=1),
    ".xz": lambda raw: lzma.LZMAFile(raw, "wb", preset=0),  # noqa: SIM115 (closed by open_writing)
    ".zst": lambda raw: _zstandard().ZstdCompressor(level=1, write_checksum=True).stream_writer(raw, closefd=False),
}


@contextlib.contextmanager
def open_reading(path: Path) -> Iterator[IO[bytes]]:
    """Open a file, plain or compressed (gzip, bzip2, xz, zstd), according to its first bytes.

    InputError is raised when the file is absent or unreadable, or its compressed data is damaged, cut short or unpacks
    to far more than vectors do.
    """
    try:
        if path.exists() and not path.is_file():
            raise InputError(
                f"{path}: not a regular file; vectors are read from regular files only, so save it as one first"
            )
        packed = is_compressed(path)
        with path.open("rb") as raw:
            if packed:
                unpacked = _Limited(decompressed(cast(io.RawIOBase, raw), str(path), "vectors"), path)
                yield cast(IO[bytes], io.BufferedReader(unpacked, _BUFFER))
            else:
                yield raw
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except PermissionError:
        raise InputError(f"{path}: this file may not be read; change its permissions") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None


@contextlib.contextmanager
def open_writing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that appears whole or not at all; an ending of `ENDINGS` compresses it, always to the same bytes."""
    writer = _WRITERS.get(path.suffix.lower())
    with atomic_write(path) as raw:
        if writer is None:
            yield raw
        else:
            with writer(raw) as packed:
                yield packed


def is_compressed(path: Path) -> bool:
    """Whether `open_reading` unpacks this file."""
    with path.open("rb") as raw:
        return detect_codec(raw.read(HEAD_BYTES), str(path)) is not None


def most_bytes(path: Path) -> int:
    """The most bytes that `open_reading` can yield, to check a size that the file states."""
    stored = path.stat().st_size
    return _most_unpacked(stored) if is_compressed(path) else stored


def check_writable(path: Path) -> None:
    """Refuse the ending of a compression that is not supported, or whose extra is missing."""
    if path.suffix.lower() in _UNSUPPORTED_ENDINGS:
        raise InputError(f"{path}: {path.suffix} is not written; compress with an ending {', '.join(ENDINGS)}")
    if path.suffix.lower() == ".zst":
        _zstandard()


class _Limited(io.RawIOBase):
    """A decompressed file, which must not be much larger than numbers can be."""

    def __init__(self, unpacked: io.RawIOBase, path: Path) -> None:
        self._unpacked = unpacked
        self._path = path
        self._left = _most_unpacked(path.stat().st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._unpacked.readinto(buffer) or 0
        self._left -= count
        if self._left < 0:
            raise InputError(
                f"{self._path}: it unpacks to more than {_LARGEST_RATIO} times its size, which vectors never do; "
                "unpack it first if it is correct"
            )
        return count


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError:
        raise InputError("zstd compression needs an extra: pip install 'nce-train[zstd]'") from None
    return zstandard


def _most_unpacked(stored: int) -> int:
    return _ALWAYS_ALLOWED + _LARGEST_RATIO * stored
