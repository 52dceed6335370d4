"""Reading the model directory that training writes: `input.npy` (or `output.npy`) and `vocab.tsv` make a table.

A model with sub-words has `ngrams.npy` and `ngram_buckets.npy` too, which go with the input vectors.
Training removes `manifest.json` before it writes the other files and writes it last: without it the model is
unfinished. `nce_train.runs.model_directory` writes the directory.
"""

import json
import os
import shlex
import time
from collections.abc import Callable, Container, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings.formats.array_file import read_array
from nce_train.embeddings.formats.npy import read_vocabulary
from nce_train.embeddings.formats.subword_files import SubWordFiles, read_subwords
from nce_train.embeddings.formats.table import Table
from nce_train.embeddings.subwords import SubWords
from nce_train.errors import InputError
from nce_train.model_files import (
    CHECKPOINT,
    CONFIG,
    FILES,
    FORMAT,
    INPUT,
    MANIFEST,
    NGRAM_BUCKETS,
    NGRAMS,
    OUTPUT,
    SUBWORD_FILES,
    VOCABULARY,
)

# What only training writes: where one of these is, a missing manifest means an unfinished model.
_FROM_TRAINING = {*FILES, *SUBWORD_FILES, CHECKPOINT} - {INPUT, VOCABULARY, MANIFEST}
_MOST_SETTINGS = 1 << 17  # bytes: twice what `flat_yaml` takes
_RETRY_DELAYS = (0.1, 0.3, 1.0)  # seconds, after a model was replaced while it was read

T = TypeVar("T")


def read_finished(path: Path, read: Callable[[], T]) -> T:
    """Return what `read` reads from the files of a finished model; repeat it if the model was replaced meanwhile.

    Memory maps stay valid: training replaces files and never changes their contents. A directory that has `input.npy`
    and `vocab.tsv` only needs no manifest. InputError is raised when the model is unfinished or is replaced repeatedly,
    its manifest is refused (`check_manifest`), or a file is a link that leads out of the directory.
    """
    before = _manifest(path)
    if before is None:
        raise _unfinished(path)
    check_manifest(before, path)
    _refuse_links(path)
    for delay in _RETRY_DELAYS:
        failure = None
        try:
            result = read()
        except InputError as error:
            failure = error
        if before is not None and _manifest(path) == before:
            if failure is not None:
                raise failure
            return result
        time.sleep(delay)
        before = _manifest(path)
    raise _unfinished(path)


def read(path: Path, mmap: bool, vectors: str) -> Table:
    """Read the table of a finished model, with its "input" or "output" vectors, mapped read-only, or their "sum"."""
    return read_finished(path, lambda: _read(path, mmap, vectors))


def _read(path: Path, mmap: bool, vectors: str) -> Table:
    if not (path / INPUT).is_file():
        raise InputError(f"{path}: not a model directory (no {INPUT} inside); give one that nce-train has finished")
    words, counts = read_vocabulary(path / VOCABULARY)
    names = {"input": [INPUT], "output": [OUTPUT], "sum": [INPUT, OUTPUT]}[vectors]
    tables = []
    for name in names:
        if not (path / name).is_file():
            raise InputError(f"{path}: this model has no {name}; ask for the input vectors")
        tables.append(read_array(path / name, mmap))
        if len(tables[-1]) != len(words) or tables[-1].shape[1] != tables[0].shape[1]:
            raise InputError(
                f"{path / name}: the shape {tables[-1].shape} does not fit the {len(words)} words of "
                f"{VOCABULARY} and the dim {tables[0].shape[1]}; the files are of different models"
            )
    with np.errstate(over="ignore"):  # check_table reports it, with the row
        chosen = tables[0] if len(tables) == 1 else tables[0] + tables[1]
    return Table(
        words,
        chosen,
        counts,
        place=lambda row: f"{path / names[-1]}, row {row}",
        settings=_settings(path / CONFIG),
        subwords=_subwords(path, mmap) if vectors == "input" else None,
        output=partial(_output, path / OUTPUT, chosen.shape),
    )


def _subwords(path: Path, mmap: bool) -> SubWords | None:
    """Read the sub-words of a model that has them."""
    files = SubWordFiles(path / NGRAMS, path / NGRAM_BUCKETS, path / CONFIG)
    if files.are_there():
        return read_subwords(files, mmap)
    if NGRAMS in _named_files(path):
        raise InputError(f"{files.ngrams}: this file of the model is missing; copy it again beside the others")
    return None


def _named_files(path: Path) -> Container[str]:
    """The names of the files that the manifest lists; none where there is no manifest."""
    manifest = json.loads(_manifest(path) or b"{}")
    return manifest.get("files", {}) if isinstance(manifest, dict) else ()


def _output(path: Path, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    """Read the output vectors of a model, if it has them."""
    if not path.is_file():
        return None
    output = read_array(path, mmap=True)
    if output.shape != shape:
        raise InputError(
            f"{path}: the shape {output.shape} is not that of the input vectors, {shape}; the files are of different "
            "models"
        )
    return output


def _settings(path: Path) -> Callable[[], Mapping[str, Any]]:
    """Read the settings now, as the model may be replaced later; the callable parses them when they are needed."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_SETTINGS)
    except FileNotFoundError:
        return dict
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); correct this or remove it") from None
    return partial(_parsed_settings, content, path)


def _parsed_settings(content: bytes, path: Path) -> Mapping[str, Any]:
    from nce_train.flat_yaml import parse_flat_yaml  # imports PyYAML

    return parse_flat_yaml(content, str(path))[0]


def check_manifest(content: bytes, path: Path) -> None:
    """Refuse the manifest of the directory `path` if it is damaged, of another format, or names a file outside it."""
    place = path / MANIFEST
    try:
        manifest = json.loads(content)
    except json.JSONDecodeError as error:
        raise InputError(f"{place}, line {error.lineno}: damaged or cut short ({error.msg}); copy it again") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: damaged ({type(error).__name__}); copy it again") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files", {}), dict):
        raise InputError(f"{place}: not the manifest of a model; copy it again")
    if manifest.get("format", FORMAT) != FORMAT:
        raise InputError(f"{place}: the format {str(manifest['format'])[:40]!r} is not known here; update nce-train")
    for name in manifest.get("files", {}):
        if name in ("", ".", "..") or "\0" in name or os.path.basename(name) != name or "\\" in name:
            raise InputError(f"{place}: it names the file {name[:80]!r}, which is not in the model directory")


def _refuse_links(path: Path) -> None:
    """Refuse links out of the directory, with which a model from elsewhere could make us read other files."""
    inside = os.path.realpath(path)
    for name in (*FILES, *SUBWORD_FILES, CHECKPOINT):
        if os.path.dirname(os.path.realpath(path / name)) != inside:
            raise InputError(f"{path / name}: a link that leads out of the model directory; copy the file itself")


def _manifest(path: Path) -> bytes | None:
    """The manifest's bytes; those of an empty one for a directory that needs none; None for an unfinished model."""
    try:
        return (path / MANIFEST).read_bytes()
    except FileNotFoundError:
        return None if any((path / name).exists() for name in _FROM_TRAINING) else b"{}"
    except OSError as error:
        raise InputError(f"{path / MANIFEST}: cannot be read ({error.strerror})") from None


def _unfinished(path: Path) -> InputError:
    hint = "train again with --overwrite"
    if (path / CHECKPOINT).is_dir():
        hint = f"if it was interrupted, resume it: nce-train --resume {shlex.quote(os.fspath(path))}"
    return InputError(f"{path}: an unfinished model; wait for the run that writes it, or {hint}")
