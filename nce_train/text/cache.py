"""Encodings of earlier runs, kept in the user's cache directory for the next run on the same files.

An entry is a directory named by a key of files and settings, with `tokens.npy` (a hard link where that can
be), `vocab.tsv` and `entry.json`. It appears whole, by a rename, and is checked before it is trusted;
whatever goes wrong here costs a new encoding and nothing else.
"""

import contextlib
import hashlib
import json
import os
import shutil
import time
import unicodedata
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nce_train.errors import InputError
from nce_train.text.sources import Source
from nce_train.text.vocabulary import LINE_END, Vocabulary

FORMAT = 1  # of entries, and of what the same text and settings are encoded to: raise it when either changes

MAX_ENTRIES = 10
MAX_BYTES = 20 * 10**9
MAX_COPY_BYTES = 2 * 10**9  # where the cache lies on another file system

_TOKENS, _VOCABULARY, _DESCRIPTION = "tokens.npy", "vocab.tsv", "entry.json"
_CHECKED_AT_ONCE = 2**22  # ids
_ABANDONED_AFTER = 24 * 3600.0  # seconds: the leftovers of a run that was killed


class Encoding(NamedTuple):
    """What is known of a token file."""

    vocabulary: Vocabulary
    token_count: int
    sources: list[dict[str, Any]]
    warnings: list[str]


def key_of(sources: Sequence[Source], settings: Sequence[Any]) -> str | None:
    """The name of the entry for these files and settings; None when a source is not a regular file.

    Files count by resolved path, size and times of the last change, as they were listed: of the content, which
    programs can set back, and of the file as such, which they cannot.
    """
    files = []
    for source in sources:
        status = source.status
        if source.path is None or status is None:
            return None
        times = [status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        files.append([os.fspath(source.path.resolve()), status.st_size, *times])
    identity = json.dumps([FORMAT, unicodedata.unidata_version, files, list(settings)])
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def fetch(key: str, target: Path) -> Encoding | None:
    """Put the token file of an entry at `target`; None when there is no such entry, or it is damaged."""
    directory = _cache_directory()
    if directory is None:
        return None
    entry = directory / key
    beside = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        description = json.loads((entry / _DESCRIPTION).read_text("utf-8"))
        _link_or_copy(entry / _TOKENS, beside)
        vocabulary = Vocabulary.load(entry / _VOCABULARY, description["unknown"])
        _check_tokens(beside, description, len(vocabulary))
        if vocabulary.fingerprint != description["vocabulary_sha256"]:
            return None
        encoding = Encoding(vocabulary, description["token_count"], description["sources"], description["warnings"])
        beside.replace(target)
        os.utime(entry / _DESCRIPTION)  # the entry is in use: others leave first
        return encoding
    except (OSError, ValueError, KeyError, TypeError, InputError):
        return None
    finally:
        beside.unlink(missing_ok=True)


def store(key: str, tokens: Path, encoding: Encoding) -> None:
    """Keep an encoding for later runs, and throw out the oldest ones beyond the limits.

    Nothing is kept, and nothing said, where the cache directory cannot be written.
    """
    directory = _cache_directory()
    if directory is None or tokens.stat().st_size > MAX_BYTES:
        return
    with contextlib.suppress(OSError):
        directory.mkdir(parents=True, exist_ok=True)
        with _private_directory(directory) as partial:
            _link_or_copy(tokens, partial / _TOKENS, MAX_COPY_BYTES)
            encoding.vocabulary.save(partial / _VOCABULARY)
            status = (partial / _TOKENS).stat()
            description = {
                "token_count": encoding.token_count,
                "sources": encoding.sources,
                "warnings": encoding.warnings,
                "unknown": encoding.vocabulary.unknown,
                "vocabulary_sha256": encoding.vocabulary.fingerprint,
                "tokens_bytes": status.st_size,
                "tokens_mtime_ns": status.st_mtime_ns,
            }
            (partial / _DESCRIPTION).write_text(json.dumps(description, indent=1), "utf-8")
            _remove(directory / key)  # it was not fetched: it is damaged, or another process was as fast
            partial.rename(directory / key)
        _prune(directory)


def _cache_directory() -> Path | None:
    """The directory that the XDG base directory specification names, without making it."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(base):
        return Path(base) / "nce-train"
    try:
        return Path.home() / ".cache" / "nce-train"
    except RuntimeError:  # no home directory
        return None


def _check_tokens(path: Path, description: dict[str, Any], words: int) -> None:
    """Raise OSError or ValueError unless the token file is as it was stored."""
    status = path.stat()
    if status.st_size != description["tokens_bytes"]:
        raise ValueError("the token file has another size")
    if status.st_mtime_ns != description["tokens_mtime_ns"]:
        raise ValueError("the token file was written to")
    stream = np.load(path, mmap_mode="r", allow_pickle=False)
    if stream.dtype != np.int32 or stream.ndim != 1 or len(stream) <= description["token_count"]:
        raise ValueError("the token file holds something else")
    # the training kernel believes the ids
    for first in range(0, len(stream), _CHECKED_AT_ONCE):
        part = stream[first : first + _CHECKED_AT_ONCE]
        if part.min() < LINE_END or part.max() >= words:
            raise ValueError("the token file holds ids of no word")


def _link_or_copy(source: Path, target: Path, max_copy_bytes: int | None = None) -> None:
    """A hard link, or a copy with the same time of last change; OSError when it is too large to copy."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or one without links
        if max_copy_bytes is not None and source.stat().st_size > max_copy_bytes:
            raise
        shutil.copy2(source, target)


@contextlib.contextmanager
def _private_directory(parent: Path) -> Iterator[Path]:
    """A directory that no other process looks into; it is removed unless it has been renamed."""
    path = parent / f".{uuid.uuid4().hex}.partial"
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _remove(entry: Path) -> None:
    """Remove an entry so that no other process sees half of it."""
    out_of_sight = entry.with_name(f".{uuid.uuid4().hex}.removed")
    with contextlib.suppress(FileNotFoundError):
        entry.rename(out_of_sight)
    shutil.rmtree(out_of_sight, ignore_errors=True)


def _prune(directory: Path) -> None:
    now = time.time()
    entries: list[tuple[float, int, Path]] = []
    for path in directory.iterdir():
        if path.name.startswith("."):
            if now - path.stat().st_mtime > _ABANDONED_AFTER:
                shutil.rmtree(path, ignore_errors=True)
            continue
        try:
            entries.append(((path / _DESCRIPTION).stat().st_mtime, (path / _TOKENS).stat().st_size, path))
        except OSError:
            _remove(path)  # not an entry, or half of one
    total = 0
    for number, (_, size, path) in enumerate(sorted(entries, reverse=True)):
        total += size
        if number >= MAX_ENTRIES or total > MAX_BYTES:
            _remove(path)
