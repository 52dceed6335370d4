"""word2vec binary: a header line `rows dim`, then word, blank, dim little-endian float32, line break.

Words are UTF-8, escaped as `escape` says. gensim, which leaves out the line breaks, and the original word2vec
write and read it.
"""

from pathlib import Path

import numpy as np

from nce_train.embeddings.formats.compression import open_reading, open_writing
from nce_train.embeddings.formats.escape import escape_word, unescape_word
from nce_train.embeddings.formats.format import Format
from nce_train.embeddings.formats.table import Table
from nce_train.embeddings.formats.text_lines import LONGEST_LINE
from nce_train.embeddings.formats.word2vec_text import check_claim, split_header
from nce_train.errors import InputError

_BLOCK_BYTES = 1 << 24
_BLOCK_ROWS = 1 << 12


def _recognises(head: bytes) -> bool:
    # `formats` asks for word2vec text first, which begins with the same line.
    return split_header(head) is not None


def _read(path: Path, mmap: bool) -> Table:
    with open_reading(path) as file:
        header = split_header(file.readline(LONGEST_LINE))
        if header is None:
            raise InputError(f"{path}, line 1: not a header of rows and dim")
        rows, dim, _ = header
        check_claim(path, rows, dim, bytes_a_number=4)
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
                        "says; it is cut short"
                    )
                buffer, position = buffer[position:] + more, 0
                blank = buffer.find(b" ", position)
            words.append(unescape_word(buffer[position:blank].lstrip(b"\n")))
            vectors[row] = np.frombuffer(buffer, "<f4", dim, blank + 1)
            position = blank + 1 + 4 * dim
        if (buffer[position:] + file.read(_BLOCK_BYTES)).strip():
            raise InputError(f"{path}: the file goes on after the {rows} rows that its header says; mend the header")
    return Table(words, vectors, place=lambda row: f"{path}, row {row}")


def _write(path: Path, table: Table) -> None:
    with open_writing(path) as file:
        file.write(b"%d %d\n" % table.vectors.shape)
        for start in range(0, len(table.words), _BLOCK_ROWS):
            words = map(escape_word, table.words[start : start + _BLOCK_ROWS])
            vectors = np.asarray(table.vectors[start : start + _BLOCK_ROWS], "<f4")
            file.write(b"".join(b"%b %b\n" % row for row in zip(words, map(bytes, vectors), strict=True)))


FORMAT = Format("word2vec-binary", (".bin",), _recognises, _read, _write)
