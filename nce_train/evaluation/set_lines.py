"""The lines of an evaluation set, as all its formats have them: without comments and empty lines.

A set may be compressed. White space is ASCII white space only, since other white space such as U+00A0 may be part of a
word.
"""

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

from nce_train.decompression import decompressed, peeked
from nce_train.errors import InputError
from nce_train.file_kinds import HEAD_BYTES
from nce_train.foreign_files import refuse_foreign

BLANKS = " \t\n\r\v\f"
BYTE_ORDER_MARK = "\ufeff"
BLANK = re.compile(r"[ \t\n\r\v\f]+")

_BUFFER = 1 << 16
_LONGEST_LINE = 1 << 24  # letters; compressed data may unpack to any length


def read_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """Yield line numbers (from 1) and stripped lines; empty lines and comments (`#`, `//`) are skipped.

    LF, CR and CRLF end a line. Byte order marks at the start of a line are left out: files put together have several.
    InputError is raised when the file cannot be read, or is known to be something else, such as an archive or vectors.
    """
    try:
        with Path(path).open("rb", buffering=0) as stored:
            head, whole = peeked(decompressed(stored, os.fspath(path), "an evaluation set"), HEAD_BYTES)
            refuse_foreign(path, head, "an evaluation set")
            buffered = io.BufferedReader(whole, _BUFFER)
            file = io.TextIOWrapper(buffered, "utf-8", "surrogateescape", newline=None)
            for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), ""), start=1):
                if len(line) == _LONGEST_LINE:
                    raise InputError(f"{path}, line {number}: longer than any line of a set; the file is damaged")
                line = line.lstrip(BYTE_ORDER_MARK).strip(BLANKS)
                if line and not line.startswith(("#", "//")):
                    yield number, line
    except OSError as error:
        raise InputError(f"{path}: the set cannot be read ({error.strerror}); check the path") from None
