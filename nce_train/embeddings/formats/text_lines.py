"""Lines of text, read in blocks, and lines of `word v1 … vD`, which word2vec text and GloVe share.

`read_blocks` yields whole lines of any text file; `read_lines` turns them into words and vectors; `write_lines` writes
a table that way.
"""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings.formats.decimals import format_rows, parse_numbers
from nce_train.embeddings.formats.escape import escape_word, unescape_word
from nce_train.embeddings.formats.table import Table, quote
from nce_train.errors import InputError, NceTrainWarning

LONGEST_LINE = 1 << 24  # bytes: a word of a megabyte, escaped, and any vector
_BLOCK_BYTES = 1 << 21
_BLOCK_ROWS = 1 << 12


def write_lines(file: IO[bytes], table: Table) -> None:
    """Write one line for each word: the word, escaped where necessary, and its numbers, separated by blanks."""
    for start in range(0, len(table.words), _BLOCK_ROWS):
        words = map(escape_word, table.words[start : start + _BLOCK_ROWS])
        numbers = format_rows(table.vectors[start : start + _BLOCK_ROWS])
        file.write(b"".join(b"%b %b\n" % line for line in zip(words, numbers, strict=True)))


def read_lines(
    file: IO[bytes], path: Path, dim: int, first_line: int, already_read: bytes = b""
) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
    """Read lines of a word and `dim` numbers until the end of the file.

    Numbers may be separated by any white space and followed by some, as other programs write them. A word may be a
    number. A word with unescaped blanks inside, as other programs write it, is accepted unless its last part is a
    number.

    Parameters
    ----------
    file : binary file
        Positioned at the beginning of a line.
    path : Path
        For messages.
    dim : int
    first_line : int
        The number of the next line, counted from 1.
    already_read : bytes
        The beginning of that line, if it was read before.

    Yields
    ------
    words, vectors
        A list of str and float32 [rows, dim], for a block of lines.

    Raises
    ------
    InputError
        Naming the line that does not have this form.
    """
    for number, lines in read_blocks(file, path, first_line, already_read):
        yield _parse_lines(lines, path, dim, number)


def read_blocks(
    file: IO[bytes], path: Path, first_line: int, already_read: bytes = b""
) -> Iterator[tuple[int, list[bytes]]]:
    """Read blocks of whole lines until the end of the file, and warn when the last line has no line break.

    A truncated number still reads as a number, and the programs that write such files end each line with a line break.
    Blank lines at the end of the file are skipped.

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
    blank: list[bytes] = []  # blank lines just read: skipped if nothing follows them
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
            f"{path}, line {number - 1}: the last line has no line break at its end; if the file was cut short, its "
            "last number is wrong: fetch the file again, or add the line break.",
            NceTrainWarning,
            stacklevel=2,
        )


def long_line(path: Path, line: int) -> InputError:
    """Return the error for a line that is longer than any word with its vector."""
    return InputError(f"{path}, line {line}: the line is longer than {LONGEST_LINE >> 20} MiB; the file is damaged")


def is_number(field: bytes) -> bool:
    """Whether a field is a number, NaN and infinity included, but not Python's own spelling 1_000."""
    try:
        float(field)
    except ValueError:
        return False
    return b"_" not in field


def check_number(field: bytes, path: Path, line: int) -> None:
    """Raise InputError, naming the line, unless a field is a number."""
    if not is_number(field):
        text = field.decode("utf-8", "backslashreplace")
        raise InputError(f"{path}, line {line}: {quote(text)} is not a number; the file is damaged")


def _parse_lines(lines: list[bytes], path: Path, dim: int, first_line: int) -> tuple[list[str], NDArray[np.float32]]:
    words, texts = [], []
    for line in lines:
        word, _, text = line.rstrip().partition(b" ")
        words.append(unescape_word(word))
        texts.append(text)
    # The count of all numbers implies that of each line only if each line has its fields and none is empty.
    if all(text.count(b" ") == dim - 1 for text in texts) and all(texts):
        vectors = parse_numbers(b" ".join(texts), len(lines) * dim)
        if vectors is not None:
            return words, vectors.reshape(len(lines), dim)
    return _parse_slowly(lines, path, dim, first_line)


def _parse_slowly(lines: list[bytes], path: Path, dim: int, first_line: int) -> tuple[list[str], NDArray[np.float32]]:
    """Read lines one by one when they are not separated by single blanks, and find the line that is wrong."""
    words = []
    vectors = np.empty((len(lines), dim), np.float32)
    for row, line in enumerate(lines):
        word, numbers = _split_line(line, dim)
        later_parts = word.split()[1:]
        if len(numbers) != dim or (later_parts and is_number(later_parts[-1])):
            given = sum(1 for _ in re.finditer(rb"\S+", line)) - 1
            raise InputError(
                f"{path}, line {first_line + row}: {max(given, 0)} numbers stand after the word where there "
                f"should be {dim}; the file is damaged or cut short"
            )
        for number in numbers:
            check_number(number, path, first_line + row)
        words.append(unescape_word(word))
        with np.errstate(over="ignore"):
            vectors[row] = np.array([float(number) for number in numbers])
    return words, vectors


def _split_line(line: bytes, dim: int) -> tuple[bytes, list[bytes]]:
    fields = line.rsplit(None, dim)
    if len(fields) == dim and line[:1] in (b" ", b"\t"):  # the word is empty
        return b"", fields
    return (fields[0], fields[1:]) if fields else (b"", [])
