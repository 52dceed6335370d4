"""Words as bytes without white space, for formats that separate words from numbers by a blank.

A word that such a format cannot hold (empty, with ASCII white space inside, or beginning like a binary file)
is written as the mark `%_` and then the word with these bytes and each `%` percent-encoded: `new york`
becomes `%_new%20york`; the empty word becomes `%_%00`. All other words are written as they are, `%` and URLs
with `%20` inside included; only a word that would itself be taken for an escaped one is escaped as well.
Other programs see the escaped word as one ordinary word.
"""

import re

from nce_train.errors import InputError

_MARK = b"%_"
_EMPTY = b"%_%00"
# A file of which this is the first word would be taken for gzip, xz, `.npy`, bzip2 or zstd.
_MAGIC = re.compile(rb"\x1f\x8b|\xfd7zXZ|\x93NUMPY|BZh[1-9](?:1AY&SY|\x17rE8P\x90)|\x28\xb5\x2f\xfd")
_BLANK = re.compile(rb"[ \t\n\v\f\r]")
_ENCODED = re.compile(rb"[% \t\n\v\f\r]")
# What `escape_word` writes: at least one encoded byte, and no blank or bare `%` besides.
_ESCAPED = re.compile(rb"%_[^% \t\n\v\f\r]*(?:%(?:09|0A|0B|0C|0D|20|25|1F|93|FD|42|28)[^% \t\n\v\f\r]*)+")
_SEQUENCE = re.compile(rb"%([0-9A-F]{2})")


def escape_word(word: str) -> bytes:
    """Turn a word into UTF-8 bytes that are not empty and hold no ASCII white space.

    Raises
    ------
    InputError
        When the word holds a surrogate that stands for no byte.

    Examples
    --------
    >>> escape_word("paris"), escape_word("new york"), escape_word("100%")
    (b'paris', b'%_new%20york', b'100%')
    """
    raw = word_bytes(word)
    if not raw:
        return _EMPTY
    held = not _BLANK.search(raw) and not _MAGIC.match(raw)
    if held and raw != _EMPTY and not _ESCAPED.fullmatch(raw):
        return raw
    encoded = _ENCODED.sub(_percent, raw)
    if _MAGIC.match(raw):
        encoded = b"%%%02X" % raw[0] + encoded[1:]
    return _MARK + encoded


def unescape_word(raw: bytes) -> str:
    """Undo `escape_word`; bytes that it never writes come back as they are.

    Examples
    --------
    >>> unescape_word(b"%_new%20york"), unescape_word(b"http://a.org/b%20c")
    ('new york', 'http://a.org/b%20c')
    """
    if raw.startswith(_MARK):
        if raw == _EMPTY:
            return ""
        if _ESCAPED.fullmatch(raw):
            raw = _SEQUENCE.sub(lambda found: bytes([int(found[1], 16)]), raw[len(_MARK) :])
    return raw.decode("utf-8", "surrogateescape")


def _percent(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % found[0][0]


def word_bytes(word: str) -> bytes:
    """Encode a word as the UTF-8 bytes it was decoded from.

    Raises
    ------
    InputError
        When the word holds a surrogate that stands for no byte.
    """
    try:
        return word.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise InputError(f"the word {word!r} cannot be written as UTF-8; remove its lone surrogates") from None
