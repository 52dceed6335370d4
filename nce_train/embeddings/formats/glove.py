"""GloVe text: `word v1 … vD` a line, without a header; words are UTF-8, escaped as `escape` says."""

from pathlib import Path

import numpy as np

from nce_train.embeddings.formats.compression import open_reading, open_writing
from nce_train.embeddings.formats.format import Format
from nce_train.embeddings.formats.table import Table
from nce_train.embeddings.formats.text_lines import LONGEST_LINE, is_number, long_line, read_lines, write_lines

_LOOKED_AT = 1 << 18  # bytes of the first line's numbers


def _recognises(head: bytes) -> bool:
    _, blank, numbers = head.partition(b"\n")[0].replace(b"\t", b" ").partition(b" ")
    fields = numbers[:_LOOKED_AT].split(b" ")
    if len(numbers) > _LOOKED_AT:
        fields.pop()
    return bool(blank) and all(is_number([field]) for field in fields if field.strip())


def _read(path: Path, mmap: bool) -> Table:
    words: list[str] = []
    blocks = []
    with open_reading(path) as file:
        first = file.readline(LONGEST_LINE)
        if len(first) == LONGEST_LINE:
            raise long_line(path, 1)
        dim = first.rstrip().replace(b"\t", b" ").count(b" ")
        for more_words, vectors in read_lines(file, path, dim, first_line=1, already_read=first):
            words += more_words
            blocks.append(vectors)
    return Table(words, np.concatenate(blocks), place=lambda row: f"{path}, line {row + 1}")


def _write(path: Path, table: Table) -> None:
    with open_writing(path) as file:
        write_lines(file, table)


FORMAT = Format("glove", (".glove",), _recognises, _read, _write)
