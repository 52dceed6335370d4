"""The record of a run: as JSON and back, from earlier versions, and its timings."""

import json

import pytest

from nce_train.errors import InputError
from nce_train.runs.inputs import new_record
from nce_train.runs.record import RunRecord, changed_settings, read_record
from nce_train.runs.timings import PARTS, Timings
from nce_train.training.settings_files import load_settings


@pytest.fixture
def record(tmp_path):
    (tmp_path / "text.txt").write_text("one two three\n")
    return new_record(str(tmp_path / "text.txt"), load_settings().resolved(), keep_checkpoint=True)


def test_it_comes_back_from_its_file(record, tmp_path):
    record.write(tmp_path)
    assert read_record(tmp_path) == record
    assert json.loads((tmp_path / "run.json").read_text())["format"] == 2


def test_what_a_record_does_not_know_is_left_out(record, tmp_path):
    again = RunRecord.from_dict({**record.as_dict(), "of_a_later_version": 1}, tmp_path)
    assert again == record


@pytest.mark.parametrize("change", [{"format": 1}, {"id": None}])
def test_a_record_of_another_version_is_refused(record, tmp_path, change):
    values = {**record.as_dict(), **change}
    values = {name: value for name, value in values.items() if value is not None or name != "id"}
    with pytest.raises(InputError, match="is of another version of nce-train: resume it with that"):
        RunRecord.from_dict(values, tmp_path)


@pytest.mark.parametrize("content", [None, "", "[]", "{"])
def test_no_record_is_one_sentence(tmp_path, content):
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(InputError, match="holds no run to resume: start anew with --overwrite"):
        read_record(tmp_path)


def test_only_some_settings_change_on_resume(record, tmp_path):
    assert changed_settings(record, {"epochs": 9, "threads": 3}, tmp_path).epochs == 9
    with pytest.raises(InputError, match="--dim cannot change from 128 to 64"):
        changed_settings(record, {"dim": 64}, tmp_path)
    with pytest.raises(InputError, match="--epochs can be raised, but not from 5 to 4"):
        changed_settings(record, {"epochs": 4}, tmp_path)


def test_timings_add_up_over_sessions():
    timings = Timings({"encode": 2.0, "total": 10.0, "smoothing": 1.0})  # the last is of an earlier version
    timings.add("encode", 0.5)
    with timings.measure("save"):
        pass
    now = timings.now(train_seconds=7.0)
    assert set(now) == {*PARTS, "total"}
    assert (now["encode"], now["train"]) == (2.5, 7.0)
    assert now["save"] > 0 and now["total"] > 10
