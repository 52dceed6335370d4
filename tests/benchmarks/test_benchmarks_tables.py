"""The benchmark commands run on the project's own sample and leave a table and a JSON file."""

import json
import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from benchmarks._common import SAMPLE, EvaluationSets, evaluation_sets, spread
from benchmarks._line_transfer import line_round_trip
from benchmarks._processes import run
from benchmarks._setting import plain_text
from benchmarks.cluster import bytes_of_rows, expected_touched
from benchmarks.plot import SIMILARITIES, draw, points
from benchmarks.trainers import PACKAGES, Task, chosen_trainers
from nce_train.training.parameters import keep_probability
from nce_train.training.settings import Settings

ROOT = Path(__file__).parents[2]


def benchmark(module, out, *options):
    command = [sys.executable, "-m", module, "--out", str(out), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def rows_of(markdown, first_head):
    """The cells of the Markdown table whose first head is given."""
    lines = markdown.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first_head} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


ONE_SHORT_RUN = ["--presets", "default", "--repeats", "1", "--epochs", "1", "--dim", "16"]


@pytest.mark.slow
@pytest.mark.usefixtures("gensim")
def test_trainers_side_by_side(tmp_path):
    done = benchmark("benchmarks", tmp_path, *ONE_SHORT_RUN, "--peers", "gensim", "--gensim-lr", "0.025", "--no-cold")
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "side_by_side.json").read_text())
    markdown = (tmp_path / "side_by_side.md").read_text()
    names = ["nce-train default, warm", "gensim, lr 0.025"]
    assert list(result["runs"]) == names and [row[0] for row in rows_of(markdown, "trainer")] == names
    ours, gensim = (runs[0] for runs in result["runs"].values())
    assert ours["tokens_per_epoch"] == gensim["tokens_per_epoch"] > 500_000
    for one in (ours, gensim):
        assert 0 <= one["quality"]["own analogies"] <= 1
        assert one["whole_seconds"] > one["train_seconds"] > 0 and one["tokens_per_second"] > 0
        assert one["peak_resident_bytes"] > one["peak_anonymous_bytes"] > 2**20
        assert len(one["line_round_trips"]) == 2
    assert result["corpus"]["tokens"] == 528_821 and len(result["corpus"]["sha256"]) == 64
    assert result["settings"]["corpus"] == "sample.txt.xz" and result["settings"]["out"] == tmp_path.name
    assert f"sha256 `{result['corpus']['sha256'][:16]}" in markdown and result["machine"]["processor"] in markdown


@pytest.mark.slow
def test_a_cold_run_starts_with_empty_caches_and_a_warm_one_with_those(tmp_path):
    caches = tmp_path / "caches" / "default"
    earlier = caches / "numba" / "of an earlier run"
    earlier.parent.mkdir(parents=True)
    earlier.touch()
    options = Namespace(presets=["default"], peers=[], gensim_lr=[], no_cold=False)
    with plain_text(Path(str(SAMPLE / "sample.txt.xz")), tmp_path) as (text, _):
        task = Task(text, tmp_path, 2, 16, 5, 1e-4, 1, None, None, EvaluationSets({}, []))
        (cold, warm), _ = chosen_trainers(options, task)
        assert (cold.name, warm.name) == ("nce-train default, cold", "nce-train default, warm")
        found = cold.train(1)
        compiled = set(caches.rglob("*.nbc"))
        assert compiled and not earlier.exists()
        assert found["compile_seconds"] > 0 and found["timings"]["compile"] == found["compile_seconds"]
        warm.train(1)
        assert set(caches.rglob("*.nbc")) == compiled


@pytest.mark.slow
def test_roofline(tmp_path):
    done = benchmark("benchmarks.roofline", tmp_path, "--dim", "64", "--repeats", "2")
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "roofline.json").read_text())
    training = result["training"]
    assert training["seconds"] == max(run["seconds"] for run in result["trainings"])  # the upper of two
    assert training["useful_flop"] == 6 * 64 * (training["pairs"] + 32 * training["centres"])
    assert training["masked_flop"] == 6 * 64 * training["products"] - training["useful_flop"]
    parts = result["parts"]
    assert parts["inside_seconds"] + parts["outside_seconds"] == pytest.approx(training["seconds"])
    assert min(result["peak_before"]["all"], result["peak_after"]["one"]) > 1e9
    assert len(rows_of(done.stdout, "float32 multiply-adds")) == 5


@pytest.mark.slow
def test_scale(tmp_path):
    options = ["--factors", "1,2", "--thread-counts", "2", "--thread-epochs", "1", "--repeats", "1", "--dim", "16"]
    done = benchmark("benchmarks.scale", tmp_path, *options)
    assert done.returncode == 0, done.stderr
    by_size = json.loads((tmp_path / "scale.json").read_text())["by_size"]
    assert by_size["2"][0]["tokens"] > 1.99 * by_size["1"][0]["tokens"]
    assert [row[0] for row in rows_of(done.stdout, "threads")] == ["2"]


def test_expected_rows_of_a_round_agree_with_a_simulation():
    counts = np.sort(np.random.default_rng(0).zipf(1.5, 2000) + 1)[::-1].astype(np.int64)
    settings = Settings(subsample=1e-3, num_sampled=4, sampler="uniform").resolved()
    inputs, outputs = expected_touched(counts, settings, 3000)
    generator = np.random.default_rng(1)
    tokens = generator.choice(len(counts), 3000, p=counts / counts.sum())
    kept = tokens[generator.random(3000) < keep_probability(counts, 1e-3)[tokens]]
    noise = generator.integers(0, len(counts), len(kept) // 8 * 4)
    assert inputs == pytest.approx(len(set(kept)), rel=0.1)
    assert outputs == pytest.approx(len({*kept, *noise}), rel=0.1)
    assert bytes_of_rows(1, 2, 10) == 4 * (3 * 10 + 3 + 2)


@pytest.mark.slow
def test_cluster_time(tmp_path):
    options = ["--copies", "2", "--repeats", "1", "--shards", "2", "--rounds", "4", "--dim", "16"]
    done = benchmark("benchmarks.cluster_time", tmp_path, *options)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "cluster_time.json").read_text())
    (both,) = result["reading"]
    assert min(both) > 0
    assert set(result["rounds"]) >= {"training, of the busiest worker", "combining", "the whole round"}
    parts = [seconds for what, seconds in result["rounds"].items() if what != "the whole round"]
    assert sum(parts) == pytest.approx(result["rounds"]["the whole round"])
    assert result["rounds"]["training, of the busiest worker"] > 0
    assert [row[0] for row in rows_of(done.stdout, "what")] == list(result["rounds"])


def test_a_wrong_peer_a_missing_corpus_and_missing_sets_are_said(tmp_path):
    refused = benchmark("benchmarks", tmp_path, "--peers", "glove")
    assert refused.returncode == 2 and "there is no peer glove" in refused.stderr
    refused = benchmark("benchmarks.files", tmp_path, "--corpus", "nowhere.txt")
    assert refused.returncode == 2 and "there is no file nowhere.txt" in refused.stderr
    sets = evaluation_sets(tmp_path)
    assert not sets.paths and len(sets.notes) == 5 and "simlex999.txt is not in" in sets.notes[2]


@pytest.mark.usefixtures("gensim")
def test_a_peer_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(PACKAGES, "no_such_trainer", "no-such-trainer")
    options = Namespace(presets=[], peers=["gensim", "no_such_trainer"], gensim_lr=["0.05", "0.025"], no_cold=False)
    trainers, notes = chosen_trainers(options, task=None)
    assert [trainer.name for trainer in trainers] == ["gensim, lr 0.05", "gensim, lr 0.025"]
    assert notes == ["no_such_trainer is not installed (pip install no-such-trainer) and was left out."]


def test_a_command_that_fails_is_named_with_its_last_line():
    with pytest.raises(SystemExit, match=r"nce_train\.cli\.eval nowhere\nfailed with exit code 2: Error: nowhere"):
        run([sys.executable, "-m", "nce_train.cli.eval", "nowhere"])


def test_a_cache_line_goes_to_the_other_core_and_back():
    if len(os.sched_getaffinity(0)) < 2:
        assert line_round_trip() is None
    else:
        assert 5 < line_round_trip() < 100_000  # ns


def test_the_memory_of_a_process_is_seen_from_outside():
    code = "import time; held = bytearray(300 * 2**20); held[::4096] = b'1' * len(held[::4096]); time.sleep(0.3)"
    finished = run([sys.executable, "-c", code])
    assert 300 * 2**20 < finished.peak_anonymous_bytes < finished.peak_resident_bytes < 400 * 2**20


def test_tokens_are_counted_across_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks._setting._CHUNK", 3)
    (tmp_path / "small.txt").write_text("one  two\nthree\n four five six ")
    with plain_text(tmp_path / "small.txt", tmp_path) as (text, corpus):
        assert corpus["tokens"] == 6 and text.read_bytes() == (tmp_path / "small.txt").read_bytes()


def test_spread():
    assert spread([1.0, 3.0, 2.0]) == "2.00 (1.00–3.00)"
    assert spread([2.0]) == spread([2.0, 2.001]) == "2.00"
    assert spread([None, 5.0], "{:.0f}") == "5" and spread([None]) == "–"


@pytest.mark.slow
@pytest.mark.usefixtures("gensim")
def test_every_writer_and_reader_of_vectors_agrees(tmp_path):
    done = benchmark("benchmarks.round_trip", tmp_path, "--rows", "60", "--dim", "7")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "round_trip.json").read_text())["largest_difference"]
    assert [row[0] for row in rows_of((tmp_path / "round_trip.md").read_text(), "written by")] == list(rows)
    assert {name.split(" ")[0] for name in rows} == {"ours", "gensim", "safetensors", "fastText"}
    for name, row in rows.items():
        rounded = "float16" in name or "int8" in name
        largest = 1e-4 if "fasttext" in name else 0  # there vectors are composed again
        assert row["ours"] is not None
        assert all((0 < cell < 1) if rounded else cell <= largest for cell in row.values() if cell is not None), name
    for reader in ("gensim", "TensorBoard", "safetensors", "NumPy"):
        assert any(row[reader] is not None for row in rows.values())


@pytest.mark.slow
def test_the_same_code_gives_the_same_bytes_and_another_checksum_is_reported(tmp_path):
    checksums = tmp_path / "checksums.json"
    command = [sys.executable, "-m", "benchmarks.same_bytes", "--file", str(checksums)]
    subprocess.run([*command, "--write"], cwd=ROOT, capture_output=True, timeout=300, check=True)
    written = json.loads(checksums.read_text())
    written["checksums"]["pairs"] = "0" * 64
    checksums.write_text(json.dumps(written))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert [line for line in lines if line.startswith("differs")] == ["differs pairs"]
    assert lines[-1] == f"{len(written['checksums']) - 1} of {len(written['checksums'])} runs have the same bytes"


def test_the_picture_has_a_point_for_each_trainer(tmp_path):
    quality = dict.fromkeys(("analogies", *SIMILARITIES), 0.5)
    runs = {
        name: [{"whole_seconds": seconds, "quality": quality}, {"whole_seconds": seconds + 2, "quality": quality}]
        for name, seconds in {"nce-train fast, cold": 20, "nce-train fast, warm": 10, "gensim, lr 0.05": 200}.items()
    }
    found = points(runs)
    assert {name: (point["seconds"], point["cold"]) for name, point in found.items()} == {
        "fast": (11, 21),
        "gensim": (201, None),
    }
    assert all(point["analogies"] == point["similarity"] == 0.5 for point in found.values())
    draw(found, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks" / "results").glob("*.json")), ids=lambda path: path.name)
def test_committed_results_name_no_directory_of_the_machine(path):
    strings = [json.loads(path.read_text(encoding="utf-8"))]
    for value in strings:  # grows while it is walked
        if isinstance(value, dict):
            strings += [*value, *value.values()]
        elif isinstance(value, list):
            strings += value
    assert [value for value in strings if isinstance(value, str) and value.startswith("/")] == []
