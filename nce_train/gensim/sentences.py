"""Text files as sentences, under gensim's names: a path, a directory or an open file goes in, lists of words come out.

Paths are read once more for each pass; compression is detected by the contents. `Word2Vec` and `FastText` take any
iterable of lists of words, and text files much faster as `corpus_file`.
"""

import contextlib
import io
import itertools
import os
from collections.abc import Iterable, Iterator
from typing import IO, Any, cast

from nce_train.arguments import PathLike
from nce_train.decompression import decompressed
from nce_train.errors import InputError

MOST_WORDS = 10_000  # in a sentence; gensim's bound


class LineSentence:
    """The lines of a text, each a list of the words between white space.

    Parameters
    ----------
    source : path or binary file
        A file object is read from its beginning in each pass, if it can be.
    max_sentence_length : int
        Longer lines are cut into pieces of this many words.
    limit : int, optional
        Read only this many lines.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("text.txt").write_text("red green\\nblue\\n")
    >>> list(LineSentence("text.txt"))
    [['red', 'green'], ['blue']]
    """

    def __init__(self, source: Any, max_sentence_length: int = MOST_WORDS, limit: int | None = None) -> None:
        self.source = source
        self.max_sentence_length = max_sentence_length
        self.limit = limit

    def __iter__(self) -> Iterator[list[str]]:
        if isinstance(self.source, (str, os.PathLike)):
            with open_text(self.source) as file:
                yield from self._sentences(file)
            return
        if hasattr(self.source, "seek"):
            self.source.seek(0)
        yield from self._sentences(self.source)

    def _sentences(self, lines: Iterable[bytes | str]) -> Iterator[list[str]]:
        for line in itertools.islice(lines, self.limit):
            words = (line if isinstance(line, str) else line.decode("utf-8")).split()
            for start in range(0, len(words), self.max_sentence_length):
                yield words[start : start + self.max_sentence_length]


class PathLineSentences:
    """The lines of all files of a directory, in the order of their names; see `LineSentence`.

    Parameters
    ----------
    source : path
        A directory, whose sub-directories are left out, or one file.
    max_sentence_length : int
    limit : int, optional
        Read only this many lines of each file.

    Attributes
    ----------
    input_files : list of str
    """

    def __init__(self, source: PathLike, max_sentence_length: int = MOST_WORDS, limit: int | None = None) -> None:
        self.source = os.fspath(source)
        self.max_sentence_length = max_sentence_length
        self.limit = limit
        if os.path.isdir(self.source):
            paths = (os.path.join(self.source, name) for name in sorted(os.listdir(self.source)))
            self.input_files = [path for path in paths if os.path.isfile(path)]
        else:
            self.input_files = [_existing(self.source)]

    def __iter__(self) -> Iterator[list[str]]:
        for path in self.input_files:
            yield from LineSentence(path, self.max_sentence_length, self.limit)


@contextlib.contextmanager
def open_text(path: PathLike) -> Iterator[IO[bytes]]:
    """Open a text, plain or compressed; raise InputError where it is absent or cannot be read."""
    try:
        with open(_existing(path), "rb", buffering=0) as raw:
            yield cast(IO[bytes], io.BufferedReader(decompressed(cast(io.RawIOBase, raw), os.fspath(path)), 1 << 18))
    except OSError as error:
        raise InputError(f"{os.fspath(path)}: cannot be read ({error.strerror or error})") from None


def _existing(path: PathLike) -> str:
    if not os.path.exists(path):
        raise InputError(f"{os.fspath(path)}: no such file; check the path")
    return os.fspath(path)
