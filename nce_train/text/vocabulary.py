"""The vocabulary: which word has which id, and how often each occurs.

In go the distinct words of a corpus with their counts and first positions, or a `vocab.tsv`; out comes an
immutable `Vocabulary`, sorted by decreasing count, whose row numbers are the class ids of everything else.
"""

import contextlib
import functools
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from nce_train.errors import InputError
from nce_train.files import atomic_write

_BINARY = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")  # no text has these
# Values beside the ids:
LINE_END = -1  # in a stream of ids: here a line ends
DROPPED = -2  # in a translation of words to ids: this word has none


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Words by decreasing count; a word's place is its id.

    Attributes
    ----------
    words : list of str
        UTF-8 decoded with `surrogateescape`, so that any bytes come back as they were. Not to be changed.
    counts : int64 [len(words)]
        Read-only.
    unknown : str or None
        The word in row 0 that stands for every word cut off; None when there is none.
    """

    words: list[str]
    counts: np.ndarray
    unknown: str | None = None

    def __post_init__(self) -> None:
        counts = np.array(self.counts, dtype=np.int64)
        if counts.shape != (len(self.words),):
            raise ValueError(f"counts has shape {counts.shape} for {len(self.words)} words")
        if self.unknown is not None and (not self.words or self.words[0] != self.unknown):
            raise ValueError(f"unknown is {self.unknown!r}, which is not the word in row 0")
        counts.flags.writeable = False
        object.__setattr__(self, "counts", counts)

    def __len__(self) -> int:
        return len(self.words)

    @functools.cached_property
    def index(self) -> dict[str, int]:
        """Id of every word; built when first asked for."""
        return {word: row for row, word in enumerate(self.words)}

    @functools.cached_property
    def fingerprint(self) -> str:
        """The sha256 (hexadecimal) of the file that `save` writes."""
        return hashlib.sha256(self._file_content()).hexdigest()

    @classmethod
    def select(
        cls,
        words: Sequence[str],
        counts: np.ndarray,
        first: np.ndarray,
        *,
        min_count: int = 5,
        max_vocab: int | None = None,
        unknown: str | None = None,
        num_others: int = 0,
        tokens_of_others: int = 0,
    ) -> tuple[Self, np.ndarray]:
        """Choose and sort the rows: by decreasing count, ties by first appearance.

        Parameters
        ----------
        words : sequence of str
            The distinct words of a corpus, in any order, or all that occur `min_count` times; only those that
            are kept are looked up.
        counts, first : int64 [len(words)]
            Number of occurrences, and the position of the first one (any unit; all different).
        min_count : int
            Words that occur less often are cut off.
        max_vocab : int or None
            At most so many rows in all, `unknown` included.
        unknown : str or None
            A word for row 0, whatever its count: it counts for all words cut off, and for itself where the
            corpus holds it.
        num_others, tokens_of_others : int
            How many distinct words are not among `words`, and how often they occur together.

        Returns
        -------
        vocabulary : Vocabulary
        row_of : int32 [len(words)]
            The row of each of `words`, or `DROPPED` (never with `unknown`).

        Raises
        ------
        InputError
            When fewer than two words occur `min_count` times, or fewer than two rows remain, or `unknown`
            is no token.
        """
        counts = np.asarray(counts, dtype=np.int64)
        order = np.lexsort((first, -counts))
        order = order[counts[order] >= min_count]
        if len(order) < 2:
            raise InputError(_too_few_words(len(words) + num_others, len(order), min_count))
        if max_vocab is not None and max_vocab < 2:
            raise InputError(f"--max-vocab is {max_vocab}: a vocabulary needs at least 2 rows")
        row_of = np.full(len(words), DROPPED, dtype=np.int32)
        if unknown is None:
            order = order[:max_vocab]
            row_of[order] = np.arange(len(order), dtype=np.int32)
            return cls([words[i] for i in order], counts[order]), row_of

        if not is_token(unknown):
            raise InputError(f"--unknown is {unknown!r}: it must be one word without white space")
        with contextlib.suppress(ValueError):  # index finds it only where the corpus holds it
            order = order[order != words.index(unknown)]
        if max_vocab is not None:
            order = order[: max_vocab - 1]
        row_of[:] = 0
        row_of[order] = np.arange(1, len(order) + 1, dtype=np.int32)
        kept = counts[order]
        return cls(
            [unknown, *(words[i] for i in order)],
            np.concatenate([[counts.sum() + tokens_of_others - kept.sum()], kept]),
            unknown,
        ), row_of

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `word<TAB>count` lines (UTF-8; undecodable bytes as they were); line number from 0 = id.

        Raises
        ------
        ValueError
            When a word holds a tab or a line break.
        OSError
            When the file cannot be written.
        """
        content = self._file_content()
        with atomic_write(path, "wb") as file:
            file.write(content)

    @classmethod
    def load(cls, path: str | os.PathLike[str], unknown: str | None = None) -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        path : str or os.PathLike
        unknown : str or None
            The word of line 1 when it stands for all words cut off; its count may then be any.

        Raises
        ------
        InputError
            When the file cannot be read, or a line is not `word<TAB>count`, empty, a duplicate, or out of
            order; names file and line (from 1).
        """
        words: list[str] = []
        counts: list[int] = []
        seen: set[str] = set()
        for number, line in enumerate(_lines_of(path), start=1):
            where = f"{path}, line {number}"
            line = line.removesuffix(b"\r")
            if not line:
                raise InputError(f"{where} is empty: each line is word<TAB>count")
            encoded, tab, digits = line.rpartition(b"\t")
            word = encoded.decode("utf-8", "surrogateescape")
            if _BINARY.search(line) and not (tab and digits.isdigit()):
                raise InputError(
                    f"{where}: this is a binary file; give one with lines of word<TAB>count, as nce-vocab writes it"
                )
            if not tab:
                shown = line[:80].decode("utf-8", "backslashreplace")
                raise InputError(f"{where} has no tab: {shown!r} is not word<TAB>count")
            if not digits.isdigit() or len(digits) > 18:
                shown = digits[:80].decode("utf-8", "backslashreplace")
                raise InputError(f"{where}: the count {shown!r} is not a whole number of at least 0")
            if not word or "\t" in word:
                raise InputError(f"{where}: the word is {'empty' if not word else 'split by a tab'}")
            if word in seen:
                raise InputError(f"{where}: the word {word[:80]!r} stands in an earlier line already")
            count = int(digits)
            is_below_unknown = number == 2 and unknown is not None
            if counts and count > counts[-1] and not is_below_unknown:
                raise InputError(
                    f"{where}: the count {count} is larger than {counts[-1]} in the line before; sort the "
                    "lines by decreasing count (only a first line named by --unknown may be out of order)"
                )
            seen.add(word)
            words.append(word)
            counts.append(count)
        if not words:
            raise InputError(f"{path} is empty: it must hold lines of word<TAB>count")
        if unknown is not None and words[0] != unknown:
            raise InputError(f"{path}, line 1: the word is {words[0][:80]!r}, but --unknown is {unknown!r}")
        return cls(words, np.array(counts, dtype=np.int64), unknown)

    def _file_content(self) -> bytes:
        lines = [f"{word}\t{count}\n" for word, count in zip(self.words, self.counts.tolist(), strict=True)]
        content = "".join(lines)
        if content.count("\t") != len(self) or content.count("\n") != len(self):
            word = next(word for word in self.words if "\t" in word or "\n" in word)
            raise ValueError(f"the word {word!r} holds a tab or a line break, which vocab.tsv cannot keep")
        return content.encode("utf-8", "surrogateescape")


def is_token(word: str) -> bool:
    """Whether `word` can stand in a corpus as one token: not empty, no ASCII white space, no NUL."""
    encoded = word.encode("utf-8", "surrogateescape")
    return encoded.split() == [encoded] and b"\0" not in encoded


def _too_few_words(distinct: int, kept: int, min_count: int) -> str:
    if distinct < 2:
        return "the corpus holds only one distinct word; at least two are needed"
    return (
        f"only {kept} of {distinct} distinct words occur {min_count} times or more, and at least two must; "
        "lower --min-count or give more text"
    )


def _lines_of(path: str | os.PathLike[str]) -> list[bytes]:
    """The lines of a file; only the line feed ends one (U+2028 and the like may stand inside a word)."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the vocabulary {path}: {error.strerror}") from None
    lines = content.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines
