"""Analogies by 3CosAdd and 3CosMul: against gensim; which are asked, and what counts as right."""

import numpy as np
import pytest

from nce_train.embeddings import Embeddings
from nce_train.errors import InputError
from nce_train.evaluation.analogies import answer_analogies, row_of
from nce_train.evaluation.sets import Question


def learnable(rng, families=40, parts=3, dim=20):
    """Vectors of families × parts that analogies hold for, more or less."""
    vectors = rng.standard_normal((families, 1, dim)) + rng.standard_normal((1, parts, dim))
    vectors += 0.8 * rng.standard_normal((families, parts, dim))
    vectors *= rng.uniform(0.5, 2, (families, parts, 1))
    return vectors.reshape(-1, dim).astype(np.float32)


@pytest.mark.parametrize("restrict_vocab", [120, 80, 15])
def test_counts_are_gensim_s(tmp_path, gensim, restrict_vocab):
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
    ours = answer_analogies(Embeddings(words, vectors), questions, restrict_vocab)

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
def test_answers_by_3cosmul_are_gensim_s(gensim, restrict_vocab):
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
    counts = answer_analogies(Embeddings(words, vectors), questions, restrict_vocab)
    assert counts["asked"] == 100 and 0 < counts["correct"] != counts["cosmul"]["correct"] == sum(right)


def model_of(words):
    return Embeddings(words, np.eye(len(words), 8, dtype=np.float32) + 0.1)


def test_words_are_taken_as_given_and_else_lower_cased():
    model = model_of(["athens", "greece", "Oslo", "norway", "oslo"])
    questions = [Question("s", "Athens", "Greece", "Oslo", "Norway")]
    assert answer_analogies(model, questions)["asked"] == 1
    assert row_of(model.key_to_index, "Oslo", 5) == 2
    assert row_of(model.key_to_index, "OSLO", 5) == 4
    assert row_of(model.key_to_index, "OSLO", 4) == -1
    assert row_of({"A": 3, "a": 0}, "A", 2) == 0  # as given it is not among the most frequent


def test_a_question_word_is_never_the_answer():
    model = Embeddings(["a", "b", "c", "d"], [[1, 0], [0.9, 0.1], [1, 0.01], [0, 1]])
    result = answer_analogies(model, [Question("s", "a", "b", "c", "d"), Question("s", "a", "b", "c", "c")])
    assert (result["correct"], result["asked"]) == (1, 2)


def test_nothing_asked_has_no_accuracy():
    result = answer_analogies(model_of(["a", "b"]), [Question("", "a", "b", "x", "y")])
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


def test_any_of_several_answers_is_right():
    model = Embeddings(["a", "b", "c", "d", "e"], [[1, 0], [0.9, 0.1], [1, 0.01], [1, 0.2], [-1, 0.1]])
    question = Question("s", "a", "b", "c", "e")
    assert answer_analogies(model, [question])["correct"] == 0
    assert answer_analogies(model, [question._replace(also=("unknown", "D"))])["correct"] == 1
    assert answer_analogies(model, [question._replace(expected="unknown", also=("d",))])["correct"] == 1
    assert answer_analogies(model, [question._replace(expected="unknown", also=("other",))])["asked"] == 0


def test_a_word_may_be_another_row_among_the_frequent_words():
    """ "Oslo" is not among the first four words, where "oslo" is meant; among all it is itself."""
    model = Embeddings(["a", "oslo", "c", "d", "Oslo"], [[1, 0], [0.9, 0.1], [1, 0.01], [0, 1], [-1, 0.1]])
    result = answer_analogies(model, [Question("s", "a", "Oslo", "c", "d")], 4)
    assert (result["asked"], result["whole_vocabulary"]["asked"]) == (1, 1)


def test_zero_means_all_words():
    model = model_of(["a", "b", "c", "d"])
    questions = [Question("s", "a", "b", "c", "d")]
    assert answer_analogies(model, questions, 0)["asked"] == 1
    assert answer_analogies(model, questions, 3)["asked"] == 0
    with pytest.raises(InputError, match="restrict_vocab is -1"):
        answer_analogies(model, questions, -1)


@pytest.mark.parametrize("every", [0, None])
def test_all_words_are_asked_among(every):
    model = model_of(["a", "b", "c", "d"])
    questions = [Question("s", "a", "b", "c", "d")]
    assert answer_analogies(model, questions, 3)["asked"] == 0
    assert answer_analogies(model, questions, every)["asked"] == 1
