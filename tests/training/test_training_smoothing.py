"""Smoothing of the input embeddings at the end: against a float64 twin, interrupted and
resumed, and what is left alone.
"""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nce_train
from nce_train.api import train_or_resume
from nce_train.progress import ProgressDisplay
from nce_train.training import smoothing as module
from nce_train.training.smoothing import NEIGHBOURS, find_neighbours, neighbour_shares, smooth

WORDS = 2600
GENERATOR = np.random.default_rng(7)
LINES = [" ".join(f"w{min(word, WORDS - 1)}" for word in GENERATOR.zipf(1.05, 60) % WORDS) for _ in range(3000)]
SETTINGS = {"dim": 24, "threads": 1, "epochs": 1, "min_count": 1, "checkpoint_every": "1h"}


def never():
    return False


def untold(done, total):
    pass


def vectors_and_counts(rows, dim, seed):
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(rows, dim)).astype(np.float32) * generator.uniform(0.1, 9, (rows, 1))
    return vectors.astype(np.float32), np.sort(generator.zipf(1.2, rows).clip(max=10**9))[::-1].astype(np.int64)


def twin(vectors, counts, smoothing, searched, number):
    """The module's formula in float64, word by word, from a sort of all cosines."""
    vectors = vectors.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1)
    units = vectors / np.where(lengths == 0, 1, lengths)[:, None]
    smoothed = np.empty_like(vectors)
    for row in range(len(vectors)):
        cosines = units[:searched] @ units[row]
        if row < searched:
            cosines[row] = -np.inf
        nearest = np.argsort(-cosines, kind="stable")[:number]
        mean = sum(max(0.0, cosines[near]) * units[near] for near in nearest)
        if np.linalg.norm(mean) > 0:
            mean = mean / np.linalg.norm(mean)
        weight = smoothing * (1 / 3 + 2 / 3 * 200 / (200 + counts[row]))
        smoothed[row] = (1 - weight) * vectors[row] + weight * lengths[row] * mean
    return smoothed


@settings(deadline=None, max_examples=25)
@given(
    rows=st.integers(40, 400),
    dim=st.integers(2, 20),
    searched=st.sampled_from([33, 64, 1000]),
    cluster_words=st.sampled_from([3, 30, 5000]),
    rows_at_once=st.sampled_from([1, 37, 4096]),
    smoothing=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_it_is_the_formula_when_all_clusters_are_compared(
    rows, dim, searched, cluster_words, rows_at_once, smoothing, seed
):
    vectors, counts = vectors_and_counts(rows, dim, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SEARCHED", searched)
        patch.setattr(module, "CLUSTER_WORDS", cluster_words)
        patch.setattr(module, "CLUSTERS_COMPARED", 10**6)
        patch.setattr(module, "_ROWS_AT_ONCE", rows_at_once)
        expected = twin(vectors, counts, smoothing, min(searched, rows), NEIGHBOURS)
        smooth(vectors, counts, smoothing, find_neighbours(vectors, never, untold))
    np.testing.assert_allclose(vectors, expected, atol=1e-4 * np.abs(expected).max())


def test_most_nearest_neighbours_are_found_among_the_nearest_clusters(monkeypatch):
    generator = np.random.default_rng(4)
    topics = generator.normal(size=(60, 16))
    vectors = (topics[generator.integers(0, 60, 9000)] + 0.7 * generator.normal(size=(9000, 16))).astype(np.float32)
    found = find_neighbours(vectors, never, untold)
    monkeypatch.setattr(module, "CLUSTERS_COMPARED", 10**6)
    exact = find_neighbours(vectors, never, untold)
    same = np.mean([len(set(few) & set(all_)) / NEIGHBOURS for few, all_ in zip(found.rows, exact.rows, strict=True)])
    assert 0.85 < same < 1
    assert (np.diff(exact.cosines, axis=1) <= 0).all() and (found.cosines <= exact.cosines).all()


def test_a_row_of_zeros_stays_and_is_no_ones_neighbour():
    vectors, counts = vectors_and_counts(2500, 8, 3)
    vectors[[5, 2400]] = 0
    near = find_neighbours(vectors, never, untold)
    smooth(vectors, counts, 1.0, near)
    assert not vectors[[5, 2400]].any() and np.isfinite(vectors).all()
    assert (near.cosines >= 0).all()
    of_zeros = np.flatnonzero(~near.units.any(axis=1))
    assert len(of_zeros) == 2 and not (np.isin(near.rows, of_zeros) & (near.cosines > 0)).any()


def test_how_the_search_is_cut_does_not_change_the_bytes(monkeypatch):
    vectors, counts = vectors_and_counts(5000, 24, 1)
    results = []
    for rows_at_once in (4096, 101, 5000):
        monkeypatch.setattr(module, "_ROWS_AT_ONCE", rows_at_once)
        copy = vectors.copy()
        smooth(copy, counts, 0.5, find_neighbours(copy, never, untold))
        results.append(copy.tobytes())
    assert len(set(results)) == 1


def test_rare_words_move_further_and_lengths_stay_about():
    shares = neighbour_shares(np.array([10**9, 200, 0]))
    np.testing.assert_allclose(shares, [1 / 3, 2 / 3, 1], rtol=1e-6)


def test_progress_is_told_and_the_search_stops_when_asked(monkeypatch):
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", 256)
    vectors, _ = vectors_and_counts(2000, 8, 2)
    told = []
    assert find_neighbours(vectors, never, lambda *numbers: told.append(numbers)) is not None
    assert told[0] == (0, 2000) and told[-1] == (2000, 2000) and told == sorted(told) and len(told) == 9
    asked = []

    def soon():
        asked.append(1)
        return len(asked) > 2

    assert find_neighbours(vectors, soon, untold) is None


# --- in a run -------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("nce_train.training.run.LEAST_VOCABULARY", WORDS // 2)
    (tmp_path / "text.txt").write_text("\n".join(LINES) + "\n")
    (tmp_path / "scored.tsv").write_text("".join(f"w{i}\tw{i + 7}\t{i % 5}\n" for i in range(40)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(output, resume=False, keep=False, **changes):
    given = changes if resume else {**SETTINGS, **changes}
    names = (None, None) if resume else ("text.txt", Path(output))
    with ProgressDisplay(quiet=True) as display:
        return train_or_resume(
            *names, None, given, display, resume=Path(output) if resume else None, cache=False, keep_checkpoint=keep
        )


def array(output, name):
    return np.load(Path(output, name), allow_pickle=False)


def test_the_model_is_smoothed_and_its_classifier_kept(folder):
    train("raw", smoothing=0)
    train("smoothed")
    counts = np.array([int(line.split("\t")[1]) for line in Path("raw/vocab.tsv").read_text().splitlines()])
    expected = array("raw", "input.npy")
    assert len(expected) > 2000
    smooth(expected, counts, 0.3, find_neighbours(expected, never, untold))
    np.testing.assert_array_equal(array("smoothed", "input.npy"), expected)
    assert not np.array_equal(array("raw", "input.npy"), expected)
    for name in ("output.npy", "bias.npy"):
        np.testing.assert_array_equal(array("raw", name), array("smoothed", name))
    manifest = json.loads(Path("smoothed/manifest.json").read_text())
    assert manifest["timings"]["smoothing"] > 0 and manifest["config"]["smoothing"] == 0.3
    assert json.loads(Path("raw/manifest.json").read_text())["timings"]["smoothing"] == 0


def test_a_small_vocabulary_is_left_alone(folder):
    train("raw", smoothing=0, max_vocab=WORDS // 2 - 1)
    train("smoothed", smoothing=1, max_vocab=WORDS // 2 - 1)
    np.testing.assert_array_equal(array("smoothed", "input.npy"), array("raw", "input.npy"))


def test_the_last_evaluation_is_of_the_smoothed_model(folder):
    train("m", eval_every="1epoch", eval_set=["scored.tsv"], smoothing=1)
    lines = [json.loads(line) for line in Path("m/metrics.jsonl").read_text().splitlines()]
    told = [line["evaluation"]["similarity"]["scored"]["spearman"] for line in lines if "evaluation" in line]
    found = nce_train.evaluate(nce_train.Embeddings.load("m"), "scored.tsv")["similarity"]["scored"]["spearman"]
    assert told[-1] == pytest.approx(found, abs=1e-9) and len(told) == 2 and told[0] != told[1]


@pytest.mark.parametrize("keep", [False, True])
def test_interrupted_while_smoothing_it_is_done_when_resumed(folder, monkeypatch, keep):
    train("whole")
    searched = []

    def interrupted(vectors, stopped, progress):
        def then_signal(done, total):
            if not searched:
                searched.append(done)
                os.kill(os.getpid(), signal.SIGINT)
            progress(done, total)

        return find_neighbours(vectors, stopped, then_signal)

    with monkeypatch.context() as patch:
        patch.setattr("nce_train.training.run.find_neighbours", interrupted)
        with pytest.raises(KeyboardInterrupt, match="--resume m"):
            train("m", keep=keep)
    assert searched and not Path("m/manifest.json").exists()
    train("m", resume=True)
    for name in ("input.npy", "output.npy", "bias.npy"):
        np.testing.assert_array_equal(array("m", name), array("whole", name))


def test_more_epochs_go_on_from_what_was_not_smoothed(folder):
    train("m", keep=True)
    train("m", resume=True, epochs=2)
    train("at_once", smoothing=0, keep=True)
    train("at_once", resume=True, epochs=2)
    expected = array("at_once", "input.npy")
    counts = np.array([int(line.split("\t")[1]) for line in Path("m/vocab.tsv").read_text().splitlines()])
    smooth(expected, counts, 0.3, find_neighbours(expected, never, untold))
    np.testing.assert_array_equal(array("m", "input.npy"), expected)
