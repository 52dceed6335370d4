"""Files as gensim, GloVe and Windows programs write them, with what is unusual: read as gensim reads them."""

import struct

import numpy as np
import pytest

from nce_train.embeddings import Embeddings
from nce_train.errors import InputError, NceTrainWarning

GLOVE = "2 3\nthe 0.5 1.5 -2\nof 0.25 1 2\n<unk> 9 8 7\n"


def test_a_row_after_those_that_the_header_counts(tmp_path, gensim):
    """GloVe's own program with -write-header 1 does not count the row of <unk>."""
    (tmp_path / "v.txt").write_text(GLOVE)
    with pytest.warns(
        NceTrainWarning, match=r"v.txt, line 4: 1 further row stands after the 2 .* \('<unk>'\)"
    ) as caught:
        ours = Embeddings.load(tmp_path / "v.txt")
    assert len(caught) == 1
    theirs = gensim.models.KeyedVectors.load_word2vec_format(tmp_path / "v.txt")
    assert ours.index_to_key == theirs.index_to_key == ["the", "of"]
    np.testing.assert_array_equal(ours.vectors, theirs.vectors)


@pytest.mark.parametrize("end", ["<unk> 9 8\n", "<html>\n", "<unk> 9 8 x\n", "\0\0\0\n"])
def test_a_file_that_goes_on_with_something_else_is_refused(tmp_path, end):
    (tmp_path / "v.txt").write_text(GLOVE + end)
    with pytest.raises(InputError, match=r"v\.txt, line 5: "):
        Embeddings.load(tmp_path / "v.txt")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_token_that_is_a_line_break(tmp_path, gensim, place):
    words = ["the", "of"]
    words.insert(place, "\n")
    theirs = gensim.models.KeyedVectors(3)
    theirs.add_vectors(words, np.arange(1, 10, dtype=np.float32).reshape(3, 3))
    theirs.save_word2vec_format(tmp_path / "v.bin", binary=True)
    read = gensim.models.KeyedVectors.load_word2vec_format(tmp_path / "v.bin", binary=True)
    ours = Embeddings.load(tmp_path / "v.bin")
    assert ours.index_to_key == read.index_to_key == [word.strip() for word in words]
    np.testing.assert_array_equal(ours.vectors, theirs.vectors)


@pytest.mark.parametrize("header", [b"2 3\n", b"2 3\r\n"])
def test_binary_with_line_ends_of_windows(tmp_path, header):
    rows = [word + b" " + struct.pack("<3f", 1, 2, number) + b"\r\n" for number, word in enumerate([b"the", b"of"])]
    (tmp_path / "v.bin").write_bytes(header + b"".join(rows))
    ours = Embeddings.load(tmp_path / "v.bin")
    assert ours.index_to_key == ["the", "of"]
    assert ours["of"].tolist() == [1, 2, 1]


@pytest.mark.parametrize("header", ["", "2 3\n"])
def test_a_byte_order_mark_is_no_part_of_the_first_word(tmp_path, header):
    (tmp_path / "v.txt").write_text(f"\ufeff{header}a 1 2 3\nb 4 5 6\n", encoding="utf-8")
    assert Embeddings.load(tmp_path / "v.txt").index_to_key == ["a", "b"]


def test_without_a_header_vectors_of_one_number_are_neither_written_nor_read(tmp_path):
    with pytest.raises(InputError, match="without a header, vectors of one number are taken for counts; take"):
        Embeddings(["a", "b"], [[1.0], [2.0]]).save(tmp_path / "v.glove")
    (tmp_path / "v.glove").write_text("a 0.5\nb 0.25\n")
    with pytest.raises(InputError, match="this is a list of words with one number each, not vectors"):
        Embeddings.load(tmp_path / "v.glove")
