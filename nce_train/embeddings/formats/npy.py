"""`.npy`: the vectors as NumPy's array file (`array_file`), and the words in `NAME.npy.vocab.tsv` beside it.

That file holds a line `word<TAB>count` for each row, with words escaped as in `escape`; the count is 0 when it is not
known. Sub-words are in three further files (`subword_files`): `NAME.npy.ngrams.npy`, of the same type of numbers,
`NAME.npy.ngram_buckets.npy` and `NAME.npy.subwords.yaml`. The model directory holds its arrays and its vocabulary in
the same form, but without escapes.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings.formats.array_file import as_records, read_array
from nce_train.embeddings.formats.compression import open_writing
from nce_train.embeddings.formats.escape import escape_word, unescape_word, word_bytes
from nce_train.embeddings.formats.precision import rounded
from nce_train.embeddings.formats.subword_files import SubWordFiles, read_subwords, settings_of
from nce_train.embeddings.formats.table import LARGEST_COUNT, Table
from nce_train.errors import InputError
from nce_train.files import sync_directory
from nce_train.model_files import BIAS, INPUT, NGRAM_BUCKETS, NGRAMS, OUTPUT, SUBWORD_FILES, VOCABULARY
from nce_train.npy_file import write_npy
from nce_train.text.vocabulary import Vocabulary

_SETTINGS = ".subwords.yaml"
_MAGIC = b"\x93NUMPY"
_OF_GENSIM = re.compile(r"\.(vectors\w*|syn[01]\w*|expElogbeta|norms)\.npy$")


def read_vocabulary(path: Path) -> tuple[list[str], NDArray[np.int64]]:
    """Read the words and counts of a `vocab.tsv`, whose counts may be in any order.

    This is four times as fast as `Vocabulary.load`, which is called when something is wrong, to name the line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: the words cannot be read ({error.strerror}); this file must lie beside the vectors"
        ) from None
    raw = np.frombuffer(content, np.uint8)
    separators = raw[(raw == ord("\t")) | (raw == ord("\n"))]
    if separators.size >= 2 and separators.tobytes() == b"\t\n" * (separators.size // 2) and raw[-1] == ord("\n"):
        fields = content.decode("utf-8", "surrogateescape").replace("\n", "\t").split("\t")
        words, digits = fields[:-1:2], fields[1::2]
        if all(words) and all(digits) and (joined := "".join(digits)).isascii() and joined.isdigit():
            counts = np.fromstring(" ".join(digits), np.int64, sep=" ")  # what is too large becomes the largest int64
            if counts.max() <= LARGEST_COUNT:
                return words, counts
    first_word = content.partition(b"\t")[0].decode("utf-8", "surrogateescape")
    vocabulary = Vocabulary.load(path, unknown=first_word)
    return vocabulary.words, vocabulary.counts


def recognises(_path: Path, head: bytes) -> bool:
    """Whether this is NumPy's array file."""
    return head.startswith(_MAGIC)


def read(path: Path, mmap: bool) -> Table:
    """Read the files; plain float32 arrays are mapped if `mmap` is set."""
    _refuse_without_words(path)
    vectors = read_array(path, mmap)
    words, counts = read_vocabulary(_vocabulary_path(path))
    if len(words) != len(vectors):
        raise InputError(
            f"{_vocabulary_path(path)}: {len(words)} words for the {len(vectors)} vectors of {path.name}; "
            "they are of different tables"
        )
    return Table(
        [unescape_word(word_bytes(word)) for word in words],
        vectors,
        counts if counts.any() else None,
        place=lambda row: f"{path}, row {row}",
        subwords=read_subwords(_subword_files(path), mmap) if _subword_files(path).are_there() else None,
    )


def write(path: Path, table: Table) -> None:
    """Write the files completely, then rename all of them.

    The old words are removed first and the new ones come last: a process that is killed between the steps leaves
    vectors without words, which are refused, and never vectors beside the words or sub-words of another table.
    """
    words_path, subword_files = _vocabulary_path(path), _subword_files(path)
    for place in (path, words_path, *subword_files):
        if place.is_symlink() or (place.exists() and not place.is_file()):
            raise InputError(
                f"{place}: a link or no regular file, but npy is written as several files; choose another path"
            )
    words = [escape_word(word).decode("utf-8", "surrogateescape") for word in table.words]
    counts = np.zeros(len(words), np.int64) if table.counts is None else table.counts
    beside = Path(tempfile.mkdtemp(prefix=".npy.", suffix=".partial", dir=path.parent))
    try:
        new = beside / f"vectors{path.suffix}"
        new_words = beside / "words"
        Vocabulary(words, counts).save(new_words)
        with open_writing(new) as file:
            write_npy(file, table.vectors if table.scales is None else as_records(table.vectors, table.scales))
        new_subwords = _write_subwords(beside, table)
        for old in (words_path, *subword_files):
            old.unlink(missing_ok=True)
        os.replace(new, path)
        for written, place in zip(new_subwords, subword_files, strict=False):
            os.replace(written, place)
        os.replace(new_words, words_path)
        sync_directory(path.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _write_subwords(directory: Path, table: Table) -> list[Path]:
    """Write the files of the sub-words, in the order of `SubWordFiles`; none where there are no sub-words."""
    subwords = table.subwords
    if subwords is None:
        return []
    files = SubWordFiles(*(directory / name for name in (NGRAMS, NGRAM_BUCKETS, "settings")))
    ngrams, scales = rounded(
        subwords.vectors, table.vectors.dtype.name, f"{subwords.source}, row {{}}: the n-gram row".format
    )
    with files.ngrams.open("wb") as file:
        write_npy(file, ngrams if scales is None else as_records(ngrams, scales))
    with files.buckets.open("wb") as file:
        write_npy(file, np.asarray(subwords.rows, np.int32))
    files.settings.write_text("".join(f"{name}: {value}\n" for name, value in settings_of(subwords).items()))
    return list(files)


def _refuse_without_words(path: Path) -> None:
    """Refuse a part of a model directory, and what gensim's save() writes beside a pickle."""
    if _vocabulary_path(path).exists():
        return
    if path.name in (INPUT, OUTPUT, BIAS, *SUBWORD_FILES) and (path.parent / VOCABULARY).exists():
        raise InputError(f"{path}: this is a part of a model directory; name the directory {path.parent}")
    if _OF_GENSIM.search(path.name):
        raise InputError(
            f"{path}: this is an array that gensim's save() writes beside a pickle, and has no words; in gensim, call "
            "model.wv.save_word2vec_format('v.bin', binary=True)"
        )


def _subword_files(path: Path) -> SubWordFiles:
    return SubWordFiles(*(path.with_name(path.name + end) for end in (f".{NGRAMS}", f".{NGRAM_BUCKETS}", _SETTINGS)))


def _vocabulary_path(path: Path) -> Path:
    return path.with_name(path.name + ".vocab.tsv")
