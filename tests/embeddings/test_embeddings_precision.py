"""float16 and int8: their error, the formats that hold them, and what other programs read."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load_file

from nce_train.embeddings import Embeddings
from nce_train.embeddings.formats.precision import dequantise, quantise
from nce_train.embeddings.formats.registry import FORMATS
from nce_train.errors import InputError

WORDS = [f"w{row}" for row in range(300)]
VECTORS = np.random.default_rng(8).standard_normal((300, 20)).astype(np.float32) * np.logspace(-9, 4, 300)[:, None]
MODEL = Embeddings(WORDS, VECTORS.astype(np.float32), np.arange(300, 0, -1))
FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


def endings_that_hold(dtype):
    """The endings of every registered format that holds a type, plain and compressed."""
    formats = [format for format in FORMATS.values() if dtype in format.dtypes]
    return [ending + compression for format in formats for ending in format.endings for compression in ("", ".gz")]


@settings(deadline=None)
@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 5)), elements=FLOAT32))
def test_the_error_of_int8_is_at_most_half_a_step(vectors):
    values, scales = quantise(vectors)
    largest = np.abs(vectors).max(axis=1, keepdims=True).astype(np.float64)
    assert values.dtype == np.int8 and values.min() >= -127
    off = np.abs(dequantise(values, scales).astype(np.float64) - vectors)
    # The smallest numbers of float32 are themselves multiples of 1.4e-45, and a scale may be one of them.
    assert (off <= largest / 254 * (1 + 1e-5) + 127 * 1.5e-45).all()


@pytest.mark.parametrize("ending", endings_that_hold("int8"))
def test_int8_is_read_back_as_float32(tmp_path, ending):
    path = tmp_path / f"v{ending}"
    MODEL.save(path, dtype="int8")
    read = Embeddings.load(path)
    assert read.index_to_key == WORDS and read.vectors.dtype == np.float32
    np.testing.assert_array_equal(read.counts, MODEL.counts)
    off = np.abs(read.vectors - MODEL.vectors) / np.abs(MODEL.vectors).max(axis=1, keepdims=True)
    assert 1 / 300 < off.max() <= 1 / 254 * (1 + 1e-5)


@pytest.mark.parametrize("ending", endings_that_hold("float16"))
def test_float16_is_that_of_numpy(tmp_path, ending):
    path = tmp_path / f"v{ending}"
    MODEL.save(path, dtype="float16")
    read = Embeddings.load(path).vectors
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, MODEL.vectors.astype(np.float16).astype(np.float32))


def test_sizes_of_files(tmp_path):
    for ending in ("npy", "safetensors"):
        sizes = {}
        for dtype in ("float32", "float16", "int8"):
            MODEL.save(tmp_path / f"v.{ending}", dtype=dtype)
            sizes[dtype] = (tmp_path / f"v.{ending}").stat().st_size
        assert sizes["float32"] - sizes["float16"] == pytest.approx(300 * 20 * 2, abs=100)
        assert sizes["float32"] - sizes["int8"] == pytest.approx(300 * (20 * 3 - 4), abs=200)


def test_other_programs_read_values_and_scales(tmp_path):
    MODEL.save(tmp_path / "v.npy", dtype="int8")
    records = np.load(tmp_path / "v.npy")
    read = Embeddings.load(tmp_path / "v.npy").vectors
    np.testing.assert_array_equal(records["values"] * records["scale"][:, None], read)
    MODEL.save(tmp_path / "v.safetensors", dtype="int8")
    tensors = load_file(tmp_path / "v.safetensors")
    assert tensors["embeddings"].dtype == np.int8
    np.testing.assert_array_equal(tensors["embeddings"], records["values"])
    np.testing.assert_array_equal(tensors["scales"], records["scale"])


def test_a_row_of_zeros_is_read_back(tmp_path):
    Embeddings(["a", "b"], [[0, 0], [-3, 1]]).save(tmp_path / "v.npy", dtype="int8")
    np.testing.assert_allclose(Embeddings.load(tmp_path / "v.npy").vectors, [[0, 0], [-3, 1]], atol=3 / 254)


def test_numbers_beyond_float16_are_refused(tmp_path):
    model = Embeddings(["a", "b"], [[1.0], [7e4]])
    with pytest.raises(InputError, match=r"row 1: the vector of 'b' has a number beyond the range of float16"):
        model.save(tmp_path / "v.npy", dtype="float16")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "format"),
    [("v.txt", None), ("v.vec", None), ("v.bin", None), ("v.glove", None), ("v", "projector"), ("v.npy", "glove")],
)
@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_other_formats_name_those_that_hold_them(tmp_path, name, format, dtype):
    with pytest.raises(InputError, match=f"does not hold {dtype}; take npy or safetensors"):
        MODEL.save(tmp_path / name, format, dtype)
    assert list(tmp_path.iterdir()) == []


def test_other_types_are_refused(tmp_path):
    with pytest.raises(InputError, match="dtype is 'float64'; give one of float32, float16, int8"):
        MODEL.save(tmp_path / "v.npy", dtype="float64")


@pytest.mark.parametrize(
    "dtype",
    [
        [("scale", "<f4"), ("values", "i1")],
        [("scale", "<f8"), ("values", "i1", (2,))],
        [("values", "i1", (2,)), ("scale", "<f4")],
        [("scale", "<f4"), ("values", "<f4", (2,))],
        [("scale", "<f4"), ("values", "i1", (2, 2))],
        [("a", "<f4")],
    ],
)
def test_other_records_are_refused(tmp_path, dtype):
    np.save(tmp_path / "v.npy", np.zeros(3, dtype))
    with pytest.raises(InputError, match=r"v.npy: an array of shape \(3,\) and type"):
        Embeddings.load(tmp_path / "v.npy")


def test_scales_that_are_not_finite_are_refused_with_the_row(tmp_path):
    records = np.zeros(2, [("scale", "<f4"), ("values", "i1", (2,))])
    records["scale"][1] = np.inf
    np.save(tmp_path / "v.npy", records)
    (tmp_path / "v.npy.vocab.tsv").write_text("a\t2\nb\t1\n")
    with pytest.raises(InputError, match="row 1: the vector of 'b' holds a number that is not finite"):
        Embeddings.load(tmp_path / "v.npy")
