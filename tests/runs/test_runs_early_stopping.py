"""Early stopping alone: which epoch is the best, whose parameters are kept, and when patience is over."""

import numpy as np
import pytest

from nce_train.errors import RunError
from nce_train.runs.early_stopping import EarlyStopping


def parameters_of(number):
    return {name: np.full(3, number, np.float32) for name in ("input", "output", "bias")}


def add(stopping, *losses, first=1):
    for epoch, loss in enumerate(losses, first):
        stopping.add(epoch, {"pairs": 10, "nce_loss": loss}, parameters_of(epoch))


def kept(directory):
    return sorted(path.name for path in directory.glob("best-*.npz"))


def test_the_lowest_loss_is_the_best_and_its_parameters_come_back(tmp_path):
    losses, warnings = [], []
    stopping = EarlyStopping(2, tmp_path, losses, warnings.append)
    add(stopping, 3.0, 2.0, 2.5)
    assert not stopping.out_of_patience
    add(stopping, 2.0, first=4)  # equal is not lower
    assert stopping.out_of_patience
    assert [loss["best"] for loss in losses] == [True, True, False, False]
    now = parameters_of(4)
    assert stopping.best_is_earlier and stopping.take_best(now)
    assert now["input"][0] == now["bias"][0] == 2
    assert stopping.summary().startswith(
        "Training stopped after epoch 4: the held-out loss has not fallen since epoch 2"
    )
    assert not warnings


def test_the_last_epoch_needs_nothing_taken_back(tmp_path):
    stopping = EarlyStopping(1, tmp_path, [], print)
    add(stopping, 3.0, 2.0)
    assert not stopping.best_is_earlier
    assert stopping.summary() == "The held-out loss was lowest after epoch 2, whose parameters the model has."


def test_without_patience_nothing_is_kept_and_nothing_stops(tmp_path):
    stopping = EarlyStopping(None, tmp_path, [], print)
    add(stopping, 3.0, 4.0, 5.0)
    assert not stopping.out_of_patience and kept(tmp_path) == [] and stopping.summary() is None
    assert not stopping.best_is_earlier


def test_parameters_stay_as_long_as_a_checkpoint_needs_them(tmp_path):
    stopping = EarlyStopping(5, tmp_path, [], print)
    add(stopping, 3.0)
    stopping.checkpoint_written()
    add(stopping, 2.0, first=2)
    assert kept(tmp_path) == ["best-000001.npz", "best-000002.npz"]  # a checkpoint relies on the first
    stopping.checkpoint_written()
    assert kept(tmp_path) == ["best-000001.npz", "best-000002.npz"]  # the older of two does
    stopping.checkpoint_written()
    assert kept(tmp_path) == ["best-000002.npz"]


def test_a_new_run_removes_what_an_older_one_left_and_a_resumed_one_keeps_it(tmp_path):
    losses = []
    add(EarlyStopping(5, tmp_path, losses, print), 3.0, 2.0)
    resumed = EarlyStopping(5, tmp_path, losses, print)
    assert resumed.knows(2) and not resumed.knows(3)
    assert kept(tmp_path) == ["best-000002.npz"]
    EarlyStopping(5, tmp_path, [], print)
    assert kept(tmp_path) == []


def test_a_loss_that_is_no_number_ends_the_run(tmp_path):
    with pytest.raises(RunError, match="after epoch 1 is nan: most likely the learning rate is too high"):
        add(EarlyStopping(2, tmp_path, [], print), float("nan"))


def test_damaged_parameters_cost_a_warning_and_not_the_last_ones(tmp_path):
    warnings = []
    stopping = EarlyStopping(5, tmp_path, [], warnings.append)
    add(stopping, 2.0, 3.0)
    (tmp_path / "best-000001.npz").write_bytes(b"PK")
    now = parameters_of(2)
    assert not stopping.take_best(now) and now["input"][0] == 2
    assert warnings[0].endswith("are damaged or gone: the model has those after epoch 2.")


def test_a_directory_that_is_gone_costs_a_warning(tmp_path):
    losses, warnings = [], []
    add(EarlyStopping(5, tmp_path / "gone", losses, warnings.append), 2.0)
    assert "could not be written" in warnings[0] and not losses[0]["best"]
