"""Evaluation sets: paths go in, questions and scored pairs come out, by the name of the set.

The kind of a set is detected from its contents. `analogy_sets` and `similarity_sets` know the formats of each kind.
"""

import itertools
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from nce_train.decompression import ENDINGS
from nce_train.errors import InputError
from nce_train.evaluation.analogy_sets import Question, read_analogies, split_pair
from nce_train.evaluation.set_lines import BLANK, read_lines
from nce_train.evaluation.similarity_sets import Pair, find_columns, read_similarities

_COMPRESSIONS = (*ENDINGS, ".lzma", ".zip")

PathLike = str | os.PathLike[str]
Item = TypeVar("Item")


class EvaluationSets(NamedTuple):
    """Sets by name."""

    analogies: Mapping[str, list[Question]]
    similarity: Mapping[str, list[Pair]]


def read_sets(
    sets: Iterable[PathLike], analogies: Iterable[PathLike] = (), similarity: Iterable[PathLike] = ()
) -> EvaluationSets:
    """Read sets: `sets`, whose kind is detected, and sets of a given kind.

    The name of a set is the stem of its file or the name of its directory, followed by `:COLUMN` where a column is
    named. No two sets may have the same name.
    """
    analogies, similarity = list(analogies), list(similarity)
    for path in sets:
        file, column = split_column(path)
        (similarity if column is not None or detect_kind(file) == "similarity" else analogies).append(path)
    return EvaluationSets(
        _by_name([(path, None) for path in analogies], lambda path, _: read_analogies(path)),
        _by_name(list(map(split_column, similarity)), read_similarities),
    )


def detect_kind(path: PathLike) -> Literal["analogies", "similarity"]:
    """Detect the kind of a set from its first lines.

    A similarity set begins with two words and a number, after at most one header line. An analogy set begins with a
    line `: section`, or with a line of four words, three words (MSR's questions) or two words (BATS's pairs). A
    directory holds analogies.
    """
    if _is_pipe(path):
        raise InputError(
            f"{path}: a pipe, which can be read only once, so its kind cannot be detected; name the kind with "
            "--analogies or --similarity, or save it as a file"
        )
    if Path(path).is_dir():
        return "analogies"
    first_lines = [line for _, line in itertools.islice(read_lines(path), 2)]
    if first_lines and first_lines[0].startswith(":"):
        return "analogies"
    # Checked before four words are taken for a question, since a header of scored pairs may have four words too.
    if find_columns(first_lines) is not None:
        return "similarity"
    if first_lines and (len(BLANK.split(first_lines[0])) in (3, 4) or len(split_pair(first_lines[0])) == 2):
        return "analogies"
    raise InputError(
        f"{path}: neither a set of analogies (': section' lines, then four words a line) nor of similarities "
        "(two words and a number a line)"
    )


def split_column(path: PathLike) -> tuple[str, str | None]:
    """Split `FILE:COLUMN`, which names the score column of a similarity set, unless a file has this whole name."""
    name = os.fspath(path)
    file, colon, column = name.rpartition(":")
    if colon and column and not os.path.exists(name) and os.path.exists(file):
        return file, column
    return name, None


def _is_pipe(path: PathLike) -> bool:
    try:
        return Path(path).is_fifo()
    except OSError:
        return False


def _stem(path: Path) -> str:
    """The name without its ending, and without one of a compression before that."""
    return Path(path.stem).stem if path.suffix.lower() in _COMPRESSIONS else path.stem


def _by_name(
    files: Iterable[tuple[PathLike, str | None]], read: Callable[[PathLike, str | None], list[Item]]
) -> dict[str, list[Item]]:
    paths: dict[str, Path] = {}
    sets: dict[str, list[Item]] = {}
    for file, column in files:
        path = Path(file)
        name = path.resolve().name if path.is_dir() else _stem(path)
        if column is not None:
            name += f":{column}"
        if paths.setdefault(name, path) != path:
            raise InputError(
                f"{path}: its results would have the same name, {name!r}, as those of {paths[name]}; rename one of the "
                "files"
            )
        sets[name] = read(file, column)
    return sets
