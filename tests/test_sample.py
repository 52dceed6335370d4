"""The sample: the generator gives the committed text again, and the analogies are of its words."""

import collections
import lzma
from importlib import resources

import pytest

from nce_train.evaluation.analogy_sets import read_analogies
from nce_train.sample import generate

SAMPLE = resources.files("nce_train.sample")


@pytest.fixture(scope="module")
def text():
    return lzma.decompress((SAMPLE / "sample.txt.xz").read_bytes()).decode("ascii")


def test_generating_gives_the_same_bytes(text):
    assert generate.corpus() == text
    assert generate.analogies().encode() == (SAMPLE / "analogies.txt").read_bytes()


def test_the_corpus_is_what_its_readme_says(text):
    words = text.split()
    lines = text.splitlines()
    readme = (SAMPLE / "README.md").read_text(encoding="utf-8")
    assert len(words) >= 300_000
    assert f"{len(words):,} tokens" in readme
    assert f"{len(set(words)):,} distinct words" in readme
    assert text == text.lower() and set(text) <= set("abcdefghijklmnopqrstuvwxyz \n")
    assert all(len(line.split()) >= 9 for line in lines) and len(set(lines)) > 0.99 * len(lines)


def test_the_analogies_are_of_frequent_words_and_all_different(text):
    counts = collections.Counter(text.split())
    questions = read_analogies(SAMPLE / "analogies.txt")
    readme = (SAMPLE / "README.md").read_text(encoding="utf-8")
    assert f"{len(questions):,} analogy questions" in readme
    assert len({question.section for question in questions}) == 10
    assert len(set(questions)) == len(questions)
    assert all(counts[word] >= 60 for question in questions for word in question[1:5])
    assert all(len(set(question[1:5])) == 4 for question in questions)


def test_no_sentence_spells_out_an_analogy(text):
    questions = read_analogies(SAMPLE / "analogies.txt")
    assert not any(" ".join(question[1:5]) in text for question in questions)
    together = {frozenset(question[1:5]) for question in questions}
    for line in text.splitlines():
        words = line.split()
        assert not any(frozenset(words[i : i + 4]) in together for i in range(len(words)))


def test_no_word_belongs_to_two_facts():
    tables = (generate.COUNTRIES, generate.ADJECTIVES, generate.NOUNS, generate.VERBS, generate.FAMILY)
    words = [word for table in tables for fact, _ in generate.facts(table) for word in fact]
    matter = {word for table in tables for _, words_of in generate.facts(table) for word in words_of}
    assert len(set(words)) == len(words)
    assert not matter & set(words)
