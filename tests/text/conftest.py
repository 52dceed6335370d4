"""The slow, readable twins of the compiled tokeniser and of the encoder, which specify both."""

import re
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


def kind_of(character):
    """a: a letter or digit, m: a mark, j: a joiner or connector, or a space."""
    category = unicodedata.category(character)
    ends_a_word = character in "\u200b\u06dd\u0890\u0891\u08e2\ufff9\ufffa\ufffb\U000110bd\U000110cd"
    ends_a_word = ends_a_word or "\u0600" <= character <= "\u0605"
    if character.isalnum():
        return "a"
    if category.startswith("M") or character == "\u200d":
        return "m"
    return "j" if category == "Pc" or (category == "Cf" and not ends_a_word) else " "


def split_words(line):
    """What begins with a letter or digit, goes on with marks and joiners too, and ends in no joiner.

    Invalid UTF-8 becomes surrogates, which are separators.
    """
    text = line.decode("utf-8", "surrogateescape")
    kinds = "".join(map(kind_of, text))
    return [text[slice(*match.span())].encode() for match in re.finditer("a([amj]*[am])?", kinds)]


def sentences_of(files, tokens="whitespace"):
    """Lists of words, one for each line of the files (bytes), without byte order marks at its start."""
    split = split_words if tokens == "words" else bytes.split  # which splits at ASCII white space
    return [
        [token.decode("utf-8", "surrogateescape") for token in split(re.sub(b"^(\xef\xbb\xbf)+", b"", line))]
        for content in files
        for line in re.split(rb"\r\n|\r|\n", content)
    ]


def spell(word, *, tokens="whitespace", lowercase=False, normalize="none"):
    """A word as it stands in the vocabulary."""
    if tokens == "words":
        word = re.sub("[\u00ad\u061c\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]", "", word)
    composed = (lambda word: unicodedata.normalize("NFC", word)) if normalize == "nfc" else str
    word = composed(word)
    if lowercase:
        word = composed(re.sub("i\u0307+", "i", word.lower()))
    return word


def encode_slowly(sentences, *, line_breaks="sentence", min_count=1, max_vocab=None, unknown=None, **rules):
    """Words, counts and stream as lists; None when fewer than two words remain."""
    sentences = [[spell(word, **rules) for word in sentence] for sentence in sentences]
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

    return SimpleNamespace(split_words=split_words, sentences_of=sentences_of, spell=spell, encode_slowly=encode_slowly)


@pytest.fixture
def encode(tmp_path):
    """Encode some bytes without the cache."""

    def run(content, **options):
        path = tmp_path / "corpus.txt"
        path.write_bytes(content)
        return encode_corpus(path, tmp_path / "out", **({"cache": False, "min_count": 1, "threads": 2} | options))

    return run
