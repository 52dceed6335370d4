"""The compiled tokenisers and the hash table, compared with plain Python."""

import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nce_train.text import scan
from nce_train.text.blocks import PADDING, Block, BufferPool
from nce_train.text.sources import Source
from nce_train.text.token_rules import BLANKS, TokenRules
from nce_train.text.word_counter import PackedWords, WordCounter, pattern_of

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
PIECES = [
    *(bytes([space]) for space in b" \n\t\r\v\f"),
    b"\r\n",
    *(bytes([control]) for control in b"\x01\x08\x0e\x1c\x1f\x7f"),
    *(b"a", b"b", b"A", b"7", b"_", b"-", b",", b"abcdefg", b"abcdefgh", b"abcdefghi", b"x" * 23),
    "é".encode(),
    "e\u0301".encode(),  # a letter and a combining mark
    "\u0301".encode(),
    "\ufe0f".encode(),
    *(c.encode() for c in "\u00ad\u200b\u200c\u200d\u200e\u2060\ufeff\u203f"),  # format characters and a connector
    b"__",
    "\u00a0".encode(),  # no-break space
    "\u0085".encode(),
    "\u2028".encode(),
    "ß²٣日本Ⅷ".encode(),
    "𝒜😀𐀀".encode(),
    b"\xff",
    b"\xc3",  # truncated
    b"\xe6\x97",
    b"\xf0\x9f\x98",
    b"\xc1\xa1",  # an overlong encoding of a
    b"\xe0\x81\xa1",
    b"\xf0\x80\x81\xa1",
    b"\xed\xa0\x80",  # a surrogate
    b"\xf4\x90\x80\x80",  # above U+10FFFF
    b"\xf8\x88\x80\x80\x80",
    BYTE_ORDER_MARK,
]
TEXTS = st.lists(
    st.sampled_from(PIECES) | st.binary(max_size=4).map(lambda b: b.replace(b"\0", b" ")), max_size=60
).map(b"".join)


def block_of(content, offset=0):
    text = np.full(len(content) + PADDING, 0xAA, np.uint8)  # bytes after the text must be ignored
    text[: len(content)] = np.frombuffer(content, np.uint8)
    return Block(text, len(content), Source("corpus"), offset, BufferPool(np.uint8))


def words_of(counter, ids):
    """The words of a counter's ids, None for LINE_END."""
    words = counter.words()
    return [None if i == scan.LINE_END else words[i] for i in ids]


@pytest.mark.parametrize("kind", ["whitespace", "words"])
@given(text=TEXTS)
@settings(max_examples=300, deadline=None)
@example(text="a\u0301\u0301 \u0301a\u0301-\u0301".encode())
@example(text="_a_\u200d_b_\u0301_\u200c _ a_".encode())
def test_tokens_are_those_of_plain_python(twin, kind, text):
    text = text.replace(BYTE_ORDER_MARK, b"\xff")  # the reader removes it at the start of a file
    counter = WordCounter(kind == "words", mark_lines=True, capacity=2)
    ids = counter.scan(block_of(text + b"\n"), 0)
    expected = []
    for number, line in enumerate(twin.sentences_of([text], kind)):  # a mark at its very start is only a line end
        if line or number == 0:
            expected += [*line, None]
    assert words_of(counter, ids) == expected


def test_every_code_point_has_its_unicode_class(twin):
    # no other ranges are assigned yet
    code_points = [*range(1, 10), *range(11, 0xD800), *range(0xE000, 0x34000), *range(0xE0000, 0xE0200)]
    code_points += [0x40000, 0xFFFFF, 0x100000, 0x10FFFF]
    text = "".join(f"{chr(c)} a{chr(c)}a\n" for c in code_points).encode()
    counter = WordCounter(True, mark_lines=False)
    ids = counter.scan(block_of(text), 0)
    expected = [word.decode() for line in text.split(b"\n") for word in twin.split_words(line)]
    assert words_of(counter, ids) == expected


@given(
    texts=st.lists(TEXTS, min_size=1, max_size=6),
    share=st.lists(st.integers(0, 2), min_size=6, max_size=6),
)
@settings(max_examples=100, deadline=None)
def test_added_counters_equal_one_counter(texts, share):
    counters = [WordCounter(False, mark_lines=False, capacity=1) for _ in range(3)]
    alone = WordCounter(False, mark_lines=False, capacity=1)
    origin = 0
    read = []
    for text, worker in zip(texts, share, strict=False):
        block = block_of(text + b" ")
        read.append((worker, counters[worker].scan(block, origin)))
        alone.scan(block, origin)
        origin += block.end
    total = WordCounter(False, mark_lines=False, capacity=1)
    translations = []
    for counter in counters:
        words = counter.words()
        text = np.concatenate([words.text, np.zeros(PADDING, np.uint8)])
        translations.append(total.add(text, words.starts, words.lengths, counter.counts(), counter.first()))

    total_ids = [translations[worker][ids] for worker, ids in read]
    assert words_of(total, np.concatenate(total_ids)) == [
        w.decode("utf-8", "surrogateescape") for t in texts for w in t.split()
    ]
    for counter in (total, alone):
        expected = Counter(word for text in texts for word in text.split())
        words = [word.encode("utf-8", "surrogateescape") for word in counter.words()]
        assert dict(zip(words, counter.counts().tolist(), strict=True)) == expected
        by_first = [words[i] for i in np.argsort(counter.first())]
        assert by_first == list(expected)


@given(texts=st.lists(TEXTS, min_size=6, max_size=6), order=st.permutations(range(6)))
@settings(max_examples=100, deadline=None)
def test_blocks_in_any_order_have_the_same_first_positions(texts, order):
    counter = WordCounter(False, mark_lines=True, capacity=1)
    origins = np.cumsum([0, *(len(text) + 1 for text in texts)])
    for number in order:
        counter.scan(block_of(texts[number] + b"\n"), int(origins[number]))
    words = [word.encode("utf-8", "surrogateescape") for word in counter.words()]
    by_first = [words[i] for i in np.argsort(counter.first())]
    assert by_first == list(dict.fromkeys(word for text in texts for word in text.split()))


def test_words_that_differ_in_one_byte_or_in_length_are_distinct():
    words = [b"w" * n for n in range(1, 70)]
    words += [b"v" * i + b"u" + b"v" * (39 - i) for i in range(40)]
    counter = WordCounter(False, mark_lines=False, capacity=1)
    ids = counter.scan(block_of(b" ".join(words + words) + b" "), 0)
    assert ids.tolist() == list(range(len(words))) * 2
    assert counter.counts().tolist() == [2] * len(words)


def test_words_with_the_same_hash_and_beginning_are_distinct():
    def scramble(mixed):  # the hash's step from one chunk of eight bytes to the next
        return ((mixed ^ (mixed >> 32)) * 0x9E3779B97F4A7C15) % 2**64

    # The last chunk is added by XOR, so it can cancel any earlier difference.
    head = int.from_bytes(b"the same", "little")
    chunks = [(2 * n + 1) * 0x0101010101010101 for n in range(20)]
    words = [[head, chunk, scramble(scramble(head) ^ chunk) ^ 0x6162636465666768] for chunk in chunks]
    text = np.array([*words, [0, 0, 0]], "<u8").view(np.uint8).ravel()
    starts, lengths = 24 * np.arange(20), np.full(20, 24)

    counter = WordCounter(False, mark_lines=False)
    ids = np.empty(20, np.int32)
    assert scan.look_up_tokens(counter.table, text, starts, lengths, 0, 0, 1, ids) == 20
    assert ids.tolist() == list(range(20))
    hashes = counter.table.origins[:20, scan.HASH]
    assert len(set(hashes.tolist())) == 1
    scan.look_up_tokens(counter.table, text, starts, lengths, 0, 0, 1, ids)
    assert ids.tolist() == list(range(20))
    assert counter.counts().tolist() == [2] * 20


def test_a_table_that_grows_many_times_keeps_all_words():
    words = [b"%d" % (i * 7919 % 60_013) for i in range(60_013)]
    counter = WordCounter(False, mark_lines=False, capacity=1)
    ids = counter.scan(block_of(b" ".join(words + words[::-1]) + b" "), 0)
    assert ids.tolist() == [*range(60_013), *range(60_012, -1, -1)]


def test_last_characters():
    encoded = [word.encode() for word in ["a.", ".", "a", "”", "a”", "a„", "é", "日。", "¿", "a،"]]
    encoded += [b"x\xe2", b"\x80\x9d", b"\x80", b"\x9d", b"\xd8", b"\x8c"]  # ” and ، in pieces
    lengths = np.array([len(word) for word in encoded])
    starts = np.cumsum(lengths) - lengths
    text = np.frombuffer(b"".join(encoded), np.uint8)
    result = PackedWords(text, starts, lengths).ends_in(".”。،")
    assert result.tolist() == [word.decode("utf-8", "replace")[-1] in ".”。،" for word in encoded]


@given(words=st.lists(st.text("abé\udcff", min_size=1, max_size=4), unique=True, max_size=20))
@settings(deadline=None)
def test_packed_words_equal_a_list(words):
    words = [*words, "ΑΣ", "MiXed", "É", "X\udcff"]
    encoded = [word.encode("utf-8", "surrogateescape") for word in words]
    lengths = np.array([len(word) for word in encoded])
    packed = PackedWords(np.frombuffer(b"".join(encoded), np.uint8), np.cumsum(lengths) - lengths, lengths)
    assert list(packed) == words
    assert list(packed.spelled(TokenRules(lowercase=True))) == [word.lower() for word in words]


@given(
    words=st.lists(
        st.lists(st.sampled_from([*"abIJéß日ΑΣİ\u0307\u0301\u030c\u00ad\u200c\u200e\u2060\ufeff\u00a0\udcc2\udcad"]))
        .map("".join)
        .map("x".__add__),
        unique=True,
        max_size=20,
    ),
    rules=st.builds(
        TokenRules,
        tokens=st.sampled_from(["whitespace", "words"]),
        lowercase=st.booleans(),
        normalize=st.sampled_from(["none", "nfc"]),
    ),
)
@settings(max_examples=300, deadline=None)
def test_words_are_spelled_as_by_plain_python(twin, words, rules):
    if rules.tokens == "words":  # they are valid UTF-8
        words = [word.encode("utf-8", "ignore").decode() for word in words]
    encoded = [word.encode("utf-8", "surrogateescape") for word in words]
    words = [word.decode("utf-8", "surrogateescape") for word in encoded]  # surrogates that make a character are one
    lengths = np.array([len(word) for word in encoded], np.int64)
    packed = PackedWords(np.frombuffer(b"".join(encoded), np.uint8), np.cumsum(lengths) - lengths, lengths)
    expected = [twin.spell(word, **rules._asdict()) for word in words]
    assert list(packed.spelled(rules)) == expected
    assert [rules.spell(word) for word in expected] == expected
    if rules.normalize == "nfc":
        decomposed = [unicodedata.normalize("NFD", word) for word in words]
        assert [rules.spell(word) for word in decomposed] == expected


def test_the_first_blank_in_each_word():
    words = ["a", "b\u00a0c\u3000", "\udcc2", "\udca0", "\udce3\udc80", "\udc80\u200b", "d\u2028", "e\u0085\u00a0", "é"]
    encoded = [word.encode("utf-8", "surrogateescape") for word in words]
    lengths = np.array([len(word) for word in encoded])
    packed = PackedWords(np.frombuffer(b"".join(encoded), np.uint8), np.cumsum(lengths) - lengths, lengths)
    assert packed.find(pattern_of(BLANKS)) == {1: "\u00a0", 5: "\u200b", 6: "\u2028", 7: "\u0085"}


def test_translation_removes_dropped_words_and_empty_lines():
    ids = np.array([0, -1, 1, -1, -1, 2, 1, -1, 1], np.int32)
    output = np.zeros_like(ids)
    table = np.array([10, scan.DROPPED, 12], np.int32)
    written, num_words, line_is_open = scan.translate_ids(ids, table, output, False)
    assert output[:written].tolist() == [10, -1, 12, -1]
    assert (num_words, line_is_open) == (2, False)
    written, num_words, line_is_open = scan.translate_ids(ids[:1], table, output, line_is_open)
    assert (written, num_words, line_is_open) == (1, 1, True)
    written, _, line_is_open = scan.translate_ids(ids[1:2], table, output, line_is_open)
    assert (output[:written].tolist(), line_is_open) == ([-1], False)
