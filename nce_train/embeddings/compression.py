"""Vector files, compressed or not: opened for reading by what they hold, for writing by their ending."""

import contextlib
import gzip
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from nce_train.errors import InputError
from nce_train.files import atomic_write

ENDINGS = (".gz", ".xz")
OTHER_ENDINGS = (".bz2", ".lz4", ".zip", ".zst")  # of compressions that are not written

_GZIP_MAGIC = b"\x1f\x8b"
_XZ_MAGIC = b"\xfd7zXZ\x00"
# xz packs long runs of equal bytes about 7,000 times.
_LARGEST_RATIO = 10_000


@contextlib.contextmanager
def open_reading(path: Path) -> Iterator[IO[bytes]]:
    """Open a plain, gzip or xz file, told by its first bytes.

    Raises
    ------
    InputError
        When there is no such file, it may not be read, or its compressed data is damaged or cut short.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: not a regular file, which vectors are read from; save it as one first")
    try:
        with path.open("rb") as raw:
            kind = _kind(raw)
            if kind == "gzip":
                with gzip.open(raw) as unpacked:
                    yield cast(IO[bytes], unpacked)
            elif kind == "xz":
                with lzma.open(raw) as unpacked:
                    yield cast(IO[bytes], unpacked)
            else:
                yield raw
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except PermissionError:
        raise InputError(f"{path}: this file may not be read; change its permissions") from None
    except (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: its compressed data is damaged or cut short ({error}); fetch it again") from None


@contextlib.contextmanager
def open_writing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that appears whole or not at all; an ending `.gz` or `.xz` compresses it.

    The bytes depend on what is written only: no time or name is stored.
    """
    with atomic_write(path) as raw:
        if path.suffix.lower() == ".gz":
            # Digits are nearly incompressible beyond the entropy coding that level 1 does already.
            with gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0) as packed:
                yield cast(IO[bytes], packed)
        elif path.suffix.lower() == ".xz":
            with lzma.open(raw, "wb", preset=0) as packed:
                yield cast(IO[bytes], packed)
        else:
            yield raw


def is_compressed(path: Path) -> bool:
    """Tell whether `open_reading` unpacks this file."""
    with path.open("rb") as raw:
        return _kind(raw) is not None


def most_bytes(path: Path) -> int:
    """Bound the bytes that `open_reading` can yield, so that a size claimed inside can be doubted."""
    return path.stat().st_size * (_LARGEST_RATIO if is_compressed(path) else 1)


def without_ending(path: Path) -> Path:
    """Drop a compression ending: `v.txt.gz` → `v.txt`."""
    return path.with_suffix("") if path.suffix.lower() in ENDINGS else path


def _kind(raw: IO[bytes]) -> str | None:
    magic = raw.read(len(_XZ_MAGIC))
    raw.seek(0)
    if magic.startswith(_GZIP_MAGIC):
        return "gzip"
    return "xz" if magic == _XZ_MAGIC else None
