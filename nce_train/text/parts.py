"""A part of a corpus, counted in one place and encoded when the vocabulary of the whole is known.

What is counted travels without its provisional ids: they lie in a nameless file, which is gone with the object.
"""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from nce_train.text import runs
from nce_train.text.provisional import Counted, count, full_disk_told, token_file, translate
from nce_train.text.runs import Run
from nce_train.text.sources import Source, SourceList
from nce_train.text.vocabulary import DROPPED, Vocabulary


@dataclass
class CountedPart:
    """A part that was read.

    Attributes
    ----------
    source : Source
        As it was read, with its SHA-256.
    counted : Counted
        Its runs are what `runs.merge` joins with those of other parts.
    """

    source: Source
    counted: Counted
    _file: IO[bytes] | None  # provisional ids; None when this came from another process

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}

    @property
    def has_ids(self) -> bool:
        """Whether it can be encoded: not where it came from another process."""
        return self._file is not None

    def encode(self, path: str | os.PathLike[str], vocabulary: Vocabulary) -> int:
        """Write the ids to `path` as `encode_corpus` would; the number of tokens.

        With `line_breaks="ignore"` the -1 at the end of the whole corpus stands at the end of each part instead.
        """
        assert self._file is not None
        known = runs.of_words(vocabulary.words)
        runs.merge([*self.counted.runs.values(), known], runs.is_known)
        row_of, row_of_others = runs.places_by_number(known), DROPPED if vocabulary.unknown is None else 0
        with token_file(Path(path)) as target:
            return translate(self._file, target, self.counted, row_of, row_of_others)


def count_part(
    source: Source, directory: str | os.PathLike[str], tokens: str, lowercase: bool, line_breaks: str
) -> CountedPart:
    """Read a part of a corpus, with one thread.

    Parameters and errors are those of `encode_corpus` with the same names; a part may hold no word.

    Parameters
    ----------
    source : Source
        See `sources.parts_of`.
    directory : path
        Where 4 bytes a token are kept as long as the result is.
    """
    listed, place = SourceList([source]), Path(directory)
    with full_disk_told(place):
        file: IO[bytes] = tempfile.TemporaryFile(dir=place)  # noqa: SIM115 - closed with the result
        counted = count(listed, file, place, tokens, lowercase, line_breaks == "sentence", 1, None)
        file.flush()
    in_memory = {number: Run(*map(np.array, run)) for number, run in counted.runs.items()}  # not of a mapped file
    return CountedPart(source, counted._replace(runs=in_memory), file)
