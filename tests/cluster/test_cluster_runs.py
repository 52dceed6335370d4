"""Whole runs on workers: held-out losses, early stopping and warm starts give the same results as on one machine."""

import json
import re

import pytest
from click.testing import CliRunner
from cluster_case import SETTINGS as SHARED_SETTINGS
from cluster_case import files_of

import nce_train
from nce_train.cli.train import main

SETTINGS = {**SHARED_SETTINGS, "epochs": 3, "round_tokens": 900}


@pytest.fixture
def both(workers, tmp_path):
    """Trains on threads and on the workers; returns the two model directories."""

    def train(corpus, **options):
        options = {**SETTINGS, "progress": False, **options}
        nce_train.train(corpus, output=tmp_path / "threads", deterministic=True, threads=2, **options)
        nce_train.train(corpus, output=tmp_path / "workers", cluster=workers.client.scheduler.address, **options)
        return tmp_path / "threads", tmp_path / "workers"

    return train


def heldout_of(model):
    manifest = json.loads((model / "manifest.json").read_text())
    readings = [json.loads(line) for line in (model / "metrics.jsonl").read_text().splitlines()]
    measured = [reading["heldout"] for reading in readings if "heldout" in reading]
    return manifest["heldout"], manifest["stopped_early"], measured


@pytest.mark.parametrize("ngrams", ["off", "2-3"])
def test_cbow(corpus, both, ngrams):
    options = {"model": "cbow", "ngrams": ngrams, "buckets": 500, "lr": 0.01}
    threads, workers = both(corpus, heldout=corpus[1], subsample=0.0, **options)
    assert heldout_of(workers) == heldout_of(threads)
    losses, _, measured = heldout_of(workers)
    assert len(losses) == 3 and 4_000 < measured[0]["pairs"] < 5_000
    assert files_of(workers) == files_of(threads)


def test_held_out_losses_and_early_stopping(corpus, both):
    # at this high rate the held-out loss soon rises; at 0.3 it explodes
    options = {"heldout": corpus[1], "patience": 2, "epochs": 9, "lr": 0.25, "subsample": 0.0}
    threads, workers = both(corpus[0], **options)
    assert heldout_of(workers) == heldout_of(threads)
    losses, stopped_early, measured = heldout_of(workers)
    assert stopped_early == "patience" and 3 <= len(losses) == len(measured) < 9
    assert not losses[-1]["best"] and measured[0]["pairs"] > 20_000
    assert files_of(workers) == files_of(threads)


@pytest.fixture(scope="module")
def old(corpus, tmp_path_factory):
    """A model of one file of the corpus."""
    model = tmp_path_factory.mktemp("old") / "old.nce"
    nce_train.train(corpus[0], output=model, deterministic=True, progress=False, **SETTINGS)
    return model


@pytest.mark.parametrize("how", ["continue_from", "init"])
def test_warm_starts(how, old, corpus, both):
    threads, workers = both(corpus[1:], **{how: old})
    assert files_of(workers) == files_of(threads)
    key = {"continue_from": "continued_from", "init": "init_from"}[how]
    started = [json.loads((model / "manifest.json").read_text())[key] for model in (threads, workers)]
    assert started[0] == started[1] and started[0]["words_found"] > 50


def test_a_dry_run_reports_the_transfer_and_the_speedup(corpus, workers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = [f"--{name.replace('_', '-')}={value}" for name, value in SETTINGS.items()]
    result = CliRunner().invoke(main, [*corpus, "--dry-run", "--cluster", workers.client.scheduler.address, *options])
    assert result.exit_code == 0, result.stderr
    rows = dict(line.split("  ", 1) for line in result.stdout.splitlines())
    estimate = {name: text.strip() for name, text in rows.items()}
    assert re.fullmatch(
        r"a round trains 4 × [\d,]+ tokens in .+ on 2 threads, and transfers .+ MB/s", estimate["transfer"]
    )
    assert re.match(r"about \d+\.\d times as fast as one thread of a worker", estimate["speedup"])
    assert estimate["memory a worker"].endswith(" MiB")
    assert int(estimate["pairs in all"].replace(",", "")) > 5_000
    assert list(tmp_path.iterdir()) == []
