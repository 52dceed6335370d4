"""Files that are something else: one sentence says what they are and what to do, whatever is expected.

They are written by the programs whose files they are, where these are at hand; otherwise they begin as theirs do.
"""

import gzip
import io
import json
import pickle
import sqlite3
import struct
import tarfile
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

import nce_train
from nce_train import api
from nce_train.embeddings import Embeddings
from nce_train.errors import InputError
from nce_train.evaluation.sets import read_sets
from nce_train.file_kinds import recognise
from nce_train.text.not_text import refuse_not_text
from nce_train.text.vocabulary import Vocabulary

TABLE = b"the 0.25 1 2\nof 0.5 1 2\n"
PROSE = "The cat sat on the mat.\nПривет, мир!\n" * 30
VECTORS = np.random.default_rng(1).normal(0, 0.1, (40, 8))


def zipped(*names, content=TABLE):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return file.getvalue()


def tarred(format):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as archive:
        member = tarfile.TarInfo("vectors.txt")
        member.size = len(TABLE)
        archive.addfile(member, io.BytesIO(TABLE))
    return file.getvalue()


def npz(*names):
    file = io.BytesIO()
    np.savez(file, **dict.fromkeys(names, VECTORS))
    return file.getvalue()


def database(tmp_path):
    with sqlite3.connect(tmp_path / "db") as connection:
        connection.execute("create table magnitude (key text)")
    connection.close()
    return (tmp_path / "db").read_bytes()


# fastText: dim, ws, epoch, minCount, neg, wordNgrams, loss, model, bucket, minn, maxn, lrUpdateRate and t.
FASTTEXT = struct.pack("<12id", 100, 5, 5, 5, 5, 1, 2, 2, 2_000_000, 3, 6, 100, 1e-4) + bytes(64)

PACKED = gzip.compress(tarred(tarfile.USTAR_FORMAT))
FOREIGN = {
    "pickle": [pickle.dumps({"vectors": [1.0], "words": ["the"]}, protocol) for protocol in range(6)]
    + [pickle.dumps([[1.0, 2.0]], protocol) for protocol in range(6)]
    + [pickle.dumps(OrderedDict(the=1.0), protocol) for protocol in range(6)]
    + [pickle.dumps(VECTORS, protocol) for protocol in range(6)],
    r"arrays \(.npz\)": [npz("vectors"), npz("vectors", "words")],
    "PyTorch": [zipped("model/data.pkl", "model/version"), b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M."],
    "Office document": [zipped("[Content_Types].xml", "xl/a.xml"), zipped("docProps/app.xml", "_rels/.rels")],
    r"Office document \(doc, xls\)": [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(80)],
    "tar archive": [tarred(format) for format in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]
    + [PACKED],
    "7z archive": [b"7z\xbc\xaf\x27\x1c\0\4" + bytes(30)],
    "RAR archive": [b"Rar!\x1a\x07\x01\0" + bytes(30)],
    "compressed with lz4": [b"\x04\x22\x4d\x18\x64\x40" + bytes(30)],
    "compressed with compress": [b"\x1f\x9d\x90th" + bytes(30)],
    "finalfusion": [b"FiFu" + struct.pack("<3I", 0, 2, 0) + bytes(30)],
    "SQLite": [database],
    "floret": [b"50 5 3 6 2 2166136261 < >\n0 -0.1 0.2 0.3 0.4 0.5 \n"],
    "fastText model of before 2017": [FASTTEXT],
    "HDF5": [b"\x89HDF\r\n\x1a\n" + bytes(40)],
    "Parquet": [b"PAR1\x15\x04\x15\x10" + bytes(40)],
    "Arrow": [
        b"ARROW1\0\0\xff\xff\xff\xff" + bytes(40), b"FEA1" + bytes(40), b"\xff\xff\xff\xff\xf8\1\0\0" + bytes(40)
    ],
    "TensorFlow": [
        b'model_checkpoint_path: "model-1"\n', b"\0\0\x06\x08\x01\x1a\x02\x08\x01", VECTORS.astype("<f4").tobytes()
    ],
    "GloVe writes with -binary 1": [VECTORS.tobytes()],
    "JSON": [json.dumps({"the": [1.0, 2.0]}).encode(), json.dumps([{"w": "a"}], indent=1).encode(), b"[[0.1, 0.2]]"],
    "web page": [b"<!DOCTYPE html>\n<html>", b"\n<html lang=en>\n", b'<?xml version="1.0"?>\n<Error>'],
    "Git LFS pointer": [b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"],
    "PDF": [b"%PDF-1.7\n%\xe2\xe3\n"],
    "empty file": [b""],
    "RTF": [rb"{\rtf1\ansi the 0.25 1}"],
    "program": [b"\x7fELF\2\1\1" + bytes(40)],
    "image": [b"\x89PNG\r\n\x1a\n" + bytes(40)],
    "UTF-(16|32)": ["the 0.25 1\n".encode(code) for code in ("utf-16", "utf-16-le", "utf-16-be")]
    + [PROSE.encode(code) for code in ("utf-32", "utf-32-le", "utf-32-be")]
    + ["\ufeff東京 0.25 1\n".encode("utf-16-be")],
}  # fmt: skip
CASES = [(name, content) for name, contents in FOREIGN.items() for content in contents]
NAMES = [f"{name} {number}" for name, contents in FOREIGN.items() for number in range(len(contents))]


@pytest.mark.parametrize(("name", "content"), CASES, ids=NAMES)
def test_each_is_named_where_vectors_or_sets_are_expected(tmp_path, name, content):
    path = tmp_path / "file"
    path.write_bytes(content(tmp_path) if callable(content) else content)
    for read, wanted in ((Embeddings.load, "vectors"), (lambda path: read_sets([path]), "an evaluation set")):
        with pytest.raises(InputError, match=rf"file: this is .*{name}.*, not {wanted}; .{{8}}") as failure:
            read(path)
        assert "\n" not in str(failure.value)
    if content and not callable(content) and content != PACKED:
        with pytest.raises(InputError, match=rf"file: this is .*{name}.*, not a vocabulary; .{{8}}"):
            Vocabulary.load(path)


def test_a_fasttext_model_is_named_where_a_set_or_a_vocabulary_is_expected(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(struct.pack("<2i", 793712314, 12) + FASTTEXT)
    with pytest.raises(InputError, match=r"this is a fastText model \(.bin or .ftz\), not an evaluation set; .{8}"):
        read_sets([path])
    with pytest.raises(InputError, match=r"not a vocabulary; .{8}"):
        Vocabulary.load(path)


# What is said of a text; what is not here may be a text, or is a zip archive, which is opened.
WAYS_TO_TEXT = {
    "tar archive": r"tar -xOf 'a b' \| nce-train - -o …",
    "7z archive": "7z x -so 'a b' \\|",
    "RAR archive": "unrar p -inul 'a b' \\|",
    "compressed with lz4": "lz4 -dc 'a b' \\|",
    "compressed with compress": "zcat 'a b' \\|",
    "pickle": "write its tokens to a text file in Python, a sentence a line",
    "SQLite": "sqlite3 'a b' 'SELECT text FROM …' \\|",
    "HDF5": "write its tokens",
    "Parquet": "write its text column to a text file, a text a line",
    "Arrow": "write its text column",
    "PDF": "pdftotext 'a b' - \\|",
    "RTF": "unrtf --text 'a b' \\|",
    r"Office document \(doc, xls\)": "catdoc 'a b' \\|",
    "program": "leave it out",
    "image": "leave it out",
    "Git LFS pointer": "fetch the file itself: git lfs pull",
}
TEXT_CASES = [(name, content) for name, content in CASES if name in WAYS_TO_TEXT and content != PACKED]


@pytest.mark.parametrize(("name", "content"), TEXT_CASES)
def test_each_is_named_where_a_text_is_expected(tmp_path, name, content):
    head = content(tmp_path) if callable(content) else content
    with pytest.raises(InputError, match=rf"^a b: this is .*{name}.*, not UTF-8 text; {WAYS_TO_TEXT[name]}"):
        refuse_not_text(head, "a b")


@pytest.mark.parametrize(
    ("text", "codec", "name"),
    [
        (PROSE, "utf-16", "UTF-16"),
        (PROSE, "utf-32", "UTF-32"),
        ("plain text only " * 9, "utf-16-le", "UTF-16LE"),
        ("plain text only " * 9, "utf-16-be", "UTF-16BE"),
        (PROSE, "utf-32-le", "UTF-32LE"),
        (PROSE, "utf-32-be", "UTF-32BE"),
    ],
)
def test_the_encoding_of_a_text_is_named(text, codec, name):
    with pytest.raises(InputError, match=rf"this is text in {name}, not UTF-8 text; iconv -f {name} -t UTF-8 'a b' \|"):
        refuse_not_text(text.encode(codec), "a b")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        PROSE.encode(),
        PROSE.encode("cp1251"),
        b"\xff\xff\xff\xff\xff \xff",  # yayaya in cp1251
        b"\xef\xbb\xbftext",
        b"PAR1 is how Parquet begins",
        b"FEA1 is how Feather begins",
        b"LZIP is a program, and so is 7z",
        b"7z is a program",
        b"Rar! a cry",
        b"cnumpy\nis\na word",
        b"<html>\n",
        b'{"text": "a"}\n',
        b"\0" * 5000,
        b"\0" * 500 + PROSE.encode(),
        b"text" + b"\0" * 900,
        b"ustar" * 120,
        FOREIGN["Git LFS pointer"][0] + b"is how a pointer looks",
    ],
)
def test_what_may_be_a_text(content):
    assert recognise(content, "UTF-8 text") is None


@pytest.mark.parametrize("kind", ["Word2Vec", "FastText"])
def test_what_gensim_saves(tmp_path, gensim, kind):
    few = {"bucket": 10} if kind == "FastText" else {}
    model = getattr(gensim.models, kind)([["a", "b", "c"]] * 9, vector_size=4, min_count=1, epochs=1, workers=1, **few)
    model.save(str(tmp_path / "m.model"), sep_limit=0)
    model.wv.save(str(tmp_path / "m.kv"), sep_limit=0)
    pickles, arrays = sorted(tmp_path.glob("m.*[!y]")), sorted(tmp_path.glob("m.*.npy"))
    assert len(pickles) == 2 and len(arrays) >= 3
    for path in [*pickles, *arrays]:
        with pytest.raises(InputError, match=r"m\..*save_word2vec_format\('v.bin', binary=True\)"):
            Embeddings.load(path)


def test_every_place_that_takes_vectors_or_sets(tmp_path):
    dumped, good = tmp_path / "w2v.kv", tmp_path / "v.vec"
    dumped.write_bytes(pickle.dumps({"vectors": [1.0]}))
    Embeddings(["a", "b", "c"], np.eye(3)).save(good)
    text = [["a", "b", "c"]] * 50
    for use, wanted in (
        (lambda: nce_train.evaluate(dumped), "vectors"),
        (lambda: nce_train.evaluate(good, compare=dumped), "vectors"),
        (lambda: nce_train.evaluate(good, dumped), "an evaluation set"),
        (lambda: nce_train.evaluate(good, analogies=dumped), "an evaluation set"),
        (lambda: nce_train.evaluate(good, similarity=dumped), "an evaluation set"),
        (lambda: api.export(dumped, tmp_path / "out.txt"), "vectors"),
        (lambda: api.report(dumped, tmp_path / "page.html"), "vectors"),
        (lambda: nce_train.train(text, init=dumped, progress=False), "vectors"),
        (lambda: nce_train.train(text, vocab=str(dumped), progress=False), "a vocabulary"),
    ):
        with pytest.raises(InputError, match=rf"w2v\.kv: this is a pickle .*, not {wanted}; "):
            use()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v.vec", "w2v.kv"]


def test_a_zip_archive_of_one_file_is_read(tmp_path):
    (tmp_path / "v.zip").write_bytes(zipped("glove.txt"))
    assert Embeddings.load(tmp_path / "v.zip").index_to_key == ["the", "of"]
    (tmp_path / "set.zip").write_bytes(zipped("set.txt", content=b": s\na b c d\n"))
    (tmp_path / "other.txt.gz").write_bytes(gzip.compress(b"a b 1\nc d 2\n"))
    sets = read_sets([tmp_path / "set.zip", tmp_path / "other.txt.gz"])
    assert list(sets.analogies) == ["set"] and list(sets.similarity) == ["other"]


@pytest.mark.parametrize("flag", [(6, 1), (8, 12)])
def test_an_archive_that_is_encrypted_or_packed_otherwise_is_no_vectors(tmp_path, flag):
    """The flag and the method stand in both headers of the file."""
    raw = bytearray(zipped("v.txt"))
    for start, offset in ((0, flag[0]), (raw.index(b"PK\x01\x02"), flag[0] + 2)):
        raw[start + offset] = flag[1]
    (tmp_path / "v.zip").write_bytes(raw)
    with pytest.raises(
        InputError,
        match=r"v.zip is (an encrypted zip archive|a zip archive with bzip2, .*): unpack it and name what is inside$",
    ):
        Embeddings.load(tmp_path / "v.zip")


def test_damaged_and_absent_archives(tmp_path):
    (tmp_path / "v.zip").write_bytes(zipped("v.txt")[:-30])
    with pytest.raises(InputError, match="cut short: its zip data has no end"):
        Embeddings.load(tmp_path / "v.zip")
    with pytest.raises(InputError, match="no such file"):
        Embeddings.load(tmp_path / "absent.zip")


def test_the_files_of_a_zip_archive_are_named(tmp_path):
    (tmp_path / "glove.6B.zip").write_bytes(zipped("glove.6B.50d.txt", "glove.6B.100d.txt", "b", "c", "d"))
    names = "glove.6B.50d.txt, glove.6B.100d.txt, b, c, …"
    with pytest.raises(InputError, match=rf"several files \({names}\): unpack it and name what is inside$"):
        Embeddings.load(tmp_path / "glove.6B.zip")


WORD_LISTS = [
    b"the\t500\nof\t300\nand\t200\n",  # ours
    b"the 500\nof 300\nand 200\n",  # GloVe's, word2vec -save-vocab
    b"</s> 0\nthe 500\nof 300\n",
    b"the 17\nof 3\nand 240\n",  # word2vec -classes
    b"2008\t500\nthe\t300\nof\t200\n",
    b"the 500\r\nof 300\r\n",
    b"the 500",
]


@pytest.mark.parametrize("content", WORD_LISTS)
def test_lists_of_words_with_counts_are_no_vectors(tmp_path, content):
    (tmp_path / "vocab.txt").write_bytes(content)
    sentence = "this is a list of words with counts, not vectors; name the file or directory of the vectors"
    with pytest.raises(InputError, match=f"vocab.txt: {sentence}"):
        Embeddings.load(tmp_path / "vocab.txt")


def test_lists_of_words_with_counts_are_no_sets_and_pairs_with_numbers_are(tmp_path):
    (tmp_path / "vocab.tsv").write_bytes(WORD_LISTS[0])
    with pytest.raises(InputError, match="this is a list of words with counts, not an evaluation set; name the set"):
        read_sets([tmp_path / "vocab.tsv"])
    (tmp_path / "digits.txt").write_text("one\t1\ntwo\t2\nthree\t3\n")
    assert len(read_sets([tmp_path / "digits.txt"]).analogies["digits"]) == 6


@pytest.mark.parametrize("ending", [".txt", ".bin", ".glove", ".npy", ".safetensors"])
def test_vectors_are_no_set(tmp_path, ending):
    path = tmp_path / f"v{ending}"
    Embeddings(["the", "of", "and"], VECTORS[:3, :3]).save(path)
    with pytest.raises(InputError, match="this is a file of vectors, not an evaluation set; name the set, and give"):
        read_sets([path])


def test_a_model_directory_is_no_set_and_its_parts_are_no_models(tmp_path):
    np.save(tmp_path / "input.npy", VECTORS[:2].astype(np.float32))
    (tmp_path / "vocab.tsv").write_text("the\t2\nof\t1\n")
    with pytest.raises(InputError, match="this is a model directory, not an evaluation set; give it as MODEL"):
        read_sets([tmp_path])
    with pytest.raises(InputError, match=r"input.npy: this is a part of a model directory; name the directory"):
        Embeddings.load(tmp_path / "input.npy")


@pytest.mark.parametrize(
    "head",
    [
        b"Cat\ndog\n",
        b"PK 0.5 1\nof 1 2\n",
        b"[ 0.5 1\n] 1 2\n",
        b"<unk> 0.5 1\n",
        b"(dp 0.5 1\n",
        "\u00e9\0x".encode(),
        b"3 1\na 5\nb 6\nc 7\n",
        b"a b c d\n" * 100,
        bytes(64),
    ],
)
def test_what_is_none_of_them(head):
    assert recognise(head, "vectors") is None


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", ["Гавань была тихой и темной", "今天天气很好。我们去公园玩。", "مرحبا بالعالم هذا نص"])
def test_wide_encodings_without_a_mark_in_any_script(encoding, text):
    found = recognise(f"{text}\n".encode(encoding) * 60, "UTF-8 text")
    assert found is not None and found.name == f"text in {encoding.upper().replace('-LE', 'LE').replace('-BE', 'BE')}"


def test_text_with_holes_is_text():
    for content in (
        b"abcd \0" * 50,
        b"plain text with a hole \0\0\0 here " * 50,
        b"a\0" + b"some words go here\n" * 80,
    ):
        assert recognise(content, "UTF-8 text") is None
