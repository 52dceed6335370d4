"""word2vec text: a header `rows dim`, then `word v1 … vD` a line; words are UTF-8, escaped as `escape` says.

gensim, fastText (`.vec`) and the original word2vec write and read it.
"""

import re
from pathlib import Path

import numpy as np

from nce_train.embeddings.formats.compression import most_bytes, open_reading, open_writing
from nce_train.embeddings.formats.format import Format
from nce_train.embeddings.formats.table import Table, check_memory
from nce_train.embeddings.formats.text_lines import LONGEST_LINE, is_number, read_lines, write_lines
from nce_train.errors import InputError

# Some editors put a byte order mark before the text.
_HEADER = re.compile(rb"(?:\xef\xbb\xbf)?[ \t]*([0-9]{1,18})[ \t]+([0-9]{1,18})[ \t\r]*\n")


def split_header(head: bytes) -> tuple[int, int, bytes] | None:
    """Return rows, dim and what follows the header line, or None when the first line is no such header."""
    found = _HEADER.match(head)
    return (int(found[1]), int(found[2]), head[found.end() :]) if found else None


def check_claim(path: Path, rows: int, dim: int, bytes_a_number: int) -> None:
    """Believe a header only when the file is large enough for what it says.

    Raises
    ------
    InputError
        When rows or dim is 0, the file is too small, or memory is.
    """
    if rows < 1 or dim < 1:
        raise InputError(f"{path}, line 1: the header says {rows} rows of {dim} numbers; both must be at least 1")
    # The last row may lack its line break.
    if rows * (1 + dim * bytes_a_number) - 1 > most_bytes(path):
        raise InputError(
            f"{path}, line 1: the header says {rows} rows of {dim} numbers, for which the file is too small; "
            "it is damaged or cut short"
        )
    check_memory(path, rows, dim)


def _recognises(head: bytes) -> bool:
    if (header := split_header(head)) is None:
        return False
    _, dim, body = header
    line, line_break, _ = body.partition(b"\n")
    fields = line.split()
    if line_break and len(fields) > dim and is_number(fields[-1:]):
        return True
    after = body.partition(b" ")[2][4 * dim : 4 * dim + 1]
    printable = not re.search(rb"[^\t\r\x20-\x7e]", line.partition(b" ")[2])
    return printable and after not in (b"", b"\n")


def _read(path: Path, mmap: bool) -> Table:
    with open_reading(path) as file:
        header = split_header(file.readline(LONGEST_LINE))
        if header is None:
            raise InputError(f"{path}, line 1: not a header of rows and dim")
        rows, dim, _ = header
        check_claim(path, rows, dim, bytes_a_number=2)
        words: list[str] = []
        vectors = np.empty((rows, dim), np.float32)
        for more_words, more_vectors in read_lines(file, path, dim, first_line=2):
            if len(words) + len(more_words) > rows:
                raise InputError(
                    f"{path}, line {rows + 2}: the file goes on after the {rows} rows that its header says; "
                    "mend the header"
                )
            vectors[len(words) : len(words) + len(more_words)] = more_vectors
            words += more_words
    if len(words) < rows:
        raise InputError(
            f"{path}, line {len(words) + 1}: the file ends after {len(words)} of the {rows} rows that its "
            "header says; it is cut short"
        )
    return Table(words, vectors, place=lambda row: f"{path}, line {row + 2}")


def _write(path: Path, table: Table) -> None:
    with open_writing(path) as file:
        file.write(b"%d %d\n" % table.vectors.shape)
        write_lines(file, table)


FORMAT = Format("word2vec", (".txt", ".vec"), _recognises, _read, _write)
