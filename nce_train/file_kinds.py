"""Files that are something else than what they are given as: the first bytes go in, out comes what the file is.

`KINDS` has a row for each kind, with what to do where vectors, lines (an evaluation set or a vocabulary) or texts are
expected. Such files are never opened further: some of them could run code. Where a text may begin like that, nothing is
said of it as a text, so that no text is refused.

`foreign_files` makes the sentence for vectors and lines, `text.not_text` that for texts. What is compressed is unpacked
before.
"""

import re
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np

HEAD_BYTES = 1 << 13  # enough for every recognition below

Wanted = Literal["vectors", "an evaluation set", "a vocabulary", "UTF-8 text"]

_LEAST_NUMBERS = 8
_ASCII_TEXT, _ASCII_SHARE = re.compile(rb"[\t\n\r -~]"), 0.9
_LEAST_BYTES = 32  # that are not NUL, to tell an encoding by
_BLANK_SHARE = 0.02  # of the characters of a text
_NUL_SHARE = 0.7  # of the bytes that are NUL in UTF-16 and UTF-32 where a letter is ASCII


class Kind(NamedTuple):
    """A kind of files, and what to do with one where something else is expected; None where a right file may be so.

    For texts that is a shell command, with `{}` for the file, or words.
    """

    is_one: Callable[[bytes], bool]
    name: str
    for_vectors: str | None
    for_lines: str | None
    for_text: str | None = None

    def advice(self, wanted: Wanted) -> str | None:
        """What to do where `wanted` is expected."""
        return {"vectors": self.for_vectors, "UTF-8 text": self.for_text}.get(wanted, self.for_lines)


def recognise(head: bytes, wanted: Wanted) -> Kind | None:
    """What a file is that begins with `head` (`HEAD_BYTES`, or the whole file), if it is known and not `wanted`."""
    return _first_of(KINDS, head, wanted)


def recognise_zipped(head: bytes, wanted: Wanted) -> Kind | None:
    """What a zip archive is that begins with `head`, if another program uses it as its format of files."""
    return _first_of(_ZIPPED, head, wanted)


def _first_of(kinds: Sequence[Kind], head: bytes, wanted: Wanted) -> Kind | None:
    head = head[:HEAD_BYTES]
    return next((kind for kind in kinds if kind.advice(wanted) is not None and kind.is_one(head)), None)


def is_tar(head: bytes) -> bool:
    """Whether the first block is a tar header, with its checksum: the sum of its bytes, itself taken for blanks."""
    block = head[:512]
    digits = block[148:156].strip(b" \0")
    if len(block) < 512 or not re.fullmatch(rb"[0-7]+", digits):
        return False
    return int(digits, 8) == sum(block[:148]) + 8 * ord(" ") + sum(block[156:])


def _starts(*magics: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(magics)


def _matches(pattern: bytes) -> Callable[[bytes], bool]:
    compiled = re.compile(pattern)
    return lambda head: compiled.match(head) is not None


def _zip_with(names: bytes) -> Callable[[bytes], bool]:
    """A zip archive the name of whose first file matches."""
    compiled = re.compile(names)

    def is_one(head: bytes) -> bool:
        length = int.from_bytes(head[26:28], "little")
        return head.startswith(b"PK\x03\x04") and compiled.fullmatch(head[30 : 30 + length]) is not None

    return is_one


def _is_old_fasttext(head: bytes) -> bool:
    """Whether this begins with fastText's arguments, as models did before version 11 had a magic number.

    They are twelve int32 (dim, ws, epoch, min_count, neg, word_ngrams, loss, model, bucket, minn, maxn,
    lr_update_rate) and the double t; losses and models are numbered from 1 to 3.
    """
    if len(head) < 56:
        return False
    arguments, (t,) = np.frombuffer(head, "<i4", 12).tolist(), np.frombuffer(head, "<f8", 1, 48).tolist()
    dim, window, epochs, _, _, ngrams, loss, model, *rest = arguments
    fits = 0 < dim <= 1 << 14 and 0 < window < 1 << 10 and 0 < epochs < 1 << 20 and 0 < ngrams < 100
    return fits and {loss, model} <= {1, 2, 3} and min(rest) >= 0 and 0 <= t < 1


def _has_nuls(places: str) -> Callable[[bytes], bool]:
    """Of each four bytes those at `0` are mostly NUL, and those at `x` never."""

    def is_one(head: bytes) -> bool:
        length = len(head) // 4
        if not length >= 2 or b"\0" not in head:
            return False
        nuls = [head[first : 4 * length : 4].count(0) for first in range(4)]
        return all(n >= _NUL_SHARE * length if place == "0" else n == 0 for n, place in zip(nuls, places, strict=True))

    return is_one


def _decodes_as(codec: str) -> Callable[[bytes], bool]:
    """Whether this is text in an encoding of two or four bytes a character: printable, with blanks in it."""

    def is_one(head: bytes) -> bool:
        others = head.replace(b"\0", b"")
        if (
            len(others) < _LEAST_BYTES
            or len(others) == len(head)
            or len(_ASCII_TEXT.findall(others)) > _ASCII_SHARE * len(others)
        ):
            return False  # text with holes; UTF-16 of ASCII has a rule of its own
        text = head[: len(head) // 4 * 4].decode(codec, "ignore")
        blanks = sum(character in " \n\r\t\u3000\u3001\u3002" for character in text)
        is_whole = 2 * len(text) >= len(head) // 4 * (1 if "32" in codec else 3)
        return is_whole and blanks >= _BLANK_SHARE * len(text) and all(c.isprintable() or c.isspace() for c in text)

    return is_one


def _are_numbers(dtype: str) -> Callable[[bytes], bool]:
    """Nothing but binary numbers of a size that vectors have."""

    def is_one(head: bytes) -> bool:
        size = np.dtype(dtype).itemsize
        numbers = np.abs(np.frombuffer(head[: len(head) // size * size], dtype))
        sized = (numbers > 1e-8) & (numbers < 1e3)
        return len(numbers) >= _LEAST_NUMBERS and sized.mean() > 0.9 and bool((sized | (numbers == 0)).all())

    return is_one


# What to do: instead of vectors, instead of lines, and instead of a text where none begins like that.
_FROM_PYTHON = "load it in Python and write the vectors with nce_train.Embeddings(words, vectors).save('v.txt')"
_AS_TEXT = "save what is in it as text"
_NUMBERS = (_FROM_PYTHON, _AS_TEXT)
_OBJECTS = (*_NUMBERS, "write its tokens to a text file in Python, a sentence a line")
_TABLE = (*_NUMBERS, "write its text column to a text file, a text a line")
_GENSIM = (
    "write them in gensim with model.wv.save_word2vec_format('v.bin', binary=True), or give the model to "
    "nce_train.Embeddings.from_gensim",
    *_OBJECTS[1:],
)
_FASTTEXT_VEC = "take the .vec that fastText wrote with it, or write one"
_FASTTEXT = (f"{_FASTTEXT_VEC}: fasttext print-word-vectors model.bin < words.txt > v.txt", _AS_TEXT)
_FLORET = ("write the vectors of your words: floret print-word-vectors model.bin < words.txt > v.txt", _AS_TEXT)
_FINALFUSION = ("convert it to word2vec's format with `finalfusion convert`", _AS_TEXT)
_DATABASE = ("if it is a .magnitude file, take the word2vec, GloVe or fastText file that it was made from", _AS_TEXT)
_INDEX = ("name the vectors that it was built of, and the index with --index", _AS_TEXT)
_GLOVE = ("let GloVe write text, with -binary 0", _AS_TEXT)
_ARCHIVE = ("unpack it and name the file inside",) * 2
_COMPRESSED = ("unpack it first",) * 2
_DOCUMENT = (_AS_TEXT,) * 2
_SPREADSHEET = ("export the table as text",) * 2
_ENCODED = ("convert it to UTF-8",) * 2
_FETCH = ("fetch the file again",) * 2
_FETCH_PAGE = ("the download failed: fetch the file again",) * 2
_FETCH_LFS = ("fetch the file itself: git lfs pull",) * 3
_NEITHER = ("name another file", "name another file", "leave it out")

# Pickles of protocol 0 and 1 begin with an opcode for a container or a class; later ones with their protocol.
_PICKLE = (
    rb"\x80[\x02-\x05]|\([dl]p[0-9]+\r?\n|[\]}]q\0|"
    rb"\(?[ci](copy_?reg|__builtin__|builtins|collections|_codecs|numpy|gensim)[\w.]*\r?\n\w+\r?\n[()pq]"
)
_FLORET_TABLE = rb"(?:[0-9]+ ){6}\S+ \S+[ \r]*\n0 "
_TENSORFLOW = rb'model_checkpoint_path: "|\0\0\x06\x08[\s\S]\x1a\x02\x08\x01'
_LFS_POINTER = rb"version https://(git-lfs|hawser)\S*\r?\n(ext-.*\n)*oid \S+\r?\nsize [0-9]+\s*\Z"
_WEB_PAGE = rb"(?i)(?:\xef\xbb\xbf)?\s*<(!doctype\s|html[\s>]|head[\s>]|\?xml\s)"
_JSON = rb'(?:\xef\xbb\xbf)?\s*(\{\s*"|\[\s*([\[{"]|-?[0-9.]+,))'
_TORCH_NAMES = rb"(.*/)?(data\.pkl|\.format_version|\.storage_alignment|byteorder)"
_OFFICE_NAMES = rb"\[Content_Types\]\.xml|_rels/\.rels|(docProps|xl|word|ppt)/.*\.xml"

_ZIPPED = [
    Kind(_zip_with(rb".*\.npy"), "an archive of NumPy arrays (.npz)", *_OBJECTS),
    Kind(_zip_with(_TORCH_NAMES), "a checkpoint of PyTorch", *_OBJECTS),
    Kind(_zip_with(_OFFICE_NAMES), "an Office document (docx, xlsx, pptx)", *_SPREADSHEET, "export its text as .txt"),
    Kind(_zip_with(rb"mimetype"), "an OpenDocument or EPUB file", *_SPREADSHEET, "export its text as .txt"),
    Kind(_zip_with(rb"META-INF/(MANIFEST\.MF)?"), "a Java archive", *_NEITHER),
]
# The first that fits counts: the mark of UTF-32 begins with that of UTF-16, and a checkpoint of PyTorch with a pickle.
KINDS = [
    Kind(lambda head: not head, "an empty file", *_FETCH),
    *_ZIPPED,
    Kind(_starts(b"PK\x03\x04", b"PK\x05\x06"), "a zip archive", *_ARCHIVE),
    Kind(is_tar, "a tar archive", *_ARCHIVE, "tar -xOf {}"),
    Kind(_starts(b"7z\xbc\xaf\x27\x1c"), "a 7z archive", *_ARCHIVE, "7z x -so {}"),
    Kind(_starts(b"Rar!\x1a\x07"), "a RAR archive", *_ARCHIVE, "unrar p -inul {}"),
    Kind(_starts(b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"), "a compressed file", *_COMPRESSED),
    Kind(_starts(b"\x04\x22\x4d\x18"), "a file compressed with lz4", *_COMPRESSED, "lz4 -dc {}"),
    Kind(_starts(b"\x1f\x9d", b"\x1f\xa0"), "a file compressed with compress (.Z)", *_COMPRESSED, "zcat {}"),
    Kind(_starts(b"LZIP\x01"), "a file compressed with lzip", *_COMPRESSED, "lzip -dc {}"),
    Kind(_starts(b"\x89LZO\0"), "a file compressed with lzop", *_COMPRESSED, "lzop -dc {}"),
    Kind(_starts(b"\xff\x06\0\0sNaPpY"), "a file compressed with snappy", *_COMPRESSED, "snzip -dc {}"),
    Kind(_starts(b"\x80\x02\x8a\nl\xfc\x9cF\xf9"), "a checkpoint of PyTorch", *_OBJECTS),
    Kind(_matches(_PICKLE), "a pickle of Python objects, such as gensim's save() writes", *_GENSIM),
    Kind(_starts(b"FiFu"), "a file of finalfusion", *_FINALFUSION),
    Kind(_starts(b"SQLite format 3\0"), "an SQLite database", *_DATABASE, "sqlite3 {} 'SELECT text FROM …'"),
    Kind(_matches(_FLORET_TABLE), "a table of floret, which holds rows of hashed n-grams and no words", *_FLORET),
    Kind(_starts(b"\xba\x16\x4f\x2f"), "a fastText model (.bin or .ftz)", None, _FASTTEXT[1]),
    Kind(_is_old_fasttext, "a fastText model of before 2017, which cannot be read", *_FASTTEXT),
    Kind(_starts(b"\x89HDF\r\n\x1a\n"), "an HDF5 file", *_OBJECTS),
    Kind(_starts(b"PAR1\x15"), "a Parquet table", *_TABLE),
    Kind(_matches(rb"ARROW1\0\0|FEA1\0|\xff{4}[\s\S]{3}\0"), "an Arrow table", *_TABLE),
    Kind(_starts(b"\x93NUMPY"), "an array of NumPy (.npy)", None, None, _OBJECTS[-1]),
    Kind(_starts(b"usearch"), "an index of neighbours", *_INDEX),
    Kind(_matches(_TENSORFLOW), "a part of a TensorFlow checkpoint", *_NUMBERS),
    Kind(_starts(b"%PDF-"), "a PDF document", *_DOCUMENT, "pdftotext {} -"),
    Kind(_starts(rb"{\rtf"), "an RTF document", *_DOCUMENT, "unrtf --text {}"),
    Kind(_starts(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "an Office document (doc, xls)", *_SPREADSHEET, "catdoc {}"),
    Kind(_starts(b"\x7fELF"), "a program", *_NEITHER),
    Kind(_starts(b"\x89PNG\r\n", b"\xff\xd8\xff"), "an image", *_NEITHER),
    Kind(_matches(_LFS_POINTER), "a Git LFS pointer", *_FETCH_LFS),
    Kind(_matches(_WEB_PAGE), "a web page (HTML or XML)", *_FETCH_PAGE),
    Kind(_matches(_JSON), "JSON", _FROM_PYTHON, "write its contents as lines of text"),
    *(
        Kind(is_one, f"text in {encoding}", *_ENCODED, f"iconv -f {encoding} -t UTF-8 {{}}")
        for encoding, is_one in (
            ("UTF-32", _starts(b"\xff\xfe\0\0", b"\0\0\xfe\xff")),
            ("UTF-16", _starts(b"\xff\xfe", b"\xfe\xff")),
            ("UTF-16LE", _has_nuls("x0x0")),
            ("UTF-16BE", _has_nuls("0x0x")),
            ("UTF-32LE", _has_nuls("x000")),
            ("UTF-32BE", _has_nuls("000x")),
            ("UTF-16LE", _decodes_as("utf-16-le")),
            ("UTF-16BE", _decodes_as("utf-16-be")),
            ("UTF-32LE", _decodes_as("utf-32-le")),
            ("UTF-32BE", _decodes_as("utf-32-be")),
        )
    ),
    Kind(_are_numbers("<f8"), "numbers without words, such as GloVe writes with -binary 1", *_GLOVE),
    Kind(_are_numbers("<f4"), "numbers without words, such as a TensorFlow checkpoint has", *_NUMBERS),
]
