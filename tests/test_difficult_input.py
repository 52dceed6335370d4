"""Failures of nce-export, nce-vocab and nce-eval: full disks, missing permissions, difficult words, damaged files.

Each command is a real process. A file that existed at its output must be intact afterwards.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest

from nce_train.embeddings import Embeddings
from nce_train.errors import InputError
from nce_train.evaluation.analogy_sets import read_analogies
from nce_train.evaluation.classifier import Model
from nce_train.evaluation.sets import detect_kind
from nce_train.evaluation.similarity_sets import read_similarities

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs the limits, permissions and links of POSIX")
SLOW = pytest.mark.slow
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, PR_CAPBSET_DROP = 1, 2, 24

# The escape rule: only an empty word, a word with ASCII white space, or a word that could be mistaken for an escaped
# word or for the magic number of a file is escaped.
DIFFICULT_WORDS = {
    "the": "the",
    "new york": "%_new%20york",
    "two\nlines": "%_two%0Alines",
    "tab\tstop": "%_tab%09stop",
    "cr\r": "%_cr%0D",
    "form\ffeed\v": "%_form%0Cfeed%0B",
    "": "%_%00",
    "%_%00": "%_%25_%2500",
    "%_new%20york": "%_%25_new%2520york",
    "BZh91AY&SY": "%_BZh91AY&S%59",
    "BZh91AYes": "BZh91AYes",
    "100%": "100%",
    "3": "3",
    "12 3": "%_12%203",
    "nan": "nan",
    "-1e5": "-1e5",
    "a\u00a0b": "a\u00a0b",
    "a\u2028b": "a\u2028b",
    "a\u0085b": "a\u0085b",
    "\ufeffmark": "\ufeffmark",
    "#": "#",
    ":": ":",
    "nul\0": "nul\0",
    "bytes\udcff\udcfe": "bytes\udcff\udcfe",
    "w" * 2**20: "w" * 2**20,
}


def run(here, command, *arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", f"nce_train.cli.{command}", *map(str, arguments)],
        cwd=here,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        **options,
    )


def assert_failed(done, code, *words):
    """The command failed with one sentence that contains all of these words."""
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


@pytest.fixture
def here(tmp_path):
    rng = np.random.default_rng(1)
    words = [f"word{row}" for row in range(3000)]
    Embeddings(words, rng.normal(size=(3000, 10)), np.arange(3000, 0, -1)).save(tmp_path / "new.npy")
    Embeddings(words[::-1], rng.normal(size=(3000, 10)), np.arange(3000, 0, -1)).save(tmp_path / "old.npy")
    (tmp_path / "corpus.txt").write_text(" ".join(words * 2))
    return tmp_path


# full disks


@POSIX
@pytest.mark.parametrize(
    ("out", "limit"),
    [
        ("v.txt", 20_000),
        ("v.npy", 100_000),
        *(
            pytest.param(f"v{ending}", limit, marks=SLOW)
            for ending in (".txt", ".bin", ".glove.gz", ".txt.bz2", ".txt.xz", ".bin.zst", ".npy", ".npy.gz")
            for limit in (0, 20_000, 100_000)
        ),
    ],
)
def test_a_full_disk_while_exporting(here, out, limit):
    """A write beyond the limit fails: at the first byte, in the header, in the words, or in the numbers."""
    Embeddings.load(here / "old.npy").save(here / out)
    before = contents(here)
    assert len(before[out]) > limit
    done = run(
        here, "export", "new.npy", out, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    )
    assert_failed(done, 1, f"{out}: it could not be written (File too large)", "is unchanged")
    assert contents(here) == before
    assert not [path for path in here.iterdir() if path.is_dir()]


@POSIX
@pytest.mark.parametrize("limit", [pytest.param(10, marks=SLOW), 1000])
def test_a_full_disk_while_counting(here, limit):
    # compile first: this is not about Numba's cache
    assert run(here, "vocab", "corpus.txt", "-o", "vocab.tsv", "--min-count", "1").returncode == 0
    (here / "vocab.tsv").write_text("old\t1\nwords\t1\n")
    before = contents(here)
    done = run(
        here, "vocab", "corpus.txt", "-o", "vocab.tsv", "--min-count", "1",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert_failed(done, 1, "vocab.tsv: it could not be written (File too large)")
    assert contents(here) == before


MOUNTED = """
import subprocess, sys
options, place, *commands = sys.argv[1:]
if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], capture_output=True).returncode:
    sys.exit(77)
command = [sys.executable, "-m", *commands]
sys.exit(subprocess.run(command, timeout=100).returncode)
"""


def run_mounted(here, options, *command):
    """Run a command with a small file system mounted at `small/`."""
    (here / "small").mkdir()
    try:
        done = subprocess.run(
            ["unshare", "-rm", sys.executable, "-c", MOUNTED, options, here / "small", *command],
            cwd=here, capture_output=True, text=True, timeout=100,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("needs the command unshare")
    if done.returncode == 77 or "unshare: " in done.stderr:
        pytest.skip("mounting is not allowed")
    return done


@POSIX
@pytest.mark.parametrize(
    ("out", "size"),
    [("v.npy", "64k"), *(pytest.param(*case, marks=SLOW) for case in [("v.npy", "20k"), ("v.bin.xz", "64k")])],
)
def test_a_small_file_system(here, out, size):
    done = run_mounted(here, f"size={size}", "nce_train.cli.export", "new.npy", f"small/{out}")
    assert_failed(done, 1, f"small/{out}: it could not be written (No space left on device)")


@POSIX
@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["export", "new.npy", "small/v.txt"], "small/v.txt: cannot write into small"),
        pytest.param(["export", "new.npy", "small/v.npy"], "small/v.npy: cannot write into small", marks=SLOW),
        (["vocab", "corpus.txt", "-o", "small/v.tsv"], "small/v.tsv: cannot write into small"),
    ],
)
def test_read_only_media(here, command, sentence):
    done = run_mounted(here, "ro", f"nce_train.cli.{command[0]}", *command[1:])
    assert_failed(done, 2, sentence)


# missing permissions


def drop_privileges():
    """Bind even root to file permissions."""
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


@POSIX
@pytest.mark.parametrize(
    ("command", "closed", "sentence"),
    [
        (["export", "new.npy", "closed/v.txt"], "closed", "cannot write into closed"),
        (["vocab", "corpus.txt", "-o", "closed/v.tsv"], "closed", "cannot write into closed"),
        (["export", "new.npy", "v.txt"], "new.npy", "new.npy: this file may not be read"),
        pytest.param(
            ["export", "new.npy", "v.txt"],
            "new.npy.vocab.tsv",
            "new.npy.vocab.tsv: the words cannot be read",
            marks=SLOW,
        ),
        pytest.param(["export", "closed/new.npy", "v.txt"], "closed", "closed/new.npy: ", marks=SLOW),
        (["eval", "new.npy", "corpus.txt"], "corpus.txt", "corpus.txt: the set cannot be read (Permission denied)"),
        (["vocab", "corpus.txt", "-o", "v.tsv"], "corpus.txt", "cannot read the corpus corpus.txt: Permission denied"),
    ],
)
def test_no_permission(here, command, closed, sentence):
    (here / "closed").mkdir()
    (here / closed).chmod(0o400 if closed == "closed" and "-o" not in command and "v.txt" in command else 0)
    if closed == "closed" and command[1] != "closed/new.npy":
        (here / closed).chmod(0o500)
    before = {path.name for path in here.iterdir()}
    options = {"preexec_fn": drop_privileges} if os.geteuid() == 0 else {}
    done = run(here, *command, **options)
    (here / closed).chmod(0o700)
    assert_failed(done, 2, sentence)
    assert {path.name for path in here.iterdir()} == before


# existing directories and links


@pytest.mark.parametrize(
    ("out", "existing"), [("v.txt", "v.txt"), ("v.npy", "v.npy"), ("v.npy", "v.npy.vocab.tsv"), ("v.bin", "v.bin")]
)
def test_a_directory_at_the_output_is_refused(here, out, existing):
    (here / existing).mkdir()
    before = contents(here)
    with pytest.raises(InputError, match=existing):
        Embeddings.load(here / "new.npy").save(here / out)
    assert contents(here) == before and (here / existing).is_dir()


@POSIX
def test_a_link_at_an_output_of_two_files_is_refused(here):
    (here / "elsewhere").write_text("precious")
    (here / "v.npy").symlink_to("elsewhere")
    assert_failed(run(here, "export", "new.npy", "v.npy"), 2, "v.npy: a link or no regular file")
    assert (here / "elsewhere").read_text() == "precious"


def test_replaced_vectors_get_their_own_words(here):
    assert run(here, "export", "new.npy", "old.npy").returncode == 0
    assert Embeddings.load(here / "old.npy").index_to_key[0] == "word0"
    assert sorted(contents(here)) == ["corpus.txt", "new.npy", "new.npy.vocab.tsv", "old.npy", "old.npy.vocab.tsv"]


# difficult words


@pytest.mark.parametrize("ending", [".bin", *(pytest.param(ending, marks=SLOW) for ending in (".txt", ".glove"))])
def test_difficult_words_through_every_format(tmp_path, ending):
    words = list(DIFFICULT_WORDS)
    vectors = np.random.default_rng(4).normal(size=(len(words), 3)).astype(np.float32)
    Embeddings(words, vectors).save(tmp_path / "first.npy")
    assert run(tmp_path, "export", "first.npy", f"v{ending}").returncode == 0
    assert run(tmp_path, "export", f"v{ending}", "last.npy").returncode == 0
    last = Embeddings.load(tmp_path / "last.npy")
    assert last.index_to_key == words
    np.testing.assert_array_equal(last.vectors, vectors)


@pytest.mark.parametrize("ending", [".bin", ".txt", ".glove"])
def test_gensim_reads_difficult_words(tmp_path, gensim, ending):
    words = list(DIFFICULT_WORDS)
    vectors = np.random.default_rng(4).normal(size=(len(words), 3)).astype(np.float32)
    Embeddings(words, vectors).save(tmp_path / f"v{ending}")
    theirs = gensim.models.KeyedVectors.load_word2vec_format(
        tmp_path / f"v{ending}", binary=ending == ".bin", no_header=ending == ".glove", unicode_errors="surrogateescape"
    )
    # gensim's text reader keeps leading byte order marks and trailing control characters
    assert theirs.index_to_key == list(DIFFICULT_WORDS.values())
    np.testing.assert_array_equal(theirs.vectors, vectors)


@pytest.mark.parametrize("first", [word for word in DIFFICULT_WORDS if word != "the"], ids=lambda word: repr(word)[:20])
@pytest.mark.parametrize("ending", [".txt", ".bin", ".glove"])
def test_a_difficult_word_on_the_first_line(tmp_path, first, ending):
    model = Embeddings([first, "b"], [[3.0, 1.0], [1.0, 2.0]])
    model.save(tmp_path / f"v{ending}")
    assert Embeddings.load(tmp_path / f"v{ending}").index_to_key == [first, "b"]


def test_difficult_words_survive_counting(tmp_path):
    words = [word for word in DIFFICULT_WORDS if word and not any(blank in word for blank in " \n\t\r\v\f\0")]
    (tmp_path / "corpus.txt").write_bytes(" ".join(words + words).encode("utf-8", "surrogateescape"))
    assert run(tmp_path, "vocab", "corpus.txt", "-o", "v.tsv", "--min-count", "2").returncode == 0
    lines = (tmp_path / "v.tsv").read_bytes().decode("utf-8", "surrogateescape").split("\n")
    assert lines == [f"{word}\t2" for word in words] + [""]


def test_a_byte_order_mark_before_the_header(tmp_path):
    (tmp_path / "v.txt").write_bytes(b"\xef\xbb\xbf2 2\na 1 2\nb 3 4\n")
    assert Embeddings.load(tmp_path / "v.txt").index_to_key == ["a", "b"]


def test_other_white_space_is_part_of_a_word_in_sets(tmp_path):
    (tmp_path / "analogies").write_text("new\u00a0york a\u2028b c d\n", encoding="utf-8")
    assert detect_kind(tmp_path / "analogies") == "analogies"
    assert read_analogies(tmp_path / "analogies")[0][1:5] == ("new\u00a0york", "a\u2028b", "c", "d")
    (tmp_path / "pairs").write_text("new\u00a0york a\u2028b 5\nc d " + "9" * 400 + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 2: not two words and a number"):
        read_similarities(tmp_path / "pairs")


@POSIX
def test_a_pipe_is_not_read_twice(here):
    os.mkfifo(here / "pipe")
    assert_failed(run(here, "eval", "new.npy", "pipe"), 2, "pipe: a pipe, which can be read only once")


# untrusted files


@pytest.mark.parametrize(
    "words",
    [b"a\t1 2\nb\t\n", b"a\t 5\nb\t4\n", b"a\t+5\nb\t4\n", b"a\t5\nb\t99999999999999999999\n", b"a\t\xc2\xb2\nb\t1\n"],
)
def test_invalid_counts(tmp_path, words):
    Embeddings(["a", "b"], np.ones((2, 2))).save(tmp_path / "v.npy")
    (tmp_path / "v.npy.vocab.tsv").write_bytes(words)
    with pytest.raises(InputError, match=r"vocab\.tsv, line [12]: the count"):
        Embeddings.load(tmp_path / "v.npy")


@pytest.fixture
def model_directory(tmp_path):
    directory = tmp_path / "m.nce"
    directory.mkdir()
    np.save(directory / "input.npy", np.ones((2, 2), np.float32))
    (directory / "vocab.tsv").write_text("a\t2\nb\t1\n")
    (directory / "manifest.json").write_text('{"format": 1, "files": {"input.npy": "0", "vocab.tsv": "1"}}')
    assert len(Embeddings.load(directory)) == 2
    return directory


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "..", "", "a\\b", "nul\0", "sub/input.npy"])
def test_a_manifest_that_names_files_outside_the_model(model_directory, name):
    (model_directory / "manifest.json").write_text(json.dumps({"files": {name: "0"}}))
    with pytest.raises(InputError, match=r"manifest\.json: it names the file .*, which is not in the model directory"):
        Embeddings.load(model_directory)


@pytest.mark.parametrize(
    ("manifest", "sentence"),
    [
        (b'{"format": 1,\n"files": {', r"manifest\.json, line 2: damaged or cut short"),
        (b"", r"manifest\.json, line 1: damaged or cut short"),
        (b"[" * 100_000, r"manifest\.json: damaged \(RecursionError\)"),
        (b"[]", "not the manifest of a model"),
        (b'{"files": ["input.npy"]}', "not the manifest of a model"),
        (b'{"format": 2}', "the format '2' is not known here; update nce-train"),
        (b"{\xff}", r"manifest\.json: damaged \(UnicodeDecodeError\)"),
    ],
)
def test_a_damaged_manifest(model_directory, manifest, sentence):
    (model_directory / "manifest.json").write_bytes(manifest)
    with pytest.raises(InputError, match=sentence):
        Embeddings.load(model_directory)


@POSIX
@pytest.mark.parametrize("name", ["input.npy", "vocab.tsv", "manifest.json", "output.npy"])
def test_links_out_of_a_model_are_refused(model_directory, name):
    outside = model_directory.parent / "outside"
    (model_directory / name).touch()
    (model_directory / name).rename(outside)
    (model_directory / name).symlink_to(outside)
    for read in (Embeddings.load, Model.load):
        with pytest.raises(InputError, match=f"{name}: a link that leads out of the model directory"):
            read(model_directory)


@POSIX
def test_a_link_to_a_model_is_the_model(model_directory):
    (model_directory.parent / "link.nce").symlink_to(model_directory)
    assert len(Embeddings.load(model_directory.parent / "link.nce")) == 2


# interrupts


@POSIX
@pytest.mark.parametrize(
    ("name", "code", "sentence"),
    [("SIGINT", 130, "interrupted; nothing was written"), ("SIGHUP", 129, "terminated; nothing was written")],
)
def test_an_interrupt_while_the_command_is_imported(name, code, sentence):
    program = (
        f"import os, signal, sys; sys.argv[0] = 'nce-train'; import nce_train.cli; os.kill(os.getpid(), signal.{name})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert_failed(done, code, sentence)


@POSIX
@pytest.mark.parametrize(
    ("out", "number", "code"),
    [
        ("v.npy.gz", signal.SIGINT, 130),
        pytest.param("v.npy.gz", signal.SIGTERM, 143, marks=SLOW),
        pytest.param("v.txt.xz", signal.SIGINT, 130, marks=SLOW),
    ],
)
def test_an_interrupt_while_exporting_keeps_the_old_file(tmp_path, out, number, code):
    rows = 60_000
    words = [f"word{row}" for row in range(rows)]
    Embeddings(words, np.random.default_rng(2).normal(size=(rows, 40))).save(tmp_path / "new.npy")
    (tmp_path / out).write_text("old")
    if out.startswith("v.npy"):
        (tmp_path / f"{out}.vocab.tsv").write_text("old")
    before = contents(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "nce_train.cli.export", "new.npy", out],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    while not [path for path in tmp_path.rglob("*") if ".partial" in str(path) and path.is_file() and is_begun(path)]:
        assert process.poll() is None, "it ended before it could be interrupted"
    process.send_signal(number)
    _, sentence = process.communicate(timeout=60)
    assert process.returncode == code and "Traceback" not in sentence, sentence
    assert contents(tmp_path) == before and not list(tmp_path.glob(".*"))


def is_begun(path):
    with contextlib.suppress(OSError):
        return path.stat().st_size > 100_000
    return False
