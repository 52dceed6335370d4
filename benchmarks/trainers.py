"""The trainers that are set side by side: how each is run on a plain text, and what one run of it gives.

A run is a dict with `tokens_per_second` (in-vocabulary corpus tokens of all epochs ÷ seconds of training alone),
`train_seconds`, `compile_seconds`, `pairs_per_second` (None where it counts no pairs), `quality`, and the
process's cost as `_processes.weight_of` names it.
"""

import argparse
import importlib.util
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._common import EvaluationSets
from benchmarks._processes import run, train, weight_of

PACKAGES = {"gensim": "gensim", "fasttext": "fasttext-community"}  # peers and what to install for them
FASTTEXT_LR = "0.05"  # its default


@dataclass(frozen=True)
class Task:
    """What all trainers are given."""

    text: Path
    scratch: Path
    threads: int
    dim: int
    window: int
    subsample: float
    epochs: int | None  # None: each preset's own, and the peers' 5
    ngrams: str | None  # None: each preset's own, and none of the peers
    model: str | None  # None: each preset's own, and skip-gram of the peers
    sets: EvaluationSets

    def options(self) -> list[str]:
        """The settings as options, by the names that the peers' modules share with `nce-train`."""
        names = ("threads", "dim", "window", "subsample", "epochs", "ngrams", "model")
        given = {name: getattr(self, name) for name in names}
        return [word for name, value in given.items() if value is not None for word in (f"--{name}", str(value))]


@dataclass(frozen=True)
class Trainer:
    """A row of the table; `train(seed)` is one run."""

    name: str
    train: Callable[[int], dict[str, Any]]


def chosen_trainers(options: argparse.Namespace, task: Task) -> tuple[list[Trainer], list[str]]:
    """The trainers in the order of their turns, and a sentence for each peer that is not there."""
    trainers = []
    for preset in options.presets:
        caches = None if options.no_cold else task.scratch / "caches" / preset
        if caches is not None:
            trainers.append(Trainer(f"nce-train {preset}, cold", _ours(task, preset, caches, cold=True)))
        trainers.append(Trainer(f"nce-train {preset}, warm", _ours(task, preset, caches, cold=False)))
    missing = []
    for peer in options.peers:
        if importlib.util.find_spec(peer) is None:
            missing.append(f"{peer} is not installed (pip install {PACKAGES[peer]}) and was left out.")
            continue
        for lr in options.gensim_lr if peer == "gensim" else [FASTTEXT_LR]:
            trainers.append(Trainer(f"{peer}, lr {lr}", _peer(task, peer, lr)))
    return trainers, missing


def _ours(task: Task, preset: str, caches: Path | None, cold: bool) -> Callable[[int], dict[str, Any]]:
    """A preset of ours, with the caches in a directory of their own, or with those of this user."""

    def one_run(seed: int) -> dict[str, Any]:
        output = task.scratch / "ours.nce"
        environment = {}
        if caches is not None:
            environment = {"NUMBA_CACHE_DIR": caches / "numba", "XDG_CACHE_HOME": caches / "xdg"}
            if cold:
                shutil.rmtree(caches, ignore_errors=True)
        manifest = train(task.text, output, "--config", preset, "--seed", seed, *task.options(), **environment)
        timings = manifest["timings"]
        return {
            "tokens_per_second": manifest["tokens_per_second"],
            "pairs_per_second": manifest["pairs"] / timings["train"],
            "train_seconds": timings["train"],
            "compile_seconds": timings["compile"],
            **manifest["process"],
            "quality": task.sets.measure(output),
            "timings": timings,
            "tokens_per_epoch": manifest["tokens"],
        }

    return one_run


def _peer(task: Task, peer: str, lr: str) -> Callable[[int], dict[str, Any]]:
    def one_run(seed: int) -> dict[str, Any]:
        vectors = task.scratch / f"{peer}.txt"
        module = f"benchmarks.peer_{peer}"
        command = [sys.executable, "-m", module, str(task.text), str(vectors), "--lr", lr, "--seed", str(seed)]
        command += task.options()
        if peer == "fasttext":  # it does not tell its counting from its training
            counting = json.loads(run([*command, "--epochs", "0"]).stdout)
            command += ["--count-seconds", str(counting["train_seconds"])]
        finished = run(command)
        told = json.loads(finished.stdout)
        return {
            **told,
            "pairs_per_second": None,
            **weight_of(finished),
            "quality": task.sets.measure(vectors),
        }

    return one_run
