"""Lines of `word v1 … vD`, the body that word2vec text and GloVe text share, read and written in blocks."""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings.formats.escape import escape_word, unescape_word
from nce_train.embeddings.formats.numbers import format_rows, parse_numbers
from nce_train.embeddings.formats.plain_numbers import parse_plain
from nce_train.embeddings.formats.table import Table
from nce_train.errors import InputError, NceTrainWarning

LONGEST_LINE = 1 << 24  # bytes: a word of a megabyte, escaped, and any vector
_BLOCK_BYTES = 1 << 21
_BLOCK_ROWS = 1 << 12
_UNUSUAL_BLANKS = (b"  ", b"\t", b"\v", b"\f", b"\r")


def write_lines(file: IO[bytes], table: Table) -> None:
    """Write one line a word: the word, escaped where it must be, and its numbers, separated by blanks."""
    for start in range(0, len(table.words), _BLOCK_ROWS):
        words = map(escape_word, table.words[start : start + _BLOCK_ROWS])
        numbers = format_rows(table.vectors[start : start + _BLOCK_ROWS])
        file.write(b"".join(b"%b %b\n" % line for line in zip(words, numbers, strict=True)))


def read_lines(
    file: IO[bytes], path: Path, dim: int, first_line: int, already_read: bytes = b""
) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
    """Read lines of a word and `dim` numbers until the file ends.

    Numbers may be separated by any white space and followed by some, as other programs write them. A word may be a
    number; one with blanks inside, as other programs write it unescaped, is accepted unless its last part is one.

    Parameters
    ----------
    file : binary file
        Standing at the beginning of a line.
    path : Path
        For messages.
    dim : int
    first_line : int
        The number of the line that comes next, counted from 1.
    already_read : bytes
        What was read of that line before.

    Yields
    ------
    words, vectors
        A list of str and float32 [rows, dim], for some lines at a time.

    Raises
    ------
    InputError
        Naming the line that is not of this form.
    """
    for number, lines in read_blocks(file, path, first_line, already_read):
        yield _parse_lines(lines, path, dim, number)


def read_blocks(
    file: IO[bytes], path: Path, first_line: int, already_read: bytes = b""
) -> Iterator[tuple[int, list[bytes]]]:
    """Read whole lines, some at a time, until the file ends; warn where the last one is open.

    A number that is cut is a number still, and the programs that write such files end each line with a line break.
    Blank lines at the end of the file are passed over.

    Parameters
    ----------
    file, path, first_line, already_read
        As in `read_lines`.

    Yields
    ------
    number, lines
        The number of the first of these lines, and the lines without their line feeds.

    Raises
    ------
    InputError
        When a line is longer than `LONGEST_LINE`.
    """
    number = first_line
    is_open = False
    blank: list[bytes] = []  # the last lines read, which stand at the end if nothing follows
    while block := already_read + file.read(_BLOCK_BYTES):
        already_read = b""
        if not block.endswith(b"\n"):
            end_of_line = file.readline(LONGEST_LINE)
            if len(end_of_line) == LONGEST_LINE:
                raise long_line(path, number + block.count(b"\n"))
            block += end_of_line
        lines = block.split(b"\n")
        is_open = bool(lines[-1])
        if not is_open:
            lines.pop()
        lines = blank + lines
        blank = []
        while lines and not lines[-1].strip():
            blank.append(lines.pop())
        if lines:
            yield number, lines
        number += len(lines)
    if is_open:
        warnings.warn(
            f"{path}, line {number - 1}: the last line has no line break at its end; if the file was cut short, what "
            "stands last in it is wrong: get it anew, or add the line break.",
            NceTrainWarning,
            stacklevel=2,
        )


def long_line(path: Path, line: int) -> InputError:
    """Say that a line is longer than any word with its vector."""
    return InputError(f"{path}, line {line}: the line is longer than {LONGEST_LINE >> 20} MiB; the file is damaged")


def _parse_lines(lines: list[bytes], path: Path, dim: int, first_line: int) -> tuple[list[str], NDArray[np.float32]]:
    words, texts = [], []
    for line in lines:
        word, _, text = line.rstrip().partition(b" ")
        words.append(unescape_word(word))
        texts.append(text)
    numbers = b" ".join(texts)
    # Only where each line has its fields, none of them empty, does the number of all numbers tell the number
    # of each line's. `parse_plain` takes nothing but single blanks between numbers; `parse_numbers` would.
    if all(text.count(b" ") == dim - 1 for text in texts) and all(texts):
        vectors = parse_plain(numbers, len(lines) * dim)
        if vectors is None and not any(blank in numbers for blank in _UNUSUAL_BLANKS):
            vectors = parse_numbers(numbers)
        if vectors is not None and vectors.size == len(lines) * dim:
            return words, vectors.reshape(len(lines), dim)
    return _parse_slowly(lines, path, dim, first_line)


def _parse_slowly(lines: list[bytes], path: Path, dim: int, first_line: int) -> tuple[list[str], NDArray[np.float32]]:
    """Read line by line what is not written with single blanks, and find the line that is wrong."""
    words = []
    vectors = np.empty((len(lines), dim), np.float32)
    for row, line in enumerate(lines):
        word, numbers = _split_line(line, dim)
        later_parts = word.split()[1:]
        if len(numbers) != dim or is_number(later_parts[-1:]):
            given = sum(1 for _ in re.finditer(rb"\S+", line)) - 1
            raise InputError(
                f"{path}, line {first_line + row}: {max(given, 0)} numbers stand after the word where there "
                f"should be {dim}; the file is damaged or cut short"
            )
        for number in numbers:
            if not is_number([number]):
                raise InputError(
                    f"{path}, line {first_line + row}: {shown_field(number)} is not a number; the file is damaged"
                )
        words.append(unescape_word(word))
        with np.errstate(over="ignore"):
            vectors[row] = np.array([float(number) for number in numbers])
    return words, vectors


def _split_line(line: bytes, dim: int) -> tuple[bytes, list[bytes]]:
    fields = line.rsplit(None, dim)
    if len(fields) == dim and line[:1] in (b" ", b"\t"):  # the word is empty
        return b"", fields
    return (fields[0], fields[1:]) if fields else (b"", [])


def is_number(field: list[bytes]) -> bool:
    """Tell whether a list holds one field and that is a number, NaN and infinity included."""
    try:
        # Python's own spelling 1_000 is no number of a file.
        return len(field) == 1 and b"_" not in field[0] and isinstance(float(field[0]), float)
    except ValueError:
        return False


def shown_field(field: bytes) -> str:
    """Show a field in a message, whatever its bytes and its length."""
    text = field.decode("utf-8", "backslashreplace")
    return repr(text if len(text) <= 40 else text[:40] + "…")
