"""Similarity sets: tables with two columns of words and a column of scores.

A file goes in, pairs come out. Columns are separated by tabs, semicolons, commas or white space. A header and further
columns are optional. Which columns have the words and the scores is detected from the header or from the first pair.
"""

import csv
import math
import os
import re
from collections.abc import Sequence
from typing import NamedTuple

from nce_train.errors import InputError
from nce_train.evaluation.set_lines import BLANK, BLANKS, read_lines

_SEPARATORS = ("\t", ";", ",", None)  # None: white space, last, since the fields of the others may contain it
# Names of columns, in lower case and letters only.
_WORD_NAME = re.compile("(word|term|lemma|verb|noun).*|w")
_SCORE_NAMES = ("human", "score", "mean", "average", "avg", "sim", "relatedness", "rating", "gold")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?")


class Pair(NamedTuple):
    """Two words and the similarity that people gave them."""

    first: str
    second: str
    score: float


class Columns(NamedTuple):
    """The columns of a table, counted from 0.

    Attributes
    ----------
    separator : str or None
        None for white space.
    first, second, score : int
        The columns of the two words and of the score.
    header : tuple of str
        The fields of the header; empty without one.
    words, scores : tuple of int
        All columns that may be those of the words, and of the scores: more than these where the header is ambiguous.
    """

    separator: str | None
    first: int
    second: int
    score: int
    header: tuple[str, ...]
    words: tuple[int, ...]
    scores: tuple[int, ...]


def read_similarities(path: str | os.PathLike[str], column: str | None = None) -> list[Pair]:
    """Read the pairs of a set.

    The words are in the two columns that the header calls word 1 and word 2 or similar, otherwise in the first two
    columns that are not numbers. The scores are in the column that the header calls human, score, mean, SimLex999 or
    similar, otherwise in the first column of numbers after the words.

    Parameters
    ----------
    path : str or os.PathLike
    column : str, optional
        The column of scores: its name in the header, or its number from 1.

    Raises
    ------
    InputError
        When the file cannot be read, a line after the first is not a pair, there is no pair or no such column, or the
        header does not say which of several columns has the scores or the words.
    """
    lines = list(read_lines(path))
    columns = find_columns([line for _, line in lines[:2]])
    if columns is None:
        if len(lines) > 1:
            raise _not_a_pair(path, lines[1][0])
        raise InputError(f"{path}: there is no pair in this file; it should have lines of two words and a number")
    if columns.header and len(columns.words) > 2:
        raise InputError(
            f"{path}: which of the columns {_list_names(columns.header)} have the words? Name them word1 and word2 in "
            "the header"
        )
    columns = columns._replace(score=_score_column(path, columns, column))
    pairs = []
    for number, line in lines[1:] if columns.header else lines:
        pair = _parse_pair(line, columns)
        if pair is None:
            raise _not_a_pair(path, number)
        pairs.append(pair)
    return pairs


def find_columns(lines: Sequence[str]) -> Columns | None:
    """Detect the columns from the first two lines of a file, where the first may be a header; None without a pair."""
    for separator in _SEPARATORS:
        rows = [split_fields(line, separator) for line in lines]
        # When the second line is damaged, the first may still be a pair; the second is reported when it is read.
        for number in reversed(range(len(rows))):
            columns = _columns_of(rows[number], rows[0] if number else None, separator)
            if columns is not None:
                return columns
    return None


def split_fields(line: str, separator: str | None) -> list[str]:
    """Split a line into fields, which may be in quotation marks unless white space separates them."""
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
    # A header such as "Word 1 Word 2" cannot be split at white space, and a row of data is no header.
    if (
        first_row is None
        or len(names) != len(row)
        or all(_decimal(first_row[place], separator) is not None for place in numbers)
    ):
        names = [""] * len(row)
    named_words = [place for place in words if _WORD_NAME.fullmatch(names[place])]
    named_scores = [place for place in numbers if names[place].startswith(_SCORE_NAMES)]
    if len(named_words) == 2:
        words = named_words
    elif len(words) < 2 or words[1] != words[0] + 1:  # "one 1 two 2" is an analogy
        return None
    scores = named_scores[:1] or [place for place in numbers if place > words[1]]
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
                f"{path}: which of the columns {_list_names(columns.header)} has the scores? Name it: {path}:COLUMN"
            )
        return columns.score
    if name in columns.header:
        return columns.header.index(name)
    if name.isascii() and name.isdigit() and int(name) >= 1:
        return int(name) - 1
    hint = f"its columns are {_list_names(columns.header)}" if columns.header else "it has no header: give the number"
    raise InputError(f"{path}: there is no column {name[:30]!r}; {hint}")


def _list_names(names: Sequence[str]) -> str:
    """List the first names of a header, shortened: in a damaged file they may be of any number and length."""
    return ", ".join(repr(name[:30]) for name in names[:12]) + (", …" if len(names) > 12 else "")


def _parse_pair(line: str, columns: Columns) -> Pair | None:
    fields = split_fields(line, columns.separator)
    if len(fields) <= max(columns.first, columns.second, columns.score):
        return None
    first, second = fields[columns.first], fields[columns.second]
    score = _decimal(fields[columns.score], columns.separator)
    return Pair(first, second, score) if first and second and score is not None else None


def _decimal(field: str, separator: str | None) -> float | None:
    if separator in ("\t", ";"):  # which leave the comma for decimals
        field = field.replace(",", ".")
    if not _DECIMAL.fullmatch(field):
        return None
    score = float(field)
    return score if math.isfinite(score) else None


def _not_a_pair(path: str | os.PathLike[str], number: int) -> InputError:
    return InputError(
        f"{path}, line {number}: not two words and a number; correct the line (only the first line may be a header)"
    )
