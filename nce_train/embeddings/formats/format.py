"""What a format of vector files is: the type that each format's module fills in."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from nce_train.embeddings.formats.table import Table


class Format(NamedTuple):
    """A format of vector files.

    Attributes
    ----------
    name : str
        As `nce-export --format` takes it.
    endings : tuple of str
        The file endings that name it, a compression ending aside.
    recognises : callable
        `recognises(head)` tells whether a file that begins with these bytes (decompressed; whole when the
        file is short) is of this format.
    read : callable
        `read(path, mmap)` returns the file's table; raises InputError naming file and line.
    write : callable
        `write(path, table)` writes the file.
    dtypes : tuple of str
        The types of numbers that it can hold.
    is_directory : bool
        Whether it is several files in a directory; then nothing is recognised by its head.
    """

    name: str
    endings: tuple[str, ...]
    recognises: Callable[[bytes], bool]
    read: Callable[[Path, bool], Table]
    write: Callable[[Path, Table], None]
    dtypes: tuple[str, ...] = ("float32",)
    is_directory: bool = False
