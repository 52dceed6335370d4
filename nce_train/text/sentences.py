"""Sentences from Python: an iterable of token sequences goes in, the text that it stands for comes out."""

import io
import os
from collections.abc import Iterable, Sequence
from numbers import Number
from typing import Any

import numpy as np

from nce_train.arguments import format_value
from nce_train.errors import InputError
from nce_train.text.vocabulary import is_token


class SentenceReader(io.RawIOBase):
    """An iterable of token sequences as text: one sentence a line, tokens joined by spaces."""

    def __init__(self, sentences: Iterable[Sequence[str]]) -> None:
        self.sentences = enumerate(sentences, start=1)
        self.text = b""

    def readinto(self, buffer: Any) -> int:
        lines = [self.text]
        length = len(self.text)
        while length < len(buffer):
            numbered = next(self.sentences, None)
            if numbered is None:
                break
            lines.append(_sentence_line(*numbered))
            length += len(lines[-1])
        text = b"".join(lines)
        count = min(length, len(buffer))
        buffer[:count] = text[:count]
        self.text = text[count:]
        return count


def _sentence_line(number: int, sentence: Sequence[str]) -> bytes:
    if isinstance(sentence, str | bytes):
        raise InputError(
            f"sentence {number} of the corpus is one text, {_with_type(sentence)}, not a sequence of tokens: give "
            "[line.split() for line in lines]"
        )
    try:
        tokens = [token for token in sentence if token != ""]
        line = " ".join(tokens).encode("utf-8", "surrogateescape")
    except (TypeError, ValueError) as error:
        raise InputError(f"sentence {number} of the corpus {_why_no_sentence(sentence, error)}") from None
    pieces = line.split()
    if len(pieces) != len(tokens) or b" ".join(pieces) != line or b"\0" in line:
        culprit = next(token for token in tokens if not is_token(token))
        content = "a NUL character" if "\0" in culprit else "white space"
        raise InputError(f"sentence {number} of the corpus: the token {culprit[:80]!r} contains {content}")
    return line + b"\n"


def _why_no_sentence(sentence: Any, error: Exception) -> str:
    if isinstance(sentence, os.PathLike):
        return f"is the path {_with_type(sentence)}, not a sequence of tokens: give paths as a list"
    if not isinstance(sentence, Iterable):
        remedy = "leave it out" if _is_missing(sentence) else "give a list of sentences, each a list of words"
        return f"is {_with_type(sentence)}, not a sequence of tokens: {remedy}"
    for position, token in enumerate(sentence, start=1):
        if not isinstance(token, str):
            return f"is no sequence of words: its token {position} is {_with_type(token)}, not a str: {_as_str(token)}"
    if isinstance(error, UnicodeEncodeError):
        return f"has the token {error.object[error.start : error.end]!r}, which is no text: leave it out"
    return f"is not a sequence of tokens (str): {error}"


def _as_str(token: Any) -> str:
    """What a caller does with tokens of this kind."""
    if isinstance(token, bytes):
        return "give [[token.decode() for token in sentence] for sentence in sentences]"
    if _is_missing(token):
        return "leave it out"
    if isinstance(token, Number | np.number):
        return "give [[str(node) for node in walk] for walk in walks]"
    if isinstance(token, Iterable):
        return "give [sentence for document in documents for sentence in document]"
    return "give words"


def _is_missing(value: Any) -> bool:
    """Whether this is None or NaN, with which tables mark what is missing."""
    return value is None or (isinstance(value, float) and value != value)


def _with_type(value: Any) -> str:
    return f"{format_value(value)} ({type(value).__name__})"
