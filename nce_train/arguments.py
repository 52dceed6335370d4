"""Checks of arguments from Python callers. Each error is one sentence that names the argument and its value."""

import os
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

from nce_train.errors import InputError

PathLike = str | os.PathLike[str]

_MAX_LENGTH = 60  # of a value in a message
_SENTENCES = "an iterable of sentences, each a list of words"


def format_value(value: object) -> str:
    """A value as short text on one line, for messages."""
    text = repr(value)
    text = text if len(text) <= _MAX_LENGTH else text[:_MAX_LENGTH] + "…"
    return " ".join(text.split())


def is_plain_number(text: str) -> bool:
    """Whether Python's `int` and `float` read a text as other programs do: not 1_0, ２ or a number with blanks."""
    return text.isascii() and "_" not in text and text == text.strip()


def check_path(name: str, value: object) -> None:
    """Raise InputError unless a value can be the path of a file."""
    if not isinstance(value, (str, os.PathLike)):
        raise InputError(_wrong_type(name, value, "a path"))
    if os.fspath(value) == "":
        raise InputError(f"{name} is an empty {type(value).__name__}; give a path")


def check_output(name: str, value: object) -> None:
    """As `check_path`, for something to write; refuse `-`, and `Path("")`, which is the same as `Path(".")`."""
    check_path(name, value)
    if value == "-":
        raise InputError(f"{name} is '-'; give '/dev/stdout' for standard output, or './-' for a file of this name")
    if isinstance(value, os.PathLike) and os.fspath(value) == ".":
        raise InputError(f"{name} is {value!r}, as of an empty name; give a name, or the str '.' for this directory")


def as_paths(paths: PathLike | Iterable[PathLike]) -> list[PathLike]:
    """One path or several, as a list; raise InputError unless each can be the path of a file."""
    is_one = isinstance(paths, (str, os.PathLike)) or not isinstance(paths, Iterable)
    several = [paths] if is_one else list(paths)  # type: ignore[arg-type]
    for path in several:
        check_path("a set or model", path)
    return several  # type: ignore[return-value]


def check_integer(name: str, value: object, or_none: bool = False) -> None:
    """Raise TypeError unless a value is an integer, or None where that is allowed."""
    if (or_none and value is None) or (isinstance(value, Integral) and not isinstance(value, bool)):
        return
    raise TypeError(_wrong_type(name, value, "a whole number, or None" if or_none else "a whole number"))


def check_positive(name: str, value: Any, or_none: bool = False) -> None:
    """Raise TypeError or InputError unless a value is a whole number of at least 1, or None where that is allowed."""
    check_integer(name, value, or_none)
    if value is not None and value < 1:
        raise InputError(f"{name} is {value}; give a number of at least 1")


def check_number(name: str, value: object) -> None:
    """Raise TypeError unless a value is a real number."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(_wrong_type(name, value, "a number"))


def check_words(name: str, value: object) -> None:
    """Raise TypeError for a str, which is a sequence of letters, and for anything that is not iterable."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise TypeError(_wrong_type(name, value, "a list of words"))


def check_corpus(corpus: Any) -> None:
    """Raise InputError for an empty corpus, and for sentences where paths are expected."""
    if isinstance(corpus, (str, list, tuple)) and len(corpus) == 0:
        kind = type(corpus).__name__
        raise InputError(f"the corpus is an empty {kind}; give the path of a text, a list of paths, or {_SENTENCES}")
    first = corpus[0] if isinstance(corpus, (list, tuple)) else corpus
    if isinstance(first, str) and " " in first and not os.path.exists(first):
        raise InputError(
            f"the corpus holds {format_value(first)}, which is no file; if it is a sentence, give {_SENTENCES}, such "
            "as [line.split() for line in lines]"
        )
    if isinstance(corpus, (list, tuple)) and all(map(_may_be_a_word, corpus)):
        raise InputError(
            f"the corpus is the {type(corpus).__name__} {format_value(corpus)}, none of which is a file; if these are "
            f"words, give {_SENTENCES}"
        )


def _may_be_a_word(item: object) -> bool:
    """Whether this is a str that looks like no path, and is none."""
    if not isinstance(item, str) or item in ("", "-"):
        return False
    return not {".", os.sep} & set(item) and not os.path.exists(item)


def _wrong_type(name: str, value: object, expected: str) -> str:
    return f"{name} is {format_value(value)}, of type {type(value).__name__}; give {expected}"
