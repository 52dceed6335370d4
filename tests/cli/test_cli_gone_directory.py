"""A current directory that was removed: absolute paths work, and relative ones are refused with the reason."""

import os
import subprocess
import sys

import pytest

GONE = "the current directory is gone: change to one that exists, or give every path from the root"
IN_A_DIRECTORY_THAT_IS_GONE = """
import os, sys, tempfile
directory = tempfile.mkdtemp()
os.chdir(directory)
os.rmdir(directory)
from nce_train.cli import {module}
sys.argv[0] = "nce-{module}"
{module}.main()
"""


def run(module, *arguments, **environment):
    code = IN_A_DIRECTORY_THAT_IS_GONE.format(module=module)
    command = [sys.executable, "-P", "-c", code, *map(str, arguments)]
    environment = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "t.txt").write_text("red green blue\ngreen red blue\n" * 50)
    return tmp_path / "t.txt"


def test_with_absolute_paths_it_trains_and_exports(corpus, tmp_path):
    done = run("train", corpus, "-o", tmp_path / "m.nce", "--quiet", "--subsample", "0", "--dim", "8")
    assert done.returncode == 0, done.stderr
    assert run("export", tmp_path / "m.nce", tmp_path / "v.txt").returncode == 0
    assert (tmp_path / "v.txt").read_text().startswith("3 8\n")


@pytest.mark.slow
def test_kernels_are_compiled_there(corpus, tmp_path):
    done = run("vocab", corpus, "-o", tmp_path / "v.tsv", NUMBA_CACHE_DIR=str(tmp_path / "kernels"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "v.tsv").exists()


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("train", ["../t.txt", "-o", "/tmp/none/x.nce"]),
        ("train", ["CORPUS", "--subsample", "0"]),  # its output would be there
        ("query", ["m.nce", "neighbours", "red"]),
    ],
)
def test_relative_paths_are_refused_with_the_reason(corpus, module, arguments):
    done = run(module, *[corpus if argument == "CORPUS" else argument for argument in arguments])
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, f"Error: {GONE}")


def test_a_failure_that_has_another_reason_keeps_its_sentence(tmp_path):
    done = run("query", tmp_path / "none.nce", "neighbours", "red")
    assert done.returncode == 2
    assert str(tmp_path / "none.nce") in done.stderr
    assert GONE not in done.stderr
