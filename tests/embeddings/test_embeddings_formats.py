"""The single-file formats: files of other programs, gensim as a second reader, and damage.

`test_embeddings_round_trip.py` tests what all formats have in common.
"""

import gzip
import lzma
import os
import struct
import subprocess
import sys
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from nce_train.embeddings import Embeddings
from nce_train.embeddings.formats import text_lines
from nce_train.errors import InputError, NceTrainWarning


@pytest.fixture
def model():
    rng = np.random.default_rng(3)
    words = ["the", "of", "é", "naïve", "100%", "日本"] + [f"w{i}" for i in range(60)]
    return Embeddings(words, rng.standard_normal((len(words), 7)).astype(np.float32))


def assert_same(read, model):
    assert read.index_to_key == model.index_to_key
    assert read.vectors.dtype == np.float32
    np.testing.assert_array_equal(read.vectors, model.vectors)


def test_compression_is_detected_by_contents_and_reproducible(tmp_path, model):
    model.save(tmp_path / "a.txt.gz")
    model.save(tmp_path / "b.txt.gz")
    assert (tmp_path / "a.txt.gz").read_bytes() == (tmp_path / "b.txt.gz").read_bytes()
    assert (tmp_path / "a.txt.gz").read_bytes()[4:8] == bytes(4)  # the time
    assert gzip.decompress((tmp_path / "a.txt.gz").read_bytes()).startswith(b"66 7\nthe ")
    (tmp_path / "a.txt.gz").rename(tmp_path / "a.txt")
    assert_same(Embeddings.load(tmp_path / "a.txt"), model)


def test_counts_are_in_the_vocabulary_beside_npy(tmp_path, model):
    counted = Embeddings(model.index_to_key, model.vectors, np.arange(len(model))[::-1])
    counted.save(tmp_path / "v.npy")
    assert (tmp_path / "v.npy.vocab.tsv").read_text(encoding="utf-8").startswith("the\t65\nof\t64\n")
    np.testing.assert_array_equal(Embeddings.load(tmp_path / "v.npy").counts, counted.counts)
    model.save(tmp_path / "v.npy")
    assert Embeddings.load(tmp_path / "v.npy").counts is None


def test_memory_maps_are_read_only_and_optional(tmp_path, model):
    model.save(tmp_path / "v.npy")
    mapped = Embeddings.load(tmp_path / "v.npy").vectors
    assert isinstance(mapped, np.memmap) and not mapped.flags.writeable
    assert not isinstance(Embeddings.load(tmp_path / "v.npy", mmap=False).vectors, np.memmap)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4"])
def test_other_types_of_floats_become_float32(tmp_path, model, dtype, packed):
    model.save(tmp_path / "v.npy")
    stored = np.asfortranarray(model.vectors.astype(dtype))
    np.save(tmp_path / "v.npy", stored)
    if packed:
        (tmp_path / "v.npy").write_bytes(gzip.compress((tmp_path / "v.npy").read_bytes()))
    read = Embeddings.load(tmp_path / "v.npy").vectors
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, stored.astype(np.float32))


@pytest.mark.parametrize("ending", [".txt", ".vec.gz", ".bin", ".glove"])
def test_gensim_reads_our_files(tmp_path, gensim, model, ending):
    model = Embeddings(["new york", "", *model.index_to_key[2:]], model.vectors)
    path = tmp_path / f"v{ending}"
    model.save(path)
    load = gensim.models.KeyedVectors.load_word2vec_format
    theirs = load(path, binary=ending == ".bin", no_header=ending == ".glove")
    assert theirs.index_to_key == ["%_new%20york", "%_%00", *model.index_to_key[2:]]
    np.testing.assert_array_equal(theirs.vectors, model.vectors)


@pytest.mark.parametrize(("binary", "header"), [(False, True), (True, True), (False, False)])
def test_files_of_gensim_are_read(tmp_path, gensim, model, binary, header):
    theirs = gensim.models.KeyedVectors(model.vectors.shape[1])
    words = [*model.index_to_key[:-1], "word" if binary else "two words"]
    theirs.add_vectors(words, model.vectors)
    theirs.save_word2vec_format(tmp_path / "v", binary=binary, write_header=header)
    read = Embeddings.load(tmp_path / "v")
    assert read.index_to_key == words
    np.testing.assert_array_equal(read.vectors, model.vectors)


@pytest.mark.parametrize(
    "text",
    [
        b"2 3\na 1 2 3\nb 4 5 6\n",
        b"2 3\na 1 2 3 \nb 4 5 6 \n",  # fastText and word2vec.c end each line with a blank
        b"2 3\r\na 1 2 3\r\nb 4 5 6\r\n",
        b"2 3\na\t1\t2\t3\nb\t4\t5\t6\n",
        b"2 3\na  1  2  3\nb 4 5 6",
        b"a 1.0 2e0 3\nb 4 5 6\n",
        b"a\t1.0\t2e0\t3\nb\t4\t5\t6\n",
        b"2 3\na 1 2 3\nb 4 5 6\n\n",
        b"2 3\na 1 2 3\nb 4 5 6\n\n \r\n",
        b"a 1 2 3\nb 4 5 6\n\n",
        b"a 1 2 3 \nb 4 5 6 \n",
        gzip.compress(b"2 3\na 1 2 3\nb 4 5 6\n", mtime=0),
        lzma.compress(b"a 1 2 3\nb 4 5 6\n"),
        b"2 3\na " + struct.pack("<3f", 1, 2, 3) + b"b " + struct.pack("<3f", 4, 5, 6),
        b"2 3\na " + struct.pack("<3f", 1, 2, 3) + b"\nb " + struct.pack("<3f", 4, 5, 6) + b"\n",
    ],
)
def test_the_same_table_in_many_layouts(tmp_path, text):
    (tmp_path / "v").write_bytes(text)
    read = Embeddings.load(tmp_path / "v")
    assert read.index_to_key == ["a", "b"]
    np.testing.assert_array_equal(read.vectors, np.array([[1, 2, 3], [4, 5, 6]]))


def test_blank_lines_are_errors_if_lines_follow_and_skipped_at_the_end(tmp_path, monkeypatch):
    path = tmp_path / "v.txt"
    for block in (1, 7, 1 << 20):
        monkeypatch.setattr(text_lines, "_BLOCK_BYTES", block)
        path.write_bytes(b"2 3\na 1 2 3\n\n\nb 4 5 6\n")
        with pytest.raises(InputError, match=r"v.txt, line 3: 0 numbers stand after the word"):
            Embeddings.load(path)
        path.write_bytes(b"3 3\na 1 2 3\nb 4 5 6\n\n\n")
        with pytest.raises(InputError, match=r"v.txt, line 3: the file ends after 2 of the 3 rows"):
            Embeddings.load(path)
        path.write_bytes(b"2 3\na 1 2 3\nb 4 5 x\n\n\n")
        with pytest.raises(InputError, match=r"v.txt, line 3: 'x' is not a number"):
            Embeddings.load(path)


def test_a_file_of_fasttext_is_read(tmp_path):
    path = Path(__file__).parent / "fasttext" / "vectors.vec"
    lines = path.read_bytes().split(b"\n")
    assert lines[0] == b"19 5" and lines[1].endswith(b" ") and lines[2].startswith(b"</s> ")
    read = Embeddings.load(path)
    assert read.index_to_key[:3] == ["the", "</s>", "river"]
    assert {"caf\udce9", "日本", "10\u00a0000", "http://mill.example/a%20b"} < set(read.index_to_key)
    for row, line in enumerate(lines[1:-1]):
        word, *numbers = line.rstrip(b" ").split(b" ")
        assert read.index_to_key[row].encode("utf-8", "surrogateescape") == word
        np.testing.assert_array_equal(read.vectors[row], np.array(numbers, np.float32))
    read.save(tmp_path / "v.vec")
    assert_same(Embeddings.load(tmp_path / "v.vec"), read)


def test_words_with_unescaped_blanks(tmp_path):
    (tmp_path / "v").write_bytes(b"first 0.5 0.25\n. . . 1.0 2.0\nat name@domain 3.0 4.0\n 5.0 6.0\n")
    read = Embeddings.load(tmp_path / "v")
    assert read.index_to_key == ["first", ". . .", "at name@domain", ""]
    np.testing.assert_array_equal(read.vectors[:, 1], [0.25, 2, 4, 6])


@pytest.mark.parametrize("header", [b"", b"3 3\n"])
def test_numbers_as_words_and_words_with_unescaped_blanks(tmp_path, header):
    (tmp_path / "v").write_bytes(header + b", 0.1 0.2 0.3\n2008 0.1 0.2 0.4\n. . . 0.5 0.6 0.7\n")
    read = Embeddings.load(tmp_path / "v")
    assert read.index_to_key == [",", "2008", ". . ."]
    np.testing.assert_array_equal(read.vectors[:, 2], np.array([0.3, 0.4, 0.7], np.float32))


def test_undecodable_bytes_are_written_back_unchanged(tmp_path):
    text = b"2 1\n\xff\xfe\xc3 0.5\nb\xe9 1.5\n"
    (tmp_path / "v.txt").write_bytes(text)
    Embeddings.load(tmp_path / "v.txt").save(tmp_path / "w.txt")
    assert (tmp_path / "w.txt").read_bytes() == text


def test_the_line_of_a_number_that_is_not_one_in_a_later_block(tmp_path, monkeypatch, model):
    monkeypatch.setattr(text_lines, "_BLOCK_BYTES", 100)
    model.save(tmp_path / "v.txt")
    text = (tmp_path / "v.txt").read_bytes()
    (tmp_path / "v.txt").write_bytes(text.replace(b"\nw50 ", b"\nw50 x"))
    with pytest.raises(InputError, match=r"line 58: .* is not a number"):
        Embeddings.load(tmp_path / "v.txt")


def _damaged_npy(**changes):
    def write(path):
        array = changes.get("array", np.ones((2, 3), np.float32))
        np.save(path, array, allow_pickle=True)
        raw = path.read_bytes()
        path.write_bytes(changes.get("edit", lambda content: content)(raw))
        vocabulary = changes.get("vocabulary", b"a\t2\nb\t1\n")
        if vocabulary is not None:
            path.with_name(path.name + ".vocab.tsv").write_bytes(vocabulary)

    return write


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "this is an empty file, not vectors; fetch the file again"),
        (b"hello\n", "neither a model directory nor a vectors file"),
        (b"a 1\nb 2 3\n", "neither a model directory nor a vectors file"),
        (b"\x01\xfe \n\x02\x03\n", "neither a model directory nor a vectors file"),
        (b"\x00\x01\x02\x03", "neither a model directory nor a vectors file"),
        (b"2 3\na 1 2 3\nb 4 5\n", "line 3: 2 numbers stand after the word where there should be 3"),
        (b"2 3\na 1 2 3 4\nb 4 5 6\n", "line 2: 4 numbers stand after the word where there should be 3"),
        (b"2 3\na 1 2 3 4\nb 5 6\n", "line 2: 4 numbers"),
        (b"2 3\na 1 2 3\nb 4 x 6\n", "line 3: 'x' is not a number"),
        (b"2 3\na 1 2 3\nb 4 1_0 6\n", "line 3: '1_0' is not a number"),
        (b"2 3\na 1 2 3\nb 4 5 6\nc 7 8\n", "line 4: 2 numbers stand after the word where there should be 3"),
        (b"2 3\na 1 2 3\nb 4 5 6\nc 7 8 x\n", "line 4: 'x' is not a number"),
        (b"2 1\na 1\t2\nb\n", "line 2: 2 numbers"),
        (b"2 2\na 1\t2 3\nb  5\n", "line 2: 3 numbers"),
        (b"3 3\na 1 2 3\nb 4 5 6\n\n\n\n", "line 3: the file ends after 2 of the 3 rows"),
        (b"3 2\na 1.5 2.5\nb 3.5 4.5\n", "line 3: the file ends after 2 of the 3 rows"),
        (b"2 3\na 1 2 3\nb 4 nan 6\n", "line 3: the vector of 'b' holds a number that is not finite"),
        (b"2 3\na 1 2 3\nb 4 1e99 6\n", "line 3: the vector of 'b' holds a number that is not finite"),
        (b"999999999 300\na 1 2 3\n", "line 1: .*for which the file is too small"),
        (b"2 999999999999999999\na 1 2 3\n", "line 1: .*for which the file is too small"),
        (b"0 3\n", "line 1: .*at least 1"),
        (b"2 0\na\nb\n", "line 1: .*at least 1"),
        (b"a 1 2 3\nb 4 5\n", "line 2: 2 numbers"),
        (b"a 1 2 3\nb 4 5 inf\n", "line 2: the vector of 'b'"),
        (b"2 2\na " + struct.pack("<2f", 1, 2) + b"b " + struct.pack("<f", 1), "cut short"),
        (b"2 1\na " + struct.pack("<f", 1) + b"bbbbbbbbbbbb", "row 1: the file ends after 1 of the 2 rows"),
        (b"1 1\na " + struct.pack("<f", 1) + b"b " + struct.pack("<f", 1), "goes on after the 1 rows"),
        (b"1 1\na " + struct.pack("<f", np.nan), "row 0: the vector of 'a'"),
        (
            gzip.compress(b"2 3\na 1 2 3\nb 4 5 6\n", mtime=0)[:-9],
            "is cut short: its (gzip|xz) data has no end; fetch it again",
        ),
        (gzip.compress(b"99999999999 300\na 1 2 3\n", mtime=0), "line 1: .*for which the file is too small"),
        (lzma.compress(b"2 3\na 1 2 3\nb 4 5 6\n")[:-9], "is cut short: its (gzip|xz) data has no end; fetch it again"),
        (_damaged_npy(array=np.array([["a"], [None]], object)), "not an array file that can be read"),
        (_damaged_npy(array=np.ones(6, np.float32)), r"shape \(6,\)"),
        (_damaged_npy(array=np.ones((2, 3), int)), "type int64"),
        (_damaged_npy(edit=lambda raw: raw[:-1]), "not an array file that can be read"),
        (_damaged_npy(edit=lambda raw: raw.replace(b"(2, 3)", b"(99999999, 3)")), "not an array file"),
        (_damaged_npy(edit=lambda raw: raw[:20]), "not an array file that can be read"),
        (
            _damaged_npy(edit=lambda raw: gzip.compress(raw.replace(b"(2, 3)", b"(99999999, 3)"))),
            r"1199999988 bytes of shape \(99999999, 3\), but far fewer bytes follow",
        ),
        (_damaged_npy(edit=lambda raw: gzip.compress(raw[:-1])), "not an array file that can be read"),
        (_damaged_npy(vocabulary=None), "v.npy.vocab.tsv: the words cannot be read"),
        (_damaged_npy(vocabulary=b"a\t2\n"), "1 words for the 2 vectors"),
        (_damaged_npy(vocabulary=b"a\t2\nb\tx\n"), "vocab.tsv, line 2"),
        (_damaged_npy(vocabulary=b"a\t2\nb\t1\t1\n"), "vocab.tsv, line 2"),
        (_damaged_npy(vocabulary=b"a\n5\t2\t1\n"), "vocab.tsv, line 1"),
        (_damaged_npy(vocabulary=b"a\t2\nb\t-1\n"), "vocab.tsv, line 2"),
        (_damaged_npy(vocabulary=b""), "vocab.tsv is empty"),
        (_damaged_npy(array=np.full((2, 3), np.inf, np.float32)), "row 0: the vector of 'a'"),
    ],
)
def test_damage_is_refused_with_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "v.npy"
    if callable(content):
        content(path)
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=sentence) as failure:
        Embeddings.load(path)
    assert "v.npy" in str(failure.value) and "\n" not in str(failure.value)


@pytest.mark.parametrize("ending", [".txt", ".bin", ".npy", ".npy.gz", ".safetensors"])
def test_more_numbers_than_memory_holds_are_refused(tmp_path, monkeypatch, model, ending):
    model.save(tmp_path / f"v{ending}")
    monkeypatch.setattr("nce_train.embeddings.formats.table.available_memory", lambda: 4 * model.vectors.size - 1)
    with pytest.raises(InputError, match=r"its 66 vectors of 7 numbers need 0\.0 GB of memory"):
        Embeddings.load(tmp_path / f"v{ending}", mmap=False)
    monkeypatch.setattr("nce_train.embeddings.formats.table.available_memory", lambda: 4 * model.vectors.size)
    assert_same(Embeddings.load(tmp_path / f"v{ending}", mmap=False), model)


@pytest.mark.parametrize("ending", [".txt", ".glove", ".bin"])
def test_a_first_line_of_a_megabyte(tmp_path, ending):
    model = Embeddings(["a", "b"], np.random.default_rng(2).standard_normal((2, 70_000)))
    model.save(tmp_path / f"v{ending}")
    (tmp_path / f"v{ending}").rename(tmp_path / "v")
    assert_same(Embeddings.load(tmp_path / "v"), model)


def test_npy_killed_between_its_two_files_has_no_words(tmp_path):
    Embeddings(["old"], [[1.0]]).save(tmp_path / "v.npy")
    code = (
        "import os, sys; from nce_train import Embeddings; real = os.replace\n"
        "def replace(old, new):\n"
        "    real(old, new)\n"
        "    if str(new).endswith('v.npy'): os._exit(9)\n"
        "os.replace = replace\n"
        "Embeddings(['new'], [[2.0]]).save(sys.argv[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "v.npy"], check=False, timeout=60)
    assert done.returncode == 9
    with pytest.raises(InputError, match=r"v\.npy\.vocab\.tsv: the words cannot be read"):
        Embeddings.load(tmp_path / "v.npy")


@pytest.mark.parametrize("link", ["v.npy", "v.npy.vocab.tsv"])
def test_npy_is_not_written_through_a_link(tmp_path, model, link):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / link).symlink_to("mine")
    with pytest.raises(InputError, match=f"{link}: a link or no regular file, but npy is written as several files"):
        model.save(tmp_path / "v.npy")
    assert (tmp_path / "mine").read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == sorted([link, "mine"])


def test_a_word_without_an_end_does_not_fill_the_memory(tmp_path, monkeypatch):
    for name in ("word2vec._BLOCK_BYTES", "word2vec.LONGEST_LINE", "registry.LONGEST_LINE"):
        monkeypatch.setattr(f"nce_train.embeddings.formats.{name}", 1 << 20)
    (tmp_path / "v.bin.gz").write_bytes(gzip.compress(b"2 1\n" + bytes(30 << 20), 1))
    tracemalloc.start()
    with pytest.raises(InputError, match=r"v\.bin\.gz, row 0: its word is longer than 1 MiB; the file is damaged"):
        Embeddings.load(tmp_path / "v.bin.gz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6


def test_a_file_that_is_absent_or_unreadable(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        Embeddings.load(tmp_path / "absent.txt")
    with pytest.raises(InputError, match="a vectors file has no output vectors"):
        Embeddings.load(tmp_path / "absent.txt", vectors="output")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "fifo")
        with pytest.raises(InputError, match="not a regular file"):
            Embeddings.load(tmp_path / "fifo")
    closed = tmp_path / "closed.txt"
    closed.write_bytes(b"1 1\na 1.0\n")
    closed.chmod(0)
    if not os.access(closed, os.R_OK):
        with pytest.raises(InputError, match="may not be read"):
            Embeddings.load(closed)


def test_paths_that_cannot_be_written(tmp_path, model):
    with pytest.raises(
        InputError, match=r"the ending is not that of a format \(known: .*\.txt, \.vec, \.bin, \.glove\)"
    ):
        model.save(tmp_path / "v.pickle")
    with pytest.raises(InputError, match="'pickle' is not a format"):
        model.save(tmp_path / "v.txt", format="pickle")
    with pytest.raises(InputError, match="this is a directory"):
        model.save(tmp_path, format="glove")
    for name in ("v.txt.zip", "v.txt.LZ4"):
        with pytest.raises(InputError, match=r"is not written; compress with an ending \.gz, \.bz2, \.xz, \.zst"):
            model.save(tmp_path / name, format="glove")
    assert list(tmp_path.iterdir()) == []


def test_threads_may_save_to_one_path(tmp_path, model):
    # If the temporary files had the same name, threads would remove those of other threads.
    with ThreadPoolExecutor(4) as pool:
        for saved in [pool.submit(model.save, tmp_path / "v.txt") for _ in range(100)]:
            saved.result()
    assert_same(Embeddings.load(tmp_path / "v.txt"), model)
    assert [entry.name for entry in tmp_path.iterdir()] == ["v.txt"]


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("header", [b"", b"2 3\n"])
def test_a_last_line_without_a_line_break_gives_a_warning(tmp_path, header, compress):
    path = tmp_path / "v.txt"
    path.write_bytes(compress(header + b"a 0.1 0.2 0.3\nb 0.4 0.5 0.6"))
    line = 2 + len(header[:1])
    with pytest.warns(NceTrainWarning, match=f"v.txt, line {line}: the last line has no line break") as caught:
        assert Embeddings.load(path).index_to_key == ["a", "b"]
    assert len(caught) == 1


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b" \n"])
@pytest.mark.parametrize("header", [b"", b"2 3\n"])
def test_a_complete_file_gives_no_warning(tmp_path, header, end):
    path = tmp_path / "v.txt"
    path.write_bytes(header + b"a 0.1 0.2 0.3" + end + b"b 0.4 0.5 0.6" + end)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Embeddings.load(path)
