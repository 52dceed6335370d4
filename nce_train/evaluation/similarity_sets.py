"""Similarity sets: tables with two columns of words and one of scores, in whatever form they come.

Columns are separated by tabs, semicolons, commas or blanks; there is a header or none, and there may be further
columns. A file goes in, pairs come out.
"""

import csv
import math
import os
import re
from collections.abc import Sequence
from typing import NamedTuple

from nce_train.errors import InputError
from nce_train.evaluation.set_lines import BLANK, BLANKS, lines_of

_SEPARATORS = ("\t", ";", ",", None)  # None: blanks, last, since they may stand inside the fields of the others
_WORD_NAME = re.compile("(word|term|lemma|verb|noun).*|w")  # without digits and blanks
_SCORE_NAMES = ("human", "score", "mean", "average", "avg", "sim", "relatedness", "rating", "gold")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?")


class Pair(NamedTuple):
    """Two words and how similar people find them."""

    first: str
    second: str
    score: float


class Columns(NamedTuple):
    """Where a table's words and scores are (from 0), and what separates the fields (None: blanks)."""

    separator: str | None
    first: int
    second: int
    score: int
    header: tuple[str, ...]  # empty without one
    # What these might be as well, as far as the header tells.
    words: tuple[int, ...]
    scores: tuple[int, ...]


def read_similarities(path: str | os.PathLike[str], column: str | None = None) -> list[Pair]:
    """Read the pairs of a set.

    The words are in the two columns that the header calls word 1 and word 2 or the like, and else in the first two
    that are no numbers. The scores are in the column that the header calls human, score, mean, SimLex999 or the like,
    and else in the first column of numbers behind the words.

    Parameters
    ----------
    path : str or os.PathLike
    column : str, optional
        The column of scores: its name in the header, or its number, from 1.

    Raises
    ------
    InputError
        When the file cannot be read, a line after the first is something else, there is no pair, there is no such
        column, or the header names several columns of numbers and none of them as the scores, or more than two of
        words and none of them as the pairs'.
    """
    lines = list(lines_of(path))
    columns = find_columns([line for _, line in lines[:2]])
    if columns is None:
        if len(lines) > 1:
            raise _no_pair(path, lines[1][0])
        raise InputError(f"{path}: there is no pair in this file; it should have lines of two words and a number")
    if columns.header and len(columns.words) > 2:
        raise InputError(
            f"{path}: which of the columns {_listed(columns.header)} have the words? Call them word1 and word2 in the "
            "header"
        )
    columns = columns._replace(score=_score_column(path, columns, column))
    pairs = []
    for number, line in lines[1:] if columns.header else lines:
        pair = _pair(line, columns)
        if pair is None:
            raise _no_pair(path, number)
        pairs.append(pair)
    return pairs


def find_columns(lines: Sequence[str]) -> Columns | None:
    """Find the columns from a file's first two lines, the first of which may be a header; None when there are none."""
    for separator in _SEPARATORS:
        rows = [split_fields(line, separator) for line in lines]
        # When the second line is unsound the first may be a pair, and the second is told of when it is read.
        for number in reversed(range(len(rows))):
            columns = _columns_of(rows[number], rows[0] if number else None, separator)
            if columns is not None:
                return columns
    return None


def split_fields(line: str, separator: str | None) -> list[str]:
    """Split a line into fields, which may stand in quotation marks unless blanks separate them."""
    if separator is None:
        return BLANK.split(line)
    try:
        fields = next(csv.reader([line], delimiter=separator, skipinitialspace=separator != "\t"))
    except csv.Error:  # such as a field of more than 128 kB
        fields = line.split(separator)
    return [field.strip(BLANKS) for field in fields]


def _columns_of(row: Sequence[str], first_row: Sequence[str] | None, separator: str | None) -> Columns | None:
    numbers = [place for place, field in enumerate(row) if _decimal(field, separator) is not None]
    words = [place for place, field in enumerate(row) if field and place not in numbers]
    names = [re.sub("[^a-z]", "", name.lower()) for name in first_row or ()]
    # A header such as "Word 1 Word 2" cannot be told apart at blanks; and a row of data names nothing.
    if (
        first_row is None
        or len(names) != len(row)
        or all(_decimal(first_row[place], separator) is not None for place in numbers)
    ):
        names = [""] * len(row)
    called_words = [place for place in words if _WORD_NAME.fullmatch(names[place])]
    called_scores = [place for place in numbers if names[place].startswith(_SCORE_NAMES)]
    if len(called_words) == 2:
        words = called_words
    elif len(words) < 2 or words[1] != words[0] + 1:  # "one 1 two 2" is an analogy
        return None
    scores = called_scores[:1] or [place for place in numbers if place > words[1]]
    if not scores:
        return None
    is_header = first_row is not None and (
        len(first_row) <= scores[0] or _decimal(first_row[scores[0]], separator) is None
    )
    header = tuple(first_row) if is_header and first_row is not None else ()
    return Columns(separator, words[0], words[1], scores[0], header, tuple(words), tuple(scores))


def _score_column(path: str | os.PathLike[str], columns: Columns, name: str | None) -> int:
    if name is None:
        if columns.header and len(columns.scores) > 1:
            raise InputError(
                f"{path}: which of the columns {_listed(columns.header)} has the scores? Name it: {path}:COLUMN"
            )
        return columns.score
    if name in columns.header:
        return columns.header.index(name)
    if name.isascii() and name.isdigit() and int(name) >= 1:
        return int(name) - 1
    there_are = f"its columns are {_listed(columns.header)}" if columns.header else "it has no header: give the number"
    raise InputError(f"{path}: there is no column {name[:30]!r}; {there_are}")


def _listed(names: Sequence[str]) -> str:
    """List the first names of a header, in which a damaged file may have anything."""
    return ", ".join(repr(name[:30]) for name in names[:12]) + (", …" if len(names) > 12 else "")


def _pair(line: str, columns: Columns) -> Pair | None:
    fields = split_fields(line, columns.separator)
    if len(fields) <= max(columns.first, columns.second, columns.score):
        return None
    first, second = fields[columns.first], fields[columns.second]
    score = _decimal(fields[columns.score], columns.separator)
    return Pair(first, second, score) if first and second and score is not None else None


def _decimal(field: str, separator: str | None) -> float | None:
    if separator in ("\t", ";"):  # where a decimal comma can be meant
        field = field.replace(",", ".")
    if not _DECIMAL.fullmatch(field):
        return None
    score = float(field)
    return score if math.isfinite(score) else None


def _no_pair(path: str | os.PathLike[str], number: int) -> InputError:
    return InputError(
        f"{path}, line {number}: not two words and a number; remove or mend the line (only the first may be a header)"
    )
