"""Which spellings are the same word: one definition for texts, look-ups and evaluation sets."""

import re
import unicodedata
from collections.abc import Iterator

# The soft hyphen, the word joiner and other invisible operators, U+FEFF, and the marks of writing direction. Not the
# zero width joiner and non-joiner: they change how the letters beside them are written (U+200D in ක්‍ෂ).
INVISIBLE = "\u00ad\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\ufeff" + "".join(map(chr, range(0x2060, 0x2070)))

_DOTTED_I = re.compile("i\u0307+")
_LEFT_OUT = dict.fromkeys(map(ord, INVISIBLE))


def lower(word: str) -> str:
    """Convert a word to lower case as `str.lower` does, except that a dotted capital İ becomes a plain i.

    `str.lower` makes it an i with a second dot, U+0307, which is another spelling of the same word.

    Examples
    --------
    >>> lower("İzmir"), lower("ΟΔΟΣ")
    ('izmir', 'οδος')
    """
    return _DOTTED_I.sub("i", word.lower())


def without_invisible(word: str) -> str:
    """Leave out the characters that are never seen inside a word, such as the soft hyphen."""
    return word.translate(_LEFT_OUT)


def other_spellings(word: str) -> Iterator[str]:
    """Yield the spellings by which to look up a word that is missing as it is given.

    These are: in lower case; composed and decomposed (NFC and NFD), each also in lower case; without invisible
    characters.

    Examples
    --------
    >>> list(other_spellings("Word"))
    ['word']
    >>> "Caf\u00e9" in other_spellings("Cafe\u0301"), "cafe\u0301" in other_spellings("Caf\u00e9")
    (True, True)
    """
    lowered = lower(word)
    yield lowered
    if word.isascii():
        return
    for form in ("NFC", "NFD"):
        yield unicodedata.normalize(form, word)
        yield unicodedata.normalize(form, lowered)
    yield word.lower()  # as other programs fold the dotted İ
    visible = without_invisible(word)
    if visible not in ("", word):
        yield visible
        yield from other_spellings(visible)
