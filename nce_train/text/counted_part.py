"""A part of a corpus: counted first, encoded when the vocabulary of the whole corpus is known.

The counts can be sent to another process. The provisional ids stay in a nameless file, which disappears with the
object.
"""

import dataclasses
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from nce_train.text import word_runs
from nce_train.text.sources import Source, SourceList
from nce_train.text.token_file import CountedText, count_words, map_ids, report_full_disk, write_final_ids
from nce_train.text.vocabulary import DROPPED
from nce_train.text.word_runs import WordRun


@dataclass
class CountedPart:
    """A part that was read.

    Attributes
    ----------
    source : Source
        With its `bytes`, and its `sha256` if it is a whole file.
    counted : CountedText
        Its runs can be merged with those of other parts.
    """

    source: Source
    counted: CountedText
    _directory: Path
    _file: IO[bytes] | None  # provisional ids; None in another process, and after encoding

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}

    @property
    def has_ids(self) -> bool:
        """Whether it can be encoded: once, and only in the process that counted it."""
        return self._file is not None

    def encode(self, vocabulary: WordRun, has_unknown: bool) -> tuple[np.ndarray, int]:
        """The ids as `encode_corpus` would write them. Can be called once.

        With `line_breaks="ignore"`, each part ends in the -1 that otherwise ends the whole corpus.

        Parameters
        ----------
        vocabulary : WordRun
            Its words, from `word_runs.vocabulary_run`.
        has_unknown : bool
            Whether row 0 stands for all other words.

        Returns
        -------
        ids : int32 [n], read-only memory map
            Of the nameless file, where they replace the provisional ids.
        token_count : int
        """
        assert self._file is not None
        own = vocabulary._replace(merged_ids=np.zeros_like(vocabulary.merged_ids))  # other threads may merge theirs
        word_runs.merge([*self.counted.runs.values(), own], word_runs.is_in_vocabulary)
        row_of, row_of_others = word_runs.rows_in_vocabulary(own), 0 if has_unknown else DROPPED
        with self._file as file, report_full_disk(self._directory):
            token_count = write_final_ids(file, self.counted, row_of, row_of_others)
            file.flush()
            ids = map_ids(file)
        self._file = None
        return ids, token_count


def count_part(
    source: Source, directory: str | os.PathLike[str], tokens: str, lowercase: bool, line_breaks: str
) -> CountedPart:
    """Count a part of a corpus with one thread. A part may contain no word.

    Parameters
    ----------
    source : Source
        See `blocks.split_source`.
    directory : path
        Holds 4 bytes a token as long as the result exists.
    tokens, lowercase, line_breaks
        See `corpus.encode_corpus`, also for errors.
    """
    source = dataclasses.replace(source)  # the caller's stays as it is, for reading it again
    listed, place = SourceList([source]), Path(directory)
    with report_full_disk(place):
        file: IO[bytes] = tempfile.TemporaryFile(dir=place)  # noqa: SIM115 - closed with the result
        counted = count_words(listed, file, place, tokens, lowercase, line_breaks == "sentence", 1, None)
        file.flush()
    # copies, because the spill file is mapped
    in_memory = {number: WordRun(*map(np.array, run)) for number, run in counted.runs.items()}
    return CountedPart(source, counted._replace(runs=in_memory), place, file)
