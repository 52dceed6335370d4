"""What a person is told about a text: what was left out of it, and scripts without blanks."""

import random

import numpy as np
import pytest

from nce_train.errors import InputError
from nce_train.text.corpus import count_corpus, encode_corpus
from nce_train.text.vocabulary import Vocabulary

SESSIONS = " ".join(f"top{i % 3}" for i in range(60)) + "\n" + " ".join(f"u{i}" for i in range(140)) + "\n"


def warnings_of(tmp_path, text, **options):
    path = tmp_path / "text.txt"
    path.write_text(text, encoding="utf-8")
    return count_corpus(path, **options)[3]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {},
            "70% of the 200 tokens are left out, because their words occur less than 5 times; lower --min-count",
        ),
        (
            {"min_count": 1, "max_vocab": 2},
            "80% of the 200 tokens are left out, because --max-vocab keeps 2 words; raise",
        ),
        ({"min_count": 1, "max_vocab": 90}, None),
        ({"min_count": 1}, None),
        ({"unknown": "UNK"}, None),
    ],
)
def test_much_that_is_left_out_is_told_with_what_to_change(tmp_path, options, sentence):
    (tmp_path / "text.txt").write_text(SESSIONS)
    encoded = encode_corpus(tmp_path / "text.txt", tmp_path / "out", cache=False, **options)
    assert encoded.text == (143, 200)
    _, text, _, warnings = count_corpus(tmp_path / "text.txt", **options)
    assert (text, warnings) == (encoded.text, encoded.warnings)
    assert len(warnings) == (sentence is not None)
    assert all(warning.startswith(sentence) for warning in warnings)


def test_a_given_vocabulary_that_knows_little_of_the_text_is_told(tmp_path):
    (tmp_path / "text.txt").write_text(SESSIONS)
    given = Vocabulary(["Top", "top0"], np.array([5, 3]))
    for _ in range(2):  # the second is from the cache
        encoded = encode_corpus(tmp_path / "text.txt", tmp_path / "out", vocabulary=given)
        assert encoded.text == (143, 200)
        (warning,) = encoded.warnings
        assert warning.startswith("90% of the 200 tokens are left out, because their words are not in the given vocab")
    assert encoded.from_cache


def test_a_continued_model_counts_its_old_words_as_kept(tmp_path):
    (tmp_path / "text.txt").write_text(SESSIONS)
    old = Vocabulary(["top0", *(f"u{i}" for i in range(140))], np.full(141, 7))
    encoded = encode_corpus(tmp_path / "text.txt", tmp_path / "out", extend=old, cache=False)
    assert (encoded.token_count, encoded.text, encoded.warnings) == (200, (143, 200), [])


def sentences(letters, length, seed=3):
    choose = random.Random(seed)
    return "".join("".join(choose.choices(letters, k=length)) + "\n" for _ in range(40))


@pytest.mark.parametrize("tokens", ["whitespace", "words"])
@pytest.mark.parametrize(
    "letters", ["今天气很好我们去公园", "きょうはいいてんきです", "วันนี้อากาศดีมาก", "ថ្ងៃនេះអាកាសធាតុ", "ဒီနေ့ရာသီဥတု"]
)
def test_text_without_blanks_must_be_segmented(tmp_path, letters, tokens):
    expected = r"the mean token has \d+ bytes: text in a script without blanks between words must be segmented"
    text = sentences([letter for letter in letters if letter.isalnum()], 20)
    with pytest.raises(InputError, match=rf"occur 5 times or more, and at least two must; {expected}"):
        warnings_of(tmp_path, text, tokens=tokens)
    with pytest.raises(InputError, match=rf"only one distinct word; at least two are needed: {expected}"):
        warnings_of(tmp_path, text.replace("\n", ""), tokens=tokens)
    (warning,) = warnings_of(tmp_path, text, tokens=tokens, min_count=1)
    assert warning.startswith("the mean token has ")


@pytest.mark.parametrize(
    "text",
    [
        sentences(["今天 ", "天气 ", "很 ", "好 ", "我们 ", "去 ", "公园 "], 20),
        sentences(["วันนี้ ", "อากาศ ", "ดี ", "มาก ", "โรงเรียน "], 20),
        sentences(["മലയാളത്തിലെഴുതിയ ", "കേരളത്തിലെല്ലാം "], 20),  # long words, with blanks
        "".join(f"https://example.org/a/long/path/{i}\n" for i in range(40)),
        "".join(f"123e4567-e89b-12d3-a456-4266141740{i}\n" for i in range(10, 50)),
        sentences(["한국어는 ", "띄어쓰기를 ", "합니다 "], 20),
    ],
    ids=["Chinese", "Thai", "Malayalam", "addresses", "identifiers", "Korean"],
)
def test_words_with_blanks_between_them_are_left_alone(tmp_path, text):
    assert warnings_of(tmp_path, text, min_count=1) == []
