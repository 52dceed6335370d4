"""Files that are something else than what they are given as: archives, pickles, web pages, models of other programs.

The first bytes of a file go in; out comes what it is and what to do about it, or None when it is not known. Such files
are never opened further: some of them could run code. `refuse_foreign` raises the sentence for the user.

`decompression` unpacks what is compressed before this module sees it. Readers of vectors ask here when no format of
theirs fits (and first about archives, whose text may look like vectors), readers of text when they open a file.
"""

import contextlib
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import numpy as np

from nce_train.errors import InputError

HEAD_BYTES = 1 << 13  # enough for every recognition below

Wanted = Literal["vectors", "an evaluation set", "a vocabulary"]

_FROM_PYTHON = "load it in Python and write the vectors with nce_train.Embeddings(words, vectors).save('v.txt')"
_FASTTEXT_VEC = (
    "take the .vec that fastText wrote with it, or write one: fasttext print-word-vectors model.bin < words.txt > v.txt"
)
_UNPACK = "unpack it and name the file inside"
_AS_TEXT = "save what is in it as text"
_FETCH = "fetch the file again"
_INSTEAD_OF_VECTORS = {
    "an evaluation set": "name the set, and give vectors as MODEL or with --compare",
    "a vocabulary": "name a file with lines of word<TAB>count, as nce-vocab writes it",
}
_CHECKED_LINES = 50
_NAMED_FILES = 4
_ZIP = b"PK\x03\x04"
_ENCRYPTED = 1  # the flag of a file in a zip archive
_UNPACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_LEAST_NUMBERS = 8
_WORD2VEC = re.compile(rb"(?:\xef\xbb\xbf)?[ \t]*[0-9]{1,18}[ \t]+([0-9]{1,18})[ \t\r]*\n")
_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")


class ForeignFile(NamedTuple):
    """What a file is, and what to do: where vectors are expected, and where a text is."""

    name: str
    for_vectors: str
    for_text: str = _AS_TEXT


def refuse_foreign(path: str | os.PathLike[str], head: bytes, wanted: Wanted) -> None:
    """Raise InputError when a file that begins with `head` is known to be something other than `wanted`."""
    found = recognise(head)
    if found is None and wanted == "vectors":
        found = _word_list(head)
    elif found is None:
        found = _vectors(head, wanted) or (_sorted_counts(head) if wanted == "an evaluation set" else None)
    if found is not None:
        advice = found.for_vectors if wanted == "vectors" else found.for_text
        raise InputError(f"{os.fspath(path)}: this is {found.name}, not {wanted}; {advice}")


def recognise(head: bytes) -> ForeignFile | None:
    """Return what a file that begins with `head` (`HEAD_BYTES`, or the whole file) is; None when it is not known."""
    return next((known for is_one, known in _KNOWN if is_one(head)), None)


def looks_like_vectors(head: bytes) -> bool:
    """Whether a reader of vectors could take this for vectors although it is none: archives of text, lists of words."""
    return _is_tar(head) or _word_list(head) is not None


def refuse_archive(path: str | os.PathLike[str], wanted: Wanted) -> None:
    """Raise InputError for a zip archive, unless it holds one file that can be unpacked.

    Other files pass, and those that cannot be read or are damaged: their reader says so.
    """
    head, files = _zipped_files(path)
    if any(is_one(head) for is_one, _ in _ZIPPED):
        refuse_foreign(path, head, wanted)
    cannot_unpack = any(each.flag_bits & _ENCRYPTED or each.compress_type not in _UNPACKED for each in files)
    if len(files) > 1 or cannot_unpack:
        names = ", ".join(re.sub(r"[^ -~\u00a1-\uffff]", "?", each.filename[:40]) for each in files[:_NAMED_FILES])
        more = ", …" if len(files) > _NAMED_FILES else ""
        raise InputError(
            f"{os.fspath(path)}: this is a zip archive, not {wanted}; unpack it and name what is inside ({names}{more})"
        )


def _zipped_files(path: str | os.PathLike[str]) -> tuple[bytes, list[zipfile.ZipInfo]]:
    """The head of a zip archive, and the files in it; nothing of any other file."""
    head = b""
    with contextlib.suppress(OSError, zipfile.BadZipFile, NotImplementedError, ValueError):
        if os.path.isfile(path):
            with open(path, "rb") as file:
                head = file.read(HEAD_BYTES)
                if head.startswith(_ZIP):
                    with zipfile.ZipFile(file) as archive:
                        found = archive.infolist()
                    return head, [each for each in found if not each.is_dir() and "__MACOSX/" not in each.filename]
    return (head, []) if head.startswith(_ZIP) else (b"", [])


def _starts(*magics: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(magics)


def _matches(pattern: bytes) -> Callable[[bytes], bool]:
    compiled = re.compile(pattern, re.IGNORECASE)
    return lambda head: compiled.match(head) is not None


def _zip_with(names: bytes) -> Callable[[bytes], bool]:
    """A zip archive the name of whose first file matches."""
    compiled = re.compile(names)

    def is_one(head: bytes) -> bool:
        length = int.from_bytes(head[26:28], "little")
        return head.startswith(_ZIP) and compiled.fullmatch(head[30 : 30 + length]) is not None

    return is_one


def _is_tar(head: bytes) -> bool:
    """Whether the first block is a tar header, with its checksum: the sum of its bytes, itself taken for blanks."""
    block = head[:512]
    digits = block[148:156].strip(b" \0")
    if len(block) < 512 or not re.fullmatch(rb"[0-7]+", digits):
        return False
    return int(digits, 8) == sum(block[:148]) + 8 * ord(" ") + sum(block[156:])


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


def _is_utf16(head: bytes) -> bool:
    """Whether there is a byte order mark of UTF-16 or UTF-32, or nearly every other byte is NUL and no other is."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")):
        return True
    even, odd = head[::2], head[1::2]
    letters, nuls = (even, odd) if odd.count(b"\0") > even.count(b"\0") else (odd, even)
    return len(head) >= 8 and b"\0" not in letters and nuls.count(b"\0") >= 0.8 * len(nuls)


def _are_numbers(dtype: str) -> Callable[[bytes], bool]:
    """Nothing but binary numbers of a size that vectors have."""

    def is_one(head: bytes) -> bool:
        size = np.dtype(dtype).itemsize
        numbers = np.abs(np.frombuffer(head[: len(head) // size * size], dtype))
        sized = (numbers > 1e-8) & (numbers < 1e3)
        return len(numbers) >= _LEAST_NUMBERS and sized.mean() > 0.9 and bool((sized | (numbers == 0)).all())

    return is_one


_SPREADSHEET = ForeignFile("a file of an office program", "export the table as text", "export the table as text")
_TORCH = ForeignFile("a checkpoint of PyTorch", _FROM_PYTHON)
_ZIPPED: list[tuple[Callable[[bytes], bool], ForeignFile]] = [
    (_zip_with(rb".*\.npy"), ForeignFile("an archive of NumPy arrays (.npz)", _FROM_PYTHON)),
    (_zip_with(rb"(.*/)?(data\.pkl|\.format_version|\.storage_alignment|byteorder)"), _TORCH),
    (_zip_with(rb"(\[Content_Types\]\.xml|_rels/.*|xl/.*|mimetype)"), _SPREADSHEET),
]
# Pickles of protocol 0 and 1 begin with an opcode for a container or a class; later ones with their protocol.
_PICKLE = (
    rb"\x80[\x02-\x05]|\([dl]p[0-9]+\r?\n|[\]}]q\0|"
    rb"\(?[ci](copy_?reg|__builtin__|builtins|collections|_codecs|numpy|gensim)[\w.]*\r?\n\w+\r?\n"
)
_KNOWN: list[tuple[Callable[[bytes], bool], ForeignFile]] = [
    (lambda head: not head, ForeignFile("an empty file", _FETCH, _FETCH)),
    *_ZIPPED,
    (_starts(_ZIP, b"PK\x05\x06"), ForeignFile("a zip archive", _UNPACK, _UNPACK)),
    (_is_tar, ForeignFile("a tar archive", _UNPACK, _UNPACK)),
    (_starts(b"7z\xbc\xaf\x27\x1c"), ForeignFile("a 7z archive", _UNPACK, _UNPACK)),
    (_starts(b"Rar!\x1a\x07"), ForeignFile("a RAR archive", _UNPACK, _UNPACK)),
    (
        _starts(b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"\x1f\x9d", b"LZIP"),
        ForeignFile("a compressed file", "unpack it first", "unpack it first"),
    ),
    (_starts(b"\x80\x02\x8a\nl\xfc\x9cF\xf9"), _TORCH),
    (
        _matches(_PICKLE),
        ForeignFile(
            "a pickle, such as gensim's save() writes",
            "write them in gensim with model.wv.save_word2vec_format('v.bin', binary=True), or give the model to "
            "nce_train.Embeddings.from_gensim",
        ),
    ),
    (
        _starts(b"FiFu"),
        ForeignFile("a file of finalfusion", "convert it to word2vec's format with `finalfusion convert`"),
    ),
    (
        _starts(b"SQLite format 3\0"),
        ForeignFile(
            "an SQLite database, such as .magnitude files are",
            "take the word2vec, GloVe or fastText file that it was made from",
        ),
    ),
    (
        _matches(rb"(?:[0-9]+ ){6}\S+ \S+[ \r]*\n0 "),
        ForeignFile(
            "a table of floret, which holds rows of hashed n-grams and no words",
            "write the vectors of your words: floret print-word-vectors model.bin < words.txt > v.txt",
        ),
    ),
    (
        _starts((793712314).to_bytes(4, "little")),
        ForeignFile("a whole fastText model (.bin or .ftz), which cannot be read", _FASTTEXT_VEC),
    ),
    (_is_old_fasttext, ForeignFile("a whole fastText model, which cannot be read", _FASTTEXT_VEC)),
    (_starts(b"\x89HDF\r\n\x1a\n"), ForeignFile("an HDF5 file", _FROM_PYTHON)),
    (_starts(b"PAR1"), ForeignFile("a Parquet file", _FROM_PYTHON)),
    (_starts(b"ARROW1\0\0", b"FEA1", b"\xff\xff\xff\xff"), ForeignFile("a file of Apache Arrow", _FROM_PYTHON)),
    (
        _starts(b"usearch"),
        ForeignFile("an index of neighbours", "name the vectors that it was built of, and the index with --index"),
    ),
    (
        _matches(rb'model_checkpoint_path: "|\0\0\x06\x08[\s\S]\x1a\x02\x08\x01'),
        ForeignFile("a part of a TensorFlow checkpoint", _FROM_PYTHON),
    ),
    (_starts(b"%PDF-"), ForeignFile("a PDF document", _AS_TEXT)),
    (_starts(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), _SPREADSHEET),
    (
        _starts(b"version https://git-lfs", b"version https://hawser"),
        ForeignFile("a Git LFS pointer", "fetch the file itself: git lfs pull", "fetch the file itself: git lfs pull"),
    ),
    (
        _matches(rb"(?:\xef\xbb\xbf)?\s*<(!doctype\s|html[\s>]|head[\s>]|\?xml\s)"),
        ForeignFile("a web page (HTML or XML)", f"the download failed: {_FETCH}", f"the download failed: {_FETCH}"),
    ),
    (
        _matches(rb'(?:\xef\xbb\xbf)?\s*(\{\s*"|\[\s*([\[{"]|-?[0-9.]+,))'),
        ForeignFile("JSON", _FROM_PYTHON, "write its contents as lines of text"),
    ),
    (_is_utf16, ForeignFile("text in UTF-16 or UTF-32", "convert it to UTF-8", "convert it to UTF-8")),
    (
        _are_numbers("<f8"),
        ForeignFile(
            "numbers without words, such as GloVe writes with -binary 1", "let GloVe write text, with -binary 0"
        ),
    ),
    (_are_numbers("<f4"), ForeignFile("numbers without words, such as a TensorFlow checkpoint has", _FROM_PYTHON)),
]


def _word_list(head: bytes) -> ForeignFile | None:
    """A vocabulary (ours, GloVe's, word2vec's), given where vectors are expected: each line a word and one number."""
    header = _WORD2VEC.match(head)
    lines = list(_fields(head))
    is_header = header is not None and (header[1] == b"1" or len(lines) < 2)
    if is_header or not lines or b"\0" in head or any(len(fields) != 2 for fields in lines):
        return None
    try:
        numbers = [float(number) for _, number in lines]
    except ValueError:
        return None
    kind = "counts" if all(number.is_integer() for number in numbers) else "one number each"
    return ForeignFile(f"a list of words with {kind}", "name the file or directory of the vectors")


def _sorted_counts(head: bytes) -> ForeignFile | None:
    """A vocabulary, given where a set is expected: pairs of words may also be a word and a number, but not sorted."""
    lines = list(_fields(head))
    if len(lines) < 3 or not all(len(fields) == 2 and fields[1].isdigit() for fields in lines):
        return None
    counts = [int(count) for _, count in lines]
    return ForeignFile("a list of words with counts", "", "name the set") if counts == sorted(counts)[::-1] else None


def _vectors(head: bytes, wanted: Wanted) -> ForeignFile | None:
    """Vectors, given where a text is expected: arrays, or lines of a word and many numbers."""
    found = ForeignFile("a file of vectors", "", _INSTEAD_OF_VECTORS[wanted])
    header = _WORD2VEC.match(head)
    if head.startswith(b"\x93NUMPY") or re.match(rb"[\s\S]{5}\0\0\0\{", head) or (header and _is_binary(head)):
        return found
    lines = list(_fields(head[header.end() if header else 0 :]))[:2]
    are_rows = bool(lines) and all(map(_is_row, lines))
    # A line of four words that are numbers may be a question.
    return found if are_rows and (header or len(lines[0]) > 4 or b"." in lines[0][1]) else None


def _is_binary(head: bytes) -> bool:
    """Whether there are control characters, or bytes that are not UTF-8; the last letter may be cut."""
    return _CONTROL.search(head) is not None or len(head.decode(errors="ignore").encode()) < len(head) - 3


def _is_row(fields: list[bytes]) -> bool:
    try:
        return len(fields) > 2 and all(b"_" not in field and float(field) is not None for field in fields[1:])
    except ValueError:
        return False


def _fields(head: bytes) -> Iterator[list[bytes]]:
    """Yield the fields of the first lines that are not blank; a last line that is not whole is left out."""
    lines = head[:HEAD_BYTES].split(b"\n")
    if len(lines) > 1:
        lines.pop()
    yield from [fields for line in lines[:_CHECKED_LINES] if (fields := line.split())]
