"""Analogies by 3CosAdd and 3CosMul: against gensim and a slow twin; which are asked, and what counts as correct."""

import numpy as np
import pytest

from nce_train.embeddings import Embeddings
from nce_train.errors import InputError
from nce_train.evaluation import analogies
from nce_train.evaluation.analogies import answer_questions, find_row, measure_analogies, summarise_analogies
from nce_train.evaluation.analogy_sets import Question


def summary(model, questions, restrict_vocab=30_000):
    """The counts of a model on questions."""
    return summarise_analogies(questions, *measure_analogies(model, questions, restrict_vocab))


def learnable(rng, families=40, parts=3, dim=20):
    """Vectors of families × parts words, for which most analogies hold."""
    vectors = rng.standard_normal((families, 1, dim)) + rng.standard_normal((1, parts, dim))
    vectors += 0.8 * rng.standard_normal((families, parts, dim))
    vectors *= rng.uniform(0.5, 2, (families, parts, 1))
    return vectors.reshape(-1, dim).astype(np.float32)


@pytest.mark.parametrize("restrict_vocab", [120, 80, 15])
def test_counts_match_gensim(tmp_path, gensim, restrict_vocab):
    rng = np.random.default_rng(7)
    vectors = learnable(rng)
    words = [f"w{i}" for i in range(len(vectors))]
    questions, lines = [], []
    for section in ("first", "second"):
        lines.append(f": {section}")
        for _ in range(150):
            one, other = rng.choice(40, 2, replace=False) * 3
            names = [f"w{one}", f"w{one + 1}", f"w{other}", f"w{other + 1}"]
            lines.append(" ".join(names))
            questions.append(Question(section, *names))
    (tmp_path / "set.txt").write_text("\n".join(lines) + "\n")

    theirs = gensim.models.KeyedVectors(vectors.shape[1])
    theirs.add_vectors(words, vectors)
    path = str(tmp_path / "set.txt")
    accuracy, sections = theirs.evaluate_word_analogies(path, restrict_vocab=restrict_vocab)
    everywhere, _ = theirs.evaluate_word_analogies(path, restrict_vocab=120)
    ours = summary(Embeddings(words, vectors), questions, restrict_vocab)

    assert ours["questions"] == 300
    assert ours["accuracy"] == pytest.approx(accuracy)
    assert ours["whole_vocabulary"]["accuracy"] == pytest.approx(everywhere)
    assert ours["whole_vocabulary"]["coverage"] == 1
    assert 0 < ours["accuracy"] < 1
    assert ours["interval"][0] < ours["accuracy"] < ours["interval"][1]
    for section in sections[:-1]:
        counts = ours["sections"][section["section"]]
        assert counts["correct"] == len(section["correct"])
        assert counts["asked"] == len(section["correct"]) + len(section["incorrect"])
        assert counts["coverage"] == counts["asked"] / 150


@pytest.mark.filterwarnings("ignore:Call to deprecated `init_sims`:DeprecationWarning")  # by gensim itself
@pytest.mark.parametrize("restrict_vocab", [120, 80])
def test_answers_by_3cosmul_match_gensim(gensim, restrict_vocab):
    rng = np.random.default_rng(7)
    vectors = learnable(rng)
    words = [f"w{i}" for i in range(len(vectors))]
    theirs = gensim.models.KeyedVectors(vectors.shape[1])
    theirs.add_vectors(words[:restrict_vocab], vectors[:restrict_vocab])
    questions, right = [], []
    for _ in range(100):
        one, other = rng.choice(restrict_vocab // 3, 2, replace=False) * 3
        a, b, c, d = (f"w{row}" for row in (one, one + 1, other, other + 1))
        questions.append(Question("", a, b, c, d))
        right.append(theirs.most_similar_cosmul(positive=[b, c], negative=[a], topn=1)[0][0] == d)
    counts = summary(Embeddings(words, vectors), questions, restrict_vocab)
    assert counts["asked"] == 100 and 0 < counts["correct"] != counts["cosmul"]["correct"] == sum(right)


def model_of(words):
    return Embeddings(words, np.eye(len(words), 8, dtype=np.float32) + 0.1)


def test_words_are_found_as_given_or_else_in_another_spelling():
    model = model_of(["athens", "greece", "Oslo", "norway", "oslo"])
    questions = [Question("s", "Athens", "Greece", "Oslo", "Norway")]
    assert summary(model, questions)["asked"] == 1
    assert find_row(model.key_to_index, "Oslo", 5) == 2
    assert find_row(model.key_to_index, "OSLO", 5) == 4
    assert find_row(model.key_to_index, "OSLO", 4) == -1
    assert find_row({"A": 3, "a": 0}, "A", 2) == 0  # as given it is not among the most frequent
    composed, decomposed = "Orl\u00e9ans", "orle\u0301ans"
    assert find_row({"x": 0, decomposed: 1}, composed, 2) == 1
    assert find_row({"x": 0, composed: 1}, "Orle\u0301ans", 2) == 1
    assert find_row({"x": 0, "ildiz": 1}, "İldiz", 2) == 1


def test_a_question_word_is_never_the_answer():
    model = Embeddings(["a", "b", "c", "d"], [[1, 0], [0.9, 0.1], [1, 0.01], [0, 1]])
    result = summary(model, [Question("s", "a", "b", "c", "d"), Question("s", "a", "b", "c", "c")])
    assert (result["correct"], result["asked"]) == (1, 2)


def test_accuracy_is_none_when_nothing_is_asked():
    result = summary(model_of(["a", "b"]), [Question("", "a", "b", "x", "y")])
    counts = {
        "correct": 0,
        "asked": 0,
        "questions": 1,
        "accuracy": None,
        "coverage": 0.0,
        "interval": None,
        "cosmul": {"correct": 0, "accuracy": None, "interval": None},
    }
    whole = {"words": 2, **counts}
    assert result == {"words": 2, **counts, "sections": {"": counts}, "whole_vocabulary": whole}


def test_any_of_several_answers_is_correct():
    model = Embeddings(["a", "b", "c", "d", "e"], [[1, 0], [0.9, 0.1], [1, 0.01], [1, 0.2], [-1, 0.1]])
    question = Question("s", "a", "b", "c", "e")
    assert summary(model, [question])["correct"] == 0
    assert summary(model, [question._replace(also=("unknown", "D"))])["correct"] == 1
    assert summary(model, [question._replace(expected="unknown", also=("d",))])["correct"] == 1
    assert summary(model, [question._replace(expected="unknown", also=("other",))])["asked"] == 0


def test_a_word_may_have_another_row_among_the_frequent_words():
    """Among the first four words "Oslo" is found as "oslo", among all words as itself."""
    model = Embeddings(["a", "oslo", "c", "d", "Oslo"], [[1, 0], [0.9, 0.1], [1, 0.01], [0, 1], [-1, 0.1]])
    result = summary(model, [Question("s", "a", "Oslo", "c", "d")], 4)
    assert (result["asked"], result["whole_vocabulary"]["asked"]) == (1, 1)


@pytest.mark.parametrize("every", [0, None])
def test_zero_or_none_searches_all_words(every):
    model = model_of(["a", "b", "c", "d"])
    questions = [Question("s", "a", "b", "c", "d")]
    assert summary(model, questions, 3)["asked"] == 0
    assert summary(model, questions, every)["asked"] == 1
    with pytest.raises(InputError, match="restrict_vocab is -1"):
        measure_analogies(model, questions, -1)


def slow_answers(vectors, a, b, c):
    """The answers to one question by the formulas of the papers, in float64."""
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
    monkeypatch.setattr(analogies, "_WORDS_PER_BLOCK", request.param[0])
    monkeypatch.setattr(analogies, "_ROWS_PER_BLOCK", request.param[1])


@pytest.mark.usefixtures("_blocks")
def test_answers_match_the_slow_twin():
    rng = np.random.default_rng(11)
    vectors = (rng.standard_normal((60, 6)) * rng.uniform(0.1, 9, (60, 1))).astype(np.float32)
    questions = rng.integers(0, len(vectors), (200, 3))
    questions[50:80, :2] = questions[50, :2]  # as in a file, many with the same pair
    expected = np.array([slow_answers(vectors.astype(np.float64), *question) for question in questions])
    found = answer_questions(vectors, questions)
    assert found.T.tolist() == expected.tolist()
    assert (expected[:, 0] != expected[:, 1]).any()


@pytest.mark.usefixtures("_blocks")
def test_opposite_vectors_have_answers():
    vectors = np.array([[1, 0], [-1, 0], [0, 1], [0, -1], [1, 0]], np.float32)
    questions = np.array([[0, 1, 2], [2, 3, 0], [0, 2, 3]])
    found = answer_questions(vectors, questions)
    assert found.T.tolist() == [slow_answers(vectors.astype(np.float64), *question) for question in questions]


def test_a_word_opposite_to_a_is_not_always_the_answer_by_3cosmul():
    """The cos' of row 3 is 0 to a, and hardly more to b and c."""
    angles = np.array([0, 0.02, -0.02, np.pi, np.pi / 2])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert answer_questions(vectors, np.array([[0, 1, 2]]))[1].tolist() == [4]
    assert slow_answers(vectors.astype(np.float64), 0, 1, 2)[1] == 4


def test_no_answer_where_no_other_word_is_left():
    found = answer_questions(np.eye(3, dtype=np.float32), np.array([[0, 1, 2], [0, 1, 1]]))
    assert found.tolist() == [[-1, 2], [-1, 2]]


def test_no_question_and_progress(monkeypatch):
    assert answer_questions(np.eye(3, dtype=np.float32), np.empty((0, 3), np.intp)).shape == (2, 0)
    monkeypatch.setattr(analogies, "_WORDS_PER_BLOCK", 4)
    monkeypatch.setattr(analogies, "_ROWS_PER_BLOCK", 20)
    reports = []
    questions = np.arange(30).reshape(10, 3)
    answer_questions(
        np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32), questions, lambda *at: reports.append(at)
    )
    assert reports == sorted(reports) and reports[-1] == (10, 10) and len(reports) > 10
