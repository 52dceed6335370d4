"""Sets: their kind is told from their contents, and what is wrong from the line."""

import pytest

from nce_train.errors import InputError
from nce_train.evaluation.sets import Pair, Question, kind_of, read_analogies, read_similarities

SCORED = [Pair("tiger", "cat", 7.35), Pair("Love", "sex", 6.0)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (": capitals\nAthens Greece Oslo Norway\n", "analogies"),
        ("Athens Greece Oslo Norway\n", "analogies"),
        (": section 1\nAthens Greece Oslo Norway\n", "analogies"),
        ("// a comment\n\n: capitals\nAthens Greece Oslo Norway\n", "analogies"),
        ("\ufeff: capitals\nAthens Greece Oslo Norway\n", "analogies"),
        ("tiger\tcat\t7.35\n", "similarity"),
        ("tiger,cat,7\n", "similarity"),
        ("tiger cat 7.35\r\n", "similarity"),
        ("# a comment\nWord 1\tWord 2\tHuman (mean)\ntiger\tcat\t7.35\n", "similarity"),
        ("Word 1,Word 2,Human (mean)\ntiger,cat,-0.5e1\n", "similarity"),
    ],
)
def test_the_kind_is_told_from_the_contents(tmp_path, text, kind):
    (tmp_path / "set").write_text(text, encoding="utf-8")
    assert kind_of(tmp_path / "set") == kind


def test_analogies_with_sections_and_comments(tmp_path):
    (tmp_path / "set").write_text("a b c d\n: one two\n\nA b c d\r\n# no\n: three\na  b\tc d\n", encoding="utf-8")
    assert read_analogies(tmp_path / "set") == [
        Question("", "a", "b", "c", "d"),
        Question("one two", "A", "b", "c", "d"),
        Question("three", "a", "b", "c", "d"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "tiger\tcat\t7.35\nLove\tsex\t6\n",
        "Word 1\tWord 2\tHuman (mean)\ntiger\tcat\t7.35\nLove\tsex\t6\n",
        "word1,word2,score\n\ntiger,cat,7.35\n# comment\nLove, sex ,6.0\n",
        "tiger cat 7.35\r\nLove  sex 6e0",
    ],
)
def test_similarities_in_the_common_forms(tmp_path, text):
    (tmp_path / "set").write_bytes(text.encode())
    assert read_similarities(tmp_path / "set") == SCORED


@pytest.mark.parametrize(
    ("read", "text", "sentence"),
    [
        (read_analogies, ": s\na b c\n", "line 2: 3 words"),
        (read_analogies, ": s\na b c d\na b c d e\n", "line 3: 5 words"),
        (read_analogies, ": s\n", "there is no analogy"),
        (read_similarities, "a\tb\t1\na\tb\n", "line 2: not two words and a number"),
        (read_similarities, "w\tv\tscore\na\tb\tx\n", "line 2: not two words and a number"),
        (read_similarities, "a\tb\t1\na\tb\tnan\n", "line 2: not two words and a number"),
        (read_similarities, "w\tv\tscore\n", "there is no pair"),
        (kind_of, "", "neither a set of analogies"),
        (kind_of, "one\ntwo\nthree\n: capitals\n", "neither a set of analogies"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, read, text, sentence):
    path = tmp_path / "set.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=sentence) as failure:
        read(path)
    assert "set.txt" in str(failure.value)


@pytest.mark.parametrize("read", [kind_of, read_analogies, read_similarities])
def test_an_absent_set_and_a_directory(tmp_path, read):
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(InputError, match="the set cannot be read"):
            read(path)
