"""Writing files completely or not at all: write a temporary file, fsync, rename."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from nce_train.errors import InputError, RunError

# Names of files that are already open. They must not be truncated (`command -o /dev/stdout >> all.txt`).
_DESCRIPTORS = {"/dev/stdout": 1, "/dev/stderr": 2}
_DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/([0-9]{1,9})")


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], mode: str = "wb", **open_kwargs: Any) -> Iterator[IO[Any]]:
    """Open a temporary file next to `path`; on success it replaces `path`, on an error it is removed.

    Devices, pipes and open files named by their descriptor (`is_stream`) are written to directly.

    Parameters
    ----------
    path : str or os.PathLike
        The file to write. An existing file stays intact until the new one replaces it.
    mode : str
        `"wb"` or `"w"`.
    **open_kwargs
        Passed to `open` (`encoding`, `errors`, `newline`).

    Yields
    ------
    file object
        Open for writing.

    Raises
    ------
    OSError
        When the file cannot be written; `path` is then unchanged.
    """
    if is_stream(path):  # a rename would replace it
        descriptor = _descriptor(path)
        with open(path if descriptor is None else os.dup(descriptor), mode, **open_kwargs) as file:
            yield file
        return
    target = Path(os.path.realpath(path))  # replaces the target of a link, not the link
    # Several threads may write the same file at the same time: the last to finish wins.
    partial = target.with_name(f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}.partial")
    try:
        with open(partial, mode, **open_kwargs) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_directory(target.parent)


def check_output_path(path: str | os.PathLike[str], for_directory: bool = False) -> None:
    """Check before the work starts that a file, or a directory, can be written.

    Raises
    ------
    InputError
    """
    path = Path(path)
    if path.is_dir() and not for_directory:
        raise InputError(f"{path}: this is a directory; name a file to write")
    if is_stream(path):  # no temporary file is needed
        return
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no directory {path.parent}; make it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path}: cannot write into {path.parent}; choose another place")


@contextlib.contextmanager
def report_write_failure(path: str | os.PathLike[str]) -> Iterator[None]:
    """Raise RunError in place of an OSError of `atomic_write(path)`.

    Raises
    ------
    RunError
    """
    try:
        yield
    except BrokenPipeError:
        raise  # not a failure: the reader of a pipe has ended
    except OSError as error:
        raise RunError(
            f"{os.fspath(path)}: it could not be written ({error.strerror or error}); an existing file there "
            "is unchanged; fix this or choose another place"
        ) from error


def is_stream(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a device, a pipe or the name of an open file (`/dev/stdout`), which is written to directly."""
    return _descriptor(path) is not None or (os.path.exists(path) and not os.path.isfile(path))


def is_same_file(left: str | os.PathLike[str], right: str | os.PathLike[str]) -> bool:
    """Whether two paths refer to the same existing file."""
    try:
        return os.path.samefile(left, right)
    except OSError:
        return False


def sync_directory(directory: str | os.PathLike[str]) -> None:
    """Make renames in `directory` survive a power failure (a no-op where directories cannot be opened)."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows
        return
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _descriptor(path: str | os.PathLike[str]) -> int | None:
    """The descriptor of the open file that a path names; None for all other paths."""
    name = os.fspath(path)
    match = _DESCRIPTOR.fullmatch(name)
    return int(match[1]) if match else _DESCRIPTORS.get(name)
