"""GloVe text: one line `word v1 … vD` for each word, without a header; words are UTF-8, escaped as in `escape`.

D is at least 2: without a header, a word and one number are a list of words with counts.
"""

import codecs
from pathlib import Path

import numpy as np

from nce_train.embeddings.formats.compression import open_reading, open_writing
from nce_train.embeddings.formats.table import Table
from nce_train.embeddings.formats.text_lines import LONGEST_LINE, is_number, long_line, read_lines, write_lines
from nce_train.errors import InputError

_CHECKED_FIELDS = 1000  # of the first line


def recognises(_path: Path, head: bytes) -> bool:
    """Whether the first line is a word and numbers; word2vec text, whose header matches too, is tried first."""
    _, blank, numbers = head.partition(b"\n")[0].replace(b"\t", b" ").partition(b" ")
    fields = numbers.split(b" ", _CHECKED_FIELDS)[:_CHECKED_FIELDS]
    present = [field for field in fields if field.strip()]
    return bool(blank) and len(present) > 1 and all(map(is_number, present))


def read(path: Path, _mmap: bool) -> Table:
    """Read the file; the first line determines the dim."""
    words: list[str] = []
    blocks = []
    with open_reading(path) as file:
        first = file.readline(LONGEST_LINE)
        if len(first) == LONGEST_LINE:
            raise long_line(path, 1)
        first = first.removeprefix(codecs.BOM_UTF8)
        dim = first.rstrip().replace(b"\t", b" ").count(b" ")
        for more_words, vectors in read_lines(file, path, dim, first_line=1, already_read=first):
            words += more_words
            blocks.append(vectors)
    return Table(words, np.concatenate(blocks), place=lambda row: f"{path}, line {row + 1}")


def write(path: Path, table: Table) -> None:
    """Write the file."""
    if table.vectors.shape[1] == 1:
        raise InputError(
            f"{path}: without a header, vectors of one number are taken for counts; take the format word2vec"
        )
    with open_writing(path) as file:
        if table.words[0].startswith("\ufeff"):
            file.write(codecs.BOM_UTF8)  # which a reader leaves out, instead of the word's own
        write_lines(file, table)
