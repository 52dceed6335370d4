"""Word embeddings by noise-contrastive estimation: train, evaluate, look up.

The names below are loaded when they are first used, so that importing the package compiles nothing and does
not import numba.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nce_train import nce
    from nce_train.api.evaluate import evaluate
    from nce_train.api.phrases import phrases
    from nce_train.api.train import train
    from nce_train.embeddings import Embeddings
    from nce_train.evaluation.classifier import Model
    from nce_train.training.readings import TrainingState

    __version__: str

__all__ = ["Embeddings", "Model", "TrainingState", "__version__", "evaluate", "nce", "phrases", "train"]

_HOMES = {
    "Embeddings": "nce_train.embeddings",
    "Model": "nce_train.api",
    "TrainingState": "nce_train.training.readings",
    "evaluate": "nce_train.api",
    "phrases": "nce_train.api",
    "train": "nce_train.api",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in ("api", "nce", "torch", "jax"):
        return importlib.import_module(f"nce_train.{name}")
    if name == "__version__":
        return _installed_version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "jax", "torch"})


def _installed_version() -> str:
    from importlib import metadata

    try:
        return metadata.version("nce-train")
    except metadata.PackageNotFoundError:  # a source tree on the path that was never installed
        return "0+uninstalled"
