"""`.safetensors`: the tensor `embeddings` and, in the metadata, `words` (a JSON list) and `config` (a JSON object).

Words are not escaped; a byte that is not UTF-8 is JSON's `\\udcXX`, as Python's `surrogateescape` decodes it. Counts,
if known, are the tensor `counts` (int64 [rows]), and `config` holds the settings of the run. int8 vectors have
a further tensor, `scales` (float32 [rows]). Sub-words are the tensors `ngrams` [n, dim], of the type of the vectors,
`ngram_buckets` (int32 [n]) and, for int8, `ngram_scales` (float32 [n]), and `ngrams` and `buckets` in `config`.
"""

import contextlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings.formats.compression import is_compressed, open_reading, open_writing
from nce_train.embeddings.formats.escape import word_bytes
from nce_train.embeddings.formats.precision import dequantise, rounded
from nce_train.embeddings.formats.subword_files import settings_of, subwords_with
from nce_train.embeddings.formats.table import Table, check_memory, quote
from nce_train.errors import InputError
from nce_train.mapped_files import can_be_mapped
from nce_train.names import readable

LARGEST_HEADER = 100_000_000  # bytes; every safetensors library has this limit

_TENSOR = "embeddings"
_NGRAMS, _BUCKETS, _NGRAM_SCALES = "ngrams", "ngram_buckets", "ngram_scales"
_FLOATS = ("F64", "F32", "F16", "BF16")
# The length of the header, below 2**40 so that other files do not match, and the beginning of its JSON.
_HEAD = re.compile(rb"[\s\S]{5}\0\0\0\{")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LONE_SURROGATE = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # one that does not stand for a byte


def recognises(_path: Path, head: bytes) -> bool:
    """Whether the file begins with a length and a JSON object."""
    return _HEAD.match(head) is not None


def read(path: Path, _mmap: bool) -> Table:
    """Read words, vectors, and counts and settings if there are any; needs the extra `safetensors`."""
    safetensors = _library(path)
    with _unpacked(path) as plain:
        try:
            with safetensors.safe_open(plain, "numpy") as file:
                metadata: Mapping[str, str] = file.metadata() or {}
                kinds = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
                _check_kinds(path, kinds, metadata)
                shapes = {name: file.get_slice(name).get_shape() for name in kinds}
                _check_shapes(path, shapes)
                words = _words(path, metadata["words"])
                rows, dim = shapes[_TENSOR]
                if len(words) != rows:
                    raise InputError(f"{path}: {len(words)} words for {rows} vectors; it is damaged")
                check_memory(path, rows, dim)
                if kinds[_TENSOR] == "BF16":
                    vectors = _from_bfloat16(safetensors.deserialize(plain.read_bytes()), rows, dim)
                elif kinds[_TENSOR] == "I8":
                    vectors = dequantise(file.get_tensor(_TENSOR), file.get_tensor("scales"))
                else:
                    with np.errstate(over="ignore"):  # check_table reports it, with the row
                        vectors = file.get_tensor(_TENSOR).astype(np.float32, copy=False)
                counts = file.get_tensor("counts") if kinds.get("counts") == "I64" else None
                ngrams = _read_ngrams(path, file, kinds, shapes)
        except safetensors.SafetensorError as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{path}: not a safetensors file that can be read ({reason}); fetch it again") from None
    config = _parsed(metadata.get("config", "{}"))
    if not isinstance(config, dict):  # as in files of other programs
        config = {}
    return Table(
        words,
        vectors,
        counts,
        place=lambda row: f"{path}, row {row}",
        settings=partial(dict, config),
        subwords=None if ngrams is None else subwords_with(config, *ngrams, f"{path}, {_NGRAMS}", f"{path}, config"),
    )


def write(path: Path, table: Table) -> None:
    """Write words, vectors, settings, and counts if they are known; needs the extra `safetensors`."""
    _library(path)
    from safetensors.numpy import save

    subwords = table.subwords
    settings = {**table.settings(), **({} if subwords is None else settings_of(subwords))}
    config = json.dumps(readable(settings), ensure_ascii=False, default=str)
    metadata = {"words": _json_of_words(table.words), "config": config}
    _check_header(path, metadata)
    tensors = {_TENSOR: np.ascontiguousarray(table.vectors)}
    if table.scales is not None:
        tensors["scales"] = table.scales
    if table.counts is not None:
        tensors["counts"] = np.ascontiguousarray(table.counts)
    if subwords is not None:
        name = f"{subwords.source}, row {{}}: the n-gram row".format
        ngrams, scales = rounded(subwords.vectors, table.vectors.dtype.name, name)
        tensors |= {_NGRAMS: np.ascontiguousarray(ngrams), _BUCKETS: np.asarray(subwords.rows, np.int32)}
        tensors |= {} if scales is None else {_NGRAM_SCALES: scales}
    # The library assembles the whole file in memory. (Its `save_file` writes to disk, but makes the file readable for
    # the owner only, and cannot write to a pipe.)
    check_memory(path, sum(tensor.nbytes for tensor in tensors.values()) // 4)
    head, numbers = _in_fixed_order(memoryview(save(tensors, metadata)))
    with open_writing(path) as file:
        file.write(head)
        file.write(numbers)


def _in_fixed_order(content: memoryview) -> tuple[bytes, memoryview]:
    """Split a file into header and tensors, and sort the metadata, whose order the library chooses at random."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(bytes(content[8:start]))
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # aligns the tensors; and the length never begins like a gzip file
    return len(text).to_bytes(8, "little") + text, content[start:]


def _library(path: Path) -> Any:
    try:
        import safetensors
    except ImportError:
        raise InputError(f"{path}: this format needs an extra: pip install 'nce-train[safetensors]'") from None
    return safetensors


@contextlib.contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    """Yield the path of a plain file with the contents of `path` that can be mapped: the library opens no other."""
    if not is_compressed(path) and can_be_mapped(path):
        yield path
        return
    with open_reading(path) as packed, tempfile.NamedTemporaryFile(suffix=".safetensors") as plain:
        shutil.copyfileobj(packed, plain, 1 << 20)
        plain.flush()
        yield Path(plain.name)


def _check_kinds(path: Path, kinds: Mapping[str, str], metadata: Mapping[str, str]) -> None:
    if _TENSOR not in kinds:
        there = ", ".join(sorted(kinds))[:200]
        raise InputError(f"{path}: it has no tensor {_TENSOR!r}, but {there!r}; rename the one with the vectors")
    if "words" not in metadata:
        raise InputError(f"{path}: its metadata has no 'words', a JSON list with a word for each row; add one")
    if kinds[_TENSOR] == "I8" and kinds.get("scales") != "F32":
        raise InputError(f"{path}: its int8 vectors lack the tensor 'scales' (F32, one a row); export it again")
    if kinds[_TENSOR] not in (*_FLOATS, "I8"):
        raise InputError(
            f"{path}: {_TENSOR} has numbers of type {kinds[_TENSOR]}; types that can be read are "
            f"{', '.join(_FLOATS)}, and I8 with scales"
        )


def _check_shapes(path: Path, shapes: Mapping[str, list[int]]) -> None:
    shape = shapes[_TENSOR]
    if len(shape) != 2 or min(shape) < 1:
        raise InputError(
            f"{path}: {_TENSOR} has the shape {tuple(shape)[:9]}; vectors have (rows, dim), both at least 1"
        )
    for name in ("scales", "counts"):
        if name in shapes and shapes[name] != shape[:1]:
            raise InputError(
                f"{path}: {name} has the shape {tuple(shapes[name])[:9]} for {shape[0]} vectors; it is damaged"
            )


def _read_ngrams(
    path: Path, file: Any, kinds: Mapping[str, str], shapes: Mapping[str, list[int]]
) -> tuple[NDArray[np.int32], NDArray[np.float32]] | None:
    """Read the buckets and n-gram rows of sub-words, where there are any."""
    if _BUCKETS not in kinds:  # another program may call something else `ngrams`
        return None
    kind = kinds.get(_NGRAMS)
    if kinds[_BUCKETS] != "I32" or kind not in ("F64", "F32", "F16", "I8") or len(shapes[_NGRAMS]) != 2:
        raise InputError(
            f"{path}: {_NGRAMS} and {_BUCKETS} have the types {kind} and {kinds[_BUCKETS]}; they are rows of numbers "
            "and int32; export it again"
        )
    if kind == "I8" and (kinds.get(_NGRAM_SCALES), shapes.get(_NGRAM_SCALES)) != ("F32", shapes[_NGRAMS][:1]):
        raise InputError(f"{path}: {_NGRAMS} of int8 needs {_NGRAM_SCALES} (float32, one a row); export it again")
    rows, dim = shapes[_NGRAMS]
    check_memory(path, rows, dim)
    stored = file.get_tensor(_NGRAMS)
    if kind == "I8":
        ngrams = dequantise(stored, file.get_tensor(_NGRAM_SCALES))
    else:
        with np.errstate(over="ignore"):  # check_table reports it, with the row
            ngrams = stored.astype(np.float32, copy=False)
    return file.get_tensor(_BUCKETS), ngrams


def _words(path: Path, text: str) -> list[str]:
    words = _parsed(text)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise InputError(f"{path}: 'words' in its metadata is not a JSON list of words; it is damaged")
    if _LONE_SURROGATE.search("".join(words)):
        word = next(filter(_LONE_SURROGATE.search, words))
        raise InputError(
            f"{path}: the word {quote(word)} in its metadata is not text (a lone surrogate); it is damaged"
        )
    return words


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _from_bfloat16(tensors: list[tuple[str, dict[str, Any]]], rows: int, dim: int) -> NDArray[np.float32]:
    """Widen bfloat16, which NumPy does not know: it is the upper half of a float32."""
    wide = np.frombuffer(dict(tensors)[_TENSOR]["data"], "<u2").astype(np.uint32)
    wide <<= np.uint32(16)
    return wide.view(np.float32).reshape(rows, dim)


def _json_of_words(words: list[str]) -> str:
    text = json.dumps(words, ensure_ascii=False, separators=(",", ":"))
    if _LONE_SURROGATE.search(text):
        word_bytes(next(filter(_LONE_SURROGATE.search, words)))  # raises InputError
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _check_header(path: Path, metadata: Mapping[str, str]) -> None:
    # Inside the header the metadata is JSON within JSON, where quotes and backslashes take two bytes.
    size = sum(len(text.encode()) + text.count('"') + text.count("\\") for text in metadata.values())
    if size > LARGEST_HEADER - 10_000:
        raise InputError(
            f"{path}: the words take {size / 1e6:.0f} MB, and the header of a safetensors file holds "
            f"{LARGEST_HEADER / 1e6:.0f} MB; write fewer words (--top) or another format, such as npy"
        )
