"""The slow, readable twins of the compiled tokeniser and of the encoder, which specify both."""

import sys
import unicodedata
from collections import Counter
from types import SimpleNamespace

import pytest

from nce_train.text.corpus import encode_corpus


@pytest.fixture(autouse=True, scope="session")
def _own_cache_directory(tmp_path_factory):
    """Tests do not use the cache of the user who runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache-home")))
        yield


def split_words(line):
    """Letters and digits, with the marks after them. Invalid UTF-8 becomes surrogates, which are separators."""
    tokens, token = [], ""
    for character in line.decode("utf-8", "surrogateescape") + " ":
        is_mark = unicodedata.category(character).startswith("M")
        if character.isalnum() or (is_mark and token):
            token += character
        elif token:
            tokens.append(token.encode())
            token = ""
    return tokens


def sentences_of(files, tokens="whitespace"):
    """Lists of words, one for each line of the files (bytes)."""
    split = split_words if tokens == "words" else bytes.split  # which splits at ASCII white space
    return [
        [token.decode("utf-8", "surrogateescape") for token in split(line)]
        for content in files
        for line in content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    ]


def encode_slowly(sentences, *, lowercase=False, line_breaks="sentence", min_count=1, max_vocab=None, unknown=None):
    """Words, counts and stream as lists; None when fewer than two words remain."""
    if lowercase:
        sentences = [[word.lower() for word in sentence] for sentence in sentences]
    if line_breaks == "ignore":
        sentences = [[word for sentence in sentences for word in sentence]]
    counter = Counter(word for sentence in sentences for word in sentence)
    # sorted() is stable and the Counter keeps the order of first appearance
    frequent = [(w, n) for w, n in sorted(counter.items(), key=lambda pair: -pair[1]) if n >= min_count]
    if len(frequent) < 2:
        return None
    if unknown is None:
        rows = frequent[:max_vocab]
    else:
        kept = [(word, n) for word, n in frequent if word != unknown]
        kept = kept[: sys.maxsize if max_vocab is None else max_vocab - 1]
        rows = [(unknown, sum(counter.values()) - sum(n for _, n in kept)), *kept]
    index = {word: row for row, (word, _) in enumerate(rows)}
    stream = []
    for sentence in sentences:
        ids = [index.get(word, -2 if unknown is None else 0) for word in sentence]
        ids = [i for i in ids if i != -2]
        if ids:
            stream += [*ids, -1]
    return [word for word, _ in rows], [n for _, n in rows], stream


@pytest.fixture(scope="session")
def twin():
    """The functions above, for the test modules."""

    return SimpleNamespace(split_words=split_words, sentences_of=sentences_of, encode_slowly=encode_slowly)


@pytest.fixture
def encode(tmp_path):
    """Encode some bytes without the cache."""

    def run(content, **options):
        path = tmp_path / "corpus.txt"
        path.write_bytes(content)
        return encode_corpus(path, tmp_path / "out", **({"cache": False, "min_count": 1, "threads": 2} | options))

    return run
