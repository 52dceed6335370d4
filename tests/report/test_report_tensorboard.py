"""The files for TensorBoard, read by TensorBoard's own reader."""

import json
import os
import resource
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

import nce_train
from nce_train.errors import InputError
from nce_train.report import tensorboard
from nce_train.training.readings import TrainingState

GENERATOR = np.random.default_rng(5)
LINES = [" ".join(f"w{min(word, 99)}" for word in GENERATOR.zipf(1.3, 30)) for _ in range(600)]
SETTINGS = {
    "dim": 16,
    "threads": 1,
    "epochs": 4,
    "log_every_steps": 40,
    "heldout": "heldout.txt",
    "eval_every": "2epochs",
    "eval_set": ["asked.txt", "scored.tsv"],
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("nce_train.training.trainer.CENTRES_PER_CALL", 400)
    (tmp_path / "text.txt").write_text("\n".join(LINES) + "\n")
    (tmp_path / "heldout.txt").write_text("\n".join(LINES[:50]))
    (tmp_path / "asked.txt").write_text("\n".join(f"w{i} w{i + 1} w{i + 2} w{i + 3}" for i in range(1, 40)))
    (tmp_path / "scored.tsv").write_text("".join(f"w{i}\tw{i + 7}\t{i % 5}\n" for i in range(1, 40)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(**more):
    given = {} if "resume" in more else {"corpus": "text.txt", "output": "m.nce", **SETTINGS}
    return nce_train.train(**{**given, **more}, tensorboard="runs/tb", progress=False, cache=False)


def scalars():
    """{tag: [(step, value)]} as TensorBoard shows them."""
    reader = EventAccumulator("runs/tb", size_guidance={SCALARS: 0})
    reader.Reload()
    return {tag: [(event.step, event.value) for event in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


def expected_scalars():
    """The same from `metrics.jsonl`."""
    found = {}
    for line in map(json.loads, Path("m.nce/metrics.jsonl").read_text().splitlines()):
        if "heldout" in line:
            values = {"heldout/nce_loss": line["heldout"]["nce_loss"]}
        elif "evaluation" in line:
            report = line["evaluation"]
            values = {
                "analogies/asked": report["analogies"]["asked"]["accuracy"],
                "similarity/scored": report["similarity"]["scored"]["spearman"],
            }
        else:
            values = {f"training/{key}": line[key] for key in ("loss", "learning_rate", "tokens_per_second")}
        for tag, value in values.items():
            found.setdefault(tag, []).append((line["step"], value))
    return found


def assert_as_expected(found):
    expected = expected_scalars()
    assert found.keys() == expected.keys()
    for tag, points in expected.items():
        assert [step for step, _ in found[tag]] == [step for step, _ in points], tag
        assert [value for _, value in found[tag]] == pytest.approx([value for _, value in points], rel=1e-6), tag


def interrupt_at(step):
    """A callback that sends Ctrl-C once, after a number of steps."""
    presses = iter([signal.SIGINT])

    def callback(state):
        if state.step >= step and (press := next(presses, None)):
            os.kill(os.getpid(), press)

    return callback


def test_scalars_and_projector_are_read_back(monkeypatch):
    monkeypatch.setattr(tensorboard, "PROJECTOR_WORDS", 30)
    model = train()
    found = scalars()
    assert_as_expected(found)
    assert len(found["training/loss"]) > 5
    assert len(found["heldout/nce_loss"]) == 4
    assert len(found["analogies/asked"]) == 2
    config = text_format.Parse(Path("runs/tb/projector_config.pbtxt").read_text(), ProjectorConfig())
    (projected,) = config.embeddings
    vectors = np.loadtxt(Path("runs/tb", projected.tensor_path), dtype=np.float32, delimiter="\t")
    np.testing.assert_array_equal(vectors, model.vectors[:30])
    header, *rows = Path("runs/tb", projected.metadata_path).read_text().splitlines()
    assert header == "word\tcount"
    assert rows == [f"{word}\t{count}" for word, count in zip(model.index_to_key[:30], model.counts, strict=False)]


@pytest.mark.parametrize("step", [200, 330])  # at the second, between the held-out loss and the evaluation of a step
def test_a_resumed_run_continues_its_curves(step):
    with pytest.raises(KeyboardInterrupt):
        train(callback=interrupt_at(step))
    before = scalars()
    train(resume="m.nce")
    assert_as_expected(scalars())
    assert before["training/loss"] == scalars()["training/loss"][: len(before["training/loss"])]


def test_scalars_beyond_the_checkpoint_are_replaced_after_resume():
    with pytest.raises(KeyboardInterrupt):
        train(callback=interrupt_at(200))
    state = TrainingState(300, 3, 9, 99.0, 0.1, 1.0, 1.0, progress=0.9)  # beyond the last checkpoint
    with tensorboard.TensorBoardLog("runs/tb", print) as log:
        log.resume(299)
        log(state)
    assert (300, 99.0) in scalars()["training/loss"]
    train(resume="m.nce")
    assert_as_expected(scalars())


def test_a_new_run_replaces_an_old_ones_curves():
    train()
    train(overwrite=True, seed=2, log_every_steps=100)
    assert_as_expected(scalars())


def test_a_missing_extra_is_refused_before_the_work(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(InputError, match=r"pip install 'nce-train\[tensorboard\]'"):
        train()
    assert not Path("m.nce").exists()
    assert not Path("runs").exists()


def test_directories_that_cannot_be_written_are_refused():
    Path("runs").mkdir()
    Path("runs/tb").write_text("mine")
    with pytest.raises(InputError, match=r"The TensorBoard directory runs/tb cannot be written: it is a file"):
        train()
    with pytest.raises(InputError, match=r"m.nce/tb is inside the model directory"):
        nce_train.train("text.txt", output="m.nce", tensorboard="m.nce/tb")
    assert not Path("m.nce").exists()


def test_a_refused_run_leaves_no_directory():
    with pytest.raises(InputError):
        nce_train.train("none.txt", tensorboard="tb", progress=False)
    assert not Path("tb").exists()


def test_a_full_disk_ends_the_log_and_not_the_run():
    warnings = []
    state = TrainingState(1, 0, 9, 2.5, 0.1, 1.0, 1.0, progress=0.1)
    with tensorboard.TensorBoardLog("tb", warnings.append) as log:
        log(state)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
        try:
            log(state)
            log.write_projector(["a"], np.array([1]), np.ones((1, 4), np.float32))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(warnings) == 1
    assert warnings[0].startswith("Nothing more is written to tb for TensorBoard: File too large")
    assert not Path("tb/projector").exists()


def test_a_projector_that_cannot_be_written_gives_a_warning():
    warnings = []
    Path("tb/projector").mkdir(parents=True)
    Path("tb/projector/mine.txt").write_text("mine")
    with tensorboard.TensorBoardLog("tb", warnings.append) as log:
        log.write_projector(["a"], np.array([1]), np.ones((1, 4), np.float32))
    assert len(warnings) == 1
    assert "mine.txt" in warnings[0]
