"""Analogy sets in their three formats: four words a line, MSR's two files, and BATS's word pairs; or directories.

A file or directory goes in, questions come out, in the order of the file.
"""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nce_train.errors import InputError
from nce_train.evaluation.set_lines import BLANK, BLANKS, read_lines
from nce_train.model_files import INPUT, MANIFEST

# All ordered pairs of lines become questions: about a million at this many lines.
MAX_PAIRS = 1_000

# Files that copies of BATS have beside the files of pairs.
_COMPANIONS = {".json", ".md"}


class Question(NamedTuple):
    """`a` is to `b` as `c` is to `expected`, in a section of its file ("" before the first section).

    The words in `also` are correct answers too.
    """

    section: str
    a: str
    b: str
    c: str
    expected: str
    also: tuple[str, ...] = ()


def read_analogies(path: str | os.PathLike[str]) -> list[Question]:
    """Read the questions of a set.

    - questions-words: `: section` lines, and lines of four words.
    - MSR: lines of three words. The file of the same name with the ending `.answers` has a tag, which becomes the
      section, and the fourth word for each line.
    - BATS: a file of pairs. A pair is a word and its answers, separated by `/`. All ordered pairs of a file's lines are
      questions, and the file's stem is their section. `b` is the first answer of its line. Every answer of the other
      line is correct.
    - a directory of such files, in sub-directories or not: BATS, or GloVe's question-data with four words a line. Where
      a file names no section, its stem is the section.
    """
    questions = _read_directory(Path(path)) if Path(path).is_dir() else list(_read_file(path))
    if not questions:
        raise InputError(f"{path}: there is no analogy in this file; it should have lines of four words")
    return questions


def split_pair(line: str) -> list[str]:
    """Split a line at its tab, if it has exactly one, otherwise at white space."""
    fields = [field.strip(BLANKS) for field in line.split("\t")]
    return fields if len(fields) == 2 else BLANK.split(line)


def _read_file(path: str | os.PathLike[str], section: str | None = None) -> Iterator[Question]:
    """Detect the format of a file from its first line; `section` is that of questions of which the file names none."""
    lines = read_lines(path)
    first = list(itertools.islice(lines, 1))
    lines = itertools.chain(first, lines)  # not read again: the path may be a pipe
    words = len(split_pair(first[0][1])) if first and not first[0][1].startswith(":") else 4
    if words == 2 and Path(path).suffix == ".answers":
        raise InputError(f"{path}: these are the answers of a set; name its .questions file")
    if words == 2:
        return _pair_questions(path, lines, section)
    if words == 3 and (section is None or Path(path).with_suffix(".answers").exists()):
        return _msr_questions(path, lines)
    if words == 4:
        return _four_word_questions(path, lines, section or "")
    raise InputError(
        f"{path}, line {first[0][0]}: {words} words where an analogy has four, and a pair a word and its answers "
        "(word, tab, answer/answer/…); correct the line"
    )


def _four_word_questions(
    path: str | os.PathLike[str], lines: Iterator[tuple[int, str]], section: str
) -> Iterator[Question]:
    for number, line in lines:
        if line.startswith(":"):
            section = line[1:].strip(BLANKS)
            continue
        words = BLANK.split(line)
        if len(words) != 4:
            raise InputError(f"{path}, line {number}: {len(words)} words where an analogy has four; correct the line")
        a, b, c, expected = words
        yield Question(section, a, b, c, expected)


def _msr_questions(path: str | os.PathLike[str], lines: Iterator[tuple[int, str]]) -> Iterator[Question]:
    answers_path = Path(path).with_suffix(".answers")
    if not answers_path.exists():
        raise InputError(
            f"{path}: an analogy has four words; where a line has three, the fourth, after a tag, should be in "
            f"{answers_path.name} beside it, which is missing"
        )
    answers = read_lines(answers_path)
    for number, line in lines:
        words = BLANK.split(line)
        if len(words) != 3:
            raise InputError(
                f"{path}, line {number}: {len(words)} words where the first line has three; correct the line"
            )
        answer_number, answer_line = next(answers, (0, ""))
        answer = BLANK.split(answer_line)
        if not answer_number:
            raise InputError(
                f"{answers_path}: no answer to line {number} of {path}; the two files do not belong together"
            )
        if len(answer) != 2:
            raise InputError(f"{answers_path}, line {answer_number}: not a tag and a word; correct the line")
        a, b, c = words
        tag, expected = answer
        yield Question(tag, a, b, c, expected)
    if next(answers, None) is not None:
        raise InputError(
            f"{answers_path}: more answers than {path} has questions; the two files do not belong together"
        )


def _read_directory(directory: Path) -> list[Question]:
    if (directory / MANIFEST).exists() or (directory / INPUT).exists():
        raise InputError(
            f"{directory}: this is a model directory, not an evaluation set; give it as MODEL or with --compare, and "
            "name the set"
        )
    try:
        files = sorted(
            path
            for path in directory.rglob("*")
            if path.is_file()
            and path.suffix not in _COMPANIONS
            and not any(part.startswith(".") for part in path.relative_to(directory).parts)
            and not (path.suffix == ".answers" and path.with_suffix(".questions").exists())
        )
    except OSError as error:
        raise InputError(f"{directory}: the set cannot be read ({error.strerror}); check the directory") from None
    if not files:
        raise InputError(
            f"{directory}: no file of word pairs in this directory, nor of questions; a set such as BATS has them"
        )
    stems = [path.stem for path in files]
    questions: list[Question] = []
    for path in files:
        # Two files with the same stem are two sections.
        section = path.stem if stems.count(path.stem) == 1 else str(path.relative_to(directory).with_suffix(""))
        questions.extend(_read_file(path, section))
    return questions


def _pair_questions(
    path: str | os.PathLike[str], lines: Iterator[tuple[int, str]], section: str | None = None
) -> Iterator[Question]:
    section = Path(path).stem if section is None else section
    pairs: list[tuple[str, tuple[str, ...]]] = []
    for number, line in lines:
        fields = split_pair(line)
        answers = tuple(answer for answer in map(str.strip, fields[-1].split("/")) if answer)
        if len(fields) != 2 or not fields[0] or not answers:
            raise InputError(
                f"{path}, line {number}: not a word and its answers (word, tab, answer/answer/…); correct the line"
            )
        pairs.append((fields[0], answers))
        if len(pairs) > MAX_PAIRS:
            raise InputError(
                f"{path}: more than {MAX_PAIRS:,} pairs, which would all be combined into questions; divide the file"
            )
    if len(pairs) == 1:
        raise InputError(f"{path}: a single pair makes no question; a file of pairs needs two lines or more")
    for (a, b), (c, expected) in itertools.permutations(pairs, 2):
        yield Question(section, a, b[0], c, expected[0], expected[1:])
