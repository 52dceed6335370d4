"""The word2vec format with gensim's arguments: files go in, words, vectors and counts come out, and the other way."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nce_train.arguments import PathLike, check_output, check_path
from nce_train.embeddings.formats.registry import read_table, write_table
from nce_train.embeddings.formats.table import Table
from nce_train.errors import InputError
from nce_train.files import atomic_write, report_write_failure
from nce_train.gensim.sentences import open_text


def read_word2vec(
    fname: PathLike,
    fvocab: PathLike | None,
    encoding: str,
    unicode_errors: str,
    limit: int | None,
    datatype: Any,
) -> tuple[list[str], NDArray, NDArray[np.int64]]:
    """Read words, vectors and counts; the parameters are those of `KeyedVectors.load_word2vec_format`."""
    check_path("fname", fname)
    table = read_table(fname, mmap=False)
    words, vectors = table.words[:limit], np.asarray(table.vectors[:limit]).astype(datatype, copy=False)
    words = [_decoded(word, encoding, unicode_errors) for word in words]
    if len(set(words)) != len(words):
        first = {word: row for row, word in zip(range(len(words) - 1, -1, -1), reversed(words), strict=True)}
        rows = sorted(first.values())
        words, vectors = [words[row] for row in rows], vectors[rows]
    counts = np.arange(len(words), 0, -1)
    if fvocab is not None:
        known = _read_counts(fvocab, encoding, unicode_errors)
        counts = np.array([known.get(word, 0) for word in words], np.int64)
    return words, vectors, counts


def write_word2vec(
    store: Any,
    fname: PathLike,
    fvocab: PathLike | None,
    binary: bool,
    write_header: bool,
    prefix: str,
    append: bool,
    sort_attr: str,
) -> None:
    """Write a `KeyedVectors`; the parameters are those of `KeyedVectors.save_word2vec_format`."""
    check_output("fname", fname)
    if append:
        raise InputError(f"append is True, but {os.fspath(fname)} is written whole or not at all; write another file")
    if binary and not write_header:
        raise InputError("write_header is False, but the binary format needs its header; leave one of them out")
    keys = _texts(store.index_to_key)
    order = np.arange(len(keys))
    if sort_attr in store.expandos:
        order = np.argsort(-np.asarray(store.expandos[sort_attr]), kind="stable")
    words = [prefix + keys[row] for row in order.tolist()]
    vectors = np.asarray(store.vectors, np.float32)[order]
    form = "word2vec-binary" if binary else "word2vec" if write_header else "glove"
    write_table(fname, Table(words, vectors), form)
    if fvocab is not None:
        counts = store.counts
        numbers = np.zeros(len(words), np.int64) if counts is None else np.asarray(counts)[order]
        with report_write_failure(fvocab), atomic_write(Path(fvocab), "wb") as file:
            for word, count in zip(words, numbers.tolist(), strict=True):
                file.write(f"{word} {count}\n".encode("utf-8", "surrogateescape"))


def _texts(keys: Sequence[Any]) -> list[str]:
    for row, key in enumerate(keys):
        if not isinstance(key, str):
            raise InputError(f"the key {key!r} of row {row} is of type {type(key).__name__}; only words are written")
    return list(keys)


def _decoded(word: str, encoding: str, errors: str) -> str:
    return word.encode("utf-8", "surrogateescape").decode(encoding, errors)


def _read_counts(path: PathLike, encoding: str, errors: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    with open_text(path) as file:
        for number, line in enumerate(file, start=1):
            word, _, count = line.rstrip(b"\r\n").rpartition(b" ")
            if not count.strip().isdigit():
                raise InputError(f"{os.fspath(path)}, line {number}: not a word and its count; write `word count`")
            counts[word.strip().decode(encoding, errors)] = int(count)
    return counts
