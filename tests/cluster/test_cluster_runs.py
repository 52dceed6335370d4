"""Whole runs on workers: held-out text, early stopping and warm starts give what they give on one machine."""

import json
import re

import pytest
from click.testing import CliRunner

import nce_train
from nce_train.cli.train import main

SETTINGS = {"dim": 16, "epochs": 3, "min_count": 3, "shards": 4, "num_sampled": 5, "round_tokens": 900}
FILES = ("input.npy", "output.npy", "bias.npy", "vocab.tsv")


def contents(model):
    return [(model / name).read_bytes() for name in FILES]


@pytest.fixture
def both(workers, tmp_path):
    """Trains with threads and on the workers; the two model directories."""

    def train(corpus, **options):
        options = {**SETTINGS, "progress": False, **options}
        nce_train.train(corpus, output=tmp_path / "threads", deterministic=True, threads=2, **options)
        nce_train.train(corpus, output=tmp_path / "workers", cluster=workers.client.scheduler.address, **options)
        return tmp_path / "threads", tmp_path / "workers"

    return train


def looks_of(model):
    manifest = json.loads((model / "manifest.json").read_text())
    readings = [json.loads(line) for line in (model / "metrics.jsonl").read_text().splitlines()]
    measured = [reading["heldout"] for reading in readings if "heldout" in reading]
    return manifest["heldout"], manifest["stopped_early"], measured


def test_held_out_losses_and_early_stopping(corpus, both):
    # at so high a rate the loss of another text soon rises
    options = {"heldout": corpus[1], "patience": 2, "epochs": 9, "lr": 0.4, "subsample": 0.0}
    threads, workers = both(corpus[0], **options)
    assert looks_of(workers) == looks_of(threads)
    looks, stopped_early, measured = looks_of(workers)
    assert stopped_early == "patience" and 3 <= len(looks) == len(measured) < 9
    assert not looks[-1]["best"] and measured[0]["pairs"] > 20_000
    assert contents(workers) == contents(threads)


@pytest.fixture(scope="module")
def old(corpus, tmp_path_factory):
    """A model of a part of the text."""
    model = tmp_path_factory.mktemp("old") / "old.nce"
    nce_train.train(corpus[0], output=model, deterministic=True, progress=False, **SETTINGS)
    return model


@pytest.mark.parametrize("how", ["continue_from", "init"])
def test_warm_starts(how, old, corpus, both):
    threads, workers = both(corpus[1:], **{how: old})
    assert contents(workers) == contents(threads)
    key = {"continue_from": "continued_from", "init": "init_from"}[how]
    started = [json.loads((model / "manifest.json").read_text())[key] for model in (threads, workers)]
    assert started[0] == started[1] and started[0]["words_found"] > 50


def test_a_dry_run_says_whether_it_pays(corpus, workers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = [f"--{name.replace('_', '-')}={value}" for name, value in SETTINGS.items()]
    result = CliRunner().invoke(main, [*corpus, "--dry-run", "--cluster", workers.client.scheduler.address, *options])
    assert result.exit_code == 0, result.stderr
    rows = dict(line.split("  ", 1) for line in result.stdout.splitlines())
    shown = {name: text.strip() for name, text in rows.items()}
    assert re.fullmatch(r"a round trains 4 × [\d,]+ tokens in .+ on 2 threads, and moves .+ MB/s", shown["travel"])
    assert re.match(r"about \d+\.\d times one thread of a worker", shown["gain"])
    assert shown["memory a worker"].endswith(" MiB")
    assert int(shown["pairs in all"].replace(",", "")) > 5_000
    assert list(tmp_path.iterdir()) == []
