"""The content of the page: curves, and the words, points and neighbours of the map."""

import base64
import json
import shutil

import numpy as np
import pytest

from nce_train.report.content import page_content, shorten_word
from nce_train.report.models import read_models
from nce_train.report.word_map import map_words


def test_evaluations_of_any_form_are_read_or_skipped(model, tmp_path):
    path = tmp_path / "run.nce"
    shutil.copytree(model, path)
    evaluations = [
        {"analogies": 5},
        {"analogies": {"a": 5, "b": {"accuracy": "x"}, "c": {"accuracy": None}, "g": {"accuracy": 10**400}}},
        {"analogies": {"d": {"accuracy": True}, "e": {"accuracy": 0.5, "interval": [0.4]}}},
        {"heldout": {"nce_loss": 2}, "similarity": {"f": {"spearman": -0.5, "interval": [-0.6, "y"]}}},
    ]
    lines = [json.dumps({"step": 10 * step, "evaluation": evaluation}) for step, evaluation in enumerate(evaluations)]
    (path / "metrics.jsonl").write_text("\n".join(lines))
    models = read_models([path])
    content = page_content(models, [{}], map_words(models[0].embeddings, 5))
    curves = {(curve["measure"], curve["name"]): curve for curve in content["models"][0]["evaluation_curves"]}
    assert {key: curve["value"] for key, curve in curves.items()} == {
        ("accuracy", "e"): [0.5],
        ("heldout", "held-out text"): [2],
        ("spearman", "f"): [-0.5],
    }
    assert all(curve["interval"] == [None] and curve["tokens"] == [None] for curve in curves.values())


@pytest.mark.parametrize(
    ("number", "every", "drawn"),
    [(0, 1, []), (1, 1, [1]), (7, 1, [1, 2, 3, 4, 5, 6, 7]), (8, 2, [1, 3, 5, 7, 8]), (9, 2, [1, 3, 5, 7, 9])],
)
def test_many_readings_are_thinned_and_the_last_is_kept(model, tmp_path, monkeypatch, number, every, drawn):
    monkeypatch.setattr("nce_train.report.content.MAX_READINGS", 7)
    path = tmp_path / "run.nce"
    shutil.copytree(model, path)
    (path / "metrics.jsonl").write_text("".join(f'{{"step": {step}}}\n' for step in range(1, number + 1)))
    models = read_models([path])
    (found,) = page_content(models, [{}], map_words(models[0].embeddings, 5))["models"]
    assert (found["drawn_every"], found["readings"]["step"]) == (every, drawn)


def test_evaluations_are_placed_between_readings_and_neighbours_beyond_the_map_have_words(model):
    (read,) = models = read_models([model])
    word_map = map_words(read.embeddings, 5)
    assert (word_map.neighbours >= 5).any()
    content = page_content(models, [{}], word_map)
    (found,) = content["models"]
    assert found["manifest"]["corpus"][0]["name"] == "text.txt"  # without its directory
    curves = {curve["measure"]: curve for curve in found["evaluation_curves"]}
    assert curves["heldout"]["step"] == [100, 200, 300]
    assert curves["heldout"]["tokens"] == pytest.approx([1000, 2000, 3000])
    assert curves["accuracy"]["seconds"] == pytest.approx([4, 8, 12])
    places = np.frombuffer(base64.b64decode(content["map"]["neighbours"]), "<u4").reshape(5, -1)
    expected = [[read.embeddings.index_to_key[row] for row in near] for near in word_map.neighbours.tolist()]
    assert [[content["map"]["words"][place] for place in near] for near in places.tolist()] == expected


def test_long_words_are_shortened():
    assert shorten_word("x" * 200) == "x" * 200 and shorten_word("x" * 201) == "x" * 200 + "…"
