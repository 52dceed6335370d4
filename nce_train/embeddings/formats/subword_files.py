"""Sub-words in files beside the vectors: `ngrams.npy`, `ngram_buckets.npy`, and two settings in a YAML file.

Row i of `ngrams.npy` [n, dim] is that of the bucket `ngram_buckets.npy` [n] has there (int32). The settings are
`ngrams: MIN-MAX`, the characters of the n-grams, and `buckets: N`; the YAML file may hold others too.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings.formats.array_file import read_array, read_buckets
from nce_train.embeddings.subwords import SubWords
from nce_train.errors import InputError

_RANGE = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")


class SubWordFiles(NamedTuple):
    """The paths of the files."""

    ngrams: Path
    buckets: Path
    settings: Path

    def are_there(self) -> bool:
        """Whether there is a file of n-grams or of their buckets, so that there must be all files."""
        return self.ngrams.exists() or self.buckets.exists()


def read_subwords(files: SubWordFiles, mmap: bool) -> SubWords:
    """Read the files; plain float32 rows are mapped if `mmap` is set.

    Raises
    ------
    InputError
        When a file is missing or damaged, or they do not fit together.
    """
    for path in files:
        if not path.is_file():
            raise InputError(f"{path}: this file is missing, which belongs to the n-grams; copy it again beside them")
    from nce_train.flat_yaml import MAX_BYTES, parse_flat_yaml  # imports PyYAML

    try:
        with files.settings.open("rb") as file:
            settings = parse_flat_yaml(file.read(MAX_BYTES + 1), str(files.settings))[0]
    except OSError as error:
        raise InputError(f"{files.settings}: cannot be read ({error.strerror})") from None
    rows, vectors = read_buckets(files.buckets), read_array(files.ngrams, mmap)
    return subwords_with(settings, rows, vectors, str(files.ngrams), str(files.settings))


def subwords_with(
    settings: Mapping[str, Any], rows: NDArray[np.int32], vectors: NDArray[np.float32], source: str, place: str
) -> SubWords:
    """Return sub-words with the settings `ngrams` and `buckets`, which messages place at `place`."""
    ngrams, buckets = settings.get("ngrams"), settings.get("buckets")
    lengths = _RANGE.fullmatch(ngrams) if isinstance(ngrams, str) else None
    if lengths is None:
        raise InputError(f"{place}: ngrams is {str(ngrams)[:80]!r}, but there are n-gram rows; it is MIN-MAX, as 3-6")
    if not isinstance(buckets, int) or isinstance(buckets, bool):
        raise InputError(f"{place}: buckets is {str(buckets)[:80]!r}; it is a whole number")
    return SubWords(int(lengths[1]), int(lengths[2]), buckets, rows, vectors, source)


def settings_of(subwords: SubWords) -> dict[str, str | int]:
    """The settings `ngrams` and `buckets` of sub-words."""
    return {"ngrams": f"{subwords.least}-{subwords.most}", "buckets": subwords.buckets}
