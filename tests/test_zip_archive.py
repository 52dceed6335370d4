"""Zip archives of one file, as a stream and as a file; everything else in a zip archive is a sentence."""

import io
import lzma
import struct
import zipfile

import numpy as np
import pytest

from nce_train.decompression import HEAD_BYTES, decompressed, detect_codec
from nce_train.errors import InputError

TEXT = b"".join(b"line %d of a text that is long enough to compress\n" % n for n in range(3000))
NOISE = np.random.default_rng(3).bytes(200_000)


class Pipe(io.RawIOBase):
    """A stream that cannot be searched and gives a few bytes at a time."""

    def __init__(self, content, at_once=1 << 20):
        self.content = io.BytesIO(content)
        self.at_once = at_once

    def readable(self):
        return True

    def writable(self):
        return True

    def readinto(self, buffer):
        return self.content.readinto(memoryview(buffer)[: self.at_once])

    def write(self, data):
        return self.content.write(data)


def archive(members, method=zipfile.ZIP_DEFLATED, as_stream=False, comment=b"", zip64=False):
    """An archive of (name, content) pairs; as a program writes it that cannot go back, with `as_stream`."""
    target = Pipe(b"") if as_stream else io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as written:
        for name, content in members:
            with written.open(zipfile.ZipInfo(name) if method == 0 else name, "w", force_zip64=zip64) as member:
                member.write(content)
        written.comment = comment
    return (target.content if as_stream else target).getvalue()


def read(content, at_once=1 << 20):
    seen = set()
    for stored in (Pipe(content, at_once), io.BytesIO(content)):
        try:
            with decompressed(stored, "a.zip") as text:
                seen.add(text.read())
        except InputError as error:
            seen.add(str(error).replace(", …)", ")"))  # of a pipe the first two names are known
    (result,) = seen  # a pipe and a file give the same
    if isinstance(result, str):
        raise InputError(result)
    return result


@pytest.mark.parametrize("content", [TEXT, NOISE, b""], ids=["text", "noise", "empty"])
@pytest.mark.parametrize(
    "options", [{}, {"as_stream": True}, {"comment": b"x" * 60_000}, {"zip64": True}, {"method": 0}]
)
def test_the_only_file_is_read(content, options):
    packed = archive([("text8", content)], **options)
    assert detect_codec(packed[:HEAD_BYTES], "a.zip").name == "zip"
    assert read(packed) == content
    assert read(packed, at_once=7 if len(content) < 1000 else 1013) == content


def test_zip64_of_a_stream_is_read():
    assert read(archive([("a", TEXT)], as_stream=True, zip64=True)) == TEXT


@pytest.mark.parametrize("as_stream", [False, True])
def test_directories_and_what_macos_adds_are_no_files(as_stream):
    members = [("word/", b""), ("word/a.txt", TEXT), ("__MACOSX/word/._a.txt", NOISE[:300])]
    assert read(archive(members, as_stream=as_stream)) == TEXT


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (archive([("a", TEXT), ("b", TEXT)]), r"is a zip archive of several files \(a, b\): .*unzip -p a\.zip \|"),
        (archive([("a", TEXT), ("b", b"")], as_stream=True), r"is a zip archive of several files \(a, b\)"),
        (archive([]), "is a zip archive without a file"),
        (archive([("a/", b"")]), "is a zip archive without a file"),
        (
            archive([("[Content_Types].xml", b"<x/>"), ("word/document.xml", b"<x/>")]),
            "this is an Office document .*, not UTF-8 text; ",
        ),
        (archive([("mimetype", b"application/epub+zip"), ("b", b"")]), "this is an OpenDocument or EPUB file"),
        (archive([("vectors.npy", b"x"), ("b.npy", b"x")]), r"this is an archive of NumPy arrays \(\.npz\)"),
        (archive([("a", TEXT)], zipfile.ZIP_LZMA), r"is a zip archive with LZMA, which is not read: unpack it"),
        (archive([("a", TEXT)], 0, as_stream=True), "is a zip archive that does not compress and states no size"),
        (archive([("a", TEXT)])[:3000], "is cut short"),
        (archive([("a", TEXT)])[:-10], "is cut short"),
        (archive([("a", TEXT)])[:20], "is cut short"),
    ],
)
def test_every_other_archive_is_a_sentence(content, sentence):
    with pytest.raises(InputError, match=r"^a\.zip:? " + sentence):
        read(content)


def test_an_encrypted_archive_is_a_sentence():
    content = bytearray(archive([("a", TEXT)]))
    content[6] |= 1
    with pytest.raises(InputError, match="is an encrypted zip archive"):
        read(bytes(content))


@pytest.mark.parametrize("as_stream", [False, True])
def test_a_flipped_bit_is_detected(as_stream):
    content = bytearray(archive([("a", NOISE)], as_stream=as_stream))
    content[100_000] ^= 4
    with pytest.raises(InputError, match="is damaged: its zip data is invalid"):
        read(bytes(content))


def test_several_files_are_refused_before_the_first_is_read(tmp_path):
    content = bytearray(archive([("a", NOISE), ("b", TEXT)]))
    content[100_000] ^= 4  # which reading it would report
    with pytest.raises(InputError, match="several files"):
        decompressed(io.BytesIO(bytes(content)), "a.zip")


@pytest.mark.parametrize("preset", [0, 6, 9])
def test_an_lzma_file_of_the_old_format_is_read(preset):
    content = lzma.compress(TEXT, lzma.FORMAT_ALONE, preset=preset)
    assert read(content) == TEXT
    sized = content[:5] + struct.pack("<Q", len(TEXT)) + content[13:]
    assert decompressed(io.BytesIO(sized), "a.lzma").read(100) == TEXT[:100]
    with pytest.raises(InputError, match=r"a\.zip is cut short: its lzma data has no end"):
        read(content[: len(content) // 2])
