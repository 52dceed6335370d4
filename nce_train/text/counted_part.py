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
from nce_train.text.token_rules import TokenRules
from nce_train.text.vocabulary import DROPPED
from nce_train.text.word_runs import WordRun


@dataclass
class CountedPart:
    """A part that was read."""

    source: Source  # with its `bytes`, and its `sha256` if it is a whole file
    counted: CountedText  # its runs can be merged with those of other parts
    _directory: Path
    _file: IO[bytes] | None  # provisional ids; None in another process, and after encoding

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}

    @property
    def has_ids(self) -> bool:
        """Whether it can be encoded: once, and only in the process that counted it."""
        return self._file is not None

    def encode(self, vocabulary: WordRun, has_unknown: bool) -> tuple[np.ndarray, int]:
        """The ids as `encode_corpus` would write them, and the number of words among them. Can be called once.

        The ids are a read-only memory map of the nameless file, int32 [n]. With `line_breaks="ignore"`, each part ends
        in the -1 that otherwise ends the whole corpus. `vocabulary` is a `word_runs.vocabulary_run`. With
        `has_unknown`, row 0 stands for all other words.
        """
        assert self._file is not None
        row_of, _ = word_runs.merge_with_vocabulary(self.counted.runs.values(), vocabulary)
        with self._file as file, report_full_disk(self._directory):
            token_count = write_final_ids(file, self.counted, row_of, 0 if has_unknown else DROPPED)
            file.flush()
            ids = map_ids(file)
        self._file = None
        return ids, token_count


def count_part(source: Source, directory: str | os.PathLike[str], rules: TokenRules, line_breaks: str) -> CountedPart:
    """Count a part of a corpus (see `blocks.split_source`) with one thread. A part may contain no word.

    `directory` holds 4 bytes a token as long as the result exists. For the settings and errors see
    `corpus.encode_corpus`.
    """
    source = dataclasses.replace(source)  # the caller's stays as it is, for reading it again
    listed, place = SourceList([source]), Path(directory)
    with report_full_disk(place):
        file: IO[bytes] = tempfile.TemporaryFile(dir=place)  # noqa: SIM115 - closed with the result
        counted = count_words(listed, file, place, rules, line_breaks == "sentence", 1, None)
        file.flush()
    # copies, because the spill file is mapped
    in_memory = {number: WordRun(*map(np.array, run)) for number, run in counted.runs.items()}
    return CountedPart(source, counted._replace(runs=in_memory), place, file)
