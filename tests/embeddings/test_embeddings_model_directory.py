"""The model directory: input.npy and vocab.tsv are enough; damage is refused with one sentence."""

import numpy as np
import pytest

from nce_train.embeddings import Embeddings
from nce_train.embeddings.formats import model_directory as reader
from nce_train.errors import InputError
from nce_train.runs.model_directory import CHECKPOINT, MANIFEST, OUR_FILES


@pytest.fixture
def directory(tmp_path):
    path = tmp_path / "corpus.nce"
    path.mkdir()
    np.save(path / "input.npy", np.arange(12, dtype=np.float32).reshape(4, 3))
    np.save(path / "output.npy", np.arange(12, 24, dtype=np.float32).reshape(4, 3))
    (path / "vocab.tsv").write_bytes(b"UNK\t3\nthe\t9\n\xff\t5\nof\t5\n")
    (path / "manifest.json").write_text("{}")
    return path


def test_words_counts_and_vectors(directory):
    model = Embeddings.load(directory)
    assert model.index_to_key == ["UNK", "the", "\udcff", "of"]
    assert model.counts.tolist() == [3, 9, 5, 5]
    assert model["of"].tolist() == [9, 10, 11]
    assert isinstance(model.vectors, np.memmap) and not model.vectors.flags.writeable


@pytest.mark.parametrize(("vectors", "first"), [("input", 0), ("output", 12), ("sum", 12)])
def test_input_output_or_the_sum_of_both(directory, vectors, first):
    model = Embeddings.load(directory, vectors=vectors)
    assert model.vectors[0, 0] == first
    assert model.vectors[3, 2] == {"input": 11, "output": 23, "sum": 34}[vectors]


def test_words_of_a_model_directory_are_not_unescaped(directory):
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
def test_damage_is_refused_with_one_sentence(directory, damage, vectors, sentence):
    damage(directory)
    with pytest.raises(InputError, match=sentence):
        Embeddings.load(directory, vectors=vectors)


def test_input_and_words_alone_need_no_manifest(directory):
    (directory / "output.npy").unlink()
    (directory / MANIFEST).unlink()
    assert len(Embeddings.load(directory)) == 4


@pytest.mark.parametrize("beside", ["output.npy", "bias.npy", "config.yaml", "metrics.jsonl", "checkpoint/"])
def test_a_model_without_its_manifest_is_unfinished(directory, beside, monkeypatch):
    monkeypatch.setattr(reader.time, "sleep", pytest.fail)  # a run that was killed is reported at once
    (directory / "output.npy").unlink()
    (directory / MANIFEST).unlink()
    if beside.endswith("/"):
        (directory / beside).mkdir()
    else:
        (directory / beside).write_bytes(b"")
    with pytest.raises(InputError, match="an unfinished model"):
        Embeddings.load(directory)


def test_a_finished_model_is_read_while_the_next_one_is_trained(directory):
    (directory / CHECKPOINT).mkdir()
    assert len(Embeddings.load(directory)) == 4


def test_reader_and_writer_name_the_same_files():
    assert {*OUR_FILES, CHECKPOINT} == {*reader._FROM_TRAINING, reader._MANIFEST, "input.npy", "vocab.tsv"}


def overwrite_while_words_are_read(monkeypatch, directory, times, manifest=True):
    """Replace the model, as training does, after its words were read and before its vectors are."""
    read_vocabulary = reader.read_vocabulary
    done = []

    def read(path):
        result = read_vocabulary(path)
        if len(done) < times:
            done.append(path)
            (directory / MANIFEST).unlink(missing_ok=True)
            (directory / "input.npy").unlink()
            np.save(directory / "input.npy", np.full((4, 3), len(done), np.float32))
            (directory / "vocab.tsv").write_text("".join(f"run{len(done)}-{row}\t5\n" for row in range(4)))
            if manifest:
                (directory / MANIFEST).write_text(f"[{len(done)}]")
        return result

    monkeypatch.setattr(reader, "read_vocabulary", read)
    monkeypatch.setattr(reader, "_RETRY_DELAYS", (0, 0, 0))


def test_a_model_that_is_replaced_while_it_is_read_is_read_again(directory, monkeypatch):
    overwrite_while_words_are_read(monkeypatch, directory, times=2)
    model = Embeddings.load(directory)
    assert model.index_to_key[0] == "run2-0" and model.vectors[0, 0] == 2


def test_damage_of_a_model_that_is_replaced_while_it_is_read_is_not_reported(directory, monkeypatch):
    (directory / "vocab.tsv").write_text("a\t1\n")  # does not fit, but is replaced
    overwrite_while_words_are_read(monkeypatch, directory, times=1)
    assert Embeddings.load(directory).index_to_key[0] == "run1-0"


@pytest.mark.parametrize(("times", "manifest"), [(9, True), (1, False)])
def test_a_model_that_is_replaced_repeatedly_is_refused(directory, monkeypatch, times, manifest):
    overwrite_while_words_are_read(monkeypatch, directory, times, manifest)
    with pytest.raises(InputError, match="an unfinished model"):
        Embeddings.load(directory)


def test_other_kinds_of_vectors_are_refused(directory):
    with pytest.raises(InputError, match="vectors is 'foo'; give one of input, output, sum"):
        Embeddings.load(directory, vectors="foo")
