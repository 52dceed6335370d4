"""Models for a report: what is read from a model directory, and what is refused with file and line."""

import json
import shutil

import pytest

from nce_train.errors import InputError
from nce_train.report.models import read_models


def test_kinds_of_readings_are_separate_and_the_last_of_a_step_counts(model, tmp_path):
    path = tmp_path / "run.nce"
    shutil.copytree(model, path)
    (path / "metrics.jsonl").write_text(
        '{"step": 1, "loss": 9}\n{"step": 2, "loss": 3}\n{"step": 2, "heldout": {"nce_loss": 5}}\n'
        '{"step": 2, "evaluation": {"similarity": {"s": {"spearman": 0.5}}}}\n{"step": 2, "loss": 2.5}\n'
    )
    (read,) = read_models([path])
    assert [(r.step, r.loss, r.heldout is None, r.evaluation is None) for r in read.readings] == [
        (1, 9.0, True, True),
        (2, 2.5, True, True),
        (2, None, False, True),
        (2, None, True, False),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("nonsense", "Invalid JSON"),
        ('{"step": 1, "loss": NaN}', "loss: Input should be a finite number"),
        ('{"step": "1"}', "step: Input should be a valid integer"),
        ('{"step": -1}', "step: "),
        ('{"loss": 1.0}', "step: Field required"),
        ('{"step": 1, "tokens_per_second": [1]}', "tokens_per_second: Input should be a valid number"),
        ("[" * 5000, "Invalid JSON"),
        (f'{{"step": {"9" * 400}}}', "step: "),
        (f'{{"step": 1, "loss": {"9" * 400}}}', "loss: "),
    ],
)
def test_damaged_readings_are_refused(model, tmp_path, line, reason):
    path = tmp_path / "run.nce"
    shutil.copytree(model, path)
    (path / "metrics.jsonl").write_text('{"step": 1, "loss": 2}\n' + line + "\n")
    with pytest.raises(InputError) as refused:
        read_models([path])
    assert f"{path / 'metrics.jsonl'}, line 2: not a reading of a run ({reason}" in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        {"timings": {"train": "<b>"}},
        {"config": {"dim": {"a": 1}}},
        {"corpus": [{"bytes": 1}]},
        {"tokens": -5},
        {"files": 1},
    ],
)
def test_damaged_manifests_are_refused(model, tmp_path, change):
    path = tmp_path / "run.nce"
    shutil.copytree(model, path)
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**manifest, **change}))
    with pytest.raises(InputError, match=r"manifest\.json"):
        read_models([path])


def test_names_are_short_unless_two_are_the_same(model, tmp_path):
    twin = tmp_path / "run.nce"
    shutil.copytree(model, twin)
    assert [read.name for read in read_models([model])] == ["run.nce"]
    assert [read.name for read in read_models([model, twin])] == [str(model), str(twin)]
    with pytest.raises(InputError, match="given twice"):
        read_models([model, f"{model}/"])


def test_an_unfinished_model_is_refused(model, tmp_path):
    path = tmp_path / "run.nce"
    shutil.copytree(model, path)
    (path / "manifest.json").unlink()
    with pytest.raises(InputError, match="unfinished"):
        read_models([path])
