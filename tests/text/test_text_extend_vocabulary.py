"""Extending a vocabulary by the words of another text, compared with plain Python. Old words are never removed."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nce_train.errors import InputError
from nce_train.text import counter_pool, token_file
from nce_train.text.corpus import encode_corpus
from nce_train.text.vocabulary import Vocabulary

WORDS = [*"abcdefgh", "é", "x" * 30]
SENTENCES = st.lists(st.lists(st.sampled_from(WORDS), max_size=12), max_size=8)


def extend_slowly(old, sentences, min_count, max_vocab):
    """Words, counts and stream as lists."""
    counter = Counter(word for sentence in sentences for word in sentence)  # in order of first appearance
    new = [(w, n) for w, n in counter.items() if w not in old.words and n >= min_count]
    new = sorted(new, key=lambda pair: -pair[1])
    new = new if max_vocab is None else new[: max_vocab - len(old)]
    kept = {word: count + counter[word] for word, count in zip(old.words, old.counts.tolist(), strict=True)}
    kept.update(new)
    rows = sorted(kept.items(), key=lambda pair: -pair[1])
    if old.unknown is not None:
        others = sum(n for w, n in counter.items() if w not in kept)
        rows = [(old.unknown, kept[old.unknown] + others), *(row for row in rows if row[0] != old.unknown)]
    index = {word: row for row, (word, _) in enumerate(rows)}
    stream = []
    for sentence in sentences:
        ids = [index.get(word, -2 if old.unknown is None else 0) for word in sentence]
        ids = [i for i in ids if i != -2]
        stream += [*ids, -1] if ids else []
    return [word for word, _ in rows], [n for _, n in rows], stream


@given(
    old_words=st.lists(st.sampled_from([*WORDS, "gone"]), min_size=2, unique=True),
    old_counts=st.lists(st.integers(0, 6), min_size=11, max_size=11),
    with_unknown=st.booleans(),
    sentences=SENTENCES,
    min_count=st.integers(1, 3),
    room=st.none() | st.integers(0, 3),
    words_in_memory=st.sampled_from([1, 3, 1 << 20]),
)
@settings(max_examples=100, deadline=None)
def test_any_text_extends_a_vocabulary_as_in_plain_python(
    tmp_path_factory, old_words, old_counts, with_unknown, sentences, min_count, room, words_in_memory
):
    counts = sorted(old_counts[: len(old_words)], reverse=True)
    if with_unknown:
        counts[0] = 3
    old = Vocabulary(old_words, np.array(counts), old_words[0] if with_unknown else None)
    max_vocab = None if room is None else len(old) + room
    directory = tmp_path_factory.mktemp("corpus")
    path = directory / "new.txt"
    path.write_text("\n".join(map(" ".join, sentences)), encoding="utf-8")
    options = {"min_count": min_count, "max_vocab": max_vocab, "extend": old, "cache": False}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_file, "BLOCK_BYTES", 20)
        patch.setattr(counter_pool, "words_per_counter", lambda threads: words_in_memory)
        for threads in (1, 3):
            if not any(word in old.words for sentence in sentences for word in sentence):
                with pytest.raises(InputError, match=r"no token|no word of the corpus is a word of the model"):
                    encode_corpus(path, directory / "out", threads=threads, **options)
                continue
            encoded = encode_corpus(path, directory / "out", threads=threads, **options)
            expected = extend_slowly(old, sentences, min_count, max_vocab)
            vocabulary = encoded.vocabulary
            assert (vocabulary.words, vocabulary.counts.tolist(), encoded.stream.tolist()) == expected
            assert vocabulary.unknown == old.unknown
            assert encoded.token_count == sum(i >= 0 for i in expected[2])


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "new.txt"
    path.write_text("the dog saw the dog\nthe cat\n")
    return path


def test_words_beyond_max_vocab_are_reported(tmp_path, text):
    old = Vocabulary(["the", "cat"], np.array([2, 1]))
    encoded = encode_corpus(text, tmp_path / "out", min_count=1, max_vocab=3, extend=old, cache=False)
    assert encoded.vocabulary.words == ["the", "cat", "dog"]
    assert encoded.warnings == ["1 new words were left out, because --max-vocab is 3"]
    with pytest.raises(InputError, match="--max-vocab is 2, but the model has 3 words, which all stay"):
        encode_corpus(text, tmp_path / "out", max_vocab=2, extend=encoded.vocabulary, cache=False)


def test_the_cache_depends_on_the_extended_vocabulary(tmp_path, text):
    def encode(counts):
        old = Vocabulary(["the", "cat"], np.array(counts))
        return encode_corpus(text, tmp_path / "out", min_count=1, extend=old)

    first = encode([2, 1])
    again = encode([2, 1])
    assert (first.from_cache, again.from_cache) == (False, True)
    assert again.vocabulary.words == first.vocabulary.words
    assert again.vocabulary.counts.tolist() == first.vocabulary.counts.tolist() == [5, 2, 2, 1]
    assert not encode([3, 1]).from_cache
    as_given = encode_corpus(
        text, tmp_path / "out", min_count=1, vocabulary=Vocabulary(["the", "cat"], np.array([2, 1]))
    )
    assert as_given.vocabulary.words == ["the", "cat"]
