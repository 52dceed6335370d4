"""The cache of encoded corpora, in the user's cache directory, for later runs on the same files.

An entry is a directory, named by a key of files and settings, with `tokens.npy` (a hard link where possible),
`vocab.tsv` and `entry.json`. It is created complete, by a rename, and checked before it is used. A failure of the cache
costs a new encoding and nothing else.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
import unicodedata
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nce_train.errors import InputError
from nce_train.files import is_of_another_user, make_private_directory
from nce_train.mapped_files import map_npy
from nce_train.text.sources import Source
from nce_train.text.vocabulary import LINE_END, Vocabulary

FORMAT = 2  # increase it when the format of entries changes, or the ids for the same text and settings

MAX_ENTRIES = 10
MAX_BYTES = 20 * 10**9
MAX_COPY_BYTES = 2 * 10**9  # when the cache is on another file system

_TOKENS, _VOCABULARY, _DESCRIPTION = "tokens.npy", "vocab.tsv", "entry.json"
_IDS_AT_ONCE = 2**22
_ABANDONED_AFTER = 24 * 3600.0  # seconds; leftovers of a killed run are then removed


class Encoding(NamedTuple):
    """The description of a token file."""

    vocabulary: Vocabulary
    token_count: int
    text: Sequence[Any]  # see `corpus.TextSize`
    sources: list[dict[str, Any]]
    warnings: list[str]


def key_of(sources: Sequence[Source], settings: Sequence[Any]) -> str | None:
    """The name of the entry for these files and settings; None when a source is not a regular file.

    The identity of a file is its resolved path, size and inode, its modification time, which programs can set back, and
    its status change time, which they cannot. All are those of the listing.
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
    """Link or copy the token file of an entry to `target`; None when the entry is missing or damaged."""
    directory = _cache_directory()
    if directory is None:
        return None
    entry = directory / key
    with contextlib.suppress(OSError):  # there is none
        if is_of_another_user(entry):
            return None
    beside = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        description = json.loads((entry / _DESCRIPTION).read_text("utf-8"))
        _link_or_copy(entry / _TOKENS, beside)
        vocabulary = Vocabulary.load(entry / _VOCABULARY, description["unknown"])
        if vocabulary.fingerprint != description["vocabulary_sha256"]:
            return None
        if not _is_intact(beside, description, len(vocabulary)):
            return None
        values = (description[name] for name in ("token_count", "text", "sources", "warnings"))
        encoding = Encoding(vocabulary, *values)
        beside.replace(target)
        os.utime(entry / _DESCRIPTION)  # the least recently used entries are removed first
        return encoding
    except (OSError, ValueError, KeyError, TypeError, InputError):
        return None
    finally:
        beside.unlink(missing_ok=True)


def store(key: str, tokens: Path, encoding: Encoding) -> None:
    """Store an encoding for later runs, and remove the least recently used entries beyond the limits.

    Does nothing where the cache directory cannot be written.
    """
    directory = _cache_directory()
    if directory is None or tokens.stat().st_size > MAX_BYTES:
        return
    with contextlib.suppress(OSError):
        make_private_directory(directory)
        with tempfile.TemporaryDirectory(".partial", ".", directory, ignore_cleanup_errors=True) as name:
            partial = Path(name)
            _link_or_copy(tokens, partial / _TOKENS, MAX_COPY_BYTES)
            encoding.vocabulary.save(partial / _VOCABULARY)
            status = (partial / _TOKENS).stat()
            description = {
                "token_count": encoding.token_count,
                "text": list(encoding.text),
                "sources": encoding.sources,
                "warnings": encoding.warnings,
                "unknown": encoding.vocabulary.unknown,
                "vocabulary_sha256": encoding.vocabulary.fingerprint,
                "tokens_bytes": status.st_size,
                "tokens_mtime_ns": status.st_mtime_ns,
            }
            (partial / _DESCRIPTION).write_text(json.dumps(description, indent=1), "utf-8")
            _remove(directory / key)  # it was not fetched: it is damaged, or another process has just stored it
            partial.rename(directory / key)
        _prune(directory)


def _cache_directory() -> Path | None:
    """The directory given by the XDG base directory specification; it is not created."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(base):
        return Path(base) / "nce-train"
    try:
        return Path.home() / ".cache" / "nce-train"
    except RuntimeError:  # no home directory
        return None


def _is_intact(path: Path, description: dict[str, Any], words: int) -> bool:
    """Whether the token file is as it was stored, with ids of the vocabulary: the training kernel does not check."""
    status = path.stat()
    if (status.st_size, status.st_mtime_ns) != (description["tokens_bytes"], description["tokens_mtime_ns"]):
        return False
    stream = map_npy(path)
    if stream.dtype != np.int32 or stream.ndim != 1 or len(stream) <= description["token_count"]:
        return False
    parts = (stream[first : first + _IDS_AT_ONCE] for first in range(0, len(stream), _IDS_AT_ONCE))
    return all(part.min() >= LINE_END and part.max() < words for part in parts)


def _link_or_copy(source: Path, target: Path, max_copy_bytes: int | None = None) -> None:
    """Create a hard link, or a copy with the same modification time; OSError when the file is too large to copy."""
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        if max_copy_bytes is not None and source.stat().st_size > max_copy_bytes:
            raise
        shutil.copy2(source, target)


def _remove(entry: Path) -> None:
    """Remove an entry so that no other process sees an incomplete one."""
    hidden = entry.with_name(f".{uuid.uuid4().hex}.removed")
    with contextlib.suppress(FileNotFoundError):
        entry.rename(hidden)
    shutil.rmtree(hidden, ignore_errors=True)


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
            _remove(path)  # not an entry, or an incomplete one
    total = 0
    for number, (_, size, path) in enumerate(sorted(entries, reverse=True)):
        total += size
        if number >= MAX_ENTRIES or total > MAX_BYTES:
            _remove(path)
