"""A small corpus of several files, workers in this process, and the result that all runs must have."""

import gzip
import sys
from pathlib import Path

import numpy as np
import pytest
from distributed import Client, LocalCluster

import nce_train
from nce_train.cluster.workers import Workers

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "training")]  # for what tests share

LINES = 400


def text_of(seed, lines=LINES):
    generator = np.random.default_rng(seed)
    words = [f"Wort{int(300**share)}" for share in generator.random(12 * lines)]
    ends = [" ", "\n", ", \n", "  \n\n"]
    gaps = [ends[int(generator.integers(4))] if number % 9 == 8 else " " for number in range(len(words))]
    return "".join(word + gap for word, gap in zip(words, gaps, strict=True))


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """Two plain files, and a compressed one; the second has no line end at its end, and other ones before."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "a.txt").write_text("\ufeff" + text_of(1))
    (folder / "b.txt").write_bytes((text_of(2).replace("\n", "\r\ufeff") + "rare Wort3 end").encode())
    (folder / "c.txt.gz").write_bytes(gzip.compress(text_of(3).encode()))
    return [str(folder / name) for name in ("a.txt", "b.txt", "c.txt.gz")]


@pytest.fixture(scope="session")
def workers():
    """Two workers that are threads of this process."""
    options = {"threads_per_worker": 1, "processes": False, "dashboard_address": ":0", "memory_limit": 0}
    with LocalCluster(n_workers=2, **options) as cluster, Client(cluster) as client:
        yield Workers(client, print)


@pytest.fixture(scope="session")
def expected(corpus, tmp_path_factory):
    """What a run with the shared settings gives on threads."""
    from cluster_case import SETTINGS, files_and_losses

    model = tmp_path_factory.mktemp("expected") / "model"
    options = {"heldout": corpus[1], "cache": False, "progress": False, "deterministic": True, "threads": 1}
    nce_train.train(corpus, output=model, **options, **SETTINGS)
    return files_and_losses(model)
