"""Words of any case: figures on vectors of cased words equal those of gensim, which folds case by default."""

import itertools
import random

import numpy as np
import pytest

import nce_train
from nce_train.embeddings import Embeddings
from nce_train.errors import InputError

FAMILIES, PARTS, DIM = 30, 2, 12
FORMS = (str.lower, str.title, str.upper)


def cased_model(seed, spellings):
    """Vectors of words most of which have several spellings, noisy twins of each other, in a random order."""
    rng = np.random.default_rng(seed)
    base = rng.standard_normal((FAMILIES, 1, DIM)) + 2 * rng.standard_normal((1, PARTS, DIM))
    words, vectors = [], []
    for (family, part), vector in zip(np.ndindex(FAMILIES, PARTS), base.reshape(-1, DIM), strict=True):
        name = f"word{'abcdefghij'[family // 10]}{'klmnopqrst'[family % 10]}{'xy'[part]}"
        forms = {FORMS[form](name) for form in rng.integers(0, 3, spellings)}
        forms |= {name[:at] + name[at].upper() + name[at + 1 :] for at in range(1, spellings - 2)}
        for form in sorted(forms):
            words.append(form)
            vectors.append(vector + 0.3 * rng.standard_normal(DIM))
    order = rng.permutation(len(words))
    return [words[row] for row in order], np.array(vectors, np.float32)[order]


def write_sets(directory, words, seed):
    """Questions and pairs of the words in any case, some of them unknown."""
    chosen = random.Random(seed)
    names = sorted({word.lower() for word in words})

    def recased(word):
        return chosen.choice(FORMS)(word)

    lines = []
    for section in ("one", "two"):
        lines.append(f": {section}")
        for one, other in chosen.sample(list(itertools.permutations(range(FAMILIES), 2)), 100):
            question = [names[2 * one], names[2 * one + 1], names[2 * other], names[2 * other + 1]]
            if chosen.random() < 0.05:
                question[chosen.randrange(4)] = "unknown"
            lines.append(" ".join(map(recased, question)))
    (directory / "questions.txt").write_text("\n".join(lines) + "\n")
    pairs = [
        (recased(one), recased(other)) for one, other in chosen.sample(list(itertools.combinations(names, 2)), 120)
    ]
    scores = [f"{one}\t{other}\t{chosen.uniform(0, 10):.2f}\n" for one, other in pairs]
    (directory / "pairs.tsv").write_text("".join(scores) + "Unknown\tword\t3\n")
    return directory / "questions.txt", directory / "pairs.tsv"


@pytest.mark.filterwarnings("ignore:An input array is constant")
@pytest.mark.parametrize("spellings", [1, 3, 8])
@pytest.mark.parametrize("restricted", [10_000, 60])
def test_figures_are_those_of_gensim(tmp_path, gensim, spellings, restricted):
    words, vectors = cased_model(spellings, spellings)
    questions, pairs = write_sets(tmp_path, words, spellings)
    theirs = gensim.models.KeyedVectors(DIM)
    theirs.add_vectors(words, vectors)
    ours = nce_train.evaluate(Embeddings(words, vectors), [questions, pairs], restrict_vocab=restricted, fold_case=True)
    assert ours["fold_case"] is True

    result = ours["analogies"]["questions"]
    accuracy, sections = theirs.evaluate_word_analogies(str(questions), restrict_vocab=restricted)
    assert result["accuracy"] == accuracy and 0.2 < accuracy <= 1
    for section in sections[:-1]:
        counts = result["sections"][section["section"]]
        assert counts["correct"] == len(section["correct"])
        assert counts["asked"] == len(section["correct"]) + len(section["incorrect"]) > 0
    _, sections = theirs.evaluate_word_analogies(str(questions), restrict_vocab=len(words))
    assert result["whole_vocabulary"]["correct"] == len(sections[-1]["correct"])
    assert result["whole_vocabulary"]["asked"] == sum(len(sections[-1][kind]) for kind in ("correct", "incorrect"))
    for limit, result in (
        (restricted, ours["similarity"]["pairs"]["restricted_vocabulary"]),
        (len(words), ours["similarity"]["pairs"]),
    ):
        _, spearman, unknown = theirs.evaluate_word_pairs(str(pairs), restrict_vocab=limit)
        assert result["spearman"] == pytest.approx(spearman.statistic, abs=1e-12)
        assert 1 - result["coverage"] == pytest.approx(unknown / 100)


def test_five_nearer_spellings_leave_no_answer(tmp_path, gensim):
    """gensim looks at five rows only; the answer is the sixth."""
    twins = ["aB", "Ab", "cD", "Cd", "eF"]
    words = ["ab", "cd", "ef", "gh", *twins, "far"]
    vectors = np.array([[1, 0.1], [1, 0], [1, 0.1], [1, 0.4]] + [[1, 0.01]] * 5 + [[-1, 1]], np.float32)
    (tmp_path / "set.txt").write_text(": s\nab cd ef gh\n")
    for count in (4, 5):
        kept = [row for row in range(len(words)) if not 4 + count <= row < 9]
        theirs = gensim.models.KeyedVectors(2)
        theirs.add_vectors([words[row] for row in kept], vectors[kept])
        ours = nce_train.evaluate(Embeddings.from_gensim(theirs), [tmp_path / "set.txt"], fold_case=True)
        accuracy, _ = theirs.evaluate_word_analogies(str(tmp_path / "set.txt"))
        assert ours["analogies"]["set"]["accuracy"] == accuracy == (count == 4)


def test_any_spelling_of_any_answer_is_right_and_none_of_the_question(tmp_path):
    words = ["Paris", "France", "ROME", "rome", "paris", "ITALY", "italia"]
    vectors = np.array(
        [[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0.9, 1], [0.1, 0.9, 1], [0, 0.8, 0.8], [0, 5, 1]], np.float32
    )
    (tmp_path / "set.txt").write_text("paris\tfrance\nRome\titaly/Italia\n")
    report = nce_train.evaluate(Embeddings(words, vectors), [tmp_path / "set.txt"], fold_case=True)["analogies"]["set"]
    assert (report["asked"], report["correct"], report["cosmul"]["correct"]) == (2, 2, 2)
    report = nce_train.evaluate(Embeddings(words, vectors), [tmp_path / "set.txt"])["analogies"]["set"]
    assert report["asked"] == 0


def test_models_are_compared_in_any_case(tmp_path):
    words, vectors = cased_model(1, 3)
    questions, _ = write_sets(tmp_path, words, 1)
    upper = Embeddings([str(row) + word.upper() for row, word in enumerate(words)], vectors)
    report = nce_train.evaluate(
        Embeddings(words, vectors), [questions], compare=Embeddings(words, vectors), fold_case=True
    )
    paired = report["comparison"][0]["paired"]["analogies"]["questions"]
    assert paired["asked"] == report["analogies"]["questions"]["asked"] > 100 and paired["difference"] == 0
    assert nce_train.evaluate(upper, [questions], fold_case=True)["analogies"]["questions"]["asked"] == 0
    assert "fold_case" not in nce_train.evaluate(upper, [questions])


def test_the_set_of_words_may_be_empty(tmp_path):
    (tmp_path / "set.txt").write_text("a b c d\n")
    report = nce_train.evaluate(Embeddings(["x"], [[1.0]]), [tmp_path / "set.txt"], fold_case=True)
    assert report["analogies"]["set"]["asked"] == 0
    with pytest.raises(InputError, match="restrict_vocab is -1"):
        nce_train.evaluate(Embeddings(["x"], [[1.0]]), [tmp_path / "set.txt"], fold_case=True, restrict_vocab=-1)
