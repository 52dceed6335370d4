"""word2vec's two formats: a header line `rows dim`, then the words and their vectors as text or as binary numbers.

Text has one line `word v1 … vD` for each word. Binary has the word, a blank, dim little-endian float32 and a line
break, which gensim leaves out. Words are UTF-8, escaped as in `escape`. gensim and the original word2vec write and read
both, fastText the text (`.vec`).
"""

import re
import warnings
from pathlib import Path
from typing import IO

import numpy as np

from nce_train.embeddings.formats.compression import most_bytes, open_reading, open_writing
from nce_train.embeddings.formats.escape import escape_word, unescape_word
from nce_train.embeddings.formats.table import Table, check_memory, quote
from nce_train.embeddings.formats.text_lines import LONGEST_LINE, is_number, read_lines, write_lines
from nce_train.errors import InputError, NceTrainWarning

_BLOCK_BYTES = 1 << 24
_BLOCK_ROWS = 1 << 12
# Some editors put a byte order mark before the text.
_HEADER = re.compile(rb"(?:\xef\xbb\xbf)?[ \t]*([0-9]{1,18})[ \t]+([0-9]{1,18})[ \t\r]*\n")


def recognises_text(_path: Path, head: bytes) -> bool:
    """Whether a header is followed by text."""
    header = _HEADER.match(head)
    if header is None:
        return False
    dim, body = int(header[2]), head[header.end() :].lstrip(b"\r\n")  # in binary, gensim keeps the word "\n"
    line, line_break, _ = body.partition(b"\n")
    fields = line.split()
    if line_break and len(fields) > dim and is_number(fields[-1]):
        return True
    after = body.partition(b" ")[2][4 * dim : 4 * dim + 1]
    printable = not re.search(rb"[^\t\r\x20-\x7e]", line.partition(b" ")[2])
    return printable and after not in (b"", b"\r", b"\n")


def recognises_binary(_path: Path, head: bytes) -> bool:
    """Whether there is a header; text, which begins with the same line, is tried first."""
    return _HEADER.match(head) is not None


def read_text(path: Path, _mmap: bool) -> Table:
    """Read word2vec text."""
    with open_reading(path) as file:
        rows, dim = _read_header(file, path, bytes_a_number=2)
        words: list[str] = []
        vectors = np.empty((rows, dim), np.float32)
        further: list[str] = []
        for more_words, more_vectors in read_lines(file, path, dim, first_line=2):
            counted = min(len(more_words), rows - len(words))
            vectors[len(words) : len(words) + counted] = more_vectors[:counted]
            words += more_words[:counted]
            further += more_words[counted:]
    if len(words) < rows:
        raise InputError(
            f"{path}, line {len(words) + 1}: the file ends after {len(words)} of the {rows} rows that its "
            "header states; it is cut short"
        )
    if further:  # GloVe counts the words without <unk>, whose row is the last
        stand, are, them = ("s stand", "are", "them") if len(further) > 1 else (" stands", "is", "it")
        warnings.warn(
            f"{path}, line {rows + 2}: {len(further)} further row{stand} after the {rows} rows that the header states "
            f"({quote(further[0])}) and {are} left out, as in gensim; correct the header to read {them}.",
            NceTrainWarning,
            stacklevel=2,
        )
    return Table(words, vectors, place=lambda row: f"{path}, line {row + 2}")


def read_binary(path: Path, _mmap: bool) -> Table:
    """Read word2vec binary."""
    with open_reading(path) as file:
        rows, dim = _read_header(file, path, bytes_a_number=4)
        words: list[str] = []
        vectors = np.empty((rows, dim), np.float32)
        buffer, position = b"", 0
        for row in range(rows):
            blank = buffer.find(b" ", position)
            while blank < 0 or len(buffer) < blank + 1 + 4 * dim:
                if blank < 0 and len(buffer) - position > LONGEST_LINE:
                    raise InputError(
                        f"{path}, row {row}: its word is longer than {LONGEST_LINE >> 20} MiB; the file is damaged"
                    )
                more = file.read(_BLOCK_BYTES)
                if not more:
                    raise InputError(
                        f"{path}, row {row}: the file ends after {row} of the {rows} rows that its header "
                        "states; it is cut short"
                    )
                buffer, position = buffer[position:] + more, 0
                blank = buffer.find(b" ", position)
            words.append(unescape_word(buffer[position:blank].lstrip(b"\r\n")))
            vectors[row] = np.frombuffer(buffer, "<f4", dim, blank + 1)
            position = blank + 1 + 4 * dim
        if (buffer[position:] + file.read(_BLOCK_BYTES)).strip():
            raise InputError(
                f"{path}: the file goes on after the {rows} rows that its header states; correct the header"
            )
    return Table(words, vectors, place=lambda row: f"{path}, row {row}")


def write_text(path: Path, table: Table) -> None:
    """Write word2vec text."""
    with open_writing(path) as file:
        file.write(b"%d %d\n" % table.vectors.shape)
        write_lines(file, table)


def write_binary(path: Path, table: Table) -> None:
    """Write word2vec binary."""
    with open_writing(path) as file:
        file.write(b"%d %d\n" % table.vectors.shape)
        for start in range(0, len(table.words), _BLOCK_ROWS):
            words = map(escape_word, table.words[start : start + _BLOCK_ROWS])
            vectors = np.asarray(table.vectors[start : start + _BLOCK_ROWS], "<f4")
            file.write(b"".join(b"%b %b\n" % row for row in zip(words, map(bytes, vectors), strict=True)))


def _read_header(file: IO[bytes], path: Path, bytes_a_number: int) -> tuple[int, int]:
    """Read rows and dim, and refuse more than the file or the memory can hold."""
    header = _HEADER.match(file.readline(LONGEST_LINE))
    if header is None:
        raise InputError(f"{path}, line 1: not a header of rows and dim")
    rows, dim = int(header[1]), int(header[2])
    if rows < 1 or dim < 1:
        raise InputError(f"{path}, line 1: the header states {rows} rows of {dim} numbers; both must be at least 1")
    # The last row may lack its line break.
    if rows * (1 + dim * bytes_a_number) - 1 > most_bytes(path):
        raise InputError(
            f"{path}, line 1: the header states {rows} rows of {dim} numbers, for which the file is too small; "
            "it is damaged or cut short"
        )
    check_memory(path, rows, dim)
    return rows, dim
