"""Words as bytes for formats that cannot hold all of them: fields separated by blanks, cells of a TSV file, entries.

A field cannot hold a word that is empty or has ASCII white space inside. A cell cannot hold one that is blank, has a
tab or line break inside or is not UTF-8. Neither can hold one that begins like a binary file. An entry cannot hold NUL.
Such a word is written as the mark `%_` followed by the word with these bytes and each `%` percent-encoded: `new york`
becomes `%_new%20york`, and the empty word `%_%00`. All other words are written unchanged, also `100%` and URLs with
`%20` inside, except that a word that reads like an escaped one is escaped too. Other programs see the escaped word as
one ordinary word.
"""

import re

from nce_train.errors import InputError

_MARK = b"%_"
_EMPTY = b"%_%00"
# A file whose first word begins so would be recognised as gzip, xz, zip, `.npy`, bzip2, zstd, safetensors or lzma.
_MAGIC = re.compile(
    rb"\x1f\x8b|\xfd7zXZ|PK\x03\x04|PK\x05\x06|\x93NUMPY|BZh[1-9](?:1AY&SY|\x17rE8P\x90)|\x28\xb5\x2f\xfd|"
    rb"[\s\S]{5}\0\0\0\{|\x5d\0\0[\s\S]{2}(?:\xff{8}|[\s\S]{5}\0\0\0)\0"
)
_BLANK = re.compile(rb"[ \t\n\v\f\r]")
_ENCODED = re.compile(rb"[% \t\n\v\f\r]")
# What a cell cannot hold: line breaks, tabs, bytes that are not UTF-8.
_NOT_IN_CELL = re.compile("[\t\n\v\f\r\udc80-\udcff]")
_UNDECODABLE = re.compile("[\udc80-\udcff]")
# An escaped word has at least one encoded byte, and no blank or other `%`.
_ESCAPED = re.compile(rb"%_[^% \t\n\v\f\r]*(?:%[0-9A-F]{2}[^% \t\n\v\f\r]*)+")
_SEQUENCE = re.compile(rb"%([0-9A-F]{2})")


def escape_word(word: str) -> bytes:
    """Encode a word as UTF-8 bytes that are not empty and hold no ASCII white space.

    >>> escape_word("paris"), escape_word("new york"), escape_word("100%")
    (b'paris', b'%_new%20york', b'100%')
    """
    raw = word_bytes(word)
    if not raw:
        return _EMPTY
    if _BLANK.search(raw) or _MAGIC.match(raw) or _is_like_escaped(raw):
        return _MARK + _percent_encoded(raw)
    return raw


def escape_cell(word: str) -> str:
    """Encode a word as text that a cell of a TSV file can hold: not blank, without tabs and line breaks, UTF-8.

    `unescape_word` is the inverse. Blanks are kept, unless something else must be escaped.

    >>> escape_cell("new york"), escape_cell("a\\tb"), escape_cell(" ")
    ('new york', '%_a%09b', '%_%20')
    """
    raw = word_bytes(word)
    if not raw:
        return _EMPTY.decode()
    if not word.replace("\ufeff", " ").strip():  # TensorBoard skips lines of Unicode white space
        return (_MARK + b"".join(b"%%%02X" % byte for byte in raw)).decode()
    if _NOT_IN_CELL.search(word) or _MAGIC.match(raw) or _is_like_escaped(raw):
        encoded = _percent_encoded(raw).decode("utf-8", "surrogateescape")
        return _MARK.decode() + _UNDECODABLE.sub(lambda match: f"%{ord(match[0]) & 0xFF:02X}", encoded)
    return word


def unescape_word(raw: bytes) -> str:
    """Decode what `escape_word` or `escape_cell` wrote; bytes that they never write are decoded unchanged.

    >>> unescape_word(b"%_new%20york"), unescape_word(b"http://a.org/b%20c")
    ('new york', 'http://a.org/b%20c')
    """
    if raw.startswith(_MARK):
        if raw == _EMPTY:
            return ""
        if _ESCAPED.fullmatch(raw):
            raw = _decoded(raw)
    return raw.decode("utf-8", "surrogateescape")


def escape_entry(word: str) -> bytes:
    """Encode a word as bytes without NUL, with which entries of fastText's files end; `unescape_entry` is the inverse.

    >>> escape_entry("new york"), escape_entry("a\\0b c"), escape_entry("")
    (b'new york', b'%_a%00b%20c', b'')
    """
    raw = word_bytes(word)
    if b"\0" in raw or _ESCAPED.fullmatch(raw):
        return _MARK + _ENCODED.sub(_percent, raw).replace(b"\0", b"%00")
    return raw


def unescape_entry(raw: bytes) -> str:
    """Decode what `escape_entry` wrote; bytes that it never writes are decoded unchanged."""
    if _ESCAPED.fullmatch(raw):
        raw = _decoded(raw)
    return raw.decode("utf-8", "surrogateescape")


def word_bytes(word: str) -> bytes:
    """Encode a word as the UTF-8 bytes it was decoded from; InputError for a surrogate that stands for no byte."""
    try:
        return word.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise InputError(f"the word {word[:80]!r} cannot be written as UTF-8; remove its lone surrogates") from None


def _decoded(raw: bytes) -> bytes:
    return _SEQUENCE.sub(lambda match: bytes([int(match[1], 16)]), raw[len(_MARK) :])


def _is_like_escaped(raw: bytes) -> bool:
    return raw == _EMPTY or _ESCAPED.fullmatch(raw) is not None


def _percent_encoded(raw: bytes) -> bytes:
    """Encode blanks and `%`, and the last byte of a magic number at the beginning."""
    magic = _MAGIC.match(raw)
    if not magic:
        return _ENCODED.sub(_percent, raw)
    last = magic.end() - 1
    return _ENCODED.sub(_percent, raw[:last]) + b"%%%02X" % raw[last] + _ENCODED.sub(_percent, raw[last + 1 :])


def _percent(match: re.Match[bytes]) -> bytes:
    return b"%%%02X" % match[0][0]
