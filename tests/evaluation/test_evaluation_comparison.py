"""Comparisons of two models: on the questions asked of both and the pairs known to both."""

import numpy as np
import pytest
from scipy import stats

import nce_train
from nce_train.embeddings import Embeddings
from nce_train.evaluation import similarity
from nce_train.evaluation.analogies import AnalogyOutcome, compare_analogies
from nce_train.evaluation.similarity import SimilarityOutcome, compare_similarities


def bools(text):
    return np.array([letter == "1" for letter in text])


def test_analogies_are_compared_on_questions_asked_of_both():
    first = AnalogyOutcome(30, bools("1111110"), bools("1110100"), bools("1000000"))
    second = AnalogyOutcome(20, bools("1111011"), bools("1000001"), bools("1010000"))
    found = compare_analogies(first, second)
    interval = found.pop("interval")
    assert interval[0] <= found["difference"] <= interval[1]
    assert found.pop("cosmul")["accuracy"] == [0.2, 0.4]
    assert found == {
        "words": [30, 20],
        "asked": 5,
        "questions": 7,
        "coverage": 5 / 7,
        "accuracy": [0.6, 0.2],
        "only_first": 2,
        "only_second": 0,
        "difference": 0.4,
        "p": 0.5,
    }


def test_no_question_asked_of_both():
    first = AnalogyOutcome(3, bools("10"), bools("10"), bools("10"))
    second = AnalogyOutcome(3, bools("01"), bools("01"), bools("01"))
    found = compare_analogies(first, second)
    assert found["asked"] == 0 and found["accuracy"] == [None, None]
    assert found["difference"] is found["interval"] is found["p"] is None


def noisy(rng, scores, noise, known):
    similarities = (scores + noise * rng.standard_normal(len(scores))).astype(np.float32)
    return SimilarityOutcome(100, known, similarities, scores)


def test_similarities_are_compared_on_pairs_known_to_both(monkeypatch):
    monkeypatch.setattr(similarity, "RESAMPLES", 1_000)
    rng = np.random.default_rng(8)
    scores = rng.uniform(0, 10, 300)
    first = noisy(rng, scores, 2, np.arange(300) < 280)
    second = noisy(rng, scores, 6, np.arange(300) >= 20)
    found = compare_similarities(first, second)
    both = slice(20, 280)
    expected = [stats.spearmanr(one.similarities[both], scores[both]).statistic for one in (first, second)]
    assert found["spearman"] == pytest.approx(expected)
    assert (found["pairs"], found["of"], found["coverage"]) == (260, 300, 260 / 300)
    assert found["difference"] == pytest.approx(expected[0] - expected[1])
    assert 0 < found["interval"][0] < found["difference"] < found["interval"][1]
    assert found["p"] == 2 / 1_001
    swapped = compare_similarities(second, first)
    assert swapped["difference"] == -found["difference"] and swapped["p"] == found["p"]


def test_a_model_does_not_differ_from_itself():
    rng = np.random.default_rng(8)
    outcome = noisy(rng, rng.uniform(0, 10, 50), 5, np.ones(50, bool))
    found = compare_similarities(outcome, outcome)
    assert (found["difference"], found["interval"], found["p"]) == (0, [0, 0], 1)


def test_an_undefined_correlation_is_not_compared():
    rng = np.random.default_rng(8)
    outcome = noisy(rng, rng.uniform(0, 10, 5), 5, np.arange(5) < 1)
    found = compare_similarities(outcome, outcome)
    assert found["spearman"] == [None, None] and found["p"] is found["interval"] is found["difference"] is None


def test_p_is_rarely_small_without_a_difference(monkeypatch):
    """Two equally good models, 200 times: p < 0.1 in about a tenth of them."""
    monkeypatch.setattr(similarity, "RESAMPLES", 400)
    rng = np.random.default_rng(1)
    known = np.ones(40, bool)
    small = 0
    for _ in range(200):
        scores = rng.uniform(0, 10, 40)
        small += compare_similarities(noisy(rng, scores, 4, known), noisy(rng, scores, 4, known))["p"] < 0.1
    assert 8 <= small <= 36


@pytest.fixture
def models():
    """Two models of the same 60 words, the second with fewer and noisier vectors."""
    rng = np.random.default_rng(2)
    vectors = (rng.standard_normal((30, 1, 8)) + 2 * rng.standard_normal((1, 2, 8))).reshape(60, 8)
    words = [f"w{row}" for row in range(60)]
    worse = vectors + 1.5 * rng.standard_normal(vectors.shape)
    return Embeddings(words, vectors), Embeddings(words[:50], worse[:50])


def test_evaluate_compares_models_in_memory(tmp_path, models):
    lines = [f"w{2 * a} w{2 * a + 1} w{2 * c} w{2 * c + 1}\n" for a in range(30) for c in range(30) if a != c]
    (tmp_path / "facts.txt").write_text("".join(lines))
    (tmp_path / "pairs.tsv").write_text("".join(f"w{row}\tw{row + 9}\t{row % 7}\n" for row in range(50)))
    sets = [tmp_path / "facts.txt", tmp_path / "pairs.tsv"]
    alone = [nce_train.evaluate(model, sets, restrict_vocab=40) for model in models]
    report = nce_train.evaluate(models[0], sets, restrict_vocab=40, compare=models[1])
    (other,) = report.pop("comparison")
    paired = other.pop("paired")
    assert report == alone[0]
    assert other == {key: value for key, value in alone[1].items() if key != "bootstrap"}

    facts = paired["analogies"]["facts"]
    assert facts["words"] == [40, 40] and facts["asked"] == 20 * 19
    assert facts["accuracy"] == [one["analogies"]["facts"]["accuracy"] for one in alone]
    assert facts["accuracy"][0] > facts["accuracy"][1] and facts["p"] < 0.01
    whole = facts["whole_vocabulary"]
    assert whole["words"] == [60, 50] and whole["asked"] == 25 * 24
    assert whole["accuracy"][1] == alone[1]["analogies"]["facts"]["whole_vocabulary"]["accuracy"]
    assert paired["similarity"]["pairs"]["pairs"] == 41
    restricted = paired["similarity"]["pairs"]["restricted_vocabulary"]
    assert restricted["pairs"] == 31 and restricted["words"] == [40, 40]
    assert restricted["spearman"] == [one["similarity"]["pairs"]["restricted_vocabulary"]["spearman"] for one in alone]


def test_evaluate_compares_several_models_and_one_with_itself(models):
    report = nce_train.evaluate(models[0], compare=[models[0], models[1]])
    assert len(report["comparison"]) == 2
    assert all("paired" in other for other in report["comparison"])
