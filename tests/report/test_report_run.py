"""What is read of a model directory, and what is refused with file and line."""

import base64
import json
import shutil

import numpy as np
import pytest

from nce_train.errors import InputError
from nce_train.report.content import content_of, shown_word
from nce_train.report.run import read_runs
from nce_train.report.word_map import map_words


def test_readings_are_told_apart_and_the_last_of_a_step_counts(model, tmp_path):
    path = tmp_path / "run.nce"
    shutil.copytree(model, path)
    (path / "metrics.jsonl").write_text(
        '{"step": 1, "loss": 9}\n{"step": 2, "loss": 3}\n{"step": 2, "heldout": {"nce_loss": 5}}\n'
        '{"step": 2, "evaluation": {"similarity": {"s": {"spearman": 0.5}}}}\n{"step": 2, "loss": 2.5}\n'
    )
    (run,) = read_runs([path])
    assert [(r.step, r.loss, r.heldout is None, r.evaluation is None) for r in run.readings] == [
        (1, 9.0, True, True),
        (2, 2.5, True, True),
        (2, None, False, True),
        (2, None, True, False),
    ]


@pytest.mark.parametrize(
    ("line", "told"),
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
def test_damaged_readings_are_refused(model, tmp_path, line, told):
    path = tmp_path / "run.nce"
    shutil.copytree(model, path)
    (path / "metrics.jsonl").write_text('{"step": 1, "loss": 2}\n' + line + "\n")
    with pytest.raises(InputError) as refused:
        read_runs([path])
    assert f"{path / 'metrics.jsonl'}, line 2: not a reading of a run ({told}" in str(refused.value)


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
        read_runs([path])


def test_looks_of_any_form_are_read_or_passed_over(model, tmp_path):
    path = tmp_path / "run.nce"
    shutil.copytree(model, path)
    looks = [
        {"analogies": 5},
        {"analogies": {"a": 5, "b": {"accuracy": "x"}, "c": {"accuracy": None}, "g": {"accuracy": 10**400}}},
        {"analogies": {"d": {"accuracy": True}, "e": {"accuracy": 0.5, "interval": [0.4]}}},
        {"heldout": {"nce_loss": 2}, "similarity": {"f": {"spearman": -0.5, "interval": [-0.6, "y"]}}},
    ]
    lines = [json.dumps({"step": 10 * step, "evaluation": look}) for step, look in enumerate(looks)]
    (path / "metrics.jsonl").write_text("\n".join(lines))
    runs = read_runs([path])
    content = content_of(runs, [{}], map_words(runs[0].embeddings, 5))
    curves = {(look["measure"], look["name"]): look for look in content["runs"][0]["looks"]}
    assert {key: look["value"] for key, look in curves.items()} == {
        ("accuracy", "e"): [0.5],
        ("heldout", "held-out text"): [2],
        ("spearman", "f"): [-0.5],
    }
    assert all(look["interval"] == [None] and look["tokens"] == [None] for look in curves.values())


@pytest.mark.parametrize(
    ("number", "every", "drawn"),
    [(0, 1, []), (1, 1, [1]), (7, 1, [1, 2, 3, 4, 5, 6, 7]), (8, 2, [1, 3, 5, 7, 8]), (9, 2, [1, 3, 5, 7, 9])],
)
def test_of_many_readings_some_and_the_last_are_drawn_once(model, tmp_path, monkeypatch, number, every, drawn):
    monkeypatch.setattr("nce_train.report.content.MOST_READINGS", 7)
    path = tmp_path / "run.nce"
    shutil.copytree(model, path)
    (path / "metrics.jsonl").write_text("".join(f'{{"step": {step}}}\n' for step in range(1, number + 1)))
    runs = read_runs([path])
    (run,) = content_of(runs, [{}], map_words(runs[0].embeddings, 5))["runs"]
    assert (run["drawn_every"], run["readings"]["step"]) == (every, drawn)


def test_looks_lie_between_readings_and_neighbours_beyond_the_map_have_words(model):
    (run,) = runs = read_runs([model])
    word_map = map_words(run.embeddings, 5)
    assert (word_map.neighbours >= 5).any()
    content = content_of(runs, [{}], word_map)
    (shown,) = content["runs"]
    assert shown["manifest"]["corpus"][0]["name"] == "text.txt"  # and not where it lay
    looks = {look["measure"]: look for look in shown["looks"]}
    assert looks["heldout"]["step"] == [100, 200, 300]
    assert looks["heldout"]["tokens"] == pytest.approx([1000, 2000, 3000])
    assert looks["accuracy"]["seconds"] == pytest.approx([4, 8, 12])
    places = np.frombuffer(base64.b64decode(content["map"]["neighbours"]), "<u4").reshape(5, -1)
    expected = [[run.embeddings.index_to_key[row] for row in near] for near in word_map.neighbours.tolist()]
    assert [[content["map"]["words"][place] for place in near] for near in places.tolist()] == expected


def test_long_words_are_cut_short():
    assert shown_word("x" * 200) == "x" * 200 and shown_word("x" * 201) == "x" * 200 + "…"


def test_names_are_short_unless_they_would_be_the_same(model, tmp_path):
    twin = tmp_path / "run.nce"
    shutil.copytree(model, twin)
    assert [run.name for run in read_runs([model])] == ["run.nce"]
    assert [run.name for run in read_runs([model, twin])] == [str(model), str(twin)]
    with pytest.raises(InputError, match="given twice"):
        read_runs([model, f"{model}/"])


def test_an_unfinished_model_is_refused(model, tmp_path):
    path = tmp_path / "run.nce"
    shutil.copytree(model, path)
    (path / "manifest.json").unlink()
    with pytest.raises(InputError, match="unfinished"):
        read_runs([path])
