"""Files of analogy questions and of word pairs with scores: which of the two a file is, and what it holds."""

import itertools
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from nce_train.errors import InputError

Kind = Literal["analogies", "similarity"]


# ASCII white space, at which corpora are split too: others, such as U+00A0, may stand inside a word.
_BLANKS = " \t\n\r\v\f"
_BLANK = re.compile(r"[ \t\n\r\v\f]+")


class Question(NamedTuple):
    """`a` is to `b` as `c` is to `expected`, in a section of its file ("" before the first)."""

    section: str
    a: str
    b: str
    c: str
    expected: str


class Pair(NamedTuple):
    """Two words and how similar people find them."""

    first: str
    second: str
    score: float


def kind_of(path: str | os.PathLike[str]) -> Kind:
    """Tell a set's kind from its first lines.

    A line `: section` or of four words opens an analogy set; two words and a number, after one header line at
    most, a similarity set.

    Raises
    ------
    InputError
        When the file cannot be read or is neither.
    """
    if _is_pipe(path):
        raise InputError(
            f"{path}: a pipe, which can be read only once; say its kind with --analogies or --similarity, or save it "
            "as a file"
        )
    first_lines = [line for _, line in itertools.islice(_lines(path), 2)]
    if first_lines and first_lines[0].startswith(":"):
        return "analogies"
    # Before four words are taken for a question: a header of scored pairs may have four words too.
    if any(_pair(line) for line in first_lines):
        return "similarity"
    if first_lines and len(_BLANK.split(first_lines[0])) == 4:
        return "analogies"
    raise InputError(
        f"{path}: neither a set of analogies (': section' lines, then four words a line) nor of similarities "
        "(two words and a number a line)"
    )


def read_analogies(path: str | os.PathLike[str]) -> list[Question]:
    """Read questions in questions-words form: `: section` lines and lines of four words.

    Raises
    ------
    InputError
        When the file cannot be read, a line is neither, or there is no question.
    """
    questions = []
    section = ""
    for number, line in _lines(path):
        if line.startswith(":"):
            section = line[1:].strip(_BLANKS)
            continue
        words = _BLANK.split(line)
        if len(words) != 4:
            raise InputError(f"{path}, line {number}: {len(words)} words where an analogy has four; mend the line")
        questions.append(Question(section, *words))
    if not questions:
        raise InputError(f"{path}: there is no analogy in this file; it should have lines of four words")
    return questions


def read_similarities(path: str | os.PathLike[str]) -> list[Pair]:
    """Read pairs: two words and a number a line, separated by tabs, commas or blanks, after a header or none.

    Raises
    ------
    InputError
        When the file cannot be read, a line after the first is something else, or there is no pair.
    """
    pairs = []
    for count, (number, line) in enumerate(_lines(path)):
        pair = _pair(line)
        if pair is not None:
            pairs.append(pair)
        elif count > 0:
            raise InputError(
                f"{path}, line {number}: not two words and a number; remove or mend the line (only the first "
                "may be a header)"
            )
    if not pairs:
        raise InputError(f"{path}: there is no pair in this file; it should have lines of two words and a number")
    return pairs


def _is_pipe(path: str | os.PathLike[str]) -> bool:
    try:
        return Path(path).is_fifo()
    except OSError:
        return False


def _lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines that say something, with their numbers: no empty ones and no comments (`#`, `//`)."""
    try:
        with Path(path).open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                line = line.strip(_BLANKS)
                if line and not line.startswith(("#", "//")):
                    yield number, line
    except OSError as error:
        raise InputError(f"{path}: the set cannot be read ({error.strerror}); check the path") from None


def _pair(line: str) -> Pair | None:
    separator = "\t" if "\t" in line else "," if "," in line else None
    fields = line.split(separator) if separator else _BLANK.split(line)
    fields = [field.strip(_BLANKS) for field in fields]
    if len(fields) != 3 or not fields[0] or not fields[1] or not _DECIMAL.fullmatch(fields[2]):
        return None
    score = float(fields[2])
    return Pair(fields[0], fields[1], score) if math.isfinite(score) else None


_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?")
