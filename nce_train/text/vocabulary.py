"""The vocabulary: the id and the count of each word.

Counted words go in, or a `vocab.tsv`, or an earlier vocabulary to extend. Out comes an immutable `Vocabulary`, whose
row numbers are the class ids of everything else.
"""

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
from nce_train.file_kinds import HEAD_BYTES
from nce_train.files import atomic_write
from nce_train.foreign_files import refuse_foreign

LINE_END = -1  # in a stream of ids: the end of a line
DROPPED = -2  # in a table from words to ids: this word has no id

_BINARY = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")  # bytes that never occur in text


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Words by decreasing count. The index of a word is its id."""

    words: list[str]  # UTF-8 decoded with `surrogateescape`, which preserves all bytes; do not modify
    counts: np.ndarray  # int64 [len(words)], read-only
    unknown: str | None = None  # the word in row 0 that stands for all words without a row

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
        """Id of every word; built on first access."""
        return {word: row for row, word in enumerate(self.words)}

    @functools.cached_property
    def fingerprint(self) -> str:
        """The SHA-256 (hexadecimal) of the file that `save` writes."""
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
        num_other_words: int = 0,
        num_other_tokens: int = 0,
        cause: str | None = None,
    ) -> tuple[Self, np.ndarray]:
        """Choose and sort the rows: by decreasing count, ties by first appearance.

        Returns also the row of each of `words`, int32, or `DROPPED` (never with `unknown`). Raises InputError when
        fewer than two words occur `min_count` times, or fewer than two rows remain, or `unknown` is no token.

        Parameters
        ----------
        words : sequence of str
            The distinct words of a corpus in any order, or those that occur `min_count` times. Only the words that
            get a row are accessed.
        counts, first : int64 [len(words)]
            Number of occurrences, and the position of the first one (any unit; all different).
        min_count : int
            Rarer words get no row.
        max_vocab : int or None
            Maximum number of rows, `unknown` included.
        unknown : str or None
            The word in row 0, whatever its count: it counts for all words without a row, and for itself where it
            occurs in the corpus.
        num_other_words, num_other_tokens : int
            Number of distinct words that are not among `words`, and of their occurrences.
        cause : str, optional
            The likely reason when there are too few words, which the error then says.
        """
        counts = np.asarray(counts, dtype=np.int64)
        order = np.lexsort((first, -counts))
        order = order[counts[order] >= min_count]
        if len(order) < 2:
            distinct = len(words) + num_other_words
            if distinct < 2:
                because = "" if cause is None else f": {cause}"
                raise InputError(f"the corpus holds only one distinct word; at least two are needed{because}")
            raise InputError(
                f"only {len(order)} of {distinct} distinct words occur {min_count} times or more, and at least two "
                f"must; {cause or 'lower --min-count or give more text'}"
            )
        if max_vocab is not None and max_vocab < 2:
            raise InputError(f"--max-vocab is {max_vocab}: a vocabulary needs at least 2 rows")
        order = order[:max_vocab]
        names = [words[i] for i in order]
        if unknown is None:
            row_of = np.full(len(words), DROPPED, dtype=np.int32)
            row_of[order] = np.arange(len(order), dtype=np.int32)
            return cls(names, counts[order]), row_of

        if not is_token(unknown):
            raise InputError(f"--unknown is {unknown!r}: it must be one word without white space")
        if unknown in names:
            order = np.delete(order, names.index(unknown))
            names.remove(unknown)
        if max_vocab is not None:
            order = order[: max_vocab - 1]
        row_of = np.zeros(len(words), dtype=np.int32)
        row_of[order] = np.arange(1, len(order) + 1, dtype=np.int32)
        unknown_count = counts.sum() + num_other_tokens - counts[order].sum()
        names = [unknown, *names[: len(order)]]
        return cls(names, np.concatenate([[unknown_count], counts[order]]), unknown), row_of

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `word<TAB>count` lines (UTF-8; undecodable bytes as they were); line number from 0 = id.

        A word that contains a tab or a line break raises ValueError.
        """
        content = self._file_content()
        with atomic_write(path, "wb") as file:
            file.write(content)

    @classmethod
    def load(cls, path: str | os.PathLike[str], unknown: str | None = None) -> Self:
        """Read what `save` wrote.

        `unknown` is the word of line 1, when it stands for all words without a row. Its count may then be any. Raises
        InputError when the file cannot be read, or a line is not `word<TAB>count`, empty, a duplicate, or out of order.
        The message names file and line (from 1), or says what the file is when it is known to be something else.
        """
        content = _content_of(path)
        try:
            return cls._parsed(content, path, unknown)
        except InputError:
            if content:
                refuse_foreign(path, content[:HEAD_BYTES], "a vocabulary")
            raise

    @classmethod
    def _parsed(cls, content: bytes, path: str | os.PathLike[str], unknown: str | None) -> Self:
        words: list[str] = []
        counts: list[int] = []
        seen: set[str] = set()
        for number, line in enumerate(_lines_of(content), start=1):
            where = f"{path}, line {number}"
            if not line:
                raise InputError(f"{where} is empty: each line is word<TAB>count")
            encoded, tab, digits = line.rpartition(b"\t")
            word = encoded.decode("utf-8", "surrogateescape")
            if _BINARY.search(line) and not (tab and digits.isdigit()):
                raise InputError(
                    f"{where}: this is a binary file; give one with lines of word<TAB>count, as nce-vocab writes it"
                )
            if not tab:
                text = line[:80].decode("utf-8", "backslashreplace")
                raise InputError(f"{where} has no tab: {text!r} is not word<TAB>count")
            if not digits.isdigit() or len(digits) > 18:
                text = digits[:80].decode("utf-8", "backslashreplace")
                raise InputError(f"{where}: the count {text!r} is not a whole number of at least 0")
            if not word or "\t" in word:
                raise InputError(f"{where}: the word is {'empty' if not word else 'split by a tab'}")
            if word in seen:
                raise InputError(f"{where}: the word {word[:80]!r} already occurs in an earlier line")
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
        if content.count("\t") != len(self) or content.count("\n") != len(self) or "\r" in content:
            word = next(word for word in self.words if re.search("[\t\n\r]", word))
            raise ValueError(f"the word {word!r} contains a tab or a line break, which vocab.tsv cannot store")
        return content.encode("utf-8", "surrogateescape")


def extend_vocabulary(
    old: Vocabulary,
    words: Sequence[str],
    counts: np.ndarray,
    first: np.ndarray,
    *,
    min_count: int,
    max_vocab: int | None = None,
    num_other_tokens: int = 0,
) -> tuple[Vocabulary, np.ndarray, list[str]]:
    """Extend a vocabulary by the words of another corpus, and sort it by decreasing total count.

    Words with equal counts are sorted: old words first, in their old order, then new words by first position. The old
    `unknown` stays in row 0, and also counts for the words of the corpus without a row. Old words always keep a row.
    New words are added, the most frequent first, up to `max_vocab` rows.

    The parameters, the rows that are returned, and the errors are those of `Vocabulary.select`; `words` has all words
    of the corpus that are in `old`. The last result is a warning when `max_vocab` excluded new words. InputError is
    raised when the corpus contains none of the old words.

    Examples
    --------
    >>> old = Vocabulary(["the", "cat", "sat"], np.array([5, 3, 1]))
    >>> new, rows, _ = extend_vocabulary(old, ["dog", "sat"], np.array([4, 2]), np.array([0, 1]), min_count=2)
    >>> new.words, new.counts.tolist(), rows.tolist()
    (['the', 'dog', 'cat', 'sat'], [5, 4, 3, 3], [1, 3])
    """
    old_row = np.fromiter((old.index.get(word, DROPPED) for word in words), np.int64, len(words))
    is_old = old_row != DROPPED
    if not is_old.any():
        raise InputError(
            "no word of the corpus is a word of the model: check --tokens and --lowercase, or start anew with this text"
        )
    added = np.flatnonzero(~is_old & (counts >= min_count))
    added = added[np.lexsort((first[added], -counts[added]))]
    warnings = []
    if max_vocab is not None and len(old) + len(added) > max_vocab:
        num_excluded = len(old) + len(added) - max_vocab
        warnings = [f"{num_excluded:,} new words were left out, because --max-vocab is {max_vocab}"]
        added = added[: max_vocab - len(old)]

    summed = np.concatenate([old.counts, counts[added]])
    summed[old_row[is_old]] += counts[is_old]
    if old.unknown is not None:
        summed[0] += num_other_tokens + counts[~is_old].sum() - counts[added].sum()
    order = np.argsort(-summed, kind="stable")
    if old.unknown is not None:
        order = np.concatenate([[0], order[order != 0]])
    new_row = np.empty(len(order), np.int32)  # of the old rows, followed by the added words
    new_row[order] = np.arange(len(order), dtype=np.int32)

    row_of = np.full(len(words), DROPPED if old.unknown is None else 0, np.int32)
    row_of[is_old] = new_row[old_row[is_old]]
    row_of[added] = new_row[len(old) :]
    names = [*old.words, *(words[i] for i in added.tolist())]
    return Vocabulary([names[i] for i in order], summed[order], old.unknown), row_of, warnings


def is_token(word: str) -> bool:
    """Whether `word` can be one token of a corpus: not empty, no ASCII white space, no NUL."""
    encoded = word.encode("utf-8", "surrogateescape")
    return encoded.split() == [encoded] and b"\0" not in encoded


def _content_of(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the vocabulary {path}: {error.strerror}") from None


def _lines_of(content: bytes) -> list[bytes]:
    """The lines of a file. Only LF, CR and CRLF end a line; U+2028 and the like may occur inside a word."""
    return content.splitlines()
