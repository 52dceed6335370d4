"""3CosAdd and 3CosMul in blocks: against a slow twin that has the formulas as they stand in the papers."""

import numpy as np
import pytest

from nce_train.evaluation import answers as room
from nce_train.evaluation.answers import answers


def slow_answers(vectors, a, b, c):
    """One question as it is defined, in float64."""
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    to_a, to_b, to_c = (units @ units[row] for row in (a, b, c))
    add = to_b - to_a + to_c
    mul = (to_b + 1) / 2 * (to_c + 1) / 2 / ((to_a + 1) / 2 + 1e-6)
    return [
        next(row for row in np.argsort(-scores, kind="stable").tolist() if row not in (a, b, c))
        for scores in (add, mul)
    ]


@pytest.fixture(params=[(512, 1 << 14), (5, 7)], ids=["one block", "many blocks"])
def _blocks(request, monkeypatch):
    monkeypatch.setattr(room, "_WORDS_AT_ONCE", request.param[0])
    monkeypatch.setattr(room, "_ROWS_AT_ONCE", request.param[1])


@pytest.mark.usefixtures("_blocks")
def test_answers_are_the_slow_twin_s():
    rng = np.random.default_rng(11)
    vectors = (rng.standard_normal((60, 6)) * rng.uniform(0.1, 9, (60, 1))).astype(np.float32)
    questions = rng.integers(0, len(vectors), (200, 3))
    questions[50:80, :2] = questions[50, :2]  # as in a file, many with the same pair
    expected = np.array([slow_answers(vectors.astype(np.float64), *question) for question in questions])
    found = answers(vectors, questions)
    assert found.add.tolist() == expected[:, 0].tolist()
    assert found.mul.tolist() == expected[:, 1].tolist()
    assert (expected[:, 0] != expected[:, 1]).any()


@pytest.mark.usefixtures("_blocks")
def test_opposite_vectors_have_answers_too():
    vectors = np.array([[1, 0], [-1, 0], [0, 1], [0, -1], [1, 0]], np.float32)
    questions = np.array([[0, 1, 2], [2, 3, 0], [0, 2, 3]])
    found = answers(vectors, questions)
    assert np.array(found).T.tolist() == [slow_answers(vectors.astype(np.float64), *question) for question in questions]


def test_a_word_opposite_to_a_is_not_always_the_answer_by_3cosmul():
    """Row 3 has a cos' of 0 to a, and of hardly more to b and c."""
    angles = np.array([0, 0.02, -0.02, np.pi, np.pi / 2])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert answers(vectors, np.array([[0, 1, 2]])).mul.tolist() == [4]
    assert slow_answers(vectors.astype(np.float64), 0, 1, 2)[1] == 4


def test_where_no_word_is_left_there_is_no_answer():
    found = answers(np.eye(3, dtype=np.float32), np.array([[0, 1, 2], [0, 1, 1]]))
    assert found.add.tolist() == found.mul.tolist() == [-1, 2]


def test_no_question_and_progress(monkeypatch):
    assert len(answers(np.eye(3, dtype=np.float32), np.empty((0, 3), np.intp)).add) == 0
    monkeypatch.setattr(room, "_WORDS_AT_ONCE", 4)
    monkeypatch.setattr(room, "_ROWS_AT_ONCE", 20)
    told = []
    questions = np.arange(30).reshape(10, 3)
    answers(
        np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32), questions, lambda *at: told.append(at)
    )
    assert told == sorted(told) and told[-1] == (10, 10) and len(told) > 10
