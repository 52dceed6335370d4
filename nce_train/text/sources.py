"""Sources: what the user named (files, directories, URLs, standard input, token sequences) goes in, a list comes out.

Nothing is read here. `blocks.read_blocks` reads the list.
"""

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nce_train.errors import InputError

PathName = str | os.PathLike[str]
Corpus = PathName | Sequence[PathName] | Iterable[Sequence[str]]


@dataclass
class Source:
    """One file, standard input, or an iterable of token sequences."""

    name: str
    path: Path | None = None
    status: os.stat_result | None = None  # of a regular file, when it was listed
    sentences: Iterable[Sequence[str]] | None = None
    url: str | None = None  # opened by fsspec
    size: int | None = None  # bytes as stored, where known in advance
    span: tuple[int, int] | None = None  # of a part of a plain file: the bytes to read, which end after white space
    bytes: int = 0  # as stored (before decompression); set by reading
    sha256: str = ""  # of the stored bytes; set by reading, but not for a part

    @property
    def display_name(self) -> str:
        """The name in messages."""
        return "standard input" if self.name == "-" else self.name

    def describe(self) -> dict[str, Any]:
        """`name`, `bytes` and `sha256`, as the manifest records them."""
        return {"name": self.name, "bytes": self.bytes, "sha256": self.sha256}


@dataclass
class SourceList:
    """The sources of one corpus, in reading order."""

    sources: list[Source]
    role: str = "corpus"  # in messages: "corpus" or "held-out text"
    bytes_read: int = field(default=0, init=False)  # as stored, so far

    @property
    def total_bytes(self) -> int | None:
        """Bytes of all sources as stored, or None when the size of one is not known in advance."""
        total = 0
        for source in self.sources:
            if source.size is None:
                return None
            total += source.size
        return total

    def __str__(self) -> str:
        return f"{self.role} ({', '.join(source.display_name for source in self.sources[:3])})"


def list_sources(corpus: Corpus, role: str = "corpus") -> SourceList:
    """List the sources of a corpus, without reading them.

    Parameters
    ----------
    corpus : path, `"-"`, list of these, or iterable of token sequences
        A directory stands for its regular non-hidden files, recursively, in byte order of path, except for model
        directories in it. `"-"` is standard input. A name with `://` is a URL, which fsspec opens. Empty tokens of an
        iterable are skipped.
    role : str
        How messages refer to the text.

    Raises
    ------
    InputError
        When a path does not exist or cannot be read, a directory contains no file, or `"-"` occurs twice.
    """
    names: list[PathName]
    if isinstance(corpus, str | os.PathLike):
        names = [corpus]
    elif isinstance(corpus, list | tuple) and all(isinstance(item, str | os.PathLike) for item in corpus):
        names = list(corpus)
    elif isinstance(corpus, Iterable) and not isinstance(corpus, bytes | bytearray):
        return SourceList([Source("iterable", sentences=corpus)])  # type: ignore[arg-type]
    else:
        kind = type(corpus).__name__
        raise InputError(f"a corpus is a path, a list of paths or an iterable of token sequences, not {kind}")
    if not names:
        raise InputError(f"no {role} was given: name at least one file")
    if [os.fspath(name) for name in names].count("-") > 1:
        raise InputError("standard input (-) was named twice, but it can be read only once")
    return SourceList([source for name in names for source in _sources_of(os.fspath(name), role)], role)


def _sources_of(name: str, role: str) -> list[Source]:
    if not name:
        raise InputError(f"the name of the {role} is empty; name a file")
    if name == "-":
        return [Source("-")]
    if "://" in name:
        return [_remote_source(name, role)]
    try:
        status = Path(name).stat()
        if not stat.S_ISDIR(status.st_mode):
            return [_file_source(name, status)]
        sources = [_file_source(path, Path(path).stat()) for path in _files_below(name)]
    except OSError as error:
        where = error.filename if error.filename is not None else name
        reason = "no such file" if isinstance(error, FileNotFoundError) else error.strerror
        raise InputError(f"cannot read the {role} {os.fsdecode(where)}: {reason}") from None
    except ValueError as error:  # a NUL character in the name
        raise InputError(f"cannot read the {role} {name!r}: {error}") from None
    if not sources:
        raise InputError(f"the directory {name} holds no file to read (hidden ones and those of models do not count)")
    return sources


def _file_source(name: str, status: os.stat_result) -> Source:
    if not stat.S_ISREG(status.st_mode):  # a FIFO or a terminal can be opened only once: when it is read
        return Source(name, Path(name))
    with Path(name).open("rb"):  # check that it is readable
        return Source(name, Path(name), status, size=status.st_size)


def _remote_source(url: str, role: str) -> Source:
    try:
        import fsspec
    except ImportError:
        raise InputError(f"{url} is a URL, which needs an extra: pip install 'nce-train[cluster]'") from None
    try:
        system, path = fsspec.url_to_fs(url)
        return Source(url, url=url, size=system.info(path)["size"])
    except (OSError, ValueError, ImportError) as error:  # ImportError: a package that fsspec needs for the protocol
        raise InputError(f"cannot read the {role} {url}: {error}") from None


def _files_below(directory: str) -> list[str]:
    def fail(error: OSError) -> None:
        raise error

    paths: list[str] = []
    for parent, directories, files in os.walk(directory, onerror=fail):
        directories[:] = [
            name for name in directories if not name.startswith(".") and not _is_model(os.path.join(parent, name))
        ]
        visible = [os.path.join(parent, name) for name in files if not name.startswith(".")]
        paths.extend(path for path in visible if os.path.isfile(path))
    return sorted(paths, key=os.fsencode)


def _is_model(directory: str) -> bool:
    """Whether this is a model directory, finished or not: `-o texts/model.nce` must not become part of texts/."""
    exists = [os.path.isfile(os.path.join(directory, name)) for name in ("manifest.json", "vocab.tsv")]
    return all(exists) or os.path.isfile(os.path.join(directory, "checkpoint", "run.json"))
