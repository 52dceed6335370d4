"""Who reads whose files, and how far the numbers are off: every writer of vectors by every reader that is installed.

    python -m benchmarks.round_trip --rows 5000 --dim 100

Writers: ours in each format; gensim; the safetensors package; and the small file that fastText's own program wrote for
the tests. Readers: ours, gensim, fastText (text as `pretrainedVectors`), TensorBoard's projector plugin, the
safetensors package, NumPy. `.fasttext.bin` is written with sub-words, so that readers compose the vectors. A cell is
the largest |difference| from what was written, over all words; words must be the same, after our escape is undone, and
in the same order, or the command fails.
"""

import argparse
import contextlib
import importlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks._common import RESULTS, positive, say, table, write_results
from benchmarks._setting import setting, setting_lines
from nce_train import Embeddings
from nce_train.embeddings.formats.escape import escape_word, unescape_word
from nce_train.embeddings.subwords import SubWords
from nce_train.text.ngrams import ngram_buckets
from nce_train.text.vocabulary import Vocabulary

FASTTEXT_FILE = Path(__file__).parents[1] / "tests" / "embeddings" / "fasttext" / "vectors.vec"

_BUCKETS = 20_000

Found = tuple[list[str], np.ndarray]


class Writer(NamedTuple):
    """Who wrote what: `write(model, path)` writes, `format` is what readers must know."""

    name: str
    file: str
    format: str
    write: Callable[[Embeddings, Path], None]
    any_word: bool = False  # else words with blanks or escapes are left out, which it would write as they are


def main() -> None:
    """Write, read, compare, print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.round_trip",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=positive, default=5_000)
    parser.add_argument("--dim", type=positive, default=100)
    parser.add_argument("--out", type=Path, default=RESULTS, help="directory of the results")
    options = parser.parse_args()
    described = setting(None, "gensim", "fasttext-community", "tensorboard", "safetensors")
    model = _made_up(options.rows, options.dim)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as scratch:
        cells = round_trips(model, Path(scratch))
    markdown = [
        f"# Round trips: {options.rows:,} words, dim {options.dim}",
        "",
        *table(["written by", *READERS], [[name, *map(_shown, row.values())] for name, row in cells.items()]),
        "",
        "The largest |difference| from what was written; – where the reader does not know the format. The largest "
        f"number is {np.abs(model.vectors).max():.1f}: float16 may be off by 1/2048 of a number, int8 by 1/254 of the "
        "largest of its row.",
        *(f"{name} is not installed." for name, (package, _, _) in READERS.items() if not _is_there(package)),
        "",
        *setting_lines(described),
    ]
    write_results(options.out, "round_trip", markdown, {**described, "largest_difference": cells})


def round_trips(model: Embeddings, scratch: Path) -> dict[str, dict[str, float | None]]:
    """The largest difference by writer and reader; None where a reader does not know the format."""
    cells: dict[str, dict[str, float | None]] = {}
    for number, writer in enumerate(WRITERS):
        if not _is_there(writer.name.partition(" ")[0]):
            continue
        say(writer.name)
        directory = scratch / str(number)
        directory.mkdir()
        written = _of_fasttext() if writer.name.startswith("fastText") else model if writer.any_word else _plain(model)
        writer.write(written, directory / writer.file)
        cells[writer.name] = {
            name: _difference(read(directory / writer.file, writer.format, written), written)
            if writer.format in formats and _is_there(package)
            else None
            for name, (package, formats, read) in READERS.items()
        }
    return cells


def _made_up(rows: int, dim: int) -> Embeddings:
    """Vectors of many magnitudes; words of which some hold blanks, other scripts and bytes that look like an escape."""
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((rows, dim)) * 10.0 ** rng.uniform(-4, 1, (rows, 1))
    words = ["the", "new york", "日本", "naïve", "%_a%20b", "50%25", "3.5"][:rows]
    words += [f"word{row}" for row in range(len(words), rows)]
    return Embeddings(words, vectors.astype(np.float32), np.arange(rows, 0, -1) * 3, {"window": 5})


def _plain(model: Embeddings) -> Embeddings:
    rows = [row for row, word in enumerate(model.index_to_key) if escape_word(word) == word.encode()]
    return Embeddings([model.index_to_key[row] for row in rows], model.vectors[rows], model.counts[rows])


def _difference(found: Found, written: Embeddings) -> float:
    words, vectors = found
    if words != written.index_to_key:
        raise AssertionError("the words that were read are not those that were written")
    return float(np.abs(np.asarray(vectors, np.float64) - written.vectors).max())


def _shown(difference: float | None) -> str:
    return "–" if difference is None else "0" if difference == 0 else f"{difference:.1e}"


def _is_there(package: str) -> bool:
    with contextlib.suppress(ImportError):
        return importlib.import_module(_MODULES.get(package, package)) is not None
    return False


_MODULES = {"ours": "nce_train", "fastText": "nce_train"}  # its file is in the checkout


# --- writers --------------------------------------------------------------------------------------------------


def _ours(name: str, file: str, format: str, dtype: str = "float32") -> Writer:
    kind = "projector" if format == "projector" else None
    return Writer(f"ours {name}", file, format, lambda model, path: model.save(path, kind, dtype), True)


def _fasttext_model(model: Embeddings, path: Path) -> None:
    _, found = ngram_buckets(model.index_to_key, 3, 6, _BUCKETS)
    buckets = np.unique(found)
    ngrams = np.random.default_rng(2).standard_normal((len(buckets), model.vectors.shape[1])).astype(np.float32)
    subwords = SubWords(3, 6, _BUCKETS, buckets, ngrams)
    Embeddings(model.index_to_key, model.vectors, model.counts, subwords=subwords).save(path)


def _model_directory(model: Embeddings, path: Path) -> None:
    path.mkdir()
    np.save(path / "input.npy", model.vectors)
    assert model.counts is not None
    Vocabulary(model.index_to_key, model.counts).save(path / "vocab.tsv")


def _gensim(name: str, format: str, **how: Any) -> Writer:
    def write(model: Embeddings, path: Path) -> None:
        keyed = model.to_gensim()
        keyed.save_word2vec_format(path, sort_attr=None, **how)

    return Writer(f"gensim {name}", "v", format, write)


def _package(model: Embeddings, path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"embeddings": model.vectors}, path, {"words": json.dumps(model.index_to_key), "config": "{}"})


def _of_fasttext() -> Embeddings:
    lines = FASTTEXT_FILE.read_bytes().decode("utf-8", "surrogateescape").split("\n")[1:-1]
    fields = [line.split(" ") for line in lines]
    return Embeddings([words[0] for words in fields], np.array([words[1:-1] for words in fields], np.float32))


WRITERS = (
    _ours("word2vec text", "v.txt", "text"),
    _ours(".vec.gz", "v.vec.gz", "text.gz"),
    _ours("word2vec binary", "v.bin", "binary"),
    _ours("GloVe text", "v.glove", "glove"),
    _ours(".npy", "v.npy", "npy"),
    _ours(".npy, float16", "v.npy", "npy", "float16"),
    _ours(".npy, int8", "v.npy", "records", "int8"),
    _ours(".safetensors", "v.safetensors", "safetensors", "float32"),
    _ours(".safetensors, float16", "v.safetensors", "safetensors", "float16"),
    _ours(".safetensors, int8", "v.safetensors", "safetensors", "int8"),
    Writer("ours .fasttext.bin", "v.fasttext.bin", "fasttext", _fasttext_model, True),
    _ours("projector", "v", "projector"),
    Writer("ours model directory", "v.nce", "directory", _model_directory),
    _gensim("word2vec text", "text"),
    _gensim("word2vec binary", "binary", binary=True),
    _gensim("GloVe text", "glove", write_header=False),
    Writer("safetensors package", "v", "safetensors", _package, True),
    Writer("fastText .vec", "v.vec", "text", lambda _, path: path.write_bytes(FASTTEXT_FILE.read_bytes()) and None),
)


# --- readers --------------------------------------------------------------------------------------------------


def _unescaped(words: Iterable[str]) -> list[str]:
    return [unescape_word(word.encode("utf-8", "surrogateescape")) for word in words]


def _by_us(path: Path, format: str, written: Embeddings) -> Found:
    found = Embeddings.load(path)
    return found.index_to_key, found.vectors


def _by_gensim(path: Path, format: str, written: Embeddings) -> Found:
    from gensim.models import KeyedVectors
    from gensim.models.fasttext import load_facebook_vectors

    if format == "fasttext":
        composed = load_facebook_vectors(path)
        return _unescaped(composed.index_to_key), composed.vectors
    keyed = KeyedVectors.load_word2vec_format(
        path, binary=format == "binary", no_header=format == "glove", unicode_errors="surrogateescape"
    )
    return _unescaped(keyed.index_to_key), keyed.vectors


def _by_fasttext(path: Path, format: str, written: Embeddings) -> Found:
    import fasttext  # type: ignore[import-untyped]

    if format == "fasttext":
        model = fasttext.load_model(str(path))
        words, rows = model.get_words(), model.get_input_matrix()
        # Not `get_word_vector`, which scales to unit length in fasttext-community.
        return _unescaped(words), np.array([rows[model.get_subwords(word)[1]].mean(axis=0) for word in words])
    vec = path.with_suffix(".vec")  # it takes no other ending
    if vec != path:
        shutil.copyfile(path, vec)
    text = path.with_suffix(".words")
    text.write_text("a text\n")
    model = fasttext.train_unsupervised(
        str(text),
        dim=written.vectors.shape[1],
        minCount=1,
        minn=0,
        maxn=0,
        epoch=0,
        pretrainedVectors=str(vec),
        verbose=0,
    )
    entries = [line.split(b" ")[0] for line in vec.read_bytes().split(b"\n")[1:-1]]
    vectors = model.get_input_matrix()[[model.f.getWordId(entry) for entry in entries]]
    return [unescape_word(entry) for entry in entries], vectors


def _by_tensorboard(path: Path, format: str, written: Embeddings) -> Found:
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin
    from werkzeug.test import Client

    apps = ProjectorPlugin(TBContext(logdir=str(path))).get_plugin_apps()
    (run,) = json.loads(Client(apps["/runs"]).get("/runs").data)
    (shown,) = json.loads(Client(apps["/info"]).get(f"/info?run={run}").data)["embeddings"]
    query = f"?run={run}&name={shown['tensorName']}"
    vectors = np.frombuffer(Client(apps["/tensor"]).get(f"/tensor{query}").data, np.float32)
    rows = Client(apps["/metadata"]).get(f"/metadata{query}").data.decode().split("\n")[1:-1]
    return _unescaped(row.split("\t")[0] for row in rows), vectors.reshape(shown["tensorShape"])


def _by_safetensors(path: Path, format: str, written: Embeddings) -> Found:
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        vectors = file.get_tensor("embeddings").astype(np.float32)
        if "scales" in file.keys():  # noqa: SIM118
            vectors *= file.get_tensor("scales")[:, None]
        return json.loads(file.metadata()["words"]), vectors


def _by_numpy(path: Path, format: str, written: Embeddings) -> Found:
    if format == "directory":
        vectors, words = np.load(path / "input.npy"), path / "vocab.tsv"
    else:
        vectors, words = np.load(path), path.with_name(path.name + ".vocab.tsv")
    if format == "records":
        vectors = vectors["values"] * vectors["scale"][:, None]
    lines = words.read_text(encoding="utf-8").split("\n")[:-1]
    return _unescaped(line.split("\t")[0] for line in lines), vectors


# By name: its package, the formats it knows, and what reads.
READERS: dict[str, tuple[str, set[str], Callable[[Path, str, Embeddings], Found]]] = {
    "ours": ("nce_train", {writer.format for writer in WRITERS}, _by_us),
    "gensim": ("gensim", {"text", "text.gz", "binary", "glove", "fasttext"}, _by_gensim),
    "TensorBoard": ("tensorboard", {"projector"}, _by_tensorboard),
    "safetensors": ("safetensors", {"safetensors"}, _by_safetensors),
    "NumPy": ("numpy", {"npy", "records", "directory"}, _by_numpy),
    "fastText": ("fasttext", {"text", "fasttext"}, _by_fasttext),
}


if __name__ == "__main__":
    main()
