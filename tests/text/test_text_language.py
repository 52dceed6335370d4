"""Words of a language and names of other things."""

import pytest

from nce_train.text.language import share_of_letters

LETTERS = ["rose", "naïve", "don't", "l’été", "rock-n-roll", "well‐known", "भारत", "cafe\u0301", "日本", "שָׁלוֹם", "ﬁn"]
OTHERS = ["item12", "12", "a_b", "-rose", "rose-", "'", "x.y", "C++", "www.a", "\udcff\udcfe", "a\udcff", "", "\u0301"]


@pytest.mark.parametrize("word", LETTERS)
def test_letters(word):
    assert share_of_letters([word]) == 1


@pytest.mark.parametrize("word", OTHERS)
def test_other_characters(word):
    assert share_of_letters([word]) == 0


def test_types_are_weighed_alike():
    assert share_of_letters(["one", "two", "three", "item4"]) == 0.75
