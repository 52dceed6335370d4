"""Words that a format cannot hold are escaped and read back; all others are written unchanged."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nce_train.embeddings.formats.escape import escape_cell, escape_word, unescape_word
from nce_train.errors import InputError

ANY_BYTES = st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape"))
LIKE_ESCAPED = st.lists(st.sampled_from(["%", "_", "%_", "%20", "%25", "%00", "%0a", " ", "\t", "a"])).map("".join)


@settings(deadline=None)
@given(st.one_of(st.text(), ANY_BYTES, LIKE_ESCAPED))
@example("")
@example("%_%00")
@example("%_a%20b")
def test_every_word_is_one_field_and_is_decoded_again(word):
    escaped = escape_word(word)
    assert escaped.split() == [escaped]
    assert unescape_word(escaped) == word


@pytest.mark.parametrize(
    "word",
    [
        "paris",
        "100%",
        "%",
        "%%",
        "%_",
        "%a%20b",
        "http://a.org/b%20c",
        "50%25",
        "né",
        "a\u00a0b",
        "%20",
        "\udcff",
        "\udc93quoted",
        "\udcfd",
    ],
)
def test_words_that_fit_are_written_unchanged(word):
    assert escape_word(word) == word.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("word", "escaped"),
    [
        ("new york", b"%_new%20york"),
        ("100 %", b"%_100%20%25"),
        ("", b"%_%00"),
        ("a\r\n", b"%_a%0D%0A"),
        ("\x1f\udc8b\x08", b"%_\x1f%8B\x08"),
        ("\udc93NUMPY", b"%_\x93NUMP%59"),
        ("\x02\0\0\0\0\0\0\0{}", b"%_\x02\0\0\0\0\0\0\0%7B}"),
        ("a%b c\0\0\0{ ", b"%_a%25b%20c\0\0\0%7B%20"),
        ("%_a%20b", b"%_%25_a%2520b"),
    ],
)
def test_other_words_are_escaped(word, escaped):
    assert escape_word(word) == escaped


@settings(deadline=None)
@given(st.one_of(st.text(), ANY_BYTES, LIKE_ESCAPED))
@example("\ufeff")
@example("\u3000")
@example("%_%41")
def test_every_word_is_one_cell_and_is_decoded_again(word):
    cell = escape_cell(word)
    assert cell.replace("\ufeff", "").strip() and not set(cell) & set("\t\n\v\f\r")
    assert unescape_word(cell.encode("utf-8")) == word


@pytest.mark.parametrize(
    ("word", "cell"),
    [
        ("paris", "paris"),
        ("new york", "new york"),
        (" ", "%_%20"),
        ("\u00a0", "%_%C2%A0"),
        ("", "%_%00"),
        ("a\tb c", "%_a%09b%20c"),
        ("caf\udce9", "%_caf%E9"),
        ("%_caf%E9", "%_%25_caf%25E9"),
        ("BZh91AY&SY", "%_BZh91AY&S%59"),
    ],
)
def test_cells_hold_blanks_but_only_utf_8(word, cell):
    assert escape_cell(word) == cell


def test_distinct_words_stay_distinct():
    words = ["", "%_%00", "%_%25_%2500", "a b", "%_a%20b", "%_%25_a%2520b", "a%20b", "a_b"]
    assert len({escape_word(word) for word in words}) == len(words)


def test_a_lone_surrogate_is_refused():
    with pytest.raises(InputError, match="lone surrogates"):
        escape_word("\ud800")
