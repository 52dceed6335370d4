"""Evaluations of `KeyedVectors`: scores, sections and p-values are those of gensim and SciPy."""

import numpy as np
import pytest

from nce_train.gensim import KeyedVectors
from nce_train.gensim.evaluations import _correlation, _ranks

WORDS = [f"{letter}{number}" for letter in "abcdefgh" for number in range(6)] + ["Paris", "paris", "ROME"]
VECTORS = np.random.default_rng(1).standard_normal((len(WORDS), 6)).astype(np.float32)
VECTORS[:48] += np.repeat(np.random.default_rng(2).standard_normal((8, 6)), 6, axis=0).astype(np.float32) * 2


@pytest.fixture(scope="module")
def both(gensim):
    made = []
    for kind in (KeyedVectors, gensim.models.KeyedVectors):
        vectors = kind(6)
        vectors.add_vectors(WORDS, VECTORS)
        made.append(vectors)
    return made


@pytest.fixture(scope="module")
def analogies(tmp_path_factory):
    generator = np.random.default_rng(5)
    lines = []
    for section in ("first", "second"):
        lines.append(f": {section}")
        for _ in range(40):
            lines.append(" ".join(generator.choice(WORDS, 4)))
        lines.append("a0 unknown b1 c2")
    path = tmp_path_factory.mktemp("sets") / "analogies.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("any_case", [True, False])
@pytest.mark.parametrize("dummy", [True, False])
def test_analogies(both, analogies, any_case, dummy):
    options = {"case_insensitive": any_case, "dummy4unknown": dummy}
    (score, sections), (their_score, theirs) = (
        each.evaluate_word_analogies(analogies, restrict_vocab=45, **options) for each in both
    )
    assert score == pytest.approx(their_score)
    assert [each["section"] for each in sections] == [each["section"] for each in theirs]
    for ours, other in zip(sections, theirs, strict=True):
        assert sorted(ours["correct"]) == sorted(other["correct"])
        assert sorted(ours["incorrect"]) == sorted(other["incorrect"])


def test_analogies_by_products(both, analogies):
    """gensim 4.4 takes most_similar whatever `similarity_function` is: each answer is compared with its product."""
    ours, theirs = both
    _, sections = ours.evaluate_word_analogies(
        analogies, case_insensitive=False, similarity_function="most_similar_cosmul"
    )
    assert sections[-1]["correct"]
    for kind in ("correct", "incorrect"):
        for a, b, c, expected in sections[-1][kind]:
            answers = theirs.most_similar_cosmul(positive=[b, c], negative=[a], topn=1)
            assert (answers[0][0] == expected) == (kind == "correct")


@pytest.mark.parametrize("dummy", [True, False])
@pytest.mark.parametrize("any_case", [True, False])
def test_pairs(both, tmp_path, dummy, any_case):
    generator = np.random.default_rng(7)
    lines = ["# a comment"]
    lines += [f"{a}\t{b}\t{generator.integers(0, 10)}" for a, b in generator.choice(WORDS, (60, 2))]
    (tmp_path / "pairs.tsv").write_text("\n".join([*lines, "a1\tunknown\t3", "not a pair"]) + "\n")
    ours, theirs = (
        each.evaluate_word_pairs(tmp_path / "pairs.tsv", dummy4unknown=dummy, case_insensitive=any_case)
        for each in both
    )
    np.testing.assert_allclose(ours[0], tuple(theirs[0]), rtol=1e-5)
    np.testing.assert_allclose(ours[1], tuple(theirs[1]), rtol=1e-5)
    assert ours[2] == pytest.approx(theirs[2])


def test_wrong_sets(both, tmp_path):
    (tmp_path / "set.txt").write_text("a0 b0 c0 d0\n")
    for each in both:
        with pytest.raises(ValueError, match=r"(?i)section header"):
            each.evaluate_word_analogies(tmp_path / "set.txt")
        with pytest.raises(ValueError, match="No valid similarity"):
            each.evaluate_word_pairs(tmp_path / "set.txt")
    with pytest.raises(ValueError, match="similarity_function is 'x'"):
        both[0].evaluate_word_analogies(tmp_path / "set.txt", similarity_function="x")


@pytest.mark.parametrize("size", [3, 10, 100, 3000])
@pytest.mark.parametrize("mixed", [0.0, 0.05, 1.0])
def test_p_values_are_those_of_scipy(size, mixed):
    stats = pytest.importorskip("scipy.stats")
    one, other = np.random.default_rng(size).standard_normal((2, size)).round(1)
    other = other + mixed * one
    np.testing.assert_allclose(_correlation(one, other), tuple(stats.pearsonr(one, other)), rtol=1e-6, atol=1e-300)
    np.testing.assert_allclose(_ranks(one), stats.rankdata(one))
