"""The index for approximate search: its results, and the files that it refuses."""

import os
import subprocess
import sys

import numpy as np
import pytest

from nce_train.embeddings import Embeddings
from nce_train.embeddings.approximate import ApproximateIndex
from nce_train.errors import InputError

WORDS = [f"w{i}" for i in range(5_000)]


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(2)
    centres = rng.standard_normal((200, 16))
    vectors = centres[rng.integers(0, 200, 5_000)] + 0.5 * rng.standard_normal((5_000, 16))
    return Embeddings(WORDS, vectors * np.linspace(0.1, 9, 5_000)[:, None])


@pytest.fixture(scope="module")
def index(model):
    return ApproximateIndex.build(model.vectors)


@pytest.fixture
def file(index, tmp_path):
    index.save(tmp_path / "v.usearch")
    return tmp_path / "v.usearch"


def test_nearly_all_neighbours_are_found_with_exact_similarities(model, index):
    exact = model.neighbours(WORDS[::10])
    found = model.neighbours(WORDS[::10], index=index)
    kept = 0
    for word, right, answers in zip(WORDS[::10], exact, found, strict=True):
        assert len(answers) == 10 and word not in dict(answers)
        similarities = [value for _, value in answers]
        assert similarities == sorted(similarities, reverse=True)
        for other in set(dict(right)) & set(dict(answers)):
            assert dict(answers)[other] == pytest.approx(dict(right)[other], abs=2e-6)
            kept += 1
    assert kept > 0.97 * 5_000


def test_one_word_and_more_neighbours_than_words(model, index):
    assert model.neighbours(["w3"], topn=3, index=index) == [model.neighbours(["w3", "w4"], topn=3, index=index)[0]]
    small = Embeddings(["a", "b", "zero"], [[1, 0], [1, 1], [0, 0]])
    found = small.neighbours(["a", "zero"], topn=10, index=ApproximateIndex.build(small.vectors))
    assert found[0] == [("b", pytest.approx(0.7071, abs=1e-4)), ("zero", 0)]
    assert found[1] == [("a", 0), ("b", 0)]


def test_a_graph_with_separate_parts_gives_fewer_neighbours():
    equal = Embeddings(WORDS[:3_000], np.ones((3_000, 4)))
    found = equal.neighbours(["w7", "w8"], topn=1_000, index=ApproximateIndex.build(equal.vectors))
    for word, answers in zip(["w7", "w8"], found, strict=True):
        assert 10 < len(dict(answers)) == len(answers) < 1_000 and word not in dict(answers)


def test_progress_is_reported(model):
    reports = []
    ApproximateIndex.build(model.vectors, progress=lambda done, total: reports.append((done, total)))
    assert reports == [(4096, 5000), (5000, 5000)]


def test_an_index_is_saved_and_loaded(model, index, file):
    loaded = ApproximateIndex.load(file, model.vectors)
    assert model.neighbours(WORDS[:50], index=loaded) == model.neighbours(WORDS[:50], index=index)
    assert os.listdir(file.parent) == [file.name]


def test_usearch_reads_the_file(index, file):
    from usearch.index import Index

    assert len(Index.restore(file)) == 5_000


def test_an_index_of_other_vectors(model, index, file):
    other = Embeddings(WORDS, model.vectors + np.float32(1e-6))
    with pytest.raises(InputError, match="the index is of other vectors"):
        other.neighbours(["w1"], index=index)
    with pytest.raises(InputError, match=r"v\.usearch: an index of other vectors; remove it"):
        ApproximateIndex.load(file, other.vectors)
    with pytest.raises(InputError, match="an index of other vectors"):
        ApproximateIndex.load(file, model.vectors.reshape(10_000, 8))
    with pytest.raises(InputError, match="restrict_vocab is 9, but an index searches all words"):
        model.neighbours(["w1"], restrict_vocab=9, index=index)


@pytest.mark.parametrize("share", [0, 1, 30, 50, 99])
def test_a_file_cut_short(model, file, share):
    content = file.read_bytes()
    file.write_bytes(content[: len(content) * share // 100])
    with pytest.raises(InputError, match="not an index that nce-train wrote, or cut short"):
        ApproximateIndex.load(file, model.vectors)


@pytest.mark.parametrize("place", [0, 0.1, 0.5, 0.9, 0.99])
def test_a_flipped_bit(model, file, place):
    content = bytearray(file.read_bytes())
    content[int(place * (len(content) - 80))] ^= 4
    file.write_bytes(content)
    with pytest.raises(InputError, match="the index is damaged"):
        ApproximateIndex.load(file, model.vectors)


def test_no_file(model, tmp_path):
    with pytest.raises(InputError, match="No such file"):
        ApproximateIndex.load(tmp_path / "absent", model.vectors)
    with pytest.raises(InputError, match="Is a directory"):
        ApproximateIndex.load(tmp_path, model.vectors)


@pytest.mark.skipif(sys.platform == "win32", reason="limits as POSIX has them")
def test_no_space_leaves_nothing_behind(file, tmp_path):
    before = file.read_bytes()
    program = f"""
import resource, signal, numpy as np
from nce_train.embeddings.approximate import ApproximateIndex
index = ApproximateIndex.build(np.eye(2000, 16, dtype=np.float32) + 1)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    index.save({os.fspath(file)!r})
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith(f"RunError {file}: the index could not be written"), done.stdout
    assert file.read_bytes() == before and os.listdir(tmp_path) == [file.name]


def test_without_the_extra(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    monkeypatch.setitem(sys.modules, "usearch", None)
    with pytest.raises(InputError, match=r"pip install 'nce-train\[ann\]'"):
        ApproximateIndex.build(model.vectors)
