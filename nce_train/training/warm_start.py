"""A run that does not begin from nothing: with vectors that are there (init), or with a model (continue).

In go words with parameters; out come tables in which every word that is known has its parameters, whatever row it had
before. Words that are not known keep the start that the settings give them. What was started from is written down by
name and SHA-256, so that a run can tell whether it is still there.
"""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from nce_train.errors import InputError
from nce_train.text.vocabulary import Vocabulary
from nce_train.training.config import Settings
from nce_train.training.model_directory import MANIFEST, sha256_of

if TYPE_CHECKING:
    from nce_train.training.kernel import Tables

IN_MEMORY = "embeddings in memory"
How = Literal["init", "continue"]

_ROWS_AT_ONCE = 2**14


# Given how to start and the path of a record: what there is now
FindStart = Callable[[How, str], "WarmStart"]


class Known(NamedTuple):
    """Words with parameters, row by row.

    Attributes
    ----------
    vocabulary : Vocabulary
        Its counts matter where there are biases.
    input : float32 [words, dim]
    output : float32 [words, dim] or None
    bias : float32 [words] or None
    subsample : float
        That of the run that made the biases.
    """

    vocabulary: Vocabulary
    input: np.ndarray
    output: np.ndarray | None = None
    bias: np.ndarray | None = None
    subsample: float = 0.0


class WarmStart:
    """What a run begins with.

    Parameters
    ----------
    how : {"init", "continue"}
        Whether the vocabulary is that of the corpus alone, or all known words stay and the corpus's are added.
    path : str or None
        Where the parameters come from; None for memory.
    known : Known

    Attributes
    ----------
    record : dict
        For the run record: `how`, `name`, `path` (absolute, or None), `files` (SHA-256 by name), and after `fill`
        `words_found` and `words`, the number of rows with known parameters and of all.
    """

    def __init__(self, how: How, path: str | os.PathLike[str] | None, known: Known) -> None:
        self.record: dict[str, Any] = {
            "how": how,
            "name": IN_MEMORY if path is None else os.fspath(path),
            "path": None if path is None else os.path.abspath(path),
            "files": {} if path is None else file_hashes(Path(path)),
        }
        if path is not None:
            _refuse_damaged(Path(path), self.record["files"])
        self._known: Known | None = known

    @property
    def known(self) -> Known:
        """Words and parameters, before `fill`."""
        assert self._known is not None
        return self._known

    @property
    def to_extend(self) -> Vocabulary | None:
        """The vocabulary whose words all stay, before `fill`."""
        return self.known.vocabulary if self.record["how"] == "continue" else None

    def fill(self, tables: "Tables", vocabulary: Vocabulary, settings: Settings) -> None:
        """Write the known parameters over those of a beginning run; to be called once, for they are forgotten then.

        A bias stands for the logarithm of a word's share of the tokens, so it changes by as much as that does from the
        old counts to the new ones (not with `bias_init` zero).

        Parameters
        ----------
        tables : Tables
            The classes' rows only.
        vocabulary : Vocabulary
            Their words.
        settings : Settings

        Raises
        ------
        InputError
            When no word is known.
        """
        from nce_train.training.parameters import log_unigram  # compiled code

        known, self._known = self.known, None
        index = known.vocabulary.index
        old_row = np.fromiter((index.get(word, -1) for word in vocabulary.words), np.int64, len(vocabulary))
        rows = np.flatnonzero(old_row >= 0)
        if len(rows) == 0:
            raise InputError(
                f"None of the {len(vocabulary):,} words of the corpus is in {self.record['name']}: words are compared "
                "as they are, so --lowercase and --tokens matter."
            )
        old_row = old_row[rows]
        for table, values in ((tables.input, known.input), (tables.output, known.output)):
            if values is not None:
                for first in range(0, len(rows), _ROWS_AT_ONCE):  # no second table in memory
                    part = slice(first, first + _ROWS_AT_ONCE)
                    table[rows[part], : settings.dim] = values[old_row[part]]
        if known.bias is not None:
            tables.bias[rows] = known.bias[old_row]
            if settings.bias_init == "log-unigram":
                before = log_unigram(known.vocabulary.counts, known.subsample)[old_row]
                tables.bias[rows] += log_unigram(vocabulary.counts, settings.subsample)[rows] - before
        self.record.update(words_found=len(rows), words=len(vocabulary))

    def sentence(self) -> str:
        """How many words were known to `fill`."""
        name, found, words = (self.record[key] for key in ("name", "words_found", "words"))
        if self.record["how"] == "continue":
            return f"All {found:,} words of {name} go on with what they have learnt, and {words - found:,} are new."
        return f"{found:,} of the {words:,} words ({found / words:.0%}) start with what they have in {name}."


def provenance(record: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the manifest says of a start: `init_from` or `continued_from`; {} for a run that began from nothing."""
    if record is None:
        return {}
    key = "continued_from" if record["how"] == "continue" else "init_from"
    return {key: {name: record[name] for name in ("name", "files", "words_found", "words")}}


def found_again(before: Mapping[str, Any], find: FindStart) -> WarmStart:
    """What a run that is to begin again started from.

    Parameters
    ----------
    before : mapping
        What `WarmStart.record` was.
    find : callable

    Raises
    ------
    InputError
        When it was in memory only, is gone, or has changed.
    """
    if before["path"] is None:
        raise InputError(f"The run started from {IN_MEMORY} and has no checkpoint: it cannot go on, start it anew.")
    now = find(before["how"], before["path"])
    if now.record["files"] != before["files"]:
        raise InputError(
            f"{before['path']} has changed since the run began that starts from it: put it back, or start anew with "
            "--overwrite."
        )
    now.record["name"] = before["name"]
    return now


def file_hashes(path: Path) -> dict[str, str]:
    """The SHA-256 of a vectors file and of the words beside it, or of all files of a directory, by name."""
    if path.is_dir():
        found = sorted(entry for entry in path.iterdir() if entry.is_file())
    else:
        found = [place for place in (path, path.with_name(path.name + ".vocab.tsv")) if place.is_file()]
    try:
        return {place.name: sha256_of(place) for place in found}
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read: {error.strerror}.") from None


def _refuse_damaged(path: Path, files: Mapping[str, str]) -> None:
    """Refuse a model directory whose files are not those that its manifest names."""
    if MANIFEST not in files or not path.is_dir():
        return
    for name, sha256 in json.loads((path / MANIFEST).read_bytes()).get("files", {}).items():
        if files.get(name, sha256) != sha256:
            raise InputError(f"{path / name} is not what training wrote: it is damaged or was changed; copy it again.")
