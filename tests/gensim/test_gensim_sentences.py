"""Readers of sentences beside gensim's, and sentences as ids."""

import gzip
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nce_train.errors import InputError
from nce_train.gensim import LineSentence, PathLineSentences, learning
from nce_train.gensim.vocabulary import count_file

TEXT = "red green\n\nblue  \t red\nä ö ü\n" + "x " * 25 + "\nlast line"


@pytest.mark.parametrize("options", [{}, {"limit": 3}, {"max_sentence_length": 10}])
def test_lines_are_those_of_gensim(tmp_path, gensim, options):
    (tmp_path / "a.txt").write_text(TEXT)
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"packed text\n"))
    theirs = gensim.models.word2vec
    for name in ("a.txt", "b.txt.gz"):
        path = str(tmp_path / name)
        ours = LineSentence(path, **options)
        assert list(ours) == list(ours) == list(theirs.LineSentence(path, **options))
    ours = PathLineSentences(str(tmp_path), **options)
    other = theirs.PathLineSentences(str(tmp_path), **options)
    assert list(ours) == list(other) and ours.input_files == other.input_files
    opened = io.BytesIO(TEXT.encode())
    assert list(LineSentence(opened)) == list(LineSentence(opened)) == list(LineSentence(tmp_path / "a.txt"))


def test_missing_files(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        list(LineSentence(tmp_path / "absent.txt"))
    with pytest.raises(InputError, match="no such file"):
        PathLineSentences(tmp_path / "absent")


def test_words_of_a_file_are_counted(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT + "\n")
    counted = count_file(tmp_path / "a.txt")
    words = [word for sentence in LineSentence(tmp_path / "a.txt") for word in sentence]
    assert counted.counts == {word: words.count(word) for word in words}
    assert (counted.words, counted.sentences) == (len(words), 6)


@settings(max_examples=60, deadline=None)
@given(
    sentences=st.lists(st.lists(st.sampled_from(["a", "b", 7, "dropped", "x y", ""]), max_size=5), max_size=12),
    at_once=st.integers(1, 8),
)
def test_sentences_become_ids(sentences, at_once):
    rows = {"a": 0, "b": 1, 7: 2, "x y": 3}
    expected = []
    for sentence in sentences:
        kept = [rows[word] for word in sentence if word in rows]
        expected += [*kept, -1] if kept else []
    size, learning._IDS_AT_ONCE = learning._IDS_AT_ONCE, at_once
    try:
        with learning.ids_of_sentences(sentences, rows) as stream:
            assert stream.ids.tolist() == expected and stream.ids.dtype == np.int32
            assert not stream.ids.flags.writeable
            assert stream.tokens == sum(each >= 0 for each in expected)
            assert stream.raw_words == sum(map(len, sentences))
    finally:
        learning._IDS_AT_ONCE = size
