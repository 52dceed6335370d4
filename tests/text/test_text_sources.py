"""Listing and reading sources: kinds of corpus, detected compression, damage, and the edges of blocks."""

import bz2
import contextlib
import gzip
import hashlib
import io
import lzma
import os
import re
import socket
import subprocess
import sys
import tarfile
import threading
import zipfile

import numpy as np
import pytest
import zstandard
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from nce_train.errors import InputError, RunError
from nce_train.file_kinds import recognise
from nce_train.text.blocks import read_blocks
from nce_train.text.corpus import count_corpus, encode_corpus
from nce_train.text.sources import list_sources

TEXT = b"".join(b"line %d of a text that is long enough to compress\n" % n for n in range(3000))


def compress_zstd(content):
    return zstandard.ZstdCompressor().compress(content)


COMPRESS = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zstd": compress_zstd}


def read(corpus, block_bytes=1 << 16):
    return b"".join(b.text[: b.end].tobytes() for b in read_blocks(list_sources(corpus), block_bytes))


@pytest.mark.parametrize("kind", COMPRESS)
@pytest.mark.parametrize("name", ["corpus.txt", "corpus.gz", "corpus.bz2", "corpus"])
def test_compression_is_detected_from_the_content(tmp_path, kind, name):
    path = tmp_path / name
    path.write_bytes(COMPRESS[kind](TEXT))
    assert read(path) == TEXT + b"\n"


@pytest.mark.parametrize("name", ["corpus.gz", "corpus.xz", "corpus.zst", "corpus.bz2"])
def test_a_plain_file_may_have_any_name(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(TEXT)
    assert read(path) == TEXT + b"\n"


@pytest.mark.parametrize("start", [b"BZh9 is how bzip2 begins", b"\x1f\x8b and more", b"\xfd7zX", b"(\xb5/", b""])
def test_text_that_resembles_a_compressed_file_is_text(tmp_path, start):
    path = tmp_path / "corpus"
    path.write_bytes(start)
    assert read(path) == start + b"\n"


@pytest.mark.parametrize("kind", COMPRESS)
@pytest.mark.parametrize("padding", [b"", b"\0" * 8])
def test_all_members_of_a_compressed_file_are_read(tmp_path, kind, padding):
    path = tmp_path / "corpus"
    compress = COMPRESS[kind]
    path.write_bytes(compress(b"one two") + padding + compress(b"") + compress(b" three") + padding)
    assert read(path) == b"one two three\n"


def test_a_zstd_file_may_begin_with_a_skippable_frame(tmp_path):
    path = tmp_path / "corpus"
    path.write_bytes(b"\x5d\x2a\x4d\x18\x03\x00\x00\x00abc" + compress_zstd(TEXT))
    assert read(path) == TEXT + b"\n"


@pytest.mark.parametrize("kind", COMPRESS)
@pytest.mark.parametrize("left", [0.02, 0.5, 0.999])
def test_a_truncated_compressed_file_is_reported(tmp_path, kind, left):
    path = tmp_path / "corpus.txt"
    content = COMPRESS[kind](TEXT)
    path.write_bytes(content[: max(12, int(left * len(content)))])
    with pytest.raises(InputError, match=rf"corpus\.txt is cut short: its {kind} data"):
        read(path)


@pytest.mark.parametrize("kind", COMPRESS)
@pytest.mark.parametrize("tail", [b"", b"not compressed"])
def test_a_damaged_compressed_file_is_reported(tmp_path, kind, tail):
    content = bytearray(COMPRESS[kind](TEXT))
    if tail:
        content += tail
    else:
        middle = len(content) // 2
        content[middle : middle + 8] = bytes(255 - byte for byte in content[middle : middle + 8])
    path = tmp_path / "corpus"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"corpus is (damaged|cut short): its {kind} data"):
        read(path)


def test_a_file_with_a_high_compression_ratio_is_read_in_blocks(tmp_path):
    path = tmp_path / "corpus"
    path.write_bytes(gzip.compress(b"word " * 4_000_000))
    sizes = [block.end for block in read_blocks(list_sources(path), 1 << 16)]
    assert max(sizes) <= 1 << 16
    assert sum(sizes) == 20_000_001


def test_a_zstd_file_without_the_extra_names_the_package(tmp_path, monkeypatch):
    path = tmp_path / "corpus"
    path.write_bytes(compress_zstd(TEXT))
    monkeypatch.setitem(sys.modules, "zstandard", None)  # import then raises ImportError
    with pytest.raises(InputError, match=r"pip install 'nce-train\[zstd\]'"):
        read(path)


@given(content=st.binary(max_size=200), block_bytes=st.integers(1, 40))
@example(content=b"\xef\xbb\xbfa\r\xef\xbb\xbf\xef\xbb\xbfb \xef\xbb\xbfc", block_bytes=3)
@settings(max_examples=200, deadline=None)
def test_blocks_end_at_white_space_and_add_up_to_the_text(tmp_path_factory, content, block_bytes):
    assume(not content.startswith((b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ", b"(\xb5/\xfd", b"PK", b"]\0\0")))
    assume(recognise(content, "UTF-8 text") is None)
    assume(content[1:4] != b"*M\x18")  # zstd's skippable frame
    path = tmp_path_factory.mktemp("blocks") / "corpus"
    path.write_bytes(content)
    marks = re.compile(rb"(?:^|(?<=[\r\n]))(?:\xef\xbb\xbf)+")
    text = marks.sub(lambda match: b" " * len(match[0]), content)  # positions stay
    joined = b""
    for block in read_blocks(list_sources(path), block_bytes):
        piece = block.text[: block.end].tobytes()
        assert piece[-1:].isspace()
        assert len(block.text) >= block.end + 16
        assert block.offset == len(joined)
        joined += piece
    assert joined in (text, text + b"\n")
    assert joined.endswith(b"\n")


def test_a_long_word_is_in_one_block(tmp_path):
    path = tmp_path / "corpus"
    path.write_bytes(b"a " + b"x" * 1_000_000 + b" b c")
    blocks = [block.text[: block.end].tobytes() for block in read_blocks(list_sources(path), 1000)]
    assert b"".join(blocks) == b"a " + b"x" * 1_000_000 + b" b c\n"
    assert len(blocks) < 5


def test_the_hash_is_of_the_bytes_as_stored(tmp_path):
    path = tmp_path / "corpus"
    for content in (TEXT, gzip.compress(TEXT), lzma.compress(TEXT), b"\xef\xbb\xbfabc", b""):
        path.write_bytes(content)
        listed = list_sources(path)
        for _ in read_blocks(listed, 1000):
            pass
        assert [source.describe() for source in listed.sources] == [
            {"name": str(path), "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        ]
        assert listed.bytes_read == listed.total_bytes == len(content)


def test_a_directory_is_its_visible_files_in_byte_order_of_path(tmp_path):
    for name in ("b.txt", "B.txt", "a/z.txt", "a.txt", "a/é.txt", ".hidden", ".git/c.txt", "a/.d/e.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    (tmp_path / "link.txt").symlink_to(tmp_path / "b.txt")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    names = [os.path.relpath(s.path, tmp_path) for s in list_sources(tmp_path).sources]
    assert names == ["B.txt", "a.txt", "a/z.txt", "a/é.txt", "b.txt", "link.txt"]
    hidden = list_sources([tmp_path / ".hidden", tmp_path / "a"]).sources
    assert [source.path.name for source in hidden] == [".hidden", "z.txt", "é.txt"]


def names_in(directory):
    return [os.path.relpath(source.path, directory) for source in list_sources(directory).sources]


def test_links_to_directories_are_followed_and_no_directory_is_read_twice(tmp_path):
    corpus, far = tmp_path / "corpus", tmp_path / "far"
    for name in ("corpus/b/x.txt", "far/y.txt", "far/deep/z.txt", "far/.hidden/h.txt", "model/manifest.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "model" / "vocab.tsv").write_text("a\t1\n")
    links = {"part": far, "again": far, "a": corpus / "b", "loop": corpus, ".dot": far, "m.nce": tmp_path / "model"}
    for name, target in links.items():
        (corpus / name).symlink_to(target)
    (far / "back").symlink_to(corpus)
    assert names_in(corpus) == ["again/deep/z.txt", "again/y.txt", "b/x.txt"]
    (tmp_path / "link").symlink_to(corpus)
    assert names_in(tmp_path / "link") == ["again/deep/z.txt", "again/y.txt", "b/x.txt"]


def test_what_cannot_be_read_in_a_directory_is_told(tmp_path):
    for name in ("none", "nowhere"):
        (tmp_path / name).symlink_to(tmp_path / "missing")
    os.mkfifo(tmp_path / "pipe")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as opened, contextlib.chdir(tmp_path):
        opened.bind("socket")
    (tmp_path / "events.out.tfevents.1.host").write_bytes(b"\0")
    what = [
        f"{tmp_path}/none (and 1 more) is a link to nothing",
        f"{tmp_path}/pipe is a named pipe",
        f"{tmp_path}/socket is a socket",
    ]
    with pytest.raises(InputError, match="holds no file") as failure:
        list_sources(tmp_path)
    assert str(failure.value).endswith(f"(hidden ones and those of models do not count; {'; '.join(what)})")
    (tmp_path / "a.txt").write_text("a b a b")
    assert names_in(tmp_path) == ["a.txt"]
    *_, warnings = count_corpus(tmp_path, min_count=1)
    assert warnings == [f"{each}: left out" for each in what]
    os.unlink(tmp_path / "pipe")
    encoded = [encode_corpus(tmp_path, tmp_path / ".out", min_count=1) for _ in range(2)]
    assert [each.from_cache for each in encoded] == [False, True]
    assert [each.warnings for each in encoded] == [[f"{each}: left out" for each in (what[0], what[2])]] * 2


def test_urls_of_directories_and_patterns_are_their_files(tmp_path):
    for name in (
        "d/b.txt",
        "d/a.txt",
        "d/c/e.txt",
        "d/.h/x.txt",
        "d/m.nce/manifest.json",
        "d/m.nce/vocab.tsv",
        "x*.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    base = f"file://{tmp_path}"

    def urls(url):
        return [source.url.removeprefix(base) for source in list_sources(url).sources]

    assert urls(f"{base}/d") == urls(f"{base}/d/") == ["/d/a.txt", "/d/b.txt", "/d/c/e.txt"]
    assert urls(f"{base}/d/*.txt") == ["/d/a.txt", "/d/b.txt"]
    assert urls(f"{base}/d/**/*.txt") == ["/d/a.txt", "/d/b.txt", "/d/c/e.txt"]
    assert urls(f"{base}/x*.txt") == ["/x*.txt"]
    assert read(f"{base}/d/*.txt") == b"d/a.txt\nd/b.txt\n"
    (tmp_path / "empty").mkdir()
    for url in (f"{base}/d/*.gz", f"{base}/empty"):
        with pytest.raises(InputError, match="no file is there, or matches the pattern"):
            list_sources(url)
    for url in (f"{base}/no.txt", "memory://x.txt"):
        with pytest.raises(InputError, match=rf"cannot read the corpus {url}: no such file or directory is there"):
            list_sources(url)


def test_a_pattern_that_the_shell_did_not_replace_is_explained(tmp_path):
    with pytest.raises(
        InputError, match=r"\*\.txt: no such file, and \* is no pattern here: leave quotation marks out"
    ):
        list_sources(tmp_path / "*.txt")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_what_is_no_text_inside_compressed_files_is_told(tmp_path, pack):
    path = tmp_path / "corpus.tar.gz"
    with tarfile.open(tmp_path / "t", "w") as archive:
        archive.add(__file__, "a.txt")
    path.write_bytes(pack((tmp_path / "t").read_bytes()))
    with pytest.raises(InputError, match=rf"this is a tar archive, .*; tar -xOf {path} \| nce-train - -o …"):
        read(path)
    path.write_bytes(pack(gzip.compress(TEXT)))
    with pytest.raises(InputError, match="is compressed twice, the inner time with gzip: unpack it first"):
        read(path)


def test_zip_archives_are_read_and_hashed(tmp_path):
    path = tmp_path / "text8.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("text8", TEXT)
    listed = list_sources(path)
    assert b"".join(b.text[: b.end].tobytes() for b in read_blocks(listed, 1000)) == TEXT + b"\n"
    assert listed.sources[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("b", TEXT)
    with pytest.raises(InputError, match=rf"{path} is a zip archive of several files \(text8, b\): .*unzip -p {path}"):
        read(path)


def test_model_directories_are_skipped(tmp_path):
    for name in (
        "a.txt",
        "done.nce/manifest.json",
        "done.nce/vocab.tsv",
        "sub/begun.nce/checkpoint/run.json",
        "sub/begun.nce/checkpoint/tokens.npy",
        "texts/manifest.json",
        "texts/checkpoint/b.txt",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    names = [os.path.relpath(s.path, tmp_path) for s in list_sources(tmp_path).sources]
    assert names == ["a.txt", "texts/checkpoint/b.txt", "texts/manifest.json"]


def test_a_fifo_is_read_once(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(gzip.compress(TEXT),))
    writer.start()
    listed = list_sources(path)
    assert listed.total_bytes is None
    assert b"".join(b.text[: b.end].tobytes() for b in read_blocks(listed, 1 << 20)) == TEXT + b"\n"
    writer.join()


@pytest.mark.parametrize("content", [TEXT, bz2.compress(TEXT)], ids=["plain", "bzip2"])
def test_standard_input_is_read(content):
    program = (
        "import sys; from nce_train.text.blocks import read_blocks; from nce_train.text.sources import list_sources\n"
        "for b in read_blocks(list_sources('-'), 1 << 20): sys.stdout.buffer.write(b.text[:b.end].tobytes())"
    )
    done = subprocess.run([sys.executable, "-c", program], input=content, capture_output=True, check=True)
    assert done.stdout == TEXT + b"\n"


def test_an_iterable_is_read_with_one_line_a_sentence():
    assert read([["\ufeffa", "b"], [], ["", "c\u00a0d"], ("e", "\udcff")]) == (
        "\ufeffa b\n\nc\u00a0d\ne ".encode() + b"\xff\n\n"
    )
    assert read([] for _ in range(2)) == b"\n\n\n"
    assert read([["word"] * 10] * 10_000, block_bytes=100) == (b"word " * 9 + b"word\n") * 10_000 + b"\n"


@pytest.mark.parametrize(
    ("sentences", "message"),
    [
        ([["a"], "one text"], "sentence 2 .* is one text"),
        ((line for line in ["one", "two"]), "sentence 1 .* is one text"),
        ([["a"], ["b", "c d"]], "sentence 2 .*'c d' contains white space"),
        ([["a\n"]], r"sentence 1 .*'a\\n' contains white space"),
        ([["a", 1]], r"sentence 1 .*: its token 2 is 1 \(int\), not a str: give \[\[str\(node\) for"),
        ([5], "sentence 1 .* not a sequence of tokens"),
        ([["\ud800"]], r"sentence 1 .* has the token .*, which is no text"),
        ([[np.int64(7)]], r"is .*7.* \(int64\), not a str: give \[\[str\(node\) for node in walk\]"),
        (np.zeros((2, 3), int), r"not a str: give \[\[str\(node\) for node in walk\] for walk in walks\]"),
        ([[b"a"]], r"is b'a' \(bytes\), not a str: give \[\[token.decode\(\) for token in sentence\]"),
        ([["a", None]], r"its token 2 is None \(NoneType\), not a str: leave it out"),
        ([["a", float("nan")]], "not a str: leave it out"),
        ([["a"], None], r"sentence 2 of the corpus is None \(NoneType\), not a sequence of tokens: leave it out"),
        ([[["a", "b"]]], r"not a str: give \[sentence for document in documents for sentence in document\]"),
        (np.zeros((2, 3, 4)), r"not a str: give \[sentence for document"),
        (7, "not int"),
        (b"corpus.txt", "not bytes"),
        ([], "no corpus"),
    ],
)
def test_an_invalid_corpus_is_refused(sentences, message):
    with pytest.raises(InputError, match=message):
        read(sentences)


def test_an_error_of_the_iterable_is_not_changed():
    def sentences():
        yield ["a"]
        raise OSError(5, "of the caller's own")

    with pytest.raises(OSError, match="of the caller's own"):
        read(sentences())


def test_paths_that_cannot_be_read_are_reported(tmp_path):
    with pytest.raises(InputError, match=r"missing\.txt: no such file"):
        list_sources(tmp_path / "missing.txt")
    with pytest.raises(InputError, match="holds no file"):
        list_sources(tmp_path)
    with pytest.raises(InputError, match="named twice"):
        list_sources(["-", "-"])
    with pytest.raises(InputError, match="cannot read the corpus"):
        list_sources("a\0b")


@pytest.mark.parametrize("change", ["grow", "shrink", "touch"])
def test_a_file_that_changes_while_it_is_read_is_reported(tmp_path, change):
    path = tmp_path / "corpus"
    path.write_bytes(TEXT)
    with pytest.raises(RunError, match="corpus changed while it was read"):
        for number, _ in enumerate(read_blocks(list_sources(path), 1000)):
            if number != 3:
                continue
            if change == "grow":
                with path.open("ab") as file:
                    file.write(b"more")
            elif change == "shrink":
                os.truncate(path, 5000)
            else:
                os.utime(path)


def test_a_file_removed_before_it_is_read_is_reported(tmp_path):
    path = tmp_path / "corpus"
    path.write_bytes(TEXT)
    listed = list_sources(path)
    path.unlink()
    with pytest.raises(RunError, match=r"cannot read .*corpus"):
        list(read_blocks(listed, 1 << 20))


def test_a_slow_stream_is_read_completely(tmp_path):
    reader, writer = os.pipe()

    def write_slowly():
        with io.FileIO(writer, "w") as file:
            for byte in gzip.compress(b"some words"):
                file.write(bytes([byte]))

    thread = threading.Thread(target=write_slowly)
    thread.start()
    assert read(f"/dev/fd/{reader}") == b"some words\n"
    thread.join()
    os.close(reader)
