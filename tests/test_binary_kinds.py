"""Files that are not text: each known kind has a sentence of its own, and UTF-16 is said only where it is so."""

import io
import pickle
import sqlite3
import tarfile

import numpy as np
import pytest

from nce_train.binary_kinds import binary_kind, nul_byte_error, refuse_binary
from nce_train.errors import InputError

PROSE = "The cat sat on the mat.\nПривет, мир!\n" * 30


def tar():
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
    return target.getvalue()


def npy():
    target = io.BytesIO()
    np.save(target, np.arange(3))
    return target.getvalue()


def sqlite(tmp_path):
    with sqlite3.connect(tmp_path / "x.db") as database:
        database.execute("CREATE TABLE t (text)")
    return (tmp_path / "x.db").read_bytes()


@pytest.mark.parametrize(
    ("content", "what", "way_out"),
    [
        (b"7z\xbc\xaf\x27\x1c\0\4", "a 7-Zip archive", "7z x -so 'a b' | nce-train - -o …"),
        (b"Rar!\x1a\x07\x01\0", "a RAR archive", "unrar p"),
        (b"\x1f\x9d\x90th", "compressed with compress", "zcat 'a b' |"),
        (b"\x04\x22\x4d\x18\x64\x40", "compressed with lz4", "lz4 -dc"),
        (tar(), "a tar archive", "tar -xOf 'a b' |"),
        (b"%PDF-1.7\n", "a PDF document", "pdftotext 'a b' - |"),
        (b"PAR1\x15\x04", "a Parquet table", "write its text column"),
        (npy(), "an array of NumPy", "write its tokens"),
        *(
            (pickle.dumps([["a", "b"]], protocol=p), "a pickle of Python objects", "write its tokens")
            for p in range(2, 6)
        ),
        *(
            (PROSE.encode(name), name.upper(), f"iconv -f {name.upper()} -t UTF-8 'a b' |")
            for name in ("utf-16", "utf-32")
        ),
        (("plain text only " * 9).encode("utf-16-le"), "UTF-16LE", "iconv -f UTF-16LE"),
        (("plain text only " * 9).encode("utf-16-be"), "UTF-16BE", "iconv -f UTF-16BE"),
        (PROSE.encode("utf-32-le"), "UTF-32LE", "iconv -f UTF-32LE"),
        (PROSE.encode("utf-32-be"), "UTF-32BE", "iconv -f UTF-32BE"),
    ],
)
def test_each_kind_has_its_sentence(content, what, way_out):
    with pytest.raises(InputError, match=rf"^a b is {what}") as failure:
        refuse_binary(content[:1024], "a b")
    assert way_out in str(failure.value)
    assert "\n" not in str(failure.value)


def test_a_database_has_its_sentence(tmp_path):
    assert binary_kind(sqlite(tmp_path)[:1024]).what == "an SQLite database"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        PROSE.encode(),
        PROSE.encode("cp1251"),
        b"\xef\xbb\xbftext",
        b"PAR1 is how Parquet begins",
        b"7z is a program",
        b"Rar! a cry",
        b"\0" * 5000,
        b"\0" * 500 + PROSE.encode(),
        b"text" + b"\0" * 900,
        b"ustar" * 60,
    ],
)
def test_text_is_no_kind(content):
    assert binary_kind(content[:1024]) is None


def test_holes_in_a_text_are_told_with_the_way_out():
    error = nul_byte_error(b"some text\n" + bytes(50), 1234, "a log")
    assert str(error) == (
        "a log contains a NUL byte at offset 1234: if it is text with holes, as a crash leaves in a log, use "
        r"tr -d '\000' < 'a log' | nce-train - -o …"
    )
    assert str(nul_byte_error(b"x\x01\x02\0", 3, "f")).startswith(
        "f is not text: it contains a NUL byte at offset 3 and"
    )
