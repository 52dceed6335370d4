"""Evaluation sets: which of the two kinds a file is, told from its contents, and how each kind is read."""

import itertools
import os
from pathlib import Path
from typing import Literal

from nce_train.errors import InputError
from nce_train.evaluation.analogy_sets import Question, fields_of, read_analogies
from nce_train.evaluation.set_lines import BLANK, lines_of
from nce_train.evaluation.similarity_sets import Pair, find_columns, read_similarities

__all__ = ["Kind", "Pair", "Question", "kind_of", "read_analogies", "read_similarities", "split_column"]

Kind = Literal["analogies", "similarity"]


def kind_of(path: str | os.PathLike[str]) -> Kind:
    """Tell a set's kind from its first lines.

    Two words and a number, after one header line at most, open a similarity set; a line `: section`, or of four words,
    of three (MSR's questions) or of two (BATS's pairs), an analogy set. A directory holds analogies.

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
    if Path(path).is_dir():
        return "analogies"
    first_lines = [line for _, line in itertools.islice(lines_of(path), 2)]
    if first_lines and first_lines[0].startswith(":"):
        return "analogies"
    # Before four words are taken for a question: a header of scored pairs may have four words too.
    if find_columns(first_lines) is not None:
        return "similarity"
    if first_lines and (len(BLANK.split(first_lines[0])) in (3, 4) or len(fields_of(first_lines[0])) == 2):
        return "analogies"
    raise InputError(
        f"{path}: neither a set of analogies (': section' lines, then four words a line) nor of similarities "
        "(two words and a number a line)"
    )


def split_column(path: str | os.PathLike[str]) -> tuple[str, str | None]:
    """Split `FILE:COLUMN`, which names the column of a similarity set's scores; a file of that very name comes first.

    Returns
    -------
    tuple[str, str or None]
        The file, and the column if one is named.
    """
    name = os.fspath(path)
    file, colon, column = name.rpartition(":")
    if colon and column and not os.path.exists(name) and os.path.exists(file):
        return file, column
    return name, None


def _is_pipe(path: str | os.PathLike[str]) -> bool:
    try:
        return Path(path).is_fifo()
    except OSError:
        return False
