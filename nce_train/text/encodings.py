"""Text that is not UTF-8: how many tokens it tears, and a guess at its encoding from a sample of its bytes.

Each candidate decodes the sample. Its score is the share, among the characters that are not ASCII, of those of one of
its languages: nearly all in the right encoding, and much fewer in wrong ones.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

_HIRAGANA = "".join(map(chr, range(0x3041, 0x3094)))
_KATAKANA = "".join(map(chr, range(0x30A1, 0x30FD)))
_HANGUL = (
    "이다는에의을를하고가은기지사로어리나도아대인한자시서그해스들것수있과으만보부정주장전상일게면와했없우안제마라니"
)
_SHARED_HANZI = (
    "的一是不了人我在有他中大上到和子你地出道也自之可心多天而能好日起成事只作想看文手十用主行方又如前所本己三同公"
)
_SIMPLIFIED = (
    _SHARED_HANZI
    + "这来国个说们为时年得就那要下以生会着去过家学对她里后小么都然没于还发当无开见经头面已老从动两长今气很"
)
_TRADITIONAL = (
    _SHARED_HANZI
    + "這來國個說們為時年得就那要下以生會著去過家學對她裡後小麼都然沒於還發當無開見經頭面已老從動兩長今氣很"
)
_CYRILLIC = "оеаинтсрвлкмдпуяыьз"
# Letters beside ASCII's by language, in lower case; of other alphabets the frequent ones, since all letters of one of
# them would fit some wrong encodings of another.
_ALPHABETS = {
    "cp1252": [
        "éèêàçùîâôëïûœ«»’…",  # French
        "äöüß„“”–",  # German
        "áéíóúñü¿¡",  # Spanish
        "ãõáéíóúâêôçàü",  # Portuguese
        "àèéìòù’",  # Italian
        "åäöæøé",  # Danish, Norwegian, Swedish, Finnish
        "áðéíóúýþæö",  # Icelandic
        "‘’“”–—…",  # English
    ],
    "cp1250": ["áčďéěíňóřšťúůýž", "ąćęłńóśźż", "áéíóöőúüű", "ăâîşţ", "čćđšž"],
    "cp1254": ["çğıöşüâîi̇"],
    "cp1251": [_CYRILLIC],
    "koi8-r": [_CYRILLIC],
    "cp866": [_CYRILLIC],
    "iso8859-5": [_CYRILLIC],
    "cp1253": ["αοιετνσρκπμλυηςωάίέόή"],
    "cp1255": ["יוהלאתרמבשנםדעחקטכ"],
    "cp1256": ["اليمونرتبعدسفهكقح"],
    "cp874": ["านรอกเงมยลวดทสตะปบคหแจพชขใไโ่้ิีัุูำ์"],
}
_MULTI_BYTE = {
    "shift_jis": ("cp932", _HIRAGANA + _KATAKANA),
    "euc-jp": ("euc_jp", _HIRAGANA + _KATAKANA),
    "gb18030": ("gb18030", _SIMPLIFIED),
    "big5": ("big5", _TRADITIONAL),
    "euc-kr": ("cp949", _HANGUL),
}
_LATIN_ENCODINGS = ("cp1252", "cp1250", "cp1254")
_MOST_ACCENTED = 0.65  # of the letters of words with accents; in words of other alphabets all letters are beyond ASCII
_LEAST_SCORE = 0.3  # of several bytes a character: these alphabets are large
_LEAST_SCORE_OF_LETTERS = 0.6
_AS_GOOD = 0.03  # a lower score by less: the first encoding above counts


PlacedWords = list[tuple[int, bytes]]  # positions in the text, and words
MOST_PLACED = 100  # the first ones are kept, so that the result does not depend on threads

_BEFORE, _AFTER = 60, 60  # bytes of a piece around a place


@dataclass
class TornTokens:
    """What `--tokens words` does to text that is not UTF-8, whose bytes separate tokens there."""

    num_torn: int = 0  # tokens beside such bytes
    num_lost: int = 0  # words of nothing but such bytes, which are no tokens at all
    words: PlacedWords = field(default_factory=list)  # the first pieces between white space that hold such bytes

    def add(self, other: "TornTokens") -> None:
        """Add what was counted elsewhere."""
        self.num_torn += other.num_torn
        self.num_lost += other.num_lost
        self.words = earliest([*self.words, *other.words]) if other.words else self.words


def sum_of_torn(parts: Iterable[TornTokens]) -> TornTokens:
    """What was counted in several parts, in reading order."""
    total = TornTokens()
    for number, part in enumerate(parts):
        total.add(TornTokens(part.num_torn, part.num_lost, [(number << 40 | at, word) for at, word in part.words]))
    return total


def earliest(words: Iterable[tuple[int, bytes]]) -> PlacedWords:
    """The first of some words."""
    return sorted(words)[:MOST_PLACED]


def word_around(text: np.ndarray, place: int) -> bytes:
    """What stands between white space around a place, or the nearest bytes of it."""
    before, after = text[max(0, place - _BEFORE) : place].tobytes(), text[place : place + _AFTER].tobytes()
    begins = not before or before[-1:].isspace()
    return (b"" if begins else before.split()[-1]) + after.split()[0]


def likely_encoding(words: PlacedWords) -> str | None:
    """The likely encoding of words that are not UTF-8, a name that iconv knows; None when there is no good guess."""
    text = b" ".join(word for _, word in words)
    if not text:
        return None
    high = len(re.findall(rb"[\x80-\xff]", text))
    has_latin_words = high <= _MOST_ACCENTED * (high + len(re.findall(rb"[A-Za-z]", text)))
    scores = {
        name: max(_score(text, name, alphabet) for alphabet in alphabets)
        for name, alphabets in _ALPHABETS.items()
        if (name in _LATIN_ENCODINGS) == has_latin_words
    }
    best = max(scores.values())
    if best >= _LEAST_SCORE_OF_LETTERS:
        return next(name for name, score in scores.items() if score >= best - _AS_GOOD)
    scores = {name: _score(text, codec, frequent) for name, (codec, frequent) in _MULTI_BYTE.items()}
    name = max(scores, key=lambda name: scores[name])
    return name if scores[name] >= _LEAST_SCORE else None


def _score(text: bytes, codec: str, frequent: str) -> float:
    others = [character for character in text.decode(codec, "replace") if not character.isascii()]
    if 2 * sum(map(str.isupper, others)) > len(others):  # small letters in another encoding
        return 0.0
    others = [character.lower() for character in others]
    return sum(character in frequent for character in others) / max(1, len(others))
