"""Selecting rows, and writing and reading vocab.tsv."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nce_train.errors import InputError
from nce_train.text.vocabulary import DROPPED, Vocabulary

WORDS = ["the", "of", "cat", "dog", "UNK", "rare"]
COUNTS = np.array([5, 9, 5, 2, 3, 1])
FIRST = np.array([40, 10, 30, 20, 0, 50])


def select(**options):
    vocabulary, row_of = Vocabulary.select(WORDS, COUNTS, FIRST, **options)
    return list(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True)), row_of.tolist()


def test_rows_are_sorted_by_count_and_ties_by_first_appearance():
    rows, row_of = select(min_count=2)
    assert rows == [("of", 9), ("cat", 5), ("the", 5), ("UNK", 3), ("dog", 2)]
    assert row_of == [2, 0, 1, 4, 3, DROPPED]


def test_max_vocab_is_the_number_of_rows():
    assert select(min_count=1, max_vocab=3)[0] == [("of", 9), ("cat", 5), ("the", 5)]
    assert select(min_count=1, max_vocab=3, unknown="<unk>")[0] == [("<unk>", 11), ("of", 9), ("cat", 5)]
    assert len(select(min_count=1, max_vocab=100)[0]) == 6


def test_the_unknown_word_counts_for_all_words_without_a_row_and_for_itself():
    rows, row_of = select(min_count=5, unknown="UNK")
    assert rows == [("UNK", 6), ("of", 9), ("cat", 5), ("the", 5)]
    assert row_of == [3, 1, 2, 0, 0, 0]
    assert select(min_count=1, unknown="UNK")[0][0] == ("UNK", 3)
    assert select(min_count=1, unknown="none")[0][0] == ("none", 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_count": 6}, "only 1 of 6 distinct words occur 6 times or more.*lower --min-count"),
        ({"min_count": 6, "unknown": "UNK"}, "only 1 of 6 distinct words"),
        ({"min_count": 10}, "only 0 of 6 distinct words"),
        ({"max_vocab": 1}, "--max-vocab is 1"),
        ({"min_count": 1, "unknown": "two words"}, "--unknown is 'two words'"),
        ({"min_count": 1, "unknown": ""}, "--unknown is ''"),
    ],
)
def test_too_few_words_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        select(**options)


def test_one_distinct_word_is_refused():
    with pytest.raises(InputError, match="only one distinct word"):
        Vocabulary.select(["a"], np.array([9]), np.array([0]), min_count=5)


def test_a_vocabulary_is_immutable():
    counts = np.array([3, 2])
    vocabulary = Vocabulary(["a", "b"], counts)
    counts[0] = 7
    assert vocabulary.counts.tolist() == [3, 2]
    with pytest.raises(ValueError, match="read-only"):
        vocabulary.counts[0] = 7
    with pytest.raises(AttributeError):
        vocabulary.unknown = "a"
    with pytest.raises(ValueError, match="shape"):
        Vocabulary(["a"], counts)
    with pytest.raises(ValueError, match="row 0"):
        Vocabulary(["a", "b"], counts, unknown="b")


WORD_BYTES = st.binary(min_size=1, max_size=12).filter(lambda b: not set(b) & set(b"\t\n\r\0"))


@given(encoded=st.lists(WORD_BYTES, unique=True, min_size=1, max_size=20), data=st.data())
@settings(max_examples=100, deadline=None)
def test_a_saved_vocabulary_is_loaded_unchanged(tmp_path_factory, encoded, data):
    counts = data.draw(st.lists(st.integers(0, 10**17), min_size=len(encoded), max_size=len(encoded)))
    counts.sort(reverse=True)
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.tsv"
    words = [word.decode("utf-8", "surrogateescape") for word in encoded]
    vocabulary = Vocabulary(words, np.array(counts))
    vocabulary.save(path)
    assert path.read_bytes() == b"".join(b"%s\t%d\n" % row for row in zip(encoded, counts, strict=True))
    loaded = Vocabulary.load(path)
    assert (loaded.words, loaded.counts.tolist(), loaded.unknown) == (words, counts, None)
    assert loaded.fingerprint == vocabulary.fingerprint
    assert loaded.index == {word: row for row, word in enumerate(words)}


def test_the_first_line_may_be_out_of_order_when_it_is_the_unknown_word(tmp_path):
    path = tmp_path / "vocab.tsv"
    Vocabulary(["UNK", "a", "b"], np.array([1, 5, 2]), "UNK").save(path)
    assert Vocabulary.load(path, unknown="UNK").unknown == "UNK"
    with pytest.raises(InputError, match=r"line 2: the count 5 is larger than 1.*--unknown"):
        Vocabulary.load(path)
    with pytest.raises(InputError, match=r"line 1: the word is 'UNK', but --unknown is 'a'"):
        Vocabulary.load(path, unknown="a")


@pytest.mark.parametrize("content", [b"a\t2\r\nb\t1", b"a\t2\rb\t1\r", b"a\t2\r\nb\t1\r\n"])
def test_other_line_ends_and_a_missing_last_line_end_are_accepted(tmp_path, content):
    path = tmp_path / "vocab.tsv"
    path.write_bytes(content)
    assert Vocabulary.load(path).words == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "vocab.tsv is empty"),
        (b"a\t2\n\nb\t1\n", "vocab.tsv, line 2 is empty"),
        (b"a\t2\nb 1\n", r"vocab.tsv, line 2 has no tab: 'b 1'"),
        (b"a\t2\nb\tone\n", "line 2: the count 'one' is not a whole number"),
        (b"a\t2\nb\t-1\n", "line 2: the count '-1' is not a whole number"),
        (b"a\t2\nb\t1.0\n", "line 2: the count '1.0' is not a whole number"),
        (b"a\t2\nb\t\n", "line 2: the count '' is not a whole number"),
        (b"a\t99999999999999999999\n", "line 1: the count '9+' is not a whole number"),
        (b"a\t2\n\t1\n", "line 2: the word is empty"),
        (b"\x1f\x8b\x08\x00\xff" * 20, r"vocab.tsv: this is a compressed file, not a vocabulary; unpack it first"),
        (b"\x93NUMPY\x01\x00v\x00\t\x00\n\0\0", r"vocab.tsv: this is a file of vectors, not a vocabulary; name a file"),
        (b"\x01\x02v\x00\t\x00\n\0\0", r"vocab.tsv, line 1: this is a binary file; give one with lines of"),
        (b"2 3\nthe 1 2 3\nof 4 5 6\n", r"vocab.tsv: this is a file of vectors, not a vocabulary; name a file"),
        (b"the 0.5 1 2\nof 0.5 5 6\n", r"vocab.tsv: this is a file of vectors, not a vocabulary; name a file"),
        (b"a\tb\t2\n", "line 1: the word is split by a tab"),
        (b"a\t2\nb\t2\na\t1\n", "line 3: the word 'a' already occurs in an earlier line"),
        (b"a\t2\nb\t1\nc\t2\n", "line 3: the count 2 is larger than 1"),
    ],
)
def test_a_bad_line_is_reported_with_file_and_number(tmp_path, content, message):
    path = tmp_path / "vocab.tsv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        Vocabulary.load(path)


def test_a_file_that_cannot_be_read_is_reported(tmp_path):
    with pytest.raises(InputError, match=r"missing\.tsv: No such file"):
        Vocabulary.load(tmp_path / "missing.tsv")
    with pytest.raises(InputError, match="Is a directory"):
        Vocabulary.load(tmp_path)


@pytest.mark.parametrize("word", ["a\tb", "a\nb"])
def test_a_word_that_the_file_cannot_store_is_refused(tmp_path, word):
    with pytest.raises(ValueError, match="tab or a line break"):
        Vocabulary(["a", word], np.array([2, 1])).save(tmp_path / "vocab.tsv")
    assert list(tmp_path.iterdir()) == []
