"""The lines of evaluation sets: what every form of them has in common.

Comments and empty lines go; white space is ASCII's, since other blanks such as U+00A0 may stand inside a word.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from nce_train.errors import InputError

BLANKS = " \t\n\r\v\f"
BLANK = re.compile(r"[ \t\n\r\v\f]+")


def lines_of(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines that say something, with their numbers: no empty ones and no comments (`#`, `//`).

    Raises
    ------
    InputError
        When the file cannot be read.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                line = line.strip(BLANKS)
                if line and not line.startswith(("#", "//")):
                    yield number, line
    except OSError as error:
        raise InputError(f"{path}: the set cannot be read ({error.strerror}); check the path") from None
