"""nce-export as a real process: formats, options and refusals."""

import shutil
import subprocess

import numpy as np
import pytest
from command_case import call_command, command, run_command

from nce_train.cli import export, phrases, report
from nce_train.cli.export import FORMAT_NAMES
from nce_train.embeddings import Embeddings
from nce_train.embeddings.formats.precision import DTYPES
from nce_train.embeddings.formats.registry import FORMATS, VECTORS
from nce_train.embeddings.postprocess import all_but_the_top, unit_length
from nce_train.report.word_map import LAYOUTS
from nce_train.text.phrases import THRESHOLDS

WORDS = [f"w{i}" for i in range(20)]


@pytest.fixture
def here(tmp_path):
    rng = np.random.default_rng(6)
    directory = tmp_path / "corpus.nce"
    directory.mkdir()
    for name in ("input", "output"):
        np.save(directory / f"{name}.npy", rng.standard_normal((20, 5)).astype(np.float32))
    (directory / "vocab.tsv").write_text("".join(f"{word}\t{100 - i}\n" for i, word in enumerate(WORDS)))
    (directory / "manifest.json").write_text("{}")
    return tmp_path


def run(here, *arguments, **options):
    return run_command("export", *arguments, cwd=here, text=True, **options)


def table(here, name):
    return np.load(here / "corpus.nce" / f"{name}.npy")


@pytest.mark.parametrize("out", ["v.txt", "v.vec.gz", "v.bin", "v.glove.xz", "v.npy", "V.TXT.GZ", "v.fasttext.bin"])
def test_the_ending_sets_the_format(here, out):
    done = run(here, "corpus.nce", out)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"{out}: 20 words, dim 5\n")
    written = Embeddings.load(here / out)
    assert written.index_to_key == WORDS
    np.testing.assert_array_equal(written.vectors, table(here, "input"))


@pytest.mark.parametrize(
    ("out", "options"),
    [
        ("v.safetensors", []),
        ("v.safetensors", ["--dtype", "int8"]),
        ("v.npy", ["--dtype", "float16"]),
        ("v.projector", ["--format", "projector"]),
    ],
)
def test_dtypes_and_the_projector(here, out, options):
    done = run(here, "corpus.nce", out, *options)
    dtype = f", {options[1]}" if "--dtype" in options else ""
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"{out}: 20 words, dim 5{dtype}\n")
    written = Embeddings.load(here / out)
    assert written.index_to_key == WORDS and written.counts.tolist() == list(range(100, 80, -1))
    np.testing.assert_allclose(written.vectors, table(here, "input"), atol=0.02 if dtype else 0)


def test_the_option_overrides_the_ending(here):
    assert run(here, "corpus.nce", "v.data", "--format", "glove").returncode == 0
    assert (here / "v.data").read_text().startswith("w0 ")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--top", "3"], lambda i, o: i[:3]),
        (["--top", "99"], lambda i, o: i),
        (["--vectors", "output"], lambda i, o: o),
        (["--vectors", "sum"], lambda i, o: i + o),
        (["--normalize"], lambda i, o: unit_length(i)),
        (["--postprocess", "abtt"], lambda i, o: all_but_the_top(i)),
        (
            ["--vectors", "sum", "--top", "9", "--postprocess", "abtt", "--normalize"],
            lambda i, o: unit_length(all_but_the_top((i + o)[:9])),
        ),
    ],
)
def test_which_vectors_are_written(here, options, expected):
    done = run(here, "corpus.nce", "v.txt", *options)
    assert done.returncode == 0, done.stderr
    written = Embeddings.load(here / "v.txt")
    wanted = expected(table(here, "input"), table(here, "output"))
    assert written.index_to_key == WORDS[: len(wanted)]
    np.testing.assert_allclose(written.vectors, wanted, rtol=1e-6)


def test_what_stays_behind_of_a_model_with_subwords_is_said_once(here):
    directory = here / "corpus.nce"
    np.save(directory / "ngrams.npy", np.ones((3, 5), np.float32))
    np.save(directory / "ngram_buckets.npy", np.array([7, 3, 99], np.int32))
    (directory / "config.yaml").write_text("ngrams: 3-6\nbuckets: 100\n")
    done = run(here, "corpus.nce", "v.vec")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [
        "Warning: v.vec: unknown words stay behind, as the format word2vec holds no n-grams; npy, fasttext and "
        "safetensors files of the unchanged vectors have vectors for them.",
        "v.vec: 20 words, dim 5",
    ]
    for out in ("v.npy", "v.fasttext.bin", "v.safetensors"):
        assert run(here, "corpus.nce", out).stderr == f"{out}: 20 words, dim 5\n"
        assert sorted(Embeddings.load(here / out).subwords.rows.tolist()) == [3, 7, 99]
    done = run(here, "corpus.nce", "unit.npy", "--normalize")
    assert done.stderr.startswith("Warning: unit.npy: unknown words stay behind, as postprocess and normalize change")
    assert len(done.stderr.splitlines()) == 2


def test_a_closed_pipe_ends_without_a_message(here):
    Embeddings([f"w{row}" for row in range(5_000)], np.ones((5_000, 30))).save(here / "long.bin")
    process = subprocess.Popen(
        command("export", "long.bin", "/dev/stdout", "--format", "glove"),
        cwd=here,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout.readline().startswith(b"w0 1.0 ")
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 1


def test_npy_has_the_counts_beside_it(here):
    assert run(here, "corpus.nce", "v.npy", "--top", "2").returncode == 0
    assert (here / "v.npy.vocab.tsv").read_text() == "w0\t100\nw1\t99\n"


def test_a_vectors_file_can_be_exported_onto_itself(here):
    assert run(here, "corpus.nce", "v.npy").returncode == 0
    assert run(here, "v.npy", "v.npy", "--normalize").returncode == 0
    np.testing.assert_allclose(np.linalg.norm(Embeddings.load(here / "v.npy").vectors, axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["corpus.nce", "v.data"], "v.data: the ending is not that of a format"),
        (["corpus.nce", "v.txt", "--format", "parquet"], "'parquet' is not one of"),
        (["corpus.nce", "v.txt", "--top", "0"], "--top"),
        (["corpus.nce", "absent/v.txt"], "there is no directory absent"),
        (["corpus.nce", "corpus.nce", "--format", "glove"], "this is a directory"),
        (["absent", "v.txt"], "absent: no such file"),
        (["v.txt", "w.txt"], "v.txt: no such file"),
        (["old.txt", "v.txt", "--vectors", "sum"], "a vectors file has no sum vectors"),
        (["killed.nce", "v.txt"], "killed.nce: an unfinished model"),
        (["corpus.nce", "v.txt", "--dtype", "int8"], "word2vec does not hold int8; take npy or safetensors"),
        (["corpus.nce", "corpus.nce", "--format", "projector"], "a directory with other files"),
        (["corpus.nce", "old.txt", "--format", "projector"], "a file stands here"),
        (["corpus.nce", "v.txt.zip"], "v.txt.zip: .zip is not written; compress with an ending .gz, .bz2, .xz, .zst"),
    ],
)
def test_refusals_exit_with_2(here, arguments, sentence):
    (here / "old.txt").write_text("1 1\na 0.5\n")
    shutil.copytree(here / "corpus.nce", here / "killed.nce", ignore=shutil.ignore_patterns("manifest.json"))
    before = {path.name for path in here.iterdir()}
    done = call_command("export", *arguments, cwd=here)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert {path.name for path in here.iterdir()} == before


def test_an_interrupted_run_gets_a_resume_hint(here):
    shutil.copytree(here / "corpus.nce", here / "killed.nce", ignore=shutil.ignore_patterns("manifest.json"))
    (here / "killed.nce" / "checkpoint").mkdir()
    done = run(here, "killed.nce", "v.txt")
    assert done.returncode == 2
    assert "resume it: nce-train --resume killed.nce" in done.stderr
    assert "--overwrite" not in done.stderr


def test_safetensors_have_the_settings_of_the_run(here):
    (here / "corpus.nce" / "config.yaml").write_text("window: 5\nunknown: null\n")
    assert run(here, "corpus.nce", "v.safetensors", "--top", "2", "--normalize").returncode == 0
    assert Embeddings.load(here / "v.safetensors").settings == {"window": 5, "unknown": None}
    (here / "corpus.nce" / "config.yaml").write_text("window: [5\n")
    assert run(here, "corpus.nce", "v.txt").returncode == 0
    done = run(here, "corpus.nce", "w.safetensors")
    assert done.returncode == 2 and "config.yaml is not valid YAML" in done.stderr


def test_the_choices_are_those_of_the_library():
    """The commands repeat them, so that `--help` need not load NumPy."""
    assert set(FORMAT_NAMES) == set(FORMATS)
    for declared_by, option, known in (
        (export.main, "dtype", DTYPES),
        (export.main, "vectors", VECTORS),
        (report.main, "layout", LAYOUTS),
        (phrases.main, "score", THRESHOLDS),
    ):
        (declared,) = (parameter for parameter in declared_by.params if parameter.name == option)
        assert set(declared.type.choices) == set(known)


def test_nothing_is_written_into_a_model_directory(here):
    code = run(here, "corpus.nce", "corpus.nce/input.npy", "--top", "2")
    assert code.returncode == 2
    assert "corpus.nce/input.npy is inside the model directory" in code.stderr
