"""The hash table of distinct words of one thread: the Python around the compiled scanner.

Blocks of text go in. Out come their tokens as provisional ids (numbered in the order in which this counter first met
the words), and at the end the distinct words with counts and first positions. `word_runs.merge` joins counters.
"""

import functools
import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np

from nce_train.folding import INVISIBLE
from nce_train.text import scan, utf8
from nce_train.text.blocks import PADDING, Block, BufferPool
from nce_train.text.encodings import MOST_PLACED, PlacedWords, TornTokens, word_around
from nce_train.text.not_text import nul_byte_error
from nce_train.text.token_rules import BLANKS, TokenRules

_FIRST_CAPACITY = 1 << 14  # words: the tables then fit in the second-level cache
_TEXT_BYTES_PER_WORD = 8
_AFTER_EVERYTHING = 1 << 62  # as a position in the corpus
# Punctuation that ends words of raw text, in Latin, Greek, Arabic, Indic and East Asian scripts.
_PUNCTUATION = "!\"'),-.:;?]}" + "…‘’“”›»،؛؟।、。」』】〉》！），．：；？"
# The format characters (Cf) that end a word: the zero width space, visible signs before numbers and at the ends of
# verses, and annotations between lines. Rule WB4 of Unicode's annex 29 leaves most of them out, too.
_ZERO_WIDTH_JOINER = "\u200d"
_ENDING_FORMATS = frozenset(
    "\u200b\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u0890\u0891\u08e2\ufff9\ufffa\ufffb\U000110bd\U000110cd"
)


class WordCounter:
    """Counts tokens. Only one thread may use it at a time.

    Parameters
    ----------
    words_only : bool
        Whether tokens are words of letters and digits, instead of sequences of bytes between white space.
    mark_lines : bool
        Whether the ids contain a mark at each line end.
    capacity : int
        Initial capacity in words. The table doubles when it is full.
    """

    def __init__(self, words_only: bool, mark_lines: bool, capacity: int = _FIRST_CAPACITY) -> None:
        self.mark_lines = mark_lines
        self.classes = code_point_classes() if words_only else None
        self.table = _new_table(capacity, capacity * _TEXT_BYTES_PER_WORD)
        self._positions = BufferPool(np.int64)
        self._ids = BufferPool(np.int32)
        self._last_origin = 0
        self.torn = TornTokens()  # of `words_only`

    def __len__(self) -> int:
        return int(self.table.used[0])

    def scan(self, block: Block, origin: int) -> np.ndarray:
        """Count the tokens of a block, whose position in the corpus is `origin`.

        Blocks may come in any order. Returns int32 [n], provisional ids and `scan.LINE_END` at the end of each line
        that is not blank. Raises InputError when the block contains a NUL byte.
        """
        starts, lengths = self._positions.take(block.end), self._positions.take(block.end)
        arguments = (block.text, block.end, self.mark_lines, starts, lengths)
        if self.classes is None:
            num_tokens, nul_byte = scan.find_tokens_whitespace(*arguments)
        else:
            num_tokens, nul_byte = scan.find_tokens_words(*arguments, self.classes)
        if nul_byte >= 0:
            around = block.text[max(0, nul_byte - 4096) : min(block.end, nul_byte + 4096)].tobytes()
            raise nul_byte_error(around, block.offset + nul_byte, block.source.display_name)
        if self.classes is not None and block.text[: block.end].max() >= 0x80:
            places = np.full(MOST_PLACED, -1, np.int64)
            num_torn, num_lost = utf8.count_torn(
                block.text, block.end, starts[:num_tokens], lengths[:num_tokens], places
            )
            words = [(origin + at, word_around(block.text, at)) for at in places[places >= 0].tolist()]
            self.torn.add(TornTokens(num_torn, num_lost, words))
        ids = self._ids.take(num_tokens)
        self._look_up(block.text, starts[:num_tokens], lengths[:num_tokens], origin, 1, ids)
        if origin < self._last_origin:  # a thread with a later block was faster
            is_word = ids != scan.LINE_END
            np.minimum.at(self.table.origins[:, scan.FIRST], ids[is_word], origin + starts[:num_tokens][is_word])
        self._last_origin = max(self._last_origin, origin)
        self._positions.release(starts)
        self._positions.release(lengths)
        return ids

    def release(self, ids: np.ndarray) -> None:
        """Return the array that `scan` returned, for the next block."""
        self._ids.release(ids)

    def add(
        self, text: np.ndarray, starts: np.ndarray, lengths: np.ndarray, counts: np.ndarray, first: np.ndarray
    ) -> np.ndarray:
        """Add words that were counted elsewhere; returns int32 [n], this counter's id of each.

        `starts` and `lengths`, int64 [n], are those of the words in `text`, where `PADDING` bytes follow the last one.
        `counts` and `first`, int64 [n], are their occurrences and the position of the first one. The same word may be
        added several times.
        """
        ids = np.empty(len(starts), np.int32)
        self._look_up(text, starts, lengths, _AFTER_EVERYTHING, 0, ids)
        np.add.at(self.table.words[:, scan.COUNT], ids, counts)
        np.minimum.at(self.table.origins[:, scan.FIRST], ids, first)
        return ids

    def clear(self) -> None:
        """Remove all words, but keep the allocated memory."""
        self.table.slots[:] = 0
        self.table.used[:] = 0

    def words(self) -> "PackedWords":
        """The distinct words, decoded on access."""
        num_words, num_bytes = self.table.used
        rows = self.table.words[:num_words]
        starts, lengths = (np.ascontiguousarray(rows[:, column]) for column in (scan.START, scan.LENGTH))
        return PackedWords(self.table.arena[:num_bytes], starts, lengths)

    def counts(self) -> np.ndarray:
        """int64 [len(self)], occurrences of each word."""
        return self.table.words[: len(self), scan.COUNT]

    def first(self) -> np.ndarray:
        """int64 [len(self)], position in the corpus of the first occurrence of each word."""
        return self.table.origins[: len(self), scan.FIRST]

    def placed(self, rows: np.ndarray) -> PlacedWords:
        """Those of some words that come first, with their positions."""
        rows = rows[np.argsort(self.first()[rows])][:MOST_PLACED]
        words, first = self.words(), self.first()
        return [(int(first[i]), words[i].encode("utf-8", "surrogateescape")) for i in rows.tolist()]

    def num_punctuated(self) -> int:
        """The number of tokens that end in punctuation, without those that consist of punctuation only."""
        words = self.words()
        candidates = np.flatnonzero(words.ends_in(_PUNCTUATION))
        punctuated = [i for i in candidates.tolist() if any(map(str.isalnum, words[i]))]
        return int(self.counts()[punctuated].sum())

    def num_with_blanks(self) -> np.ndarray:
        """int64 [len(BLANKS)], the number of tokens that hold blanks, by the first one in each."""
        result = np.zeros(len(BLANKS), np.int64)
        counts = self.counts()
        for word, blank in self.words().find(pattern_of(BLANKS)).items():
            result[BLANKS.index(blank)] += counts[word]
        return result

    def _look_up(
        self, text: np.ndarray, starts: np.ndarray, lengths: np.ndarray, origin: int, weight: int, ids: np.ndarray
    ) -> None:
        """Write the id of each token to `ids`; see `scan.look_up_tokens`."""
        done = 0
        while True:
            done = scan.look_up_tokens(self.table, text, starts, lengths, done, origin, weight, ids)
            if done == len(starts):
                return
            self._reserve(len(self) + 1, int(self.table.used[1] + lengths[done]))

    def _reserve(self, num_words: int, num_bytes: int) -> None:
        """Grow the table, at least doubling what is too small."""
        old = self.table
        used_words, used_bytes = old.used
        capacity, arena_bytes = len(old.words), len(old.arena) - PADDING
        if num_words > capacity:
            capacity = max(2 * capacity, num_words)
        if num_bytes > arena_bytes:
            arena_bytes = max(2 * arena_bytes, num_bytes)
        self.table = _new_table(capacity, arena_bytes)
        self.table.words[:used_words] = old.words[:used_words]
        self.table.origins[:used_words] = old.origins[:used_words]
        self.table.arena[:used_bytes] = old.arena[:used_bytes]
        self.table.used[:] = old.used
        scan.refill_slots(self.table)


class PackedWords(Sequence[str]):
    """Words packed into one uint8 array, decoded on access (UTF-8, `surrogateescape`).

    `starts` and `lengths`, int64 [words], are the position and length of each word in `text`, in bytes.
    """

    def __init__(self, text: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> None:
        self.text = text
        self.starts = starts
        self.lengths = lengths

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, i: int) -> str:  # type: ignore[override]
        start = self.starts[i]
        return self.text[start : start + self.lengths[i]].tobytes().decode("utf-8", "surrogateescape")

    def take(self, rows: np.ndarray) -> "PackedWords":
        """A copy of some words, without gaps."""
        lengths = self.lengths[rows]
        text = np.empty(lengths.sum(), np.uint8)
        scan.copy_words(self.text, self.starts[rows], lengths, text)
        return PackedWords(text, np.cumsum(lengths) - lengths, lengths)

    def spelled(self, rules: TokenRules) -> "PackedWords":
        """Each word as `rules.spell` spells it; several words may become equal.

        The words must follow each other without gaps, as those of a counter do.
        """
        text = self.text
        if rules.lowercase:
            is_capital = (text >= ord("A")) & (text <= ord("Z"))  # never true inside a multi-byte character
            text = text + np.uint8(32) * is_capital
        others: Iterable[int] = ()  # words that may change beyond that
        if len(self) > 0 and (rules.lowercase or rules.normalize != "none"):
            others = np.flatnonzero(np.maximum.reduceat(self.text, self.starts) >= 0x80).tolist()
        elif rules.tokens == "words":
            others = self.find(pattern_of(INVISIBLE))
        starts, lengths = self.starts.copy(), self.lengths.copy()
        changed = bytearray()
        for i in others:
            starts[i] = len(text) + len(changed)
            changed += rules.spell(self[i]).encode("utf-8", "surrogateescape")
            lengths[i] = len(text) + len(changed) - starts[i]
        return PackedWords(np.concatenate([text, np.frombuffer(changed, np.uint8)]), starts, lengths)

    def find(self, pattern: re.Pattern[bytes]) -> dict[int, str]:
        """The first match of a pattern of whole characters in each word that has one.

        The words must follow each other without gaps.
        """
        matches = list(pattern.finditer(self.text.data))
        begins = np.fromiter((match.start() for match in matches), np.int64, len(matches))
        rows = np.searchsorted(self.starts, begins, side="right") - 1
        found: dict[int, str] = {}
        for row, match in zip(rows.tolist(), matches, strict=True):
            if match.end() <= self.starts[row] + self.lengths[row]:  # or a broken character goes on in the next word
                found.setdefault(row, match[0].decode())
        return found

    def are_not_utf8(self) -> np.ndarray:
        """bool [len(self)], whether each word holds bytes that are not UTF-8; `PADDING` bytes follow the last one."""
        result = np.zeros(len(self), np.bool_)
        utf8.find_invalid(self.text, self.starts, self.lengths, result)
        return result

    def ends_in(self, characters: str) -> np.ndarray:
        """bool [len(self)], whether each word ends in one of `characters` (of at most three bytes each)."""
        result = np.zeros(len(self), np.bool_)
        last = np.zeros(len(self), np.int64)  # the last bytes of each word as one big-endian number
        for width in (1, 2, 3):
            is_long_enough = self.lengths >= width
            byte = self.text[np.maximum(self.starts + self.lengths - width, 0)]
            last |= byte.astype(np.int64) << (8 * (width - 1))
            encoded = [character.encode() for character in characters]
            wanted = [int.from_bytes(code, "big") for code in encoded if len(code) == width]
            result |= is_long_enough & np.isin(last, wanted)
        return result


@functools.cache
def pattern_of(characters: str) -> re.Pattern[bytes]:
    """What matches the UTF-8 form of any of the characters."""
    last_bytes: dict[bytes, bytes] = {}
    for encoded in map(str.encode, characters):
        last_bytes[encoded[:-1]] = last_bytes.get(encoded[:-1], b"") + encoded[-1:]
    return re.compile(b"|".join(re.escape(first) + b"[" + re.escape(last) + b"]" for first, last in last_bytes.items()))


@functools.cache
def code_point_classes() -> np.ndarray:
    """uint8 [0x110000]: the class of every code point.

    `scan.STARTS` where `str.isalnum` is true, `scan.CONTINUES` for combining marks (M*) and the zero width joiner,
    which may change the last letter of a word, `scan.JOINS` for connectors (Pc: `_` and others) and for other format
    characters (Cf), except some that end a word.
    """
    is_alnum = np.fromiter(map(str.isalnum, map(chr, range(sys.maxunicode + 1))), np.bool_)
    classes = np.where(is_alnum, scan.STARTS, scan.SEPARATOR).astype(np.uint8)
    for code in np.flatnonzero(~is_alnum):
        category = unicodedata.category(chr(code))
        if category[0] == "M" or chr(code) == _ZERO_WIDTH_JOINER:
            classes[code] = scan.CONTINUES
        elif category == "Pc" or (category == "Cf" and chr(code) not in _ENDING_FORMATS):
            classes[code] = scan.JOINS
    return classes


def _new_table(capacity: int, arena_bytes: int) -> scan.WordTable:
    num_slots = 1 << max(4, (2 * capacity - 1).bit_length())  # at most half full
    return scan.WordTable(
        slots=np.zeros(num_slots, np.uint64),
        words=np.empty((capacity, 4), np.int64),
        origins=np.empty((capacity, 2), np.int64),
        arena=np.zeros(arena_bytes + PADDING, np.uint8),
        used=np.zeros(2, np.int64),
    )
