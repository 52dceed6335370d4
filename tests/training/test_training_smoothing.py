"""Smoothing of the input embeddings at the end: against a float64 twin, interrupted and
resumed, and what is left alone.
"""

import contextlib
import json
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

import nce_train
from nce_train.api import train_or_resume
from nce_train.errors import InputError
from nce_train.progress import ProgressDisplay
from nce_train.training import smoothing as module
from nce_train.training.checkpoint import read_archive, states
from nce_train.training.config import Settings
from nce_train.training.nearest_kernel import keep_nearest
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
    searched=st.sampled_from([12, 33, 64, 1000]),
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
        smooth(vectors, counts, smoothing, find_neighbours(vectors, 2, never, untold))
    np.testing.assert_allclose(vectors, expected, atol=1e-4 * np.abs(expected).max())


def test_most_nearest_neighbours_are_found_among_the_nearest_clusters(monkeypatch):
    generator = np.random.default_rng(4)
    topics = generator.normal(size=(300, 16))
    vectors = (topics[generator.integers(0, 300, 9000)] + generator.normal(size=(9000, 16))).astype(np.float32)
    found = find_neighbours(vectors, 2, never, untold)
    monkeypatch.setattr(module, "CLUSTERS_COMPARED", 10**6)
    exact = find_neighbours(vectors, 2, never, untold)
    same = np.mean([len(set(few) & set(all_)) / NEIGHBOURS for few, all_ in zip(found.rows, exact.rows, strict=True)])
    assert 0.965 < same < 1  # 0.975; with 8 clusters 0.88, without steps of k-means 0.96
    assert (np.diff(exact.cosines, axis=1) <= 0).all() and (found.cosines <= exact.cosines).all()


def test_of_equally_near_words_the_first_compared_stay():
    block = np.array([[0.5, 0.9, 0.5, 0.9, 0.7, 0.7]], np.float32)
    rows, cosines = np.zeros((3, 4), np.int32), np.full((3, 4), -2, np.float32)
    own_places = np.array([-1, -1, 14])
    keep_nearest(block, np.array([1]), 20, own_places, rows, cosines)
    assert rows[1].tolist() == [21, 23, 24, 25]
    keep_nearest(block, np.array([1]), 30, own_places, rows, cosines)
    assert rows[1].tolist() == [21, 23, 31, 33]
    keep_nearest(block, np.array([1]), 40, own_places, rows, cosines)
    assert rows[1].tolist() == [21, 23, 31, 33]
    keep_nearest(block, np.array([2]), 10, own_places, rows, cosines)  # 14 is the target itself
    assert rows[2].tolist() == [11, 13, 15, 10]
    np.testing.assert_array_equal(cosines[2], np.float32([0.9, 0.9, 0.7, 0.5]))
    assert not rows[0].any() and (cosines[0] == -2).all()


def test_a_row_of_zeros_stays_and_is_no_ones_neighbour():
    vectors, counts = vectors_and_counts(2500, 8, 3)
    vectors[[5, 2400]] = 0
    near = find_neighbours(vectors, 2, never, untold)
    smooth(vectors, counts, 1.0, near)
    assert not vectors[[5, 2400]].any() and np.isfinite(vectors).all()
    assert (near.cosines >= 0).all()
    of_zeros = np.flatnonzero(~near.units.any(axis=1))
    assert len(of_zeros) == 2 and not (np.isin(near.rows, of_zeros) & (near.cosines > 0)).any()


def test_tiny_and_huge_numbers_and_words_that_are_all_alike():
    vectors, counts = vectors_and_counts(2500, 8, 3)
    vectors[[1, 2300]] *= np.float32(1e-30)
    vectors[[2, 2200]] *= np.float32(1e25)
    before = vectors.copy()
    smooth(vectors, counts, 0.3, find_neighbours(vectors, 2, never, untold))
    assert np.isfinite(vectors).all()
    ratio = np.linalg.norm(vectors.astype(np.float64), axis=1) / np.linalg.norm(before.astype(np.float64), axis=1)
    assert (ratio > 0.7).all() and (ratio < 1.001).all()
    alike = np.ones((1500, 8), np.float32)  # one cluster
    smooth(alike, counts[:1500], 0.3, find_neighbours(alike, 2, never, untold))
    np.testing.assert_allclose(alike, 1, rtol=1e-5)


def test_how_the_search_is_cut_does_not_change_the_bytes(monkeypatch):
    vectors, counts = vectors_and_counts(5000, 24, 1)
    results = []
    for rows_at_once, block in ((4096, 1 << 22), (101, 1 << 22), (5000, 2000)):
        monkeypatch.setattr(module, "_ROWS_AT_ONCE", rows_at_once)
        monkeypatch.setattr(module, "_BLOCK_NUMBERS", block)
        copy = vectors.copy()
        smooth(copy, counts, 0.5, find_neighbours(copy, 2, never, untold))
        results.append(copy)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_allclose(results[0], results[2], atol=1e-5)  # a product with one row rounds differently


def test_rare_words_move_further():
    shares = neighbour_shares(np.array([10**9, 200, 0]))
    np.testing.assert_allclose(shares, [1 / 3, 2 / 3, 1], rtol=1e-6)


def test_threads_change_nothing_and_numpy_has_its_own_again(monkeypatch):
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", 512)
    vectors, _ = vectors_and_counts(5000, 24, 6)
    before, within = threadpool_info(), []
    one, *others = (
        find_neighbours(vectors, threads, never, lambda done, total: within.append(threadpool_info()))
        for threads in (1, 2, 3, 100)
    )
    for other in others:
        for left, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(left, right)
    blas = [library["num_threads"] for found in within[1:10] for library in found if library["user_api"] == "blas"]
    assert blas and set(blas) == {1}
    assert threadpool_info() == before
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("smoothing")]


def test_progress_is_told_and_the_search_stops_when_asked(monkeypatch):
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", 256)
    vectors, _ = vectors_and_counts(2000, 8, 2)
    told = []
    assert find_neighbours(vectors, 2, never, lambda *numbers: told.append(numbers)) is not None
    assert told[0] == (0, 2000) and told[-1] == (2000, 2000) and told == sorted(told) and len(told) == 9
    asked = []

    def soon():
        asked.append(1)
        return len(asked) > 2

    assert find_neighbours(vectors, 2, soon, untold) is None


# --- in a run -------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("nce_train.training.config.LEAST_SMOOTHED_VOCABULARY", WORDS // 2)
    (tmp_path / "text.txt").write_text("\n".join(LINES) + "\n")
    (tmp_path / "scored.tsv").write_text("".join(f"w{i}\tw{i + 7}\t{i % 5}\n" for i in range(40)))
    monkeypatch.chdir(tmp_path)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it
    yield tmp_path
    signal.signal(signal.SIGINT, before)


def train(output, resume=False, keep=False, overwrite=False, callbacks=(), quiet=True, **changes):
    given = changes if resume else {**SETTINGS, **changes}
    names = (None, None) if resume else ("text.txt", Path(output))
    with ProgressDisplay(quiet=quiet) as display:
        return train_or_resume(
            *names,
            None,
            given,
            display,
            resume=Path(output) if resume else None,
            cache=False,
            keep_checkpoint=keep,
            overwrite=overwrite,
            callbacks=callbacks,
        )


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


@contextlib.contextmanager
def interrupted_while_smoothing():
    """The first progress of a search is followed by Ctrl-C, and the run ends saying how to go on."""
    told = []

    def search(vectors, threads, stopped, progress):
        def then_interrupt(done, total):
            if not told and total > 100:  # not when it is compiled
                told.append(done)
                interrupt()
            progress(done, total)

        return find_neighbours(vectors, threads, stopped, then_interrupt)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "find_neighbours", search)
        with pytest.raises(KeyboardInterrupt, match="--resume m"):
            yield
    assert told


def assert_same_model(output, other):
    for name in ("input.npy", "output.npy", "bias.npy"):
        np.testing.assert_array_equal(array(output, name), array(other, name))


def manifest_of(output):
    return json.loads(Path(output, "manifest.json").read_text())


def array(output, name):
    return np.load(Path(output, name), allow_pickle=False)


def test_the_model_is_smoothed_and_its_classifier_kept(folder):
    train("raw", smoothing=0)
    train("smoothed")
    counts = np.array([int(line.split("\t")[1]) for line in Path("raw/vocab.tsv").read_text().splitlines()])
    expected = array("raw", "input.npy")
    assert len(expected) > 2000
    smooth(expected, counts, 0.3, find_neighbours(expected, 2, never, untold))
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


def test_the_last_evaluation_is_of_the_smoothed_model(folder, capfd):
    train("m", quiet=False, eval_every="1epoch", eval_set=["scored.tsv"], smoothing=1)
    said = capfd.readouterr().err.splitlines()
    last = [line for line in said if line.startswith("evaluation")][-1]
    lines = [json.loads(line) for line in Path("m/metrics.jsonl").read_text().splitlines()]
    told = [line["evaluation"]["similarity"]["scored"]["spearman"] for line in lines if "evaluation" in line]
    found = nce_train.evaluate(nce_train.Embeddings.load("m"), "scored.tsv")["similarity"]["scored"]["spearman"]
    assert told[-1] == pytest.approx(found, abs=1e-9) and len(told) == 2 and told[0] != told[1]
    assert last == f"evaluation of the model, smoothed: scored {found:.3f} (40 pairs)"


@pytest.mark.parametrize("keep", [False, True])
def test_interrupted_while_smoothing_it_is_done_when_resumed(folder, keep):
    train("whole")
    with interrupted_while_smoothing():
        train("m", keep=keep)
    assert not Path("m/manifest.json").exists()
    train("m", resume=True)
    assert_same_model("m", "whole")
    with pytest.raises(InputError, match="is finished, nothing is left to resume"):
        train("m", resume=True)


def test_an_older_model_at_the_output_does_not_stand_in_the_way(folder):
    train("whole", seed=2)
    train("m")
    with interrupted_while_smoothing():
        train("m", overwrite=True, seed=2)
    train("m", resume=True)
    assert_same_model("m", "whole")

    train("whole", overwrite=True, keep=True)
    train("whole", resume=True, epochs=2)
    train("m", overwrite=True, keep=True)
    with interrupted_while_smoothing():
        train("m", resume=True, epochs=2)
    train("m", resume=True)
    assert_same_model("m", "whole")
    assert manifest_of("m")["epochs"] == 2


def test_with_patience_the_best_is_smoothed_and_the_last_is_kept(folder):
    (folder / "other.txt").write_text("\n".join(LINES[:50]).translate(str.maketrans("123", "231")) + "\n")
    options = {"heldout": "other.txt", "patience": 9, "epochs": 4, "lr_schedule": "constant"}
    train("m", keep=True, **options)
    looks = manifest_of("m")["heldout"]
    assert min(looks, key=lambda look: look["nce_loss"])["epoch"] < 4
    with interrupted_while_smoothing():
        train("m", overwrite=True, **options)
    train("whole", keep=True, **options)
    last = [read_archive(states(Path(output, "checkpoint"))[-1]).arrays["input"] for output in ("m", "whole")]
    np.testing.assert_array_equal(*last)
    train("m", resume=True)
    assert_same_model("m", "whole")


def test_a_run_that_a_callback_ended_stays_ended(folder):
    options = {"epochs": 9, "log_every_steps": 50}
    with interrupted_while_smoothing():
        train("m", callbacks=[lambda state: state.progress > 0.2], **options)
    train("m", resume=True)
    manifest = manifest_of("m")
    assert manifest["stopped_early"] == "callback" and manifest["tokens_trained"] < 5 * manifest["tokens"]


def test_ctrl_c_as_the_last_tokens_are_trained_loses_nothing(folder):
    train("whole")
    with pytest.raises(KeyboardInterrupt, match="--resume m"):
        train("m", callbacks=[lambda state: interrupt() if state.progress >= 1 else None])
    train("m", resume=True)
    assert_same_model("m", "whole")
    with pytest.raises(KeyboardInterrupt, match="when all was done: the model in raw is whole"):
        train("raw", smoothing=0, callbacks=[lambda state: interrupt() if state.progress >= 1 else None])
    np.testing.assert_array_equal(array("raw", "output.npy"), array("whole", "output.npy"))


def test_callbacks_are_given_the_evaluation_of_what_was_smoothed(folder):
    options = {"eval_every": "1epoch", "eval_set": ["scored.tsv"]}
    given_to = []
    train("m", callbacks=[lambda state: given_to.append(state.evaluation)], **options)
    told = [evaluation for evaluation in given_to if evaluation is not None]
    lines = [json.loads(line) for line in Path("m/metrics.jsonl").read_text().splitlines()]
    assert told == [line["evaluation"] for line in lines if "evaluation" in line] and len(told) == 2

    def fail_at_the_second(state):
        if state.evaluation == told[1]:
            raise OverflowError("enough")

    with pytest.raises(OverflowError):
        train("other", callbacks=[fail_at_the_second], **options)
    assert_same_model("other", "m")


def test_smoothing_that_has_no_effect_is_told():
    assert Settings(smoothing=0.5).doubts(9_999, 10**6) == ["With less than 10,000 words smoothing has no effect."]
    assert Settings(smoothing=0.5).doubts(10_000, 10**6) == Settings().doubts(10, 10**6) == []
    assert Settings(smoothing=0).doubts(10, 10**6) == []
    assert [Settings(smoothing=0.5).smooths(words) for words in (9_999, 10_000)] == [False, True]


def test_more_epochs_go_on_from_what_was_not_smoothed(folder):
    train("m", keep=True)
    train("m", resume=True, epochs=2)
    train("at_once", smoothing=0, keep=True)
    train("at_once", resume=True, epochs=2)
    expected = array("at_once", "input.npy")
    counts = np.array([int(line.split("\t")[1]) for line in Path("m/vocab.tsv").read_text().splitlines()])
    smooth(expected, counts, 0.3, find_neighbours(expected, 2, never, untold))
    np.testing.assert_array_equal(array("m", "input.npy"), expected)
