"""Files that are whole or absent: write beside the target, fsync, rename."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from nce_train.errors import InputError


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], mode: str = "wb", **open_kwargs: Any) -> Iterator[IO[Any]]:
    """Open a temporary file beside `path`; on success it replaces `path`, on an error it is removed.

    Devices and pipes are written to as they are.

    Parameters
    ----------
    path : str or os.PathLike
        The file to write; a file that is already there stays whole until the new one takes its place.
    mode : str
        `"wb"` or `"w"`.
    **open_kwargs
        Handed to `open` (`encoding`, `errors`, `newline`).

    Yields
    ------
    file object
        Open for writing.

    Raises
    ------
    OSError
        When the file cannot be written; `path` is then as it was.
    """
    if os.path.exists(path) and not os.path.isfile(path):  # a device or a pipe, which a rename would replace
        with open(path, mode, **open_kwargs) as file:
            yield file
        return
    target = Path(os.path.realpath(path))  # a link stays, what it points to is replaced
    # Threads of one process may write the same file at once: the last to finish wins.
    beside = target.with_name(f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}.partial")
    try:
        with open(beside, mode, **open_kwargs) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_directory(target.parent)


def check_place(path: str | os.PathLike[str], for_directory: bool = False) -> None:
    """Refuse before the work a place where no file, or no directory, can be written.

    Raises
    ------
    InputError
    """
    path = Path(path)
    if path.is_dir() and not for_directory:
        raise InputError(f"{path}: a directory stands here; name a file to write")
    if path.exists() and not path.is_file():  # a device or a pipe, beside which nothing is written
        return
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no directory {path.parent}; make it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path}: nothing may be written into {path.parent}; choose another place")


def is_same_file(left: str | os.PathLike[str], right: str | os.PathLike[str]) -> bool:
    """Whether two paths lead to one file that exists."""
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
