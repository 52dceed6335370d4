"""Models and vectors as model directories: `save` and `load` of `Word2Vec`, `FastText` and `KeyedVectors`, no pickle.

`input.npy`, `vocab.tsv` and the other files are those of a trained model (docs/model_directory.md). What only gensim's
interface has, such as its keywords, is in `manifest.json` under "gensim". Rows keep the order that they have in memory.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from nce_train.arguments import PathLike, check_output, check_path
from nce_train.embeddings.formats.registry import read_table
from nce_train.embeddings.formats.subword_files import settings_of
from nce_train.embeddings.formats.table import Table
from nce_train.errors import InputError
from nce_train.model_files import BIAS, FORMAT, INPUT, MANIFEST, NGRAM_BUCKETS, NGRAMS, OUTPUT

# Attributes of a model that are stored as they are.
_KEPT = (
    "vector_size",
    "alpha",
    "min_alpha",
    "window",
    "shrink_windows",
    "min_count",
    "effective_min_count",
    "max_vocab_size",
    "max_final_vocab",
    "sample",
    "seed",
    "workers",
    "sg",
    "hs",
    "cbow_mean",
    "negative",
    "ns_exponent",
    "epochs",
    "sorted_vocab",
    "batch_words",
    "compute_loss",
    "comment",
    "corpus_count",
    "corpus_total_words",
    "train_count",
    "total_train_time",
    "running_training_loss",
)
# Where a model of nce-train has them: gensim's keyword, the setting, and what is made of its value.
_FROM_SETTINGS: dict[str, tuple[str, Any]] = {
    "vector_size": ("dim", int),
    "window": ("window", int),
    "shrink_windows": ("dynamic_window", lambda value: value != "none"),
    "min_count": ("min_count", int),
    "max_final_vocab": ("max_vocab", lambda value: value),
    "sample": ("subsample", float),
    "seed": ("seed", int),
    "workers": ("threads", int),
    "sg": ("model", lambda value: int(value == "skipgram")),
    "ns_exponent": ("distortion", float),
    "epochs": ("epochs", int),
}


def save_vectors(store: Any, path: PathLike) -> None:
    """Write a `KeyedVectors`, with their sub-words and counts."""
    _write(path, store, {}, {**store.settings}, {"gensim": {"class": "KeyedVectors"}})


def save_model_of(model: Any, path: PathLike) -> None:
    """Write a `Word2Vec` or `FastText`."""
    if model.syn1neg is None or model.output_bias is None:
        raise InputError("the model has no words yet, so there is nothing to save; call build_vocab first")
    from nce_train.gensim.keywords import run_settings

    tokens = int(np.sum(model.wv.expandos["count"]))
    config = model._last_run.get("config")
    if config is None:
        config = run_settings(model, model.alpha, model.min_alpha, model.epochs, tokens, model._ngrams()).model_dump()
    kept = {name: _plain(getattr(model, name)) for name in (*_KEPT, *model._kept_too)}
    facts = {
        "timings": {"train": model.total_train_time, "total": model.total_train_time},
        "tokens": model._last_run.get("tokens", tokens),
        "tokens_trained": model._last_run.get("tokens_trained", 0),
        "pairs": model._last_run.get("pairs", 0),
        "epochs": config["epochs"],
        "seed": config["seed"],
        "threads": config["threads"],
        "config": config,
        "gensim": {"class": type(model).__name__, "attributes": kept},
    }
    _write(path, model.wv, {OUTPUT: model.syn1neg, BIAS: model.output_bias}, config, facts)


def _write(path: PathLike, store: Any, tables: dict[str, Any], config: dict[str, Any], facts: dict[str, Any]) -> None:
    from nce_train.runs.manifest import package_versions
    from nce_train.runs.model_directory import claim, save_model
    from nce_train.text.vocabulary import Vocabulary

    check_output("fname", path)
    keys = store.index_to_key
    if Path(path).is_file():
        raise InputError(
            f"{path}: a file is there, and a model is saved as a directory; remove it or name another path"
        )
    if not len(store.vectors):
        raise InputError("there are no words to save; add some first")
    for row, key in enumerate(keys):
        if not isinstance(key, str) or not key or any(each in key for each in "\t\n\r"):
            raise InputError(
                f"the key {key!r} of row {row} cannot be saved; a key is a word that is not empty and has neither "
                "tabs nor line breaks"
            )
    counts = np.zeros(len(keys), np.int64) if store.counts is None else np.asarray(store.counts)
    parameters: dict[str, Any] = {INPUT: np.asarray(store.vectors, np.float32), **tables}
    if store.subwords is not None:
        config = {**config, **settings_of(store.subwords)}
        parameters |= {NGRAMS: store.subwords.vectors, NGRAM_BUCKETS: np.asarray(store.subwords.rows, np.int32)}
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True) if config else ""
    manifest = {"format": FORMAT, "vocabulary": len(keys), "packages": package_versions(), **facts}
    with contextlib.closing(claim(Path(path), overwrite=True)):
        save_model(Path(path), parameters, Vocabulary(keys, counts), text, [], lambda: manifest)


def load_vectors(path: PathLike, mmap: bool) -> Table:
    """Read a directory or vectors file; the vectors can be changed unless they are mapped."""
    check_path("fname", path)
    table = read_table(path, mmap=mmap)
    if not mmap and not table.vectors.flags.writeable:
        table = table._replace(vectors=np.array(table.vectors))
    return table


def load_model_into(model: Any, path: PathLike, mmap: bool) -> None:
    """Fill a `Word2Vec` or `FastText` that has no attributes yet with what a model directory has."""
    from nce_train.evaluation.classifier import Model

    check_path("fname", path)
    if Path(path).is_file():
        raise InputError(
            f"{path}: a file, not a model directory; of gensim's own models, which are pickles, save the vectors there "
            "with wv.save_word2vec_format, and read them by KeyedVectors.load_word2vec_format"
        )
    classifier = Model.load(path)
    table = load_vectors(path, mmap)
    fill: Any = np.asarray if mmap else np.array
    type(model).__init__(model, **_keywords(classifier.settings))
    about = _about(Path(path))
    for name, value in about.get("attributes", {}).items():
        if name in (*_KEPT, *model._kept_too):
            setattr(model, name, value)
    model.layer1_size = model.vector_size = table.vectors.shape[1]
    wv = model._new_vectors()
    wv._take(table)
    wv.expandos["count"] = np.array(classifier.counts)
    model.wv = wv
    model.syn1neg, model.output_bias = fill(classifier.output), fill(classifier.bias)
    model.train_count = max(1, model.train_count) if about.get("class") is None else model.train_count
    model._last_run = {"config": dict(classifier.settings)}


def _keywords(settings: Any) -> dict[str, Any]:
    return {
        name: convert(settings[setting])
        for name, (setting, convert) in _FROM_SETTINGS.items()
        if settings.get(setting) is not None
    }


def _about(path: Path) -> dict[str, Any]:
    try:
        about = json.loads((path / MANIFEST).read_bytes()).get("gensim", {})
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


def _plain(value: Any) -> Any:
    """A value that JSON holds."""
    return value.item() if isinstance(value, np.generic) else value
