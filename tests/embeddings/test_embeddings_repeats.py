"""A word twice in a vectors file: the first row counts, as in gensim, and one warning says how many were left out."""

import json
import struct
import warnings

import numpy as np
import pytest

from nce_train.embeddings import Embeddings
from nce_train.embeddings.formats import table
from nce_train.errors import InputError, NceTrainWarning

WORDS = ["the", "of", "the", "Paris", "of", "the", "London"]
KEPT = [0, 1, 3, 6]
VECTORS = np.random.default_rng(4).standard_normal((7, 3)).astype(np.float32)
COUNTS = [9, 8, 7, 6, 5, 4, 3]


def write_text(path, header=b"7 3\n"):
    rows = [
        b"%b %b\n" % (word.encode(), b" ".join(b"%.9g" % number for number in vector))
        for word, vector in zip(WORDS, VECTORS.tolist(), strict=True)
    ]
    path.write_bytes(header + b"".join(rows))


def write_binary(path):
    path.write_bytes(
        b"7 3\n" + b"".join(word.encode() + b" " + bytes(vector) for word, vector in zip(WORDS, VECTORS, strict=True))
    )


def write_npy(path):
    np.save(path, VECTORS)
    lines = [f"{word}\t{count}\n" for word, count in zip(WORDS, COUNTS, strict=True)]
    path.with_name(path.name + ".vocab.tsv").write_text("".join(lines))


def write_safetensors(path):
    tensor = {"dtype": "F32", "shape": [7, 3], "data_offsets": [0, VECTORS.nbytes]}
    header = json.dumps({"embeddings": tensor, "__metadata__": {"words": json.dumps(WORDS)}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + VECTORS.tobytes())


def write_projector(path):
    path.mkdir()
    np.savetxt(path / "vectors.tsv", VECTORS, "%.9g", "\t")
    (path / "metadata.tsv").write_text("".join(f"{word}\n" for word in WORDS))


@pytest.mark.parametrize("block", [2, 1 << 14])
@pytest.mark.parametrize(
    ("name", "write", "places"),
    [
        ("v.vec", write_text, ("line 4", "line 2")),
        ("v.glove", lambda path: write_text(path, b""), ("line 3", "line 1")),
        ("v.bin", write_binary, ("row 2", "row 0")),
        ("v.npy", write_npy, ("row 2", "row 0")),
        ("v.safetensors", write_safetensors, ("row 2", "row 0")),
        ("v", write_projector, ("row 2", "row 0")),
    ],
)
def test_the_first_row_of_a_word_counts(tmp_path, monkeypatch, name, write, places, block):
    monkeypatch.setattr(table, "_CHECKED_ROWS", block)
    write(tmp_path / name)
    for mmap in (True, False):
        with pytest.warns(NceTrainWarning) as caught:
            read = Embeddings.load(tmp_path / name, mmap=mmap)
        assert len(caught) == 1
        repeated, first = (f"{tmp_path / name}, {place}" for place in places)
        sentence = str(caught[0].message)
        assert sentence.startswith(f"{repeated}: the word 'the' stands at {first} already; the first row of a word")
        assert "and 3 further rows are left out" in sentence
        assert read.index_to_key == ["the", "of", "Paris", "London"]
        np.testing.assert_array_equal(read.vectors, VECTORS[KEPT])
        np.testing.assert_array_equal(read["London"], VECTORS[6])
        if read.counts is not None:
            assert read.counts.tolist() == [9, 8, 6, 3]


def test_gensim_reads_the_same(tmp_path, gensim):
    write_text(tmp_path / "v.vec")
    theirs = gensim.models.KeyedVectors.load_word2vec_format(tmp_path / "v.vec")
    with pytest.warns(NceTrainWarning):
        ours = Embeddings.load(tmp_path / "v.vec")
    assert ours.index_to_key == list(theirs.key_to_index)
    np.testing.assert_array_equal(ours.vectors, theirs[ours.index_to_key])
    back = Embeddings.from_gensim(theirs)  # whose last rows have no word
    assert back.index_to_key == ours.index_to_key and back.counts is None
    np.testing.assert_array_equal(back.vectors, ours.vectors)


def test_a_later_message_names_the_line_of_the_file(tmp_path):
    (tmp_path / "v.vec").write_text("4 2\na 1 2\na 3 4\nb 5 6\nc 7 nan\n")
    with pytest.warns(NceTrainWarning, match="1 further row is left out"), pytest.raises(InputError, match="line 5: "):
        Embeddings.load(tmp_path / "v.vec")


def test_a_map_stays_a_map_when_no_word_repeats(tmp_path):
    Embeddings(["a", "b"], np.eye(2)).save(tmp_path / "v.npy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(Embeddings.load(tmp_path / "v.npy").vectors, np.memmap)


def test_a_model_directory_and_words_in_memory_have_each_word_once(tmp_path):
    np.save(tmp_path / "input.npy", VECTORS[:2])
    (tmp_path / "vocab.tsv").write_text("the\t2\nthe\t1\n")
    with pytest.raises(InputError, match=r"row 1: the word 'the' stands at .* row 0 already; keep one"):
        Embeddings.load(tmp_path)
    with pytest.raises(InputError, match="row 1: the word 'the' stands at row 0 already; keep one"):
        Embeddings(["the", "the"], VECTORS[:2])
