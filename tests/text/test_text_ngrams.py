"""N-grams of words, against fastText's rules in plain Python and against gensim's."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nce_train.text import ngrams
from nce_train.text.ngrams import ngram_buckets, word_buckets

WORDS = ["a", "the", "word", "œuvre", "日本語", "हिन्दी", "o'clock", "😀", "", "</s>", "<", ">", "a" * 40, "caf\udce9"]


def plain_ngrams(word, least, most):
    """The n-grams as bytes, a character after the other, as fastText's `computeSubwords` has them."""
    if word == "</s>":
        return []
    framed = f"<{word}>".encode("utf-8", "surrogateescape")
    starts = [place for place, byte in enumerate(framed) if byte & 0xC0 != 0x80] + [len(framed)]
    return [
        framed[starts[first] : starts[first + n]]
        for first in range(len(starts) - 1)
        for n in range(least, most + 1)
        if first + n < len(starts) and not (n == 1 and (first == 0 or first + n == len(starts) - 1))
    ]


def plain_hash(ngram):
    hashed = 2166136261
    for byte in ngram:
        signed = byte - 256 if byte >= 128 else byte
        hashed = ((hashed ^ (signed % 2**32)) * 16777619) % 2**32
    return hashed


def plain_buckets(word, least, most, buckets):
    return [plain_hash(ngram) % buckets for ngram in plain_ngrams(word, least, most)]


def assert_as_plain(words, least, most, buckets, threads=1):
    starts, found = ngram_buckets(words, least, most, buckets, threads)
    assert (starts.dtype, found.dtype, len(starts)) == (np.int64, np.int32, len(words) + 1)
    pieces = [found[begin:end].tolist() for begin, end in itertools.pairwise(starts)]
    assert pieces == [plain_buckets(word, least, most, buckets) for word in words]
    assert pieces == [word_buckets(word, least, most, buckets) for word in words]


@pytest.mark.parametrize(("least", "most"), [(1, 1), (1, 3), (2, 2), (3, 6), (5, 5), (4, 60)])
@pytest.mark.parametrize("buckets", [1, 7, 2_000_000, 2**31 - 1])
def test_ngrams_are_those_of_plain_python(least, most, buckets):
    assert_as_plain(WORDS, least, most, buckets)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=12), max_size=8), st.integers(1, 6), st.integers(0, 5), st.integers(1, 2**31 - 1))
def test_any_words(words, least, more, buckets):
    words = [word for word in words if word.encode("utf-8", "surrogatepass").decode("utf-8", "ignore") == word]
    assert_as_plain(words, least, least + more, buckets)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=10), max_size=8), st.integers(1, 6), st.integers(0, 5), st.integers(1, 2**31 - 1))
def test_any_bytes(words, least, more, buckets):
    """Words that are not UTF-8, as bytes are decoded with `surrogateescape`."""
    assert_as_plain([word.decode("utf-8", "surrogateescape") for word in words], least, least + more, buckets)


def test_a_few_words_need_no_compiled_code():
    code = (
        "import sys; from nce_train.text.ngrams import word_buckets; "
        "print(word_buckets('word', 5, 5, 2_000_000), 'numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[1510087, 754425] False\n"


def test_many_words_on_several_threads(monkeypatch):
    monkeypatch.setattr(ngrams, "_WORDS_PER_TASK", 3)
    assert_as_plain(WORDS * 3, 3, 6, 1000, threads=4)
    assert_as_plain([], 3, 6, 1000, threads=2)


def test_ngrams_are_gensims(gensim):
    from gensim.models.fasttext import ft_ngram_hashes

    for word in ["a", "the", "word", "œuvre", "日本語", "हिन्दी", "😀", "a" * 40]:
        for least, most in ((3, 6), (5, 5), (2, 3)):
            _, found = ngram_buckets([word], least, most, 2_000_000)
            assert sorted(found.tolist()) == sorted(ft_ngram_hashes(word, least, most, 2_000_000))
