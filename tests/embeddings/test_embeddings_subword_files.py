"""Files with sub-words: model directories and the formats that hold them; the others leave them out with a warning."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nce_train.api import export
from nce_train.embeddings import Embeddings
from nce_train.embeddings.formats.registry import FORMATS
from nce_train.embeddings.subwords import SubWords
from nce_train.errors import InputError, NceTrainWarning
from nce_train.text.ngrams import ngram_buckets

WORDS = ["river", "rivers", "mill", "new york", "日本", "caf\udce9"]
UNKNOWN = ["riverside", "milling", "日本語"]
ANY_WORD = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=9),
    st.binary(max_size=9).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
)
KEEPING = [format for format in FORMATS.values() if format.keeps_subwords]
every_keeping = pytest.mark.parametrize("format", KEEPING, ids=[format.name for format in KEEPING])


@pytest.fixture
def model():
    _, found = ngram_buckets(WORDS, 3, 4, 100)
    rows = np.random.default_rng(1).permutation(np.unique(found)).astype(np.int32)
    numbers = np.random.default_rng(2).standard_normal((len(rows) + len(WORDS), 5)).astype(np.float32)
    subwords = SubWords(3, 4, 100, rows, numbers[: len(rows)])
    return Embeddings(WORDS, numbers[len(rows) :], [9, 8, 7, 6, 5, 4], {"window": 5, "ngrams": "3-4"}, subwords)


@pytest.fixture
def directory(tmp_path, model):
    path = tmp_path / "corpus.nce"
    path.mkdir()
    np.save(path / "input.npy", model.vectors)
    np.save(path / "output.npy", model.vectors[::-1])
    np.save(path / "ngrams.npy", model.subwords.vectors)
    np.save(path / "ngram_buckets.npy", model.subwords.rows)
    words = [word.encode("utf-8", "surrogateescape") for word in WORDS]
    (path / "vocab.tsv").write_bytes(b"".join(b"%b\t%d\n" % (word, 9 - row) for row, word in enumerate(words)))
    (path / "config.yaml").write_text("dim: 5\nngrams: 3-4\nbuckets: 100\n")
    (path / "manifest.json").write_text("{}")
    return path


def assert_composes(read, model, atol=1e-6):
    for word in [*WORDS, *UNKNOWN]:
        np.testing.assert_allclose(read[word], model[word], atol=atol)


@every_keeping
@pytest.mark.parametrize("compression", ["", ".gz"])
def test_formats_that_keep_subwords(tmp_path, model, format, compression):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.save(tmp_path / f"v{format.endings[0]}{compression}")
    read = Embeddings.load(tmp_path / f"v{format.endings[0]}{compression}")
    assert (read.subwords.least, read.subwords.most, read.subwords.buckets) == (3, 4, 100)
    assert_composes(read, model)


@every_keeping
@given(
    words=st.lists(ANY_WORD, min_size=1, max_size=6, unique=True),
    unknown=ANY_WORD,
    lengths=st.tuples(st.integers(1, 4), st.integers(0, 3)),
    buckets=st.integers(1, 50),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_any_words(tmp_path_factory, format, words, unknown, lengths, buckets, seed):
    rng = np.random.default_rng(seed)
    rows = rng.permutation(buckets)[: rng.integers(0, buckets + 1)].astype(np.int32)
    ngrams = rng.standard_normal((len(rows), 3)).astype(np.float32)
    subwords = SubWords(lengths[0], sum(lengths), buckets, rows, ngrams)
    model = Embeddings(words, rng.standard_normal((len(words), 3)), None, subwords=subwords)
    path = tmp_path_factory.getbasetemp() / f"any{format.endings[0]}"
    model.save(path)
    read = Embeddings.load(path)
    assert read.index_to_key == words and read.counts is None
    np.testing.assert_allclose(read.vectors, model.vectors, atol=1e-5)
    expected, found = subwords.vector_of(unknown), read.subwords.vector_of(unknown)
    assert (expected is None) == (found is None)
    if expected is not None:
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("format", ["npy", "safetensors"])
@pytest.mark.parametrize(("dtype", "atol"), [("float16", 2e-3), ("int8", 2e-2)])
def test_smaller_numbers(tmp_path, model, format, dtype, atol):
    model.save(tmp_path / "v", format, dtype)
    read = Embeddings.load(tmp_path / "v")
    assert read.subwords.vectors.dtype == np.float32
    assert_composes(read, model, atol)
    assert not np.array_equal(read.subwords.vectors, model.subwords.vectors)
    large = model.subwords.vectors * 1e5
    subwords = SubWords(3, 4, 100, model.subwords.rows, large)
    if dtype == "float16":
        with pytest.raises(InputError, match="row 0: the n-gram row has a number beyond the range of float16"):
            Embeddings(WORDS, model.vectors, subwords=subwords).save(tmp_path / "w", format, dtype)


@pytest.mark.parametrize("name", [name for name, format in FORMATS.items() if not format.keeps_subwords])
def test_other_formats_leave_them_out_with_one_warning(tmp_path, model, name):
    with pytest.warns(NceTrainWarning) as caught:
        model.save(tmp_path / "v", name)
    assert [str(warning.message) for warning in caught] == [
        f"{tmp_path / 'v'}: unknown words stay behind, as the format {name} holds no n-grams; npy, fasttext and "
        "safetensors files of the unchanged vectors have vectors for them."
    ]
    read = Embeddings.load(tmp_path / "v")
    assert read.subwords is None and read.index_to_key == WORDS


def test_a_file_without_subwords_replaces_one_with_them(tmp_path, model):
    model.save(tmp_path / "v.npy")
    assert len(list(tmp_path.iterdir())) == 5
    Embeddings(WORDS, model.vectors).save(tmp_path / "v.npy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v.npy", "v.npy.vocab.tsv"]
    assert Embeddings.load(tmp_path / "v.npy").subwords is None


def test_a_model_directory(directory, model):
    read = Embeddings.load(directory)
    assert_composes(read, model)
    assert isinstance(read.subwords.vectors, np.memmap) and not read.subwords.vectors.flags.writeable
    assert_composes(Embeddings.load(directory, mmap=False), model)
    for vectors in ("output", "sum"):
        assert Embeddings.load(directory, vectors=vectors).subwords is None


def test_a_part_of_a_model_directory_is_named(directory):
    for name in ("ngrams.npy", "ngram_buckets.npy"):
        with pytest.raises(InputError, match=rf"{name}: this is a part of a model directory; name the directory"):
            Embeddings.load(directory / name)


def test_a_model_without_ngrams_needs_no_settings(directory):
    for name in ("ngrams.npy", "ngram_buckets.npy"):
        (directory / name).unlink()
    (directory / "config.yaml").write_text("ngrams: [\n")
    assert Embeddings.load(directory).subwords is None


DAMAGE = [
    ("ngram_buckets.npy", None, r"ngram_buckets.npy: this file is missing, which belongs to the n-grams"),
    ("ngrams.npy", None, r"ngrams.npy: this file is missing, which belongs to the n-grams"),
    ("ngram_buckets.npy", np.zeros(3, np.int64), "type int64; buckets are whole numbers"),
    ("ngram_buckets.npy", np.zeros((3, 1), np.int32), r"shape \(3, 1\) and type int32; buckets are whole numbers"),
    ("ngram_buckets.npy", np.zeros(3, np.int32), r"buckets of shape \(3,\) for n-gram rows of shape"),
    ("ngram_buckets.npy", np.arange(99, 99 + 40, dtype=np.int32)[:0], r"buckets of shape \(0,\)"),
    ("ngrams.npy", np.zeros((2, 2, 2), np.float32), "vectors are floating-point numbers"),
    ("ngrams.npy", b"nonsense", "ngrams.npy: not an array file"),
    ("settings", b"ngrams: 'off'\nbuckets: 100\n", "ngrams is 'off', but there are n-gram rows"),
    ("settings", b"buckets: 100\n", "ngrams is 'None', but there are n-gram rows"),
    ("settings", b"ngrams: 3-4\nbuckets: many\n", "buckets is 'many'; it is a whole number"),
    ("settings", b"ngrams: 4-3\nbuckets: 100\n", "n-grams of 4 to 3 characters"),
    ("settings", b"ngrams: 3-4\nbuckets: 5\n", "is not from 0 to 4"),
    ("settings", b"ngrams: [\n", "is not valid YAML"),
    ("settings", None, "this file is missing, which belongs to the n-grams"),
]


@pytest.mark.parametrize(("name", "content", "sentence"), DAMAGE)
@pytest.mark.parametrize("kind", ["model directory", "npy"])
def test_damage_is_refused_with_one_sentence(tmp_path, directory, model, kind, name, content, sentence):
    if kind == "npy":
        model.save(tmp_path / "v.npy")
        path = tmp_path / "v.npy"
        place = tmp_path / ("v.npy.subwords.yaml" if name == "settings" else f"v.npy.{name}")
    else:
        path, place = directory, directory / ("config.yaml" if name == "settings" else name)
    if content is None:
        place.unlink()
    elif isinstance(content, bytes):
        place.write_bytes(content)
    else:
        np.save(place, content)
    with pytest.raises(InputError, match=sentence):
        Embeddings.load(path)


def test_numbers_that_do_not_fit_are_refused(directory, model):
    np.save(directory / "ngrams.npy", model.subwords.vectors[:, :4])
    with pytest.raises(InputError, match=r"ngrams.npy: the n-gram rows have 4 numbers, and the vectors 5"):
        Embeddings.load(directory)
    wrong = model.subwords.vectors.copy()
    wrong[1, 1] = np.nan
    np.save(directory / "ngrams.npy", wrong)
    with pytest.raises(InputError, match=r"ngrams.npy, row 1: an n-gram row holds a number that is not finite"):
        Embeddings.load(directory)
    np.save(directory / "ngrams.npy", model.subwords.vectors)
    repeated = model.subwords.rows.copy()
    repeated[1] = repeated[0]
    np.save(directory / "ngram_buckets.npy", repeated)
    with pytest.raises(InputError, match=rf"ngrams.npy: the bucket {repeated[0]} has two rows"):
        Embeddings.load(directory)


def test_files_of_ngrams_alone_are_of_an_unfinished_model(directory):
    for name in ("output.npy", "config.yaml", "manifest.json"):
        (directory / name).unlink()
    with pytest.raises(InputError, match="an unfinished model"):
        Embeddings.load(directory)


def test_ngrams_that_are_a_link_out_of_the_directory_are_refused(tmp_path, directory):
    (directory / "ngrams.npy").rename(tmp_path / "elsewhere.npy")
    (directory / "ngrams.npy").symlink_to(tmp_path / "elsewhere.npy")
    with pytest.raises(InputError, match=r"ngrams.npy: a link that leads out of the model directory"):
        Embeddings.load(directory)


@pytest.mark.parametrize(
    ("tensors", "sentence"),
    [
        ({"ngrams": None}, "ngrams and ngram_buckets have the types None and I32"),
        ({"ngrams": np.zeros(3, np.float32)}, "the types F32 and I32"),
        ({"ngrams": np.zeros((3, 5), np.int8)}, "ngrams of int8 needs ngram_scales"),
        ({"ngrams": np.zeros((3, 5), np.int8), "ngram_scales": np.zeros(2, np.float32)}, "needs ngram_scales"),
        ({"ngram_buckets": np.zeros(3, np.int64)}, "the types F32 and I64"),
        ({"ngram_buckets": np.zeros(3, np.int32)}, r"v.safetensors, ngrams: buckets of shape \(3,\)"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(tmp_path, model, tensors, sentence):
    from safetensors import safe_open
    from safetensors.numpy import save_file

    path = tmp_path / "v.safetensors"
    model.save(path)
    with safe_open(path, "numpy") as file:
        metadata, held = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file({name: array for name, array in {**held, **tensors}.items() if array is not None}, path, metadata)
    with pytest.raises(InputError, match=sentence):
        Embeddings.load(path)


def test_ngrams_of_another_program_are_not_ours(tmp_path):
    from safetensors.numpy import save_file

    save_file({"embeddings": np.ones((1, 2)), "ngrams": np.ones((3, 2))}, tmp_path / "v.st", {"words": '["a"]'})
    assert Embeddings.load(tmp_path / "v.st").subwords is None


@every_keeping
def test_exports_of_the_first_words_compose_the_others(tmp_path, directory, model, format):
    out = tmp_path / f"v{format.endings[0]}"
    export(directory, out, top=3)
    read = Embeddings.load(out)
    assert read.index_to_key == WORDS[:3] and not read.is_known("日本")
    np.testing.assert_allclose(read["日本"], model.subwords.vector_of("日本"), atol=1e-6)
    np.testing.assert_allclose(read["milling"], model["milling"], atol=1e-6)


@pytest.mark.parametrize("changes", [{"normalize": True}, {"postprocess": "abtt"}])
def test_changed_vectors_leave_subwords_behind(tmp_path, directory, changes):
    with pytest.warns(
        NceTrainWarning, match="unknown words stay behind, as postprocess and normalize change"
    ) as caught:
        export(directory, tmp_path / "v.npy", **changes)
    assert len(caught) == 1
    assert Embeddings.load(tmp_path / "v.npy").subwords is None
