"""Sources: what the user named (files, directories, URLs, standard input, token sequences) goes in, a list comes out.

Nothing is read here. `blocks.read_blocks` reads the list.
"""

import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from nce_train.errors import InputError
from nce_train.model_files import CHECKPOINT, MANIFEST, RUN, VOCABULARY
from nce_train.text.text_forms import TextForm

PathName = str | os.PathLike[str]
Corpus = PathName | Sequence[PathName] | Iterable[Sequence[str]]


_EVENT_FILE = "events.out.tfevents"  # how names of TensorBoard's files begin

LeftOut = tuple[str, str]  # something in a corpus directory that cannot be read: its path, and what it is


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
    form: TextForm | None = None  # if it looks like records instead of text; set by reading its first bytes

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
    left_out: list[LeftOut] = field(default_factory=list)
    sample: bytes = field(default=b"", init=False)  # the first bytes of some sources, decompressed
    bytes_read: int = field(default=0, init=False)  # as stored, so far

    @property
    def total_bytes(self) -> int | None:
        """Bytes of all sources as stored, or None when the size of one is not known in advance."""
        sizes = [source.size for source in self.sources if source.size is not None]
        return sum(sizes) if len(sizes) == len(self.sources) else None

    def __str__(self) -> str:
        return f"{self.role} ({', '.join(source.display_name for source in self.sources[:3])})"


def list_sources(corpus: Corpus, role: str = "corpus") -> SourceList:
    """List the sources of a corpus, without reading them. `role` is how messages refer to the text.

    A directory stands for its regular non-hidden files, recursively, in byte order of path, except for model
    directories and TensorBoard's files in it. Links to directories are followed, but no directory is read twice.
    `"-"` is standard input. A name with `://` is a URL, which fsspec opens: of a file, of a directory, or a pattern
    such as `s3://bucket/*.gz`. Empty tokens of an iterable are skipped. InputError is raised when a path does not exist
    or cannot be read, a directory contains no file, or `"-"` occurs twice.
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
    left_out: list[LeftOut] = []
    sources = [source for name in names for source in _sources_of(os.fspath(name), role, left_out)]
    return SourceList(sources, role, left_out)


def described(left_out: Sequence[LeftOut]) -> list[str]:
    """What was left out, a line for each kind with the first of it.

    Examples
    --------
    >>> described([("c/pipe", "a named pipe"), ("c/x", "a link to nothing"), ("c/y", "a link to nothing")])
    ['c/pipe is a named pipe', 'c/x (and 1 more) is a link to nothing']
    """
    paths: dict[str, list[str]] = {}
    for path, kind in left_out:
        paths.setdefault(kind, []).append(path)
    more = {kind: f" (and {len(found) - 1:,} more)" if len(found) > 1 else "" for kind, found in paths.items()}
    return [f"{found[0]}{more[kind]} is {kind}" for kind, found in paths.items()]


def _sources_of(name: str, role: str, left_out: list[LeftOut]) -> list[Source]:
    if not name:
        raise InputError(f"the name of the {role} is empty; name a file")
    if name == "-":
        return [Source("-")]
    if "://" in name:
        return _remote_sources(name, role)
    try:
        status = Path(name).stat()
        if not stat.S_ISDIR(status.st_mode):
            return [_file_source(name, status)]
        sources = [_file_source(path, Path(path).stat()) for path in _files_below(name, left_out)]
    except OSError as error:
        where = error.filename if error.filename is not None else name
        reason = "no such file" if isinstance(error, FileNotFoundError) else str(error.strerror)
        if isinstance(error, FileNotFoundError) and "*" in os.fsdecode(where):
            reason += ", and * is no pattern here: leave quotation marks out, so that the shell replaces it by names"
        raise InputError(f"cannot read the {role} {os.fsdecode(where)}: {reason}") from None
    except ValueError as error:  # a NUL character in the name
        raise InputError(f"cannot read the {role} {name!r}: {error}") from None
    if not sources:
        others = "".join(f"; {each}" for each in described(left_out))
        raise InputError(
            f"the directory {name} holds no file to read (hidden ones and those of models do not count{others})"
        )
    return sources


def _file_source(name: str, status: os.stat_result) -> Source:
    if not stat.S_ISREG(status.st_mode):  # a FIFO or a terminal can be opened only once: when it is read
        return Source(name, Path(name))
    with Path(name).open("rb"):  # check that it is readable
        return Source(name, Path(name), status, size=status.st_size)


def _remote_sources(url: str, role: str) -> list[Source]:
    try:
        import fsspec
    except ImportError:
        raise InputError(f"{url} is a URL, which needs an extra: pip install 'nce-train[cluster]'") from None
    try:
        system, path = fsspec.url_to_fs(url)
        try:
            info = system.info(path)
        except FileNotFoundError:
            wildcard = re.search(r"[*?\[]", path)
            if wildcard is None:
                raise
            parent = path[: wildcard.start()].rpartition("/")[0]
            found = [each for each in system.glob(path) if system.isfile(each) and not _is_hidden(each[len(parent) :])]
        else:
            if info["type"] != "directory":
                return [Source(url, url=url, size=info["size"])]
            found = system.find(path)
            found = _without_models([each for each in found if not _is_hidden(each[len(path) :])])
        if not found:
            raise InputError(f"cannot read the {role} {url}: no file is there, or matches the pattern")
        urls = [(system.unstrip_protocol(each), system.info(each)["size"]) for each in sorted(found, key=os.fsencode)]
        return [Source(url, url=url, size=size) for url, size in urls]
    except FileNotFoundError:
        raise InputError(f"cannot read the {role} {url}: no such file or directory is there") from None
    except (OSError, ValueError, ImportError) as error:  # ImportError: a package that fsspec needs for the protocol
        raise InputError(f"cannot read the {role} {url}: {error}") from None


def _is_hidden(path: str) -> bool:
    return any(part.startswith((".", _EVENT_FILE)) for part in path.split("/"))


def _without_models(paths: Sequence[str]) -> list[str]:
    """The paths that are not in a model directory; see `_is_model`."""
    present = set(paths)

    def is_model(directory: str) -> bool:
        is_finished = {f"{directory}/{MANIFEST}", f"{directory}/{VOCABULARY}"} <= present
        return is_finished or f"{directory}/{CHECKPOINT}/{RUN}" in present

    return [path for path in paths if not any(is_model(str(parent)) for parent in PurePosixPath(path).parents)]


def _files_below(directory: str, left_out: list[LeftOut]) -> list[str]:
    """The files to read below a directory; what cannot be read is added to `left_out`.

    Links to directories come after all that is there without them, so that a directory that is there keeps its path.
    """

    def fail(error: OSError) -> None:
        raise error

    paths: list[str] = []
    seen: set[tuple[int, int]] = set()
    waiting = [directory]  # the directory itself, and links to others
    while waiting:
        for parent, directories, files in os.walk(waiting.pop(0), onerror=fail):
            status = os.stat(parent)
            if (status.st_dev, status.st_ino) in seen:
                directories.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            inner = [
                name
                for name in sorted(directories, key=os.fsencode)
                if not name.startswith(".") and not _is_model(os.path.join(parent, name))
            ]
            directories[:] = [name for name in inner if not os.path.islink(os.path.join(parent, name))]
            waiting += [os.path.join(parent, name) for name in inner if name not in directories]
            for name in sorted(files, key=os.fsencode):
                if not name.startswith((".", _EVENT_FILE)):
                    path = os.path.join(parent, name)
                    if (kind := _unreadable_kind(path)) is None:
                        paths.append(path)
                    else:
                        left_out.append((path, kind))
    return sorted(paths, key=os.fsencode)


def _unreadable_kind(path: str) -> str | None:
    """What this is if it is no regular file, or a link that leads nowhere."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return "a link to nothing"
    if stat.S_ISREG(mode):
        return None
    return "a named pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"


def _is_model(directory: str) -> bool:
    """Whether this is a model directory, finished or not: `-o texts/model.nce` must not become part of texts/."""
    exists = [os.path.isfile(os.path.join(directory, name)) for name in (MANIFEST, VOCABULARY)]
    return all(exists) or os.path.isfile(os.path.join(directory, CHECKPOINT, RUN))
