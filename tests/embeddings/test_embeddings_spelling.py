"""The nearest spellings compared with a slow twin, and words that are found in another spelling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nce_train.embeddings.spelling import find_composable, find_word, nearest_spellings, printable
from nce_train.embeddings.subwords import SubWords
from nce_train.errors import InputError


def edits(one, other):
    """Optimal string alignment, letter by letter, as in the textbook."""
    table = {(-1, -1): 0}
    for i in range(len(one)):
        table[i, -1] = i + 1
    for j in range(len(other)):
        table[-1, j] = j + 1
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (a != b))
            if i and j and a == other[j - 1] and b == one[i - 1]:
                table[i, j] = min(table[i, j], table[i - 2, j - 2] + 1)
    return table[len(one) - 1, len(other) - 1]


def allowed(word):
    return 0 if len(word) < 2 else 1 if len(word) < 4 else 2 if len(word) < 8 else 3


letters = st.text(st.sampled_from("abcé€😀"), max_size=11)


@settings(deadline=None)  # a busy machine may be slow
@given(letters, st.lists(letters, unique=True, max_size=30))
def test_spellings_are_those_of_the_slow_twin(word, words):
    distances = [(edits(word, other), row) for row, other in enumerate(words) if other and word]
    near = [words[row] for distance, row in sorted(distances) if distance <= allowed(word)]
    assert nearest_spellings(word, words, number=100) == near


def test_nearest_first_then_most_frequent():
    words = ["the", "London", "condon", "lndon", "london", "paris", "lodnon", "IBM"]
    assert nearest_spellings("lodnon", words) == ["lodnon", "London", "london", "condon", "lndon"]
    assert nearest_spellings("londno", words, number=2) == ["London", "london"]
    assert nearest_spellings("ibm", words) == ["IBM"]
    assert nearest_spellings("xyzzy", words) == []


def test_more_words_than_a_block():
    words = [f"{number:06}" for number in range(100_000)]
    assert nearest_spellings("099999x", words, number=3) == ["099999", "009999", "019999"]


@pytest.mark.parametrize("word", ["", "x" * 65, "x" * 100_000])
def test_empty_and_long_words_have_no_spellings(word):
    assert nearest_spellings(word, ["a", "x" * 64, "x" * 65, "x" * 99_999]) == []


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ("paris", "paris"),
        ("PARIS", "paris"),
        ("Ändern", "ändern"),
        ("Rome", "Rome"),
        ("rome", None),
        ("%_new%20york", "new york"),
        ("%_a%0Ab", "a\nb"),
        ("f\udce9", "f\udce9"),
        ("%_a%20\udce9", "a \udce9"),
        ("absent", None),
        ("caf\u00e9", "cafe\u0301"),
        ("CAF\u00c9", "cafe\u0301"),
        ("e\u0301t\u00e9", "\u00e9t\u00e9"),
        ("\u0130zmir", "izmir"),
        ("I\u0307ZMIR", "izmir"),
        ("pa\u00adris", "paris"),
        ("\u200fCaf\u00e9", "cafe\u0301"),
        ("\ufeff", None),
    ],
)
def test_a_word_is_found_as_given_or_in_another_spelling(asked, word):
    vocabulary = ["paris", "ändern", "Rome", "new york", "a\nb", "f\udce9", "a \udce9"]
    vocabulary += ["cafe\u0301", "\u00e9t\u00e9", "izmir", ""]
    assert find_word(asked, {word: row for row, word in enumerate(vocabulary)}) == word


def test_a_word_that_cannot_be_encoded():
    with pytest.raises(InputError, match="lone surrogates"):
        find_word("\ud800", {"a": 0})


@pytest.mark.parametrize(
    ("word", "printed"),
    [
        ("naïve 東京", "naïve 東京"),
        ("a\nb", r"a\nb"),
        ("\x1b[2J", r"\x1b[2J"),
        ("f\udce9\x1b", r"%_f%E9\x1b"),
        ("f\udce9\ud800", r"f\udce9\ud800"),
    ],
)
def test_words_are_printed_on_one_line(word, printed):
    assert printable(word) == printed


def test_white_space_around_a_word_does_not_count_and_several_words_are_no_word():
    vocabulary = {"tokyo": 0, " odd ": 1}
    assert [find_word(word, vocabulary) for word in ("  tokyo ", "Tokyo\n", " odd ", "tokyo odd")] == [
        "tokyo",
        "tokyo",
        " odd ",
        None,
    ]
    subwords = SubWords(2, 2, 100, np.arange(100, dtype=np.int32), np.ones((100, 3), np.float32))
    assert find_composable(" kyoto ", subwords) == "kyoto"
    assert find_composable("kyoto tokyo", subwords) is None
