"""GloVe text: `word v1 … vD` a line, without a header; words are UTF-8, escaped as `escape` says."""

from pathlib import Path

import numpy as np

from nce_train.embeddings.compression import open_reading, open_writing
from nce_train.embeddings.format import Format
from nce_train.embeddings.table import Table
from nce_train.embeddings.text_lines import is_number, read_lines, write_lines


def _recognises(head: bytes) -> bool:
    fields = head.partition(b"\n")[0].split(b" ")
    return len(fields) > 1 and all(is_number([field]) for field in fields[1:] if field.strip())


def _read(path: Path, mmap: bool) -> Table:
    words: list[str] = []
    blocks = []
    with open_reading(path) as file:
        dim = len(file.readline().rstrip().split(b" ")) - 1
        file.seek(0)
        for more_words, vectors in read_lines(file, path, dim, first_line=1):
            words += more_words
            blocks.append(vectors)
    return Table(words, np.concatenate(blocks), place=lambda row: f"{path}, line {row + 1}")


def _write(path: Path, table: Table) -> None:
    with open_writing(path) as file:
        write_lines(file, table)


FORMAT = Format("glove", (".glove",), _recognises, _read, _write)
