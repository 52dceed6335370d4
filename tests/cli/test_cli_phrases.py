"""nce-phrases: what it writes, its messages, and the files that are left when it fails."""

import contextlib
import gzip
import lzma
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from command_case import command

from nce_train.cli.phrases import main

SAMPLE = Path(__file__).parents[2] / "data" / "sample.txt.xz"
TEXT = "new york is large\nin new york\n\nit is new\n"
OPTIONS = ("--min-count", "1", "--threshold", "0.5")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="sets limits and sends signals")


def start(*arguments, **options):
    words = command("phrases", *arguments)
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def run(*arguments, given=b"", **options):
    process = start(*arguments, **options)
    out, err = process.communicate(given, timeout=120)
    return process.returncode, out.decode(), err.decode()


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Fills the cache of compiled kernels, which a process with a file size limit cannot write."""
    directory = tmp_path_factory.mktemp("compiled")
    (directory / "corpus.txt").write_text(TEXT)
    assert CliRunner().invoke(main, [str(directory / "corpus.txt"), "-o", str(directory / "out.txt")]).exit_code == 0


def test_text_and_list_are_written(tmp_path):
    (tmp_path / "corpus.txt").write_text(TEXT)
    out, table = tmp_path / "out.txt", tmp_path / "list.tsv"
    code, stdout, stderr = run(tmp_path / "corpus.txt", "-o", out, "--list", table, *OPTIONS)
    assert (code, stdout) == (0, "")
    assert stderr == f"{out}: 1 phrases; 10 tokens became 8, from {len(TEXT)} bytes\n"
    assert out.read_text() == "new_york is large\nin new_york\nit is new\n"
    assert table.read_text() == (
        "phrase\tscore\tcount\tfirst\tfirst_count\tsecond\tsecond_count\tpass\nnew_york\t2\t2\tnew\t3\tyork\t2\t1\n"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus.txt", "list.tsv", "out.txt"]


def test_standard_input_directories_and_compression(tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "a.gz").write_bytes(gzip.compress(TEXT.encode()))
    (corpus / "b.txt").write_text("New\rYork")
    out = tmp_path / "out.txt.xz"
    arguments = ("-", corpus, "-o", out, *OPTIONS, "--passes", 2, "--lowercase", "--delimiter", "+", "--quiet")
    assert run(*arguments, given=b"New York is old") == (0, "", "")
    lines = lzma.decompress(out.read_bytes()).decode().splitlines()
    assert lines == ["new+york+is old", "new+york+is large", "in new+york", "it is new", "new", "york"]


@pytest.mark.slow
def test_standard_output(tmp_path):
    (tmp_path / "corpus.txt").write_text(TEXT)
    code, stdout, stderr = run(tmp_path / "corpus.txt", "-o", "/dev/stdout", "--quiet", *OPTIONS)
    assert (code, stdout, stderr) == (0, "new_york is large\nin new_york\nit is new\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.txt", "-o", "out.txt"], "cannot read the corpus missing.txt: no such file"),
        (["corpus.txt", "-o", "corpus.txt"], "corpus.txt: this file is read as corpus"),
        (["corpus.txt", "-o", "link.txt"], "link.txt: this file is read as corpus"),
        ([".", "-o", "out.txt", "--list", "corpus.txt"], "corpus.txt: this file is read as corpus"),
        (["corpus.txt", "-o", "out.txt", "--list", "./out.txt"], "name another file for the list"),
        (["corpus.txt", "-o", "none/out.txt"], "there is no directory none"),
        (["corpus.txt", "-o", "."], "this is a directory"),
        (["corpus.txt", "-o", "out.zip"], ".zip is not written"),
        (["corpus.txt", "-o", "out.txt", "--threshold", "0"], "--threshold is 0.0: with the score word2vec"),
        (["corpus.txt", "-o", "out.txt", "--score", "npmi", "--threshold", "10"], "between -1 and 1"),
        (["corpus.txt", "-o", "out.txt", "--delimiter", " "], "--delimiter is ' '"),
        (["corpus.txt", "-o", "out.txt", "--passes", "0"], "Invalid value for '--passes'"),
        (["binary", "-o", "out.txt"], "binary contains a NUL byte at offset 1"),
        (["empty", "-o", "out.txt"], "the corpus (empty) holds no token"),
        (["corpus.txt"], "Missing option '-o'"),
    ],
)
def test_a_failure_is_a_sentence_and_exit_code_2(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus.txt").write_text(TEXT)
    (tmp_path / "binary").write_bytes(b"a\0b\n")
    (tmp_path / "empty").write_bytes(b"\n")
    (tmp_path / "link.txt").symlink_to("corpus.txt")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@LINUX
@pytest.mark.parametrize(  # the sample has 2.2 MB of ids and 2.7 MB of text
    "room", [2_400_000, *(pytest.param(room, marks=pytest.mark.slow) for room in (0, 500_000))]
)
def test_no_space_leaves_the_old_file(tmp_path, compiled, room):
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    (tmp_path / "out.txt").write_text("before")
    code, _, stderr = run(SAMPLE, "-o", tmp_path / "out.txt", preexec_fn=limit)
    assert code == 1
    assert stderr.startswith("Error: ") and len(stderr.splitlines()) == 1
    assert str(tmp_path) in stderr and "File too large" in stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]
    assert (tmp_path / "out.txt").read_text() == "before"


@LINUX
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_a_signal_leaves_no_file(tmp_path, number, code):
    os.mkfifo(tmp_path / "corpus")
    process = start(tmp_path / "corpus", "-o", tmp_path / "out.txt")
    with open(tmp_path / "corpus", "wb") as corpus:
        corpus.write(b"new york\n" * 500_000)
        corpus.flush()
        deadline = time.monotonic() + 60
        while len(list(tmp_path.iterdir())) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
        with contextlib.suppress(BrokenPipeError):
            corpus.flush()
    assert process.returncode == code
    assert len(stderr.decode().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]
