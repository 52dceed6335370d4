"""The lines of an evaluation set, as all its formats have them: without comments and empty lines.

White space is ASCII white space only, since other white space such as U+00A0 may be part of a word.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from nce_train.errors import InputError

BLANKS = " \t\n\r\v\f"
BYTE_ORDER_MARK = "\ufeff"
BLANK = re.compile(r"[ \t\n\r\v\f]+")


def read_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """Yield line numbers (from 1) and stripped lines; empty lines and comments (`#`, `//`) are skipped.

    LF, CR and CRLF end a line. Byte order marks at the start of a line are left out: files put together have several.
    """
    try:
        with Path(path).open(encoding="utf-8", errors="surrogateescape", newline=None) as file:
            for number, line in enumerate(file, start=1):
                line = line.lstrip(BYTE_ORDER_MARK).strip(BLANKS)
                if line and not line.startswith(("#", "//")):
                    yield number, line
    except OSError as error:
        raise InputError(f"{path}: the set cannot be read ({error.strerror}); check the path") from None
