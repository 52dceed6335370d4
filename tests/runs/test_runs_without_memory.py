"""Memory that runs out in a measurement beside training costs that measurement, not what is trained."""

import numpy as np
import pytest

import nce_train
from nce_train.evaluation.heldout import HeldoutText

SETTINGS = {"dim": 8, "subsample": 0, "min_count": 1, "threads": 1, "progress": False}


@pytest.fixture
def text(tmp_path):
    words = np.random.default_rng(1).integers(0, 9, (200, 6))
    (tmp_path / "t.txt").write_text("\n".join(" ".join(f"w{word}" for word in line) for line in words))
    return tmp_path / "t.txt"


def no_memory(*_):
    raise MemoryError


def test_an_evaluation_without_memory_is_left_out(text, tmp_path, monkeypatch):
    (tmp_path / "set.txt").write_text("w1 w2 w3 w4\n")
    monkeypatch.setattr("nce_train.evaluation.analogies.unit_length", no_memory)
    log = tmp_path / "log.txt"
    evaluated = {"eval_every": "1epoch", "eval_set": [str(tmp_path / "set.txt")], "epochs": 2}
    model = nce_train.train(text, output=tmp_path / "m.nce", log_file=log, **evaluated, **SETTINGS)
    assert len(model) == 9
    assert log.read_text().count("There was not enough memory to evaluate the embeddings") == 2


def test_the_best_parameters_are_taken_where_the_last_epoch_could_not_be_measured(text, tmp_path, monkeypatch):
    losses, states = [3.0, 2.0], []

    def loss(self, input, output, bias):
        if not losses:
            raise MemoryError
        states.append(np.array(input))
        return {"pairs": 1, "nce_loss": losses.pop(0)}

    monkeypatch.setattr(HeldoutText, "loss", loss)
    log = tmp_path / "log.txt"
    settings = {**SETTINGS, "heldout": str(text), "patience": 3, "epochs": 3}
    model = nce_train.train(text, output=tmp_path / "m.nce", log_file=log, **settings)
    assert "There is not enough memory for the held-out loss after epoch 3." in log.read_text()
    assert np.array_equal(model.vectors, states[1])


def test_the_copy_for_the_caller_is_left_out_where_there_is_no_memory(text, monkeypatch):
    copy = np.ascontiguousarray
    monkeypatch.setattr(np, "ascontiguousarray", lambda array: no_memory() if array.shape == (9, 8) else copy(array))
    assert nce_train.train(text, **SETTINGS).vectors.shape == (9, 8)
