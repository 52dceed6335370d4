"""Damaged files for every reader: a valid file is mutated at random, and the reader must return or raise InputError.

What it returns must be sound: numbers finite, words distinct, written and read back the same. Memory may not grow by
much more than the size of the file, whatever size its header states. Every format in `FORMATS` is a target.
"""

import bz2
import contextlib
import gzip
import io
import json
import lzma
import random
import shutil
import struct
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
import zstandard

from nce_train.embeddings import Embeddings
from nce_train.embeddings.formats.model_directory import check_manifest
from nce_train.embeddings.formats.registry import FORMATS
from nce_train.embeddings.subwords import SubWords
from nce_train.errors import InputError
from nce_train.evaluation.analogy_sets import read_analogies
from nce_train.evaluation.classifier import Model
from nce_train.evaluation.sets import detect_kind
from nce_train.evaluation.similarity_sets import read_similarities
from nce_train.flat_yaml import parse_flat_yaml
from nce_train.text.vocabulary import Vocabulary

# For the buffers of a block and the windows of zstd and xz; and for several copies of each byte while it is read.
MOST_MEMORY = 200 << 20
MOST_COPIES = 40

WORDS = ["the", "of", "é", "new york", "100%", "日本", "\udcff", "3", "a\u00a0b", ""]

PIECES = [
    b"", b" ", b"  ", b"\n", b"\r\n", b"\t", b"\0", b",", b":", b"-", b"nan", b"inf", b"-inf", b"1e39", b"1e-50",
    b"0x1p3", b"1_0", b"+", b"9" * 20, b"999999999", b"-1", b"0", b"4294967295", b"18446744073709551616", b"\xff",
    b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xc2\xa0", b"\x1f\x8b\x08", b"\xfd7zXZ\0", b"BZh91AY&SY", b"\x28\xb5\x2f\xfd",
    b"\x93NUMPY\x01\0", b"\x93NUMPY\x03\0", b"PK\x03\x04", b"%_", b"%_%00", b"%_a%20b", b"(" * 300, b"[" * 3000,
    b"'|O'", b"'<f8'", b"'<c8'", b"(-1, 3)", b"(9999999999, 9)", b"True", b"../x", b"/etc/passwd", b"&a", b"*a", b"<<",
    b"!!bool x", b"!!python/object:os.system", b"2001-99-99", b"{", b"}", b"\x7f\xc0\0\0"[::-1], b": ", b"# ", b"//",
]  # fmt: skip


class Fault(Exception):
    """A reader did something other than return sound data or raise InputError."""


class Target(NamedTuple):
    """A reader and the files it can read."""

    files: Callable[[], dict[str, bytes]]
    read: Callable[[Path], None]


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def vectors(rows: int = len(WORDS), dim: int = 4) -> np.ndarray:
    return np.random.default_rng(rows).normal(size=(rows, dim)).astype(np.float32)


def subwords(dim: int = 4) -> SubWords:
    return SubWords(3, 5, 40, np.arange(39, 3, -2, dtype=np.int32), vectors(18, dim))


def exported(
    format: str, dtype: str = "float32", compression: str = "", counted: bool = True, ngrams: bool = False
) -> dict[str, bytes]:
    """The files that `Embeddings.save` writes."""
    counts = np.arange(len(WORDS), 0, -1) if counted else None
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / f"v{''.join(FORMATS[format].endings[:1])}{compression}"
        model = Embeddings(WORDS, vectors(), counts, {"window": 5}, subwords() if ngrams else None)
        model.save(path, format, dtype)
        return {path.name: path.read_bytes() for path in Path(scratch).rglob("*") if path.is_file()}


def model() -> dict[str, bytes]:
    settings = {
        "tokens": "whitespace", "lowercase": False, "line_breaks": "sentence", "unknown": None, "window": 2,
        "sampler": "unigram", "distortion": 0.75, "num_sampled": 3, "unique": True, "remove_accidental_hits": False,
    }  # fmt: skip
    manifest = {"format": 1, "vocabulary": 5, "files": {"input.npy": "0" * 64, "vocab.tsv": "1" * 64}}
    return {
        "input.npy": npy(vectors(5)),
        "output.npy": npy(vectors(5)[::-1]),
        "bias.npy": npy(vectors(5)[:, 0]),
        "vocab.tsv": b"the\t9\nof\t8\n\xff\t7\na\xc2\xa0b\t6\n100%\t5\n",
        "config.yaml": yaml.safe_dump(settings).encode(),
        "manifest.json": json.dumps(manifest, indent=1).encode(),
    }


def model_with_subwords() -> dict[str, bytes]:
    settings = {"window": 2, "ngrams": "3-5", "buckets": 40}
    return {
        **model(),
        "ngrams.npy": npy(subwords().vectors),
        "ngram_buckets.npy": npy(subwords().rows),
        "config.yaml": yaml.safe_dump(settings).encode(),
    }


def read_vectors(path: Path) -> None:
    found = Embeddings.load(path)
    if found.subwords is not None:
        with contextlib.suppress(KeyError):
            assert np.isfinite(found["unheard of"]).all()
    assert np.isfinite(found.vectors).all() and found.vectors.dtype == np.float32 and found.vectors.ndim == 2
    assert len(set(found.index_to_key)) == len(found) == len(found.vectors)
    found.most_similar(0, topn=3)
    copy = path.parent / f"copy{['.txt', '.bin', '.npy'][len(found.index_to_key[0]) % 3]}"
    Embeddings(found.index_to_key, found.vectors, found.counts).save(copy)
    again = Embeddings.load(copy)
    assert again.index_to_key == found.index_to_key and np.array_equal(again.vectors, found.vectors)


def read_classifier(path: Path) -> None:
    found = Model.load(path)
    assert all(np.isfinite(table).all() for table in (found.input, found.output, found.bias))


def read_vocabulary(path: Path) -> None:
    each_of(path, read_counted, lambda path: read_counted(path, "the"))


def read_counted(path: Path, unknown: str | None = None) -> None:
    found = Vocabulary.load(path, unknown)
    assert len(set(found.words)) == len(found) and found.counts.min() >= 0
    found.save(path.with_name("copy.tsv"))
    assert Vocabulary.load(path.with_name("copy.tsv"), unknown).words == found.words


def read_set(path: Path) -> None:
    each_of(path, detect_kind, read_analogies, read_similarities)


def each_of(path: Path, *readers: Callable[[Path], object]) -> None:
    """Try several readers, and raise InputError when all of them do."""
    refusals = []
    for read in readers:
        try:
            read(path)
        except InputError as error:
            one_sentence(error)
            refusals.append(error)
    if len(refusals) == len(readers):
        raise refusals[0]


def read_yaml(path: Path) -> None:
    parse_flat_yaml(path.read_bytes(), str(path))


# A directory where fsync costs nothing.
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None

ANALOGIES = b": capital cities\nAthens Greece Oslo Norway\nParis France Rome Italy\n: plural\n# no\ncat cats dog dogs\n"
MSR_QUESTIONS = b"good better rough\nhigh higher late\nlong longest wide\n"
MSR_ANSWERS = b"JJ_JJR rougher\nJJ_JJR later\nJJ_JJS widest\n"
PAIRS = b"cat\tcats\nox\toxen/oxes\nnew_york\tcity / place\n"
RATED = b'"w 1",pos,"w 2",sd,Human\n"a ""b""",N,"x, y",0.5,7.35\ncow,N,calf,1,6e0\n'
SIMILARITIES = b"Word 1\tWord 2\tHuman\ntiger\tcat\t7.35\nlove\tsex\t6.77\nnew york\tcity\t1e0\n"
PACKERS = {
    ".gz": lambda raw: gzip.compress(raw, mtime=0),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda raw: zstandard.compress(raw) + zstandard.compress(b""),
}


def foreign_binary() -> dict[str, bytes]:
    """word2vec binary as gensim writes it: without line breaks."""
    rows = [b"w%d " % row + struct.pack("<3f", row, 0.5, -1) for row in range(6)]
    return {"v": b"6 3\n" + b"".join(rows)}


def zipped(name: str, raw: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, raw)
    return file.getvalue()


def foreign_safetensors() -> dict[str, bytes]:
    """Of another program: bfloat16, a further tensor, no counts."""
    tensors = {
        "other": {"dtype": "I64", "shape": [], "data_offsets": [0, 8]},
        "embeddings": {"dtype": "BF16", "shape": [3, 2], "data_offsets": [8, 20]},
        "__metadata__": {"words": '["a","new york","\\udcff"]', "config": "gpt2"},
    }
    header = json.dumps(tensors).encode()
    return {"v": struct.pack("<Q", len(header)) + header + bytes(8) + vectors(3, 2).view("<u2")[:, 1::2].tobytes()}


TARGETS: dict[str, Target] = {
    **{
        f"{format.name}, {dtype}": Target(lambda name=format.name, dtype=dtype: exported(name, dtype), read_vectors)
        for format in FORMATS.values()
        for dtype in format.dtypes
    },
    "word2vec-binary of gensim": Target(foreign_binary, read_vectors),
    "npy, float64 by columns": Target(
        lambda: {**exported("npy"), "v.npy": npy(np.asfortranarray(vectors(), np.float64))}, read_vectors
    ),
    **{
        f"glove{ending}": Target(
            lambda pack=pack: {name: pack(raw) for name, raw in exported("glove").items()}, read_vectors
        )
        for ending, pack in PACKERS.items()
    },
    "glove.zip": Target(lambda: {"v.zip": zipped("v.txt", *exported("glove").values())}, read_vectors),
    "word2vec, words twice": Target(
        lambda: {"v": b"6 2\na 1 2\nb 3 4\na 5 6\nc 7 8\nb 9 1\n<unk> 1 1\n"}, read_vectors
    ),
    **{
        f"{format.name}, {dtype}, sub-words": Target(
            lambda name=format.name, dtype=dtype: exported(name, dtype, ngrams=True), read_vectors
        )
        for format in FORMATS.values()
        if format.keeps_subwords
        for dtype in format.dtypes
    },
    "fasttext.gz, sub-words": Target(lambda: exported("fasttext", compression=".gz", ngrams=True), read_vectors),
    "model directory, sub-words": Target(model_with_subwords, read_vectors),
    "safetensors, bfloat16": Target(foreign_safetensors, read_vectors),
    "safetensors.gz": Target(lambda: exported("safetensors", "float16", ".gz"), read_vectors),
    "projector, without counts": Target(lambda: exported("projector", counted=False), read_vectors),
    "npy.gz": Target(lambda: exported("npy", compression=".gz"), read_vectors),
    "model directory": Target(model, read_vectors),
    "classifier": Target(model, read_classifier),
    "vocabulary": Target(lambda: {"vocab.tsv": model()["vocab.tsv"]}, read_vocabulary),
    "analogies": Target(lambda: {"set.txt": ANALOGIES}, read_set),
    "analogies, MSR's": Target(
        lambda: {"s.questions": MSR_QUESTIONS, "s.answers": MSR_ANSWERS},
        lambda path: read_set(path.with_suffix(".questions")),
    ),
    "analogies, zip": Target(lambda: {"set.zip": zipped("set.txt", ANALOGIES)}, read_set),
    "analogies, pairs": Target(lambda: {"set.txt": PAIRS}, read_set),
    "similarities": Target(lambda: {"set.tsv": SIMILARITIES}, read_set),
    "similarities, many columns": Target(lambda: {"set.csv": RATED}, read_set),
    "settings": Target(lambda: {"config.yaml": model()["config.yaml"]}, read_yaml),
    "manifest": Target(
        lambda: {"manifest.json": model()["manifest.json"]},
        lambda path: check_manifest(path.read_bytes(), path.parent),
    ),
}


def mutated(raw: bytes, rng: random.Random) -> bytes:
    """Damage a file in one to four places."""
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        start = rng.randrange(len(raw) + 1)
        end = min(len(raw), start + rng.choice([0, 1, 1, 2, 4, 8, 64]))
        kind = rng.randrange(7)
        if kind == 0:
            raw = raw[:start]
        elif kind == 1:
            raw = raw[:start] + raw[end:]
        elif kind == 2:
            raw = raw[:start] + rng.randbytes(end - start) + raw[end:]
        elif kind == 3:
            raw = raw[:start] + raw[start:end] * rng.choice([2, 3, 2000]) + raw[end:]
        elif kind == 4:
            raw = raw[:start] + rng.choice(PIECES) + raw[end:]
        elif kind == 5 and start < len(raw):
            raw = raw[:start] + bytes([raw[start] ^ 1 << rng.randrange(8)]) + raw[start + 1 :]
        else:
            other = rng.randrange(len(raw) + 1)
            raw = raw[:start] + raw[other : other + 64] + raw[end:]
    return raw


def mutated_files(files: dict[str, bytes], rng: random.Random) -> dict[str, bytes]:
    """Damage one of the files; a compressed one is damaged inside as often as outside."""
    name = rng.choice(sorted(files))
    raw = files[name]
    pack, unpacked = packing_of(raw)
    damaged = pack(mutated(unpacked, rng)) if rng.random() < 0.5 else mutated(raw, rng)
    return {**files, name: damaged}


def packing_of(raw: bytes) -> tuple[Callable[[bytes], bytes], bytes]:
    """A function that compresses as the file is compressed, and the unpacked bytes."""
    if raw.startswith(b"\x1f\x8b"):
        return PACKERS[".gz"], gzip.decompress(raw)
    if raw.startswith(b"BZh"):
        return PACKERS[".bz2"], bz2.decompress(raw)
    if raw.startswith(b"\xfd7z"):
        return PACKERS[".xz"], lzma.decompress(raw)
    if raw.startswith(b"\x28\xb5"):
        return PACKERS[".zst"], zstandard.decompress(raw)
    return bytes, raw


def try_files(target: Target, files: dict[str, bytes], scratch: Path) -> bool:
    """Read files that are alone in a directory below `scratch`, and return whether the reader accepted them.

    Raises
    ------
    Fault
        When the reader did anything but return sound data or raise InputError with one sentence that names the place.
    """
    directory = scratch / "files"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for name, raw in files.items():
        (directory / name).write_bytes(raw)
    path = directory if {"input.npy", "vectors.tsv"} & set(files) else directory / min(files, key=len)
    reset_peak()
    before = peak_memory()
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            target.read(path)
            accepted = True
        except InputError as error:
            one_sentence(error)
            accepted = False
        except Exception as error:
            raise Fault(f"{type(error).__name__}: {error}") from error
    grown = peak_memory() - before
    unpacked = sum(map(len, files.values()))
    if grown > MOST_MEMORY + MOST_COPIES * unpacked:
        raise Fault(f"memory grew by {grown >> 20} MiB for files of {unpacked} bytes")
    return accepted


def one_sentence(error: InputError) -> None:
    sentence = str(error)
    if "\n" in sentence or not 20 < len(sentence) < 1000:
        raise Fault(f"not one clear sentence: {sentence[:2000]!r}")


def reset_peak() -> None:
    """Make the kernel measure the peak of the resident memory from now on."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> int:
    """The greatest resident memory, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise OSError("/proc/self/status has no VmHWM")
