"""The projector's directory, read by TensorBoard's own plugin and by us; damage is refused with one sentence."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin
from werkzeug.test import Client

from nce_train.embeddings import Embeddings
from nce_train.errors import InputError

WORDS = ["the", "new york", "é", "日本", "", " ", "\u3000", "a\tb\r\n", "caf\udce9", "%_a%20b", "\x1c", "\u2028"]
CELLS = ["the", "new york", "é", "日本", "%_%00", "%_%20", "%_%E3%80%80", "%_a%09b%0D%0A", "%_caf%E9", "%_%25_a%2520b"]
CELLS += ["%_%1C", "%_%E2%80%A8"]
VECTORS = np.random.default_rng(4).standard_normal((len(WORDS), 3)).astype(np.float32)
COUNTS = np.arange(len(WORDS), 0, -1) * 10


def served(directory):
    """What TensorBoard's plugin sends to a browser: the vectors, and the text of the metadata."""
    plugin = ProjectorPlugin(TBContext(logdir=str(directory)))
    apps = plugin.get_plugin_apps()
    (run,) = json.loads(Client(apps["/runs"]).get("/runs").data)
    (embedding,) = json.loads(Client(apps["/info"]).get(f"/info?run={run}").data)["embeddings"]
    query = f"?run={run}&name={embedding['tensorName']}"
    metadata = Client(apps["/metadata"]).get(f"/metadata{query}")
    vectors = Client(apps["/tensor"]).get(f"/tensor{query}")
    assert metadata.status_code == vectors.status_code == 200
    return np.frombuffer(vectors.data, np.float32).reshape(embedding["tensorShape"]), metadata.data.decode()


def test_tensorboard_serves_words_counts_and_vectors(tmp_path):
    Embeddings(WORDS, VECTORS, COUNTS).save(tmp_path / "p", "projector")
    vectors, metadata = served(tmp_path / "p")
    np.testing.assert_array_equal(vectors, VECTORS)
    rows = [line.split("\t") for line in metadata.split("\n")[:-1]]
    assert rows[0] == ["word", "count"]
    assert [word for word, _ in rows[1:]] == CELLS
    assert [int(count) for _, count in rows[1:]] == COUNTS.tolist()


def test_without_counts_there_is_no_header(tmp_path):
    Embeddings(WORDS, VECTORS).save(tmp_path / "p", "projector")
    assert served(tmp_path / "p")[1] == "".join(f"{cell}\n" for cell in CELLS)
    assert Embeddings.load(tmp_path / "p").counts is None


@pytest.mark.parametrize("counts", [None, COUNTS])
def test_counts_and_words_that_cells_cannot_hold_are_read_back(tmp_path, counts):
    Embeddings(WORDS, VECTORS, counts).save(tmp_path / "p", "projector")
    read = Embeddings.load(tmp_path / "p")
    assert read.index_to_key == WORDS
    np.testing.assert_array_equal(read.vectors, VECTORS)
    np.testing.assert_array_equal(read.counts, counts)


def test_tables_of_other_programs(tmp_path):
    (tmp_path / "vectors.tsv").write_bytes(b"1\t2e0\r\n-0.5\t4\r\n")
    (tmp_path / "metadata.tsv").write_bytes(b"kind\tword\tcount\r\nx\ta\tmany\r\ny\tb c\tfew\r\n\r\n")
    read = Embeddings.load(tmp_path)
    assert read.index_to_key == ["a", "b c"] and read.counts is None
    np.testing.assert_array_equal(read.vectors, [[1, 2], [-0.5, 4]])
    (tmp_path / "metadata.tsv").write_bytes(b"label\tcount\na\t7\nb\t3")
    read = Embeddings.load(tmp_path)
    assert read.index_to_key == ["a", "b"] and read.counts.tolist() == [7, 3]


def test_an_older_one_is_replaced(tmp_path):
    path = tmp_path / "p"
    Embeddings(WORDS, VECTORS, COUNTS).save(path, "projector")
    Embeddings(["a"], [[1.0]]).save(path, "projector")
    assert Embeddings.load(path).index_to_key == ["a"]
    assert sorted(os.listdir(tmp_path)) == ["p"]
    assert sorted(os.listdir(path)) == ["metadata.tsv", "projector_config.pbtxt", "vectors.tsv"]


def test_a_link_to_a_directory_is_kept(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "p").symlink_to(tmp_path / "real")
    Embeddings(["a"], [[1.0]]).save(tmp_path / "p", "projector")
    assert (tmp_path / "p").is_symlink() and Embeddings.load(tmp_path / "real").index_to_key == ["a"]


def test_killed_between_two_files_the_directory_has_no_words(tmp_path):
    path = tmp_path / "p"
    Embeddings(["old"], [[1.0]]).save(path, "projector")
    code = (
        "import os, sys; from nce_train import Embeddings; real = os.replace\n"
        "def replace(old, new):\n"
        "    real(old, new)\n"
        "    if str(new).endswith('/p/vectors.tsv'): os._exit(9)\n"
        "os.replace = replace\n"
        "Embeddings(['new'], [[2.0]]).save(sys.argv[1], 'projector')\n"
    )
    assert subprocess.run([sys.executable, "-c", code, path], check=False, timeout=60).returncode == 9
    with pytest.raises(InputError, match=r"metadata.tsv: no such file"):
        Embeddings.load(path)


def test_a_model_directory_with_these_files_is_still_a_model_directory(tmp_path):
    np.save(tmp_path / "input.npy", np.ones((1, 2), np.float32))
    (tmp_path / "vocab.tsv").write_text("model\t1\n")
    (tmp_path / "vectors.tsv").write_text("1\t2\n")
    (tmp_path / "metadata.tsv").write_text("projector\n")
    assert Embeddings.load(tmp_path).index_to_key == ["model"]


@pytest.mark.parametrize(
    ("vectors", "metadata", "sentence"),
    [
        (b"1\t2\n3\t4\n", b"a\n", "1 words in metadata.tsv for 2 vectors in vectors.tsv"),
        (b"1\t2\n3\n", b"a\nb\n", "vectors.tsv, line 2: 1 numbers where the first line has 2"),
        (b"1\t2\n3\t4\t5\n", b"a\nb\n", "vectors.tsv, line 2: 3 numbers where the first line has 2"),
        (b"1\t2\n3\tx\n", b"a\nb\n", "vectors.tsv, line 2: 'x' is not a number"),
        (b"1\t2\n3\t\n", b"a\nb\n", "vectors.tsv, line 2: '' is not a number"),
        (b"1\t2\n3\t4 5\n", b"a\nb\n", "vectors.tsv, line 2: '4 5' is not a number"),
        (b"1\t2\n3\tnan\n", b"a\nb\n", "row 1: the vector of 'b' holds a number that is not finite"),
        (b"1\t2\n3\t1e99\n", b"a\nb\n", "row 1: the vector of 'b' holds a number that is not finite"),
        (b"1\n2\n", b"word\tcount\na\t1\nb\n", "metadata.tsv, line 3: 1 columns where the first line names 2"),
        (b"", b"a\n", "vectors.tsv: it is empty"),
        (b"1\n", b"\n", "metadata.tsv: it is empty"),
        (b"1\n", None, "metadata.tsv: no such file"),
        (None, b"a\n", "vectors.tsv: no such file"),
    ],
)
def test_damage_is_refused_with_one_sentence(tmp_path, vectors, metadata, sentence):
    for name, content in (("vectors.tsv", vectors), ("metadata.tsv", metadata)):
        if content is not None:
            (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=sentence) as failure:
        Embeddings.load(tmp_path)
    assert "\n" not in str(failure.value)


def test_paths_that_are_refused(tmp_path):
    model = Embeddings(["a"], [[1.0]])
    (tmp_path / "file").write_text("mine")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "input.npy").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    for name, sentence in (
        ("file", "a file stands here, and the projector needs a directory"),
        ("other", r"a directory with other files \('input.npy'\) stands here"),
        ("absent/p", "there is no directory"),
        ("p.gz", "the projector's files are not compressed"),
    ):
        with pytest.raises(InputError, match=sentence):
            model.save(tmp_path / name, "projector")
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(InputError, match="has no output vectors"):
        model.save(tmp_path / "p", "projector")
        Embeddings.load(tmp_path / "p", vectors="output")


def test_links_that_lead_out_are_refused(tmp_path):
    Embeddings(["a"], [[1.0]]).save(tmp_path / "p", "projector")
    shutil.move(tmp_path / "p" / "metadata.tsv", tmp_path / "elsewhere")
    (tmp_path / "p" / "metadata.tsv").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="a link that leads out of the directory"):
        Embeddings.load(tmp_path / "p")
