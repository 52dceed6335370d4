"""Every registered format writes files that are read back the same: a new format in `FORMATS` is tested, too."""

import importlib
import os
import pkgutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nce_train.embeddings import Embeddings, formats
from nce_train.embeddings.formats.compression import ENDINGS as COMPRESSIONS
from nce_train.embeddings.formats.registry import FORMATS
from nce_train.errors import InputError

# A format with each of its endings; a directory has none and is named instead.
CASES = [(format, ending) for format in FORMATS.values() for ending in format.endings or [""]]
FILES = [case for case in CASES if not case[0].is_directory]
MODULES = [
    importlib.import_module(module.name)
    for module in pkgutil.iter_modules(formats.__path__, "nce_train.embeddings.formats.")
]

ANY_WORD = st.one_of(st.text(max_size=6), st.binary(max_size=6).map(lambda raw: raw.decode("utf-8", "surrogateescape")))
FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)

every_format = pytest.mark.parametrize(("format", "ending"), CASES, ids=[f"{f.name}{ending}" for f, ending in CASES])
every_file = pytest.mark.parametrize(("format", "ending"), FILES, ids=[f"{f.name}{ending}" for f, ending in FILES])


@st.composite
def tables(draw):
    words = draw(st.lists(ANY_WORD, min_size=1, max_size=6, unique=True))
    dim = draw(st.integers(1, 4))
    vectors = draw(hnp.arrays(np.float32, (len(words), dim), elements=FLOAT32))
    return words, vectors, draw(st.sampled_from([None, np.arange(len(words))]))


@pytest.fixture
def model():
    rng = np.random.default_rng(3)
    words = ["the", "of", "é", "naïve", "100%", "日本"] + [f"w{i}" for i in range(60)]
    return Embeddings(words, rng.standard_normal((len(words), 7)).astype(np.float32), np.arange(len(words), 0, -1))


def save(model, path, format):
    model.save(path, format.name if format.is_directory else None)


def assert_same(read, model):
    assert read.index_to_key == model.index_to_key
    assert read.vectors.dtype == np.float32
    np.testing.assert_array_equal(read.vectors, model.vectors)
    if read.counts is not None:  # not every format holds them
        np.testing.assert_array_equal(read.counts, model.counts)


@every_format
def test_what_is_written_is_read_back(tmp_path, model, format, ending):
    path = tmp_path / f"v{ending}"
    save(model, path, format)
    assert_same(Embeddings.load(path), model)
    assert_same(Embeddings.load(path, mmap=False), model)


@every_file
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_compressed_files_are_read_back(tmp_path, model, format, ending, compression):
    path = tmp_path / f"v{ending}{compression}"
    save(model, path, format)
    assert_same(Embeddings.load(path), model)


@every_format
@given(table=tables())
@settings(max_examples=60, deadline=None)
def test_any_words_and_numbers_are_read_back(tmp_path_factory, format, ending, table):
    path = tmp_path_factory.getbasetemp() / f"any-{format.name}{ending}"
    words, vectors, counts = table
    if format.name == "glove":  # not of dim 1
        vectors = np.repeat(vectors, 2, axis=1)
    model = Embeddings(words, vectors, counts)
    save(model, path, format)
    assert_same(Embeddings.load(path), model)


@every_format
@pytest.mark.parametrize(
    "word",
    [
        "\x02\0\0\0\0\0\0\0{}",
        "\x1f\udc8b",
        "\udcfd7zXZ\x00",
        "\udc93NUMPY",
        "BZh91AY&SY",
        "BZh1\x17rE8P\udc90",
        "\x28\udcb5\x2f\udcfd",
        "\ufeff",
        "\ufeff5",
        "PK\x03\x04",
        "PK\x05\x06x",
        "]\0\0\x01\x02" + "\udcff" * 8 + "\0",
        "FiFu",
        '{"a":',
        "<!DOCTYPE",
        "\udc80\x04K",
        "5",
        "%",
        "5 3",
    ],
)
def test_a_first_word_that_begins_like_another_file(tmp_path, format, ending, word):
    path = tmp_path / f"v{ending}"
    model = Embeddings([word, "b"], [[3.0, 0.5], [1.0, 2.0]])
    save(model, path, format)
    assert_same(Embeddings.load(path), model)


@every_format
@pytest.mark.parametrize(("rows", "size"), [(7, 11), (5, 100)])
def test_a_file_longer_than_a_block(tmp_path, monkeypatch, model, format, ending, rows, size):
    for module in MODULES:
        for name, value in (("_BLOCK_ROWS", rows), ("_CHECKED_ROWS", rows), ("_BLOCK_BYTES", size)):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)
    save(model, tmp_path / f"v{ending}", format)
    assert_same(Embeddings.load(tmp_path / f"v{ending}"), model)


@every_file
def test_the_named_format_wins_over_the_ending(tmp_path, model, format, ending):
    model.save(tmp_path / "v.out", format.name)
    model.save(tmp_path / f"v{ending}")
    assert (tmp_path / "v.out").read_bytes() == (tmp_path / f"v{ending}").read_bytes()
    assert_same(Embeddings.load(tmp_path / "v.out"), model)


@every_file
@pytest.mark.parametrize("compression", ["", ".gz", ".xz"])
def test_endings_in_capitals(tmp_path, model, format, ending, compression):
    upper, lower = tmp_path / f"V{ending}{compression}".upper(), tmp_path / f"v{ending}{compression}"
    model.save(upper)
    model.save(lower)
    assert upper.read_bytes() == lower.read_bytes()
    assert_same(Embeddings.load(upper), model)


@every_format
def test_a_word_that_cannot_be_written_leaves_the_old_file(tmp_path, model, format, ending):
    unwritable = Embeddings(["a", "b\ud800"], np.eye(2))
    path = tmp_path / f"v{ending}"
    with pytest.raises(InputError, match=r"the word 'b\\ud800' cannot be written as UTF-8; remove its lone surrogates"):
        save(unwritable, path, format)
    assert os.listdir(tmp_path) == []
    save(model, path, format)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    with pytest.raises(InputError, match="lone surrogates"):
        save(unwritable, path, format)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


@every_format
def test_saves_that_are_refused(tmp_path, model, format, ending):
    with pytest.raises(InputError, match="there are no words to write"):
        save(Embeddings([], np.empty((0, 3))), tmp_path / f"v{ending}", format)
    with pytest.raises(InputError, match="there is no directory"):
        save(model, tmp_path / "absent" / f"v{ending}", format)
    assert os.listdir(tmp_path) == []
