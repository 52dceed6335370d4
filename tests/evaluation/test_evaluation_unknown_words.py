"""Evaluation with unknown words and their composed vectors, against look-ups of `Embeddings`, a question at a time."""

import numpy as np
import pytest

import nce_train
from nce_train.embeddings import Embeddings
from nce_train.embeddings.subwords import SubWords
from nce_train.errors import InputError
from nce_train.evaluation.analogies import AsGiven
from nce_train.evaluation.similarity import spearman
from nce_train.evaluation.unknown_words import AnyWord
from nce_train.text.ngrams import ngram_buckets

STEMS = ("mill", "river", "winter", "bread", "corn", "lamp")
RARE = "ox"  # the last word of the vocabulary, of whose n-grams none is known
WORDS = [*(f"{stem}{end}" for end in ("", "s", "ing") for stem in STEMS), RARE]
STRANGE = "zzzzz"
PAIRS = [("mill", "mills"), ("Millers", "river"), ("wintery", "winter"), ("breaded", "cornish"), (STRANGE, "mill")]
PAIRS += [("corn", "lamping"), ("lamps", "lampings")]
SCORES = [9.5, 1, 8, 3, 5, 2.5, 7]


@pytest.fixture
def model():
    _, found = ngram_buckets(WORDS[:-1], 3, 5, 20_000)
    rows = np.unique(found).astype(np.int32)
    numbers = np.random.default_rng(7).standard_normal((len(rows) + len(WORDS), 8)).astype(np.float32)
    subwords = SubWords(3, 5, 20_000, rows, numbers[len(WORDS) :])
    return Embeddings(WORDS, numbers[: len(WORDS)], subwords=subwords)


@pytest.fixture
def questions(tmp_path):
    """Questions in lower case, of known words, of unknown ones, and of one that has no vector."""
    stems = [*WORDS[:6], "brook", "millstone", "winterly", STRANGE]
    lines = [f"{a} {a}s {c} {d}s" for a in stems for c in stems for d in ("mill", "winter", "brook") if a != c]
    lines += [f"{a} {RARE} {c} mills" for a in STEMS for c in STEMS if a != c]
    (tmp_path / "plurals.txt").write_text(": plural\n" + "\n".join(lines) + "\n")
    return [line.split() for line in lines]


def has_vector(model, word):
    return word in model or model.subwords.known_ngrams(word) > 0


def test_words_are_found_in_the_first_place_that_has_them(model):
    some, every = AsGiven(model.key_to_index, 3), AsGiven(model.key_to_index, len(model))
    any_word = AnyWord(model, [some, every])
    numbers = np.array([any_word.find(word) for word in ("river", "Lamps", "milling", "millers", "Milled", "millers")])
    assert numbers.tolist() == [1, 11, 12, 19, 20, 19] and any_word.find(STRANGE) == -1
    expected = model[["river", "lamps", "milling", "millers", "milled", "millers"]]
    np.testing.assert_array_equal(any_word.vectors_of(numbers), expected)


def expected_counts(model, questions, rows):
    """What `most_similar` and `most_similar_cosmul` answer; the answer is to be among the first rows."""
    asked = [q for q in questions if all(has_vector(model, w) for w in q[:3]) and q[3] in WORDS[:rows]]
    right = [
        sum(
            search(positive=[b, c], negative=[a], topn=1, restrict_vocab=rows)[0][0] == answer
            for a, b, c, answer in asked
        )
        for search in (model.most_similar, model.most_similar_cosmul)
    ]
    return len(asked), *right


@pytest.mark.parametrize("restrict_vocab", [0, 9])
@pytest.mark.parametrize("fold_case", [False, True])
def test_analogies_with_unknown_words(tmp_path, model, questions, restrict_vocab, fold_case):
    path = tmp_path / "plurals.txt"
    report = nce_train.evaluate(model, path, restrict_vocab=restrict_vocab, oov=True, fold_case=fold_case)
    usual = nce_train.evaluate(model, path, restrict_vocab=restrict_vocab, fold_case=fold_case)
    result = report["analogies"]["plurals"]
    oov = result.pop("oov")
    assert result == usual["analogies"]["plurals"]
    rows = restrict_vocab or len(WORDS)
    asked, add, mul = expected_counts(model, questions, rows)
    assert asked > result["asked"] and 0 < add < asked
    assert (oov["words"], oov["asked"], oov["questions"]) == (rows, asked, len(questions))
    assert (oov["correct"], oov["cosmul"]["correct"]) == (add, mul)
    assert oov["coverage"] == asked / len(questions) and oov["accuracy"] == add / asked
    assert oov.keys() == result.keys() - {"sections", "whole_vocabulary"}


def test_similarities_with_unknown_words(tmp_path, model):
    lines = [f"{first}\t{second}\t{score}\n" for (first, second), score in zip(PAIRS, SCORES, strict=True)]
    (tmp_path / "pairs.tsv").write_text("".join(lines))
    result = nce_train.evaluate(model, tmp_path / "pairs.tsv", oov=True)["similarity"]["pairs"]
    oov = result.pop("oov")
    assert result == nce_train.evaluate(model, tmp_path / "pairs.tsv")["similarity"]["pairs"]
    # "Millers" has more known n-grams in lower case.
    lowered = [(first.lower(), second.lower(), score) for (first, second), score in zip(PAIRS, SCORES, strict=True)]
    with_vectors = [pair for pair in lowered if STRANGE not in pair]
    cosines = np.array([model.similarity(first, second) for first, second, _ in with_vectors])
    expected = spearman(cosines, np.array([score for _, _, score in with_vectors]))
    assert (oov["pairs"], oov["of"], result["pairs"]) == (6, 7, 2)
    assert oov["spearman"] == pytest.approx(expected)
    assert oov.keys() == result.keys() - {"restricted_vocabulary"}


def test_a_model_without_subwords_is_refused(tmp_path, model, questions):
    plain = Embeddings(WORDS, model.vectors)
    with pytest.raises(
        InputError, match="the model: it has no sub-words, so that unknown words have no vectors; leave"
    ):
        nce_train.evaluate(plain, tmp_path / "plurals.txt", oov=True)
    plain.save(tmp_path / "plain.txt")
    with pytest.raises(InputError, match=r"plain.txt: it has no sub-words"):
        nce_train.evaluate(model, tmp_path / "plurals.txt", oov=True, compare=tmp_path / "plain.txt")


def test_a_model_directory_is_asked_both_on_held_out_text_and_with_unknown_words(tmp_path, model):
    directory = tmp_path / "corpus.nce"
    sentences = [WORDS[:9], WORDS[9:]] * 20
    nce_train.train(sentences, output=directory, dim=8, min_count=1, subsample=0, epochs=1, threads=1, progress=False)
    np.save(directory / "ngrams.npy", model.subwords.vectors)
    np.save(directory / "ngram_buckets.npy", model.subwords.rows)
    with (directory / "config.yaml").open("r+") as file:
        settings = "".join(line for line in file if not line.startswith(("ngrams:", "buckets:")))
        file.seek(0)
        file.truncate()
        file.write(settings + "ngrams: 3-5\nbuckets: 20000\n")
    (tmp_path / "pairs.tsv").write_text("mill\tmills\t9\nmillers\triver\t1\n")
    (tmp_path / "text.txt").write_text(" ".join(WORDS) + "\n")
    report = nce_train.evaluate(directory, tmp_path / "pairs.tsv", heldout=tmp_path / "text.txt", oov=True)
    assert report["similarity"]["pairs"]["oov"]["pairs"] == 2 and report["heldout"]["pairs"] > 0
    with pytest.raises(InputError, match="the model: it has no sub-words"):
        nce_train.evaluate(nce_train.Model.load(directory), tmp_path / "pairs.tsv", oov=True)
