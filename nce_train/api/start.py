"""The settings of a run, and its warm start: none, vectors, or a model.

The settings that were given and the path of a model or of vectors go in; checked settings and a `WarmStart` come out.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nce_train.arguments import PathLike, check_path
from nce_train.embeddings import Embeddings
from nce_train.errors import InputError
from nce_train.evaluation.classifier import Model
from nce_train.model_files import BIAS, CONFIG, OUTPUT
from nce_train.training.settings_files import load_settings, settings_of_run

if TYPE_CHECKING:
    from nce_train.runs.warm_start import How, KnownNgrams, WarmStart
    from nce_train.training.settings import Settings


def settings_and_start(
    config: PathLike | None,
    given: Mapping[str, Any],
    init: PathLike | Embeddings | None = None,
    continue_from: PathLike | None = None,
) -> "tuple[Settings, WarmStart | None]":
    """The settings of a run and its warm start, if it has one; see `train` for the arguments.

    Raises
    ------
    InputError
        When a setting is wrong or does not fit the start, or the start cannot be read.
    """
    if init is None and continue_from is None:
        return load_settings(config, given), None
    from nce_train.runs.warm_start import settings_to_continue, settings_to_init

    for name, given_start in (("init", init), ("continue_from", continue_from)):
        if not isinstance(given_start, (str, os.PathLike, Embeddings, type(None))):
            kind = type(given_start).__name__
            raise InputError(f"{name} is of the type {kind}; give the path of a model or of vectors")
        if isinstance(given_start, (str, os.PathLike)):
            check_path(name, given_start)
    if isinstance(continue_from, Embeddings):
        raise InputError("continue_from needs a model directory: give its path, or these vectors as init")
    if continue_from is not None:
        if init is not None:
            raise InputError("init starts a new model, continue trains an existing one: give one of them.")
        start = find_start("continue", continue_from)
        return settings_to_continue(start, Path(continue_from), config, given), start
    assert init is not None
    start = _start_from(init) if isinstance(init, Embeddings) else find_start("init", init)
    return settings_to_init(start, config, given), start


def find_start(how: "How", path: PathLike) -> "WarmStart":
    """Read what a run starts from: a classifier (a whole model directory), or vectors only, which `init` takes too."""
    from nce_train.runs.warm_start import Known, WarmStart
    from nce_train.text.vocabulary import Vocabulary

    directory = Path(path)
    is_classifier = all((directory / name).is_file() for name in (OUTPUT, BIAS, CONFIG))
    if how == "init" and not is_classifier:
        return _start_from(Embeddings.load(path), path)
    model = Model.load(path)
    settings = settings_of_run(directory / CONFIG)
    vocabulary = Vocabulary(model.words, model.counts, settings.unknown)
    ngrams = _known_ngrams(Embeddings.load(path))
    known = Known(vocabulary, model.input, model.output, model.bias, settings.subsample, ngrams)
    return WarmStart(how, path, known)


def _start_from(embeddings: Embeddings, path: PathLike | None = None) -> "WarmStart":
    from nce_train.runs.warm_start import Known, WarmStart
    from nce_train.text.vocabulary import Vocabulary

    counts = np.zeros(len(embeddings), np.int64)  # only biases would need counts
    known = Known(Vocabulary(embeddings.index_to_key, counts), embeddings.vectors, ngrams=_known_ngrams(embeddings))
    return WarmStart("init", path, known)


def _known_ngrams(embeddings: Embeddings) -> "KnownNgrams | None":
    from nce_train.runs.warm_start import KnownNgrams

    subwords = embeddings.subwords
    if subwords is None:
        return None
    return KnownNgrams((subwords.least, subwords.most), subwords.buckets, subwords.rows, subwords.vectors)
