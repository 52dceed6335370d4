"""A part of a corpus, counted in one place and encoded when the vocabulary of the whole is known.

What is counted travels without its provisional ids: they lie in a nameless file, which is gone with the object.
"""

import dataclasses
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from nce_train.text import runs
from nce_train.text.provisional import Counted, count, full_disk_told, mapped_ids, translate
from nce_train.text.runs import Run
from nce_train.text.sources import Source, SourceList
from nce_train.text.vocabulary import DROPPED


@dataclass
class CountedPart:
    """A part that was read.

    Attributes
    ----------
    source : Source
        As it was read.
    counted : Counted
        Its runs are what `runs.merge` joins with those of other parts.
    """

    source: Source
    counted: Counted
    _place: Path
    _file: IO[bytes] | None  # provisional ids; None when this came from another process, or they are encoded

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}

    @property
    def has_ids(self) -> bool:
        """Whether it can be encoded: not when it came from another process, and not twice."""
        return self._file is not None

    def encode(self, vocabulary: Run, has_unknown: bool) -> tuple[np.ndarray, int]:
        """The ids as `encode_corpus` would give them, and the number of tokens; to be had once.

        With `line_breaks="ignore"` the -1 at the end of the whole corpus stands at the end of each part instead.

        Parameters
        ----------
        vocabulary : Run
            Its words, as `runs.of_words` has them.
        has_unknown : bool
            Whether row 0 stands for the words that it lacks.

        Returns
        -------
        ids : int32 [n], read-only memory map
            Of the nameless file, in which they have taken the place of the provisional ones.
        token_count : int
        """
        assert self._file is not None
        known = vocabulary._replace(numbers=np.zeros_like(vocabulary.numbers))  # others may have it at this time
        runs.merge([*self.counted.runs.values(), known], runs.is_known)
        row_of, row_of_others = runs.places_by_number(known), 0 if has_unknown else DROPPED
        with self._file as file, full_disk_told(self._place):
            token_count = translate(file, file, self.counted, row_of, row_of_others)
            file.flush()
            ids = mapped_ids(file)
        self._file = None
        return ids, token_count


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
    source = dataclasses.replace(source)  # it may be read again
    listed, place = SourceList([source]), Path(directory)
    with full_disk_told(place):
        file: IO[bytes] = tempfile.TemporaryFile(dir=place)  # noqa: SIM115 - closed with the result
        counted = count(listed, file, place, tokens, lowercase, line_breaks == "sentence", 1, None)
        file.flush()
    in_memory = {number: Run(*map(np.array, run)) for number, run in counted.runs.items()}  # not of a mapped file
    return CountedPart(source, counted._replace(runs=in_memory), place, file)
