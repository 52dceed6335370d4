"""The model directory: input.npy and vocab.tsv are enough; damage is told in one sentence."""

import numpy as np
import pytest

from nce_train.embeddings import Embeddings
from nce_train.errors import InputError


@pytest.fixture
def directory(tmp_path):
    path = tmp_path / "corpus.nce"
    path.mkdir()
    np.save(path / "input.npy", np.arange(12, dtype=np.float32).reshape(4, 3))
    np.save(path / "output.npy", np.arange(12, 24, dtype=np.float32).reshape(4, 3))
    (path / "vocab.tsv").write_bytes(b"UNK\t3\nthe\t9\n\xff\t5\nof\t5\n")
    return path


def test_words_counts_and_vectors(directory):
    model = Embeddings.load(directory)
    assert model.index_to_key == ["UNK", "the", "\udcff", "of"]
    assert model.counts.tolist() == [3, 9, 5, 5]
    assert model["of"].tolist() == [9, 10, 11]
    assert isinstance(model.vectors, np.memmap) and not model.vectors.flags.writeable


@pytest.mark.parametrize(("vectors", "first"), [("input", 0), ("output", 12), ("sum", 12)])
def test_which_vectors(directory, vectors, first):
    model = Embeddings.load(directory, vectors=vectors)
    assert model.vectors[0, 0] == first
    assert model.vectors[3, 2] == {"input": 11, "output": 23, "sum": 34}[vectors]


def test_a_word_that_looks_escaped_is_the_corpus_s_own(directory):
    (directory / "vocab.tsv").write_bytes(b"%_a%20b\t9\nthe\t8\nx\t5\nof\t5\n")
    assert Embeddings.load(directory).index_to_key[0] == "%_a%20b"


@pytest.mark.parametrize(
    ("damage", "vectors", "sentence"),
    [
        (lambda d: (d / "input.npy").unlink(), "input", "not a model directory"),
        (lambda d: (d / "vocab.tsv").unlink(), "input", "vocab.tsv: the words cannot be read"),
        (lambda d: (d / "output.npy").unlink(), "sum", "this model has no output.npy"),
        (lambda d: (d / "vocab.tsv").write_bytes(b"a\t1\n"), "input", "does not fit the 1 words"),
        (
            lambda d: (d / "vocab.tsv").write_bytes(b"a\t4\nb\t3\na\t2\nc\t1\n"),
            "input",
            "row 2: the word 'a'",
        ),
        (lambda d: (d / "vocab.tsv").write_bytes(b"a\t4\nb\t3\nc\t2\nd 1\n"), "input", "vocab.tsv, line 4"),
        (lambda d: np.save(d / "output.npy", np.ones((4, 2), np.float32)), "sum", "the dim 3"),
        (lambda d: np.save(d / "input.npy", np.full((4, 3), np.nan)), "input", "row 0: the vector of 'UNK'"),
        (lambda d: (d / "input.npy").write_bytes(b"nonsense"), "input", "input.npy: not an array file"),
    ],
)
def test_damage_is_told_in_one_sentence(directory, damage, vectors, sentence):
    damage(directory)
    with pytest.raises(InputError, match=sentence):
        Embeddings.load(directory, vectors=vectors)
