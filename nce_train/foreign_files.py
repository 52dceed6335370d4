"""What is said of files of vectors, evaluation sets and vocabularies that are something else.

`file_kinds` knows the files of other programs by their first bytes. Tables of words are told apart here: vectors where
lines are expected, words with counts where vectors are. Readers of vectors ask when no format of theirs fits (and first
about what may look like vectors), readers of lines when they open a file.
"""

import os
import re
from collections.abc import Iterator

from nce_train.errors import InputError
from nce_train.file_kinds import HEAD_BYTES, Wanted, is_tar, recognise

_INSTEAD_OF_VECTORS = {
    "an evaluation set": "name the set, and give vectors as MODEL or with --compare",
    "a vocabulary": "name a file with lines of word<TAB>count, as nce-vocab writes it",
}
_CHECKED_LINES = 50
_WORD2VEC = re.compile(rb"(?:\xef\xbb\xbf)?[ \t]*[0-9]{1,18}[ \t]+([0-9]{1,18})[ \t\r]*\n")
_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")


def refuse_foreign(path: str | os.PathLike[str], head: bytes, wanted: Wanted) -> None:
    """Raise InputError when a file that begins with `head` is known to be something other than `wanted`."""
    if kind := recognise(head, wanted):
        raise foreign_file(path, kind.name, wanted, kind.advice(wanted))
    if wanted == "vectors":
        if words := _word_list(head):
            raise foreign_file(path, words, wanted, "name the file or directory of the vectors")
    elif _are_vectors(head):
        raise foreign_file(path, "a file of vectors", wanted, _INSTEAD_OF_VECTORS[wanted])
    elif wanted == "an evaluation set" and _are_sorted_counts(head):
        raise foreign_file(path, "a list of words with counts", wanted, "name the set")


def foreign_file(path: str | os.PathLike[str], what: str, wanted: Wanted, advice: str | None) -> InputError:
    """The error for a file that is something other than `wanted`."""
    return InputError(f"{os.fspath(path)}: this is {what}, not {wanted}; {advice}")


def looks_like_vectors(head: bytes) -> bool:
    """Whether a reader of vectors could take this for vectors although it is none: archives of text, lists of words."""
    return is_tar(head) or _word_list(head) is not None


def _word_list(head: bytes) -> str | None:
    """What a vocabulary (ours, GloVe's, word2vec's) is: each line a word and one number."""
    header = _WORD2VEC.match(head)
    lines = list(_fields(head))
    is_header = header is not None and (header[1] == b"1" or len(lines) < 2)
    if is_header or not lines or b"\0" in head or any(len(fields) != 2 for fields in lines):
        return None
    try:
        numbers = [float(number) for _, number in lines]
    except ValueError:
        return None
    kind = "counts" if all(number.is_integer() for number in numbers) else "one number each"
    return f"a list of words with {kind}"


def _are_sorted_counts(head: bytes) -> bool:
    """Whether this is a vocabulary: pairs of words in a set may also be a word and a number, but not sorted."""
    lines = list(_fields(head))
    if len(lines) < 3 or not all(len(fields) == 2 and fields[1].isdigit() for fields in lines):
        return False
    counts = [int(count) for _, count in lines]
    return counts == sorted(counts)[::-1]


def _are_vectors(head: bytes) -> bool:
    """Whether these are vectors: arrays, or lines of a word and many numbers."""
    header = _WORD2VEC.match(head)
    if head.startswith(b"\x93NUMPY") or re.match(rb"[\s\S]{5}\0\0\0\{", head) or (header and _is_binary(head)):
        return True
    lines = list(_fields(head[header.end() if header else 0 :]))[:2]
    are_rows = bool(lines) and all(map(_is_row, lines))
    # A line of four words that are numbers may be a question.
    return are_rows and bool(header or len(lines[0]) > 4 or b"." in lines[0][1])


def _is_binary(head: bytes) -> bool:
    """Whether there are control characters, or bytes that are not UTF-8; the last letter may be cut."""
    return _CONTROL.search(head) is not None or len(head.decode(errors="ignore").encode()) < len(head) - 3


def _is_row(fields: list[bytes]) -> bool:
    try:
        return len(fields) > 2 and all(b"_" not in field and float(field) is not None for field in fields[1:])
    except ValueError:
        return False


def _fields(head: bytes) -> Iterator[list[bytes]]:
    """Yield the fields of the first lines that are not blank; a last line that is not whole is left out."""
    lines = head[:HEAD_BYTES].split(b"\n")
    if len(lines) > 1:
        lines.pop()
    yield from [fields for line in lines[:_CHECKED_LINES] if (fields := line.split())]
