"""Writing files completely or not at all: write a temporary file, fsync, rename."""

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from nce_train.errors import InputError, RunError

# What fsync answers on file systems without it; for a directory also where it may be written but not opened.
_NO_SYNC = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
_NO_DIRECTORY_SYNC = _NO_SYNC | {errno.EACCES, errno.EPERM, errno.EBADF}
# Names of files that are already open. They must not be truncated (`command -o /dev/stdout >> all.txt`).
_DESCRIPTORS = {"/dev/stdout": 1, "/dev/stderr": 2}
_DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/([0-9]{1,9})")


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], mode: str = "wb", **open_kwargs: Any) -> Iterator[IO[Any]]:
    """Open a temporary file next to `path`; on success it replaces `path`, on an error it is removed.

    An existing file stays intact until the new one replaces it. Devices, pipes and open files named by their descriptor
    (`is_stream`) are written to directly. `open_kwargs` are passed to `open` (`encoding`, `errors`, `newline`).
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
            sync_file(file)
        os.replace(partial, target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_directory(target.parent)


def check_output_path(path: str | os.PathLike[str], for_directory: bool = False) -> None:
    """Raise InputError, before the work starts, unless a file, or a directory, can be written."""
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
    """Raise RunError in place of an OSError of `atomic_write(path)`."""
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


def make_private_directory(path: str | os.PathLike[str]) -> None:
    """Make a directory, and those above it that are missing, for this user alone, as a place for caches.

    Raises OSError when that cannot be done, the path is relative, or the directory is another user's: who can write to
    a cache decides what is read from it.
    """
    path = Path(path)
    if not path.is_absolute():  # `~` of a user without a home directory
        raise OSError(errno.ENOENT, "it is no absolute path")
    missing = [parent for parent in (path, *path.parents) if not parent.exists()]
    for directory in reversed(missing):
        with contextlib.suppress(FileExistsError):
            directory.mkdir(mode=0o700)
    if is_of_another_user(path):
        raise OSError(errno.EPERM, "it belongs to another user")


def is_of_another_user(path: str | os.PathLike[str]) -> bool:
    """Whether a file or directory belongs neither to this user nor to the administrator."""
    return hasattr(os, "geteuid") and os.stat(path).st_uid not in (0, os.geteuid())


def sync_file(file: IO[Any]) -> None:
    """Make what was written survive a power failure, where the file system can promise that."""
    _sync(file.fileno(), _NO_SYNC)


def sync_directory(directory: str | os.PathLike[str]) -> None:
    """Make renames in `directory` survive a power failure, where the file system can promise that."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows
        return
    try:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.errno not in _NO_DIRECTORY_SYNC:
            raise
        return
    try:
        _sync(handle, _NO_DIRECTORY_SYNC)
    finally:
        os.close(handle)


def _sync(descriptor: int, harmless: set[int]) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:  # EIO, ENOSPC and EDQUOT mean that data is lost
        if error.errno not in harmless:
            raise


def _descriptor(path: str | os.PathLike[str]) -> int | None:
    """The descriptor of the open file that a path names; None for all other paths."""
    name = os.fspath(path)
    match = _DESCRIPTOR.fullmatch(name)
    return int(match[1]) if match else _DESCRIPTORS.get(name)
