"""Counting words from Python, as `nce-vocab` does."""

import pytest

from nce_train.api import count_words
from nce_train.errors import InputError


def test_words_are_counted_and_written(tmp_path):
    (tmp_path / "corpus.txt").write_text("The cat the dog\nthe cat\n")
    counted = count_words(tmp_path / "corpus.txt", tmp_path / "vocab.tsv", min_count=2, lowercase=True)
    assert (counted.vocabulary.words, counted.vocabulary.counts.tolist()) == (["the", "cat"], [3, 2])
    assert [source["bytes"] for source in counted.sources] == [24]
    assert (tmp_path / "vocab.tsv").read_text() == "the\t3\ncat\t2\n"


def test_sentences_are_counted_without_a_file():
    assert count_words([["b", "a"], ["a"]], min_count=1).vocabulary.words == ["a", "b"]


@pytest.mark.parametrize(
    ("arguments", "kind", "sentence"),
    [
        ({"output": "corpus.txt"}, InputError, "corpus.txt: this file is read as corpus; name another one to write"),
        ({"output": 5}, InputError, "output is 5, of type int; give a path"),
        ({"min_count": 0}, InputError, "min_count is 0; give a number of at least 1"),
        ({"max_vocab": 2.5}, TypeError, "max_vocab is 2.5, of type float; give a whole number, or None"),
        ({"threads": 0}, InputError, "threads is 0; give a number of at least 1"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path, monkeypatch, arguments, kind, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus.txt").write_text("a b\n")
    with pytest.raises(kind, match=sentence):
        count_words("corpus.txt", **arguments)
    assert (tmp_path / "corpus.txt").read_text() == "a b\n"
