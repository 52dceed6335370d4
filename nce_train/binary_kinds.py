"""Files that are not text: the first bytes go in, what they are comes out, with a command that gets at their text.

Magic numbers only count where no text can begin like that: most contain bytes that no text has.
"""

import re
import shlex
from typing import NamedTuple

from nce_train.errors import InputError

KIND_BYTES = 1024  # what `binary_kind` should be given, or the whole file

_OTHER_BINARY = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]")  # bytes that no text has, but for NUL
_TAR_MAGIC = 257, b"ustar"
_HALF = 0.7  # of UTF-16, the share of every other byte that must be NUL


class BinaryKind(NamedTuple):
    """What a file is, and what to do: a shell command with `{}` for the file, or words."""

    what: str
    command: str = ""
    advice: str = ""

    def way_out(self, name: str) -> str:
        """What to do with the file `name`, as the end of a sentence."""
        return pipe_to_training(self.command.format(quoted(name))) if self.command else self.advice


_MAGIC: list[tuple[bytes, BinaryKind]] = [
    (b"7z\xbc\xaf\x27\x1c", BinaryKind("a 7-Zip archive", "7z x -so {}")),
    (b"Rar!\x1a\x07", BinaryKind("a RAR archive", "unrar p -inul {}")),
    (b"\x1f\x9d", BinaryKind("compressed with compress (.Z)", "zcat {}")),
    (b"\x1f\xa0", BinaryKind("compressed with compress (.Z)", "zcat {}")),
    (b"\x04\x22\x4d\x18", BinaryKind("compressed with lz4", "lz4 -dc {}")),
    (b"LZIP\x01", BinaryKind("compressed with lzip", "lzip -dc {}")),
    (b"\x89LZO\0", BinaryKind("compressed with lzop", "lzop -dc {}")),
    (b"\xff\x06\0\0sNaPpY", BinaryKind("compressed with snappy", "snzip -dc {}")),
    (b"SQLite format 3\0", BinaryKind("an SQLite database", "sqlite3 {} 'SELECT text FROM …'")),
    (b"%PDF-", BinaryKind("a PDF document", "pdftotext {} -")),
    (b"{\\rtf", BinaryKind("an RTF document", "unrtf --text {}")),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", BinaryKind("an Office document (doc, xls)", "catdoc {}")),
    (b"PAR1\x15", BinaryKind("a Parquet table", advice="write its text column to a text file, a text a line")),
    (b"ARROW1\0\0", BinaryKind("an Arrow table", advice="write its text column to a text file, a text a line")),
    (b"\x93NUMPY", BinaryKind("an array of NumPy (.npy)", advice="write its tokens to a text file, a sentence a line")),
    (b"\x89HDF\r\n\x1a\n", BinaryKind("an HDF5 file", advice="write its texts to a text file, a sentence a line")),
    (b"\x7fELF", BinaryKind("a program", advice="leave it out")),
    (b"\x89PNG\r\n", BinaryKind("an image", advice="leave it out")),
    (b"\xff\xd8\xff", BinaryKind("an image", advice="leave it out")),
]
_TAR = BinaryKind("a tar archive", "tar -xOf {}")
_PICKLE = BinaryKind(
    "a pickle of Python objects", advice="write its tokens to a text file in Python, a sentence a line"
)


def binary_kind(head: bytes) -> BinaryKind | None:
    """What a file is that begins with `head` (`KIND_BYTES` of it), if it is a known kind that is not text."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    place, magic = _TAR_MAGIC
    if head[place:].startswith(magic):
        return _TAR
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):  # the protocols
        return _PICKLE
    encoding = wide_encoding(head)
    return None if encoding is None else BinaryKind(encoding, f"iconv -f {encoding} -t UTF-8 {{}}")


def wide_encoding(head: bytes) -> str | None:
    """UTF-16 or UTF-32 where a mark says so, or where every other byte (three of four) is NUL."""
    for mark, encoding in (
        (b"\xff\xfe\0\0", "UTF-32"),
        (b"\0\0\xfe\xff", "UTF-32"),
        (b"\xff\xfe", "UTF-16"),
        (b"\xfe\xff", "UTF-16"),
    ):
        if head.startswith(mark):
            return encoding
    length = len(head) // 4 * 4
    if length < 8:
        return None
    nuls = [head[first:length:4].count(0) / (length // 4) for first in range(4)]
    empty = [share >= _HALF for share in nuls]
    full = [share == 0 for share in nuls]
    patterns = {
        "UTF-16LE": (full[0], empty[1], full[2], empty[3]),
        "UTF-16BE": (empty[0], full[1], empty[2], full[3]),
        "UTF-32LE": (full[0], empty[1], empty[2], empty[3]),
        "UTF-32BE": (empty[0], empty[1], empty[2], full[3]),
    }
    return next((encoding for encoding, holds in patterns.items() if all(holds)), None)


def refuse_binary(head: bytes, name: str) -> None:
    """Raise InputError for a text file `name` that begins with `head`, if that is a known kind that is not text."""
    if kind := binary_kind(head):
        raise InputError(f"{name} is {kind.what}, not UTF-8 text: {kind.way_out(name)}")


def nul_byte_error(text: bytes, offset: int, name: str) -> InputError:
    """The error for a NUL byte at `offset` of a file; `text` is what stands around it."""
    where = f"a NUL byte at offset {offset}"
    if _OTHER_BINARY.search(text):
        return InputError(f"{name} is not text: it contains {where} and other bytes that no text has; leave it out")
    command = pipe_to_training(f"tr -d '\\000' < {quoted(name)}")
    return InputError(f"{name} contains {where}: if it is text with holes, as a crash leaves in a log, use {command}")


def pipe_to_training(command: str) -> str:
    """How the output of a shell command becomes the text."""
    return f"{command} | nce-train - -o …"


def quoted(name: str) -> str:
    """A file name for the shell."""
    return "FILE" if name == "standard input" else shlex.quote(name)
