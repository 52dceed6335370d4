"""`.safetensors`, read and written, compared with the package itself; damage is refused with one sentence."""

import json
import pickle
import struct
import sys

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from nce_train.embeddings import Embeddings
from nce_train.errors import InputError

WORDS = ["the", "new york", "", "100%", "日本", "\udcff\udce9", 'a"b\\c\n\x01', "%_a%20b"]
RNG = np.random.default_rng(5)
VECTORS = RNG.standard_normal((len(WORDS), 5)).astype(np.float32)
COUNTS = np.arange(80, 0, -10)


def file_of(tensors, **metadata):
    """The bytes of a file with (dtype, shape, raw) by name."""
    header, body = {}, b""
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    if metadata:
        header["__metadata__"] = metadata
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def test_the_package_reads_our_files(tmp_path):
    path = tmp_path / "v.safetensors"
    Embeddings(WORDS, VECTORS, COUNTS, {"window": 5, "lr": 0.05, "unknown": None}).save(path)
    with safe_open(path, "numpy") as file:
        assert set(file.keys()) == {"embeddings", "counts"}
        np.testing.assert_array_equal(file.get_tensor("embeddings"), VECTORS)
        assert file.get_tensor("embeddings").dtype == np.float32
        np.testing.assert_array_equal(file.get_tensor("counts"), COUNTS)
        assert json.loads(file.metadata()["words"]) == WORDS
        assert json.loads(file.metadata()["config"]) == {"window": 5, "lr": 0.05, "unknown": None}
        assert "日本" in file.metadata()["words"]


def test_counts_and_settings_are_read_back(tmp_path):
    path = tmp_path / "v.safetensors"
    Embeddings(WORDS, VECTORS, COUNTS, {"window": 5}).save(path)
    read = Embeddings.load(path)
    assert read.index_to_key == WORDS and read.settings == {"window": 5}
    np.testing.assert_array_equal(read.counts, COUNTS)
    read.save(path)
    assert Embeddings.load(path).settings == {"window": 5}
    assert pickle.loads(pickle.dumps(read)).settings == {"window": 5}
    Embeddings(WORDS, VECTORS).save(path)
    assert Embeddings.load(path).counts is None and Embeddings.load(path).settings == {}


def test_the_settings_of_a_model_directory_are_written(tmp_path):
    np.save(tmp_path / "input.npy", VECTORS[:2])
    (tmp_path / "vocab.tsv").write_text("a\t2\nb\t1\n")
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "config.yaml").write_text("dim: 5\nlr: 0.05\n")
    model = Embeddings.load(tmp_path)
    (tmp_path / "config.yaml").write_text("dim: [5\n")  # the model was read before
    model.save(tmp_path / "v.safetensors")
    assert Embeddings.load(tmp_path / "v.safetensors").settings == {"dim": 5, "lr": 0.05}
    assert pickle.loads(pickle.dumps(model)).settings == {"dim": 5, "lr": 0.05}
    damaged = Embeddings.load(tmp_path)  # the vectors can still be used
    damaged.save(tmp_path / "v.txt")
    with pytest.raises(InputError, match=r"config.yaml is not valid YAML"):
        damaged.save(tmp_path / "w.safetensors")
    assert not (tmp_path / "w.safetensors").exists()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_files_of_the_package_are_read(tmp_path, dtype):
    tensors = {"embeddings": VECTORS.astype(dtype), "bias": VECTORS[0], "counts": np.ones(3, np.int32)}
    if dtype == np.float32:
        del tensors["counts"]
    else:
        tensors["counts"] = np.ones(len(WORDS), np.int32)  # not counts of ours, which are int64
    save_file(tensors, tmp_path / "v", {"words": json.dumps(WORDS), "config": "no JSON"})
    read = Embeddings.load(tmp_path / "v")
    assert read.index_to_key == WORDS and read.counts is None and read.settings == {}
    assert read.vectors.dtype == np.float32
    np.testing.assert_array_equal(read.vectors, VECTORS.astype(dtype).astype(np.float32))


def test_bfloat16_is_the_upper_half_of_float32(tmp_path):
    halves = VECTORS.view("<u2")[:, 1::2]
    content = file_of(
        {"x": ("U8", [3], b"123"), "embeddings": ("BF16", list(halves.shape), halves.tobytes())},
        words=json.dumps(WORDS),
    )
    (tmp_path / "v").write_bytes(content)
    read = Embeddings.load(tmp_path / "v").vectors
    np.testing.assert_array_equal(read.view("<u4"), VECTORS.view("<u4") & 0xFFFF0000)


def test_the_bytes_depend_on_the_contents_only_and_tensors_are_aligned(tmp_path):
    path, contents = tmp_path / "v.safetensors", set()
    for _ in range(10):  # the package writes the two entries of the metadata in random order
        Embeddings(WORDS, VECTORS, COUNTS, {"window": 5}).save(path)
        contents.add(path.read_bytes())
    assert len(contents) == 1
    for length in range(8):
        Embeddings(["a" * length], VECTORS[:1]).save(path)
        assert int.from_bytes(path.read_bytes()[:8], "little") % 8 == 0


def test_permissions_are_those_of_other_files(tmp_path):
    model = Embeddings(WORDS, VECTORS)
    model.save(tmp_path / "v.safetensors")
    model.save(tmp_path / "v.bin")
    assert (tmp_path / "v.safetensors").stat().st_mode == (tmp_path / "v.bin").stat().st_mode
    assert len(list(tmp_path.iterdir())) == 2


ROW = struct.pack("<2f", 1, 2)
ONE = ("F32", [1, 2], ROW)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (file_of({"embeddings": ONE}), "its metadata has no 'words'"),
        (file_of({"embeddings": ONE}, words="a"), "not a JSON list of words"),
        (
            file_of({"embeddings": ONE, "counts": ("I64", [1], struct.pack("<q", -1))}, words='["a"]'),
            "row 0: the count -1 of 'a' is not from 0",
        ),
        (file_of({"embeddings": ONE}, words="[1]"), "not a JSON list of words"),
        (file_of({"embeddings": ONE}, words="[" * 100_000), "not a JSON list of words"),
        (file_of({"embeddings": ONE}, words='["\\ud800"]'), "lone surrogate"),
        (file_of({"embeddings": ONE}, words='["a","b"]'), "2 words for 1 vectors"),
        (file_of({"wte": ONE}, words='["a"]'), "it has no tensor 'embeddings', but 'wte'"),
        (file_of({"embeddings": ("F32", [2], ROW)}, words='["a"]'), r"the shape \(2,\)"),
        (file_of({"embeddings": ("F32", [0, 2], b"")}, words="[]"), r"the shape \(0, 2\)"),
        (file_of({"embeddings": ("I32", [1, 2], ROW)}, words='["a"]'), "numbers of type I32"),
        (file_of({"embeddings": ("I8", [1, 8], ROW)}, words='["a"]'), "lack the tensor 'scales'"),
        (
            file_of({"embeddings": ("I8", [1, 4], ROW[:4]), "scales": ("F32", [2], ROW)}, words='["a"]'),
            r"scales has the shape \(2,\) for 1 vectors",
        ),
        (
            file_of({"embeddings": ONE, "counts": ("I64", [2], ROW * 2)}, words='["a"]'),
            r"counts has the shape \(2,\) for 1 vectors",
        ),
        (
            file_of({"embeddings": ("F64", [1, 1], struct.pack("<d", 1e300))}, words='["a"]'),
            "row 0: the vector of 'a' holds a number that is not finite",
        ),
        (file_of({"embeddings": ONE}, words='["a"]')[:-1], "not a safetensors file that can be read"),
        (file_of({"embeddings": ONE}, words='["a"]') + b"x", "not a safetensors file that can be read"),
        (struct.pack("<Q", 99_000_000) + b"{}", "not a safetensors file that can be read"),
        (struct.pack("<Q", 1 << 39) + b"{}", "not a safetensors file that can be read"),
        (struct.pack("<Q", 9) + b"{nothing}", "not a safetensors file that can be read"),
    ],
)
def test_damage_is_refused_with_one_sentence(tmp_path, content, sentence):
    (tmp_path / "v.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=sentence) as failure:
        Embeddings.load(tmp_path / "v.safetensors")
    assert "v.safetensors" in str(failure.value) and "\n" not in str(failure.value)
    assert len(str(failure.value)) < 400 + len(str(tmp_path))


@pytest.mark.slow
def test_words_too_long_for_the_header_are_refused(tmp_path):
    words = ["w" * 50_000_000, '"' * 12_750_000]  # quotes take four bytes in JSON within JSON
    with pytest.raises(InputError, match=r"the words take 101 MB, and the header .* holds 100 MB; write fewer words"):
        Embeddings(words, [[1.0], [2.0]]).save(tmp_path / "v.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_words_that_nearly_fill_the_header(tmp_path):
    words = ["w" * 50_000_000, '"' * 12_490_000]
    Embeddings(words, [[1.0], [2.0]]).save(tmp_path / "v.safetensors")
    assert Embeddings.load(tmp_path / "v.safetensors").index_to_key == words


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    model = Embeddings(WORDS, VECTORS)
    model.save(tmp_path / "v.safetensors")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for call in (model.save, Embeddings.load):
        with pytest.raises(InputError, match=r"v.safetensors: .*pip install 'nce-train\[safetensors\]'"):
            call(tmp_path / "v.safetensors")
