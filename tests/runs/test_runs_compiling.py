"""Compiling in another process: what it leaves is used, it ends with the run, and it imports nothing of the user's."""

import os
import subprocess
import sys
import threading

import pytest

from nce_train.runs import compiling
from nce_train.training.settings import Settings

COMPILE = """
from nce_train.training.settings import Settings
from nce_train.runs import compiling
settings = Settings(dim=16).resolved()
compiling.compile_elsewhere(settings)
compiling.compile_kernels(settings)
from nce_train.kernel.train import train_blocks
print(sum(train_blocks.stats.cache_hits.values()), sum(train_blocks.stats.cache_misses.values()))
print(compiling._is_to_be_compiled(settings), compiling._is_to_be_compiled(Settings(deterministic=True).resolved()))
"""


TRAIN = """
import sys, zlib
import nce_train
from nce_train.runs import compiling
from nce_train.training.settings import Settings
settings = {"dim": 24, "threads": 1, "seed": 3, "epochs": 2, "min_count": 1}
compile_there = compiling.compile_elsewhere if sys.argv[2] == "elsewhere" else compiling.compile_kernels
compile_there(Settings(**settings).resolved())
model = nce_train.train(sys.argv[1], **settings, cache=False)
from nce_train.kernel.train import train_blocks
print(sum(train_blocks.stats.cache_misses.values()), zlib.crc32(model.vectors))
"""


def environment(tmp_path):
    return {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "compiled")}


@pytest.mark.slow
def test_kernels_compiled_elsewhere_are_loaded_and_the_working_directory_is_not_imported(tmp_path):
    for name in ("yaml.py", "numpy.py", "nce_train.py"):
        (tmp_path / name).write_text("open('imported', 'w').close()\n")
    command = [sys.executable, "-P", "-c", COMPILE]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, check=True, timeout=200
    )
    assert done.stdout == "1 0\nFalse True\n", done
    assert not (tmp_path / "imported").exists()


def test_it_ends_with_the_process_that_started_it(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", compiling.__name__], env=environment(tmp_path), stdin=subprocess.PIPE
    )
    process.stdin.write(Settings(dim=16).resolved().to_yaml().encode() + b"\0")
    process.stdin.close()
    assert process.wait(timeout=200) == 1
    assert not list(tmp_path.rglob("*.nbc"))


@pytest.mark.slow
def test_kernels_compiled_elsewhere_train_the_same_model(tmp_path):
    """They are compiled with fewer optimisations, none of which may change a result."""
    text = tmp_path / "text.txt"
    text.write_text("one two three four five six seven eight nine ten\n" * 300)
    done = {}
    for where in ("elsewhere", "here"):
        command = [sys.executable, "-c", TRAIN, str(text), where]
        done[where] = subprocess.run(
            command, env=environment(tmp_path / where), capture_output=True, text=True, check=True, timeout=200
        ).stdout.split()
    assert done == {"elsewhere": ["0", done["here"][1]], "here": ["1", done["here"][1]]}


@pytest.mark.slow
def test_a_first_run_says_what_it_waits_for(tmp_path):
    (tmp_path / "text.txt").write_text("one two three four five six seven eight nine ten\n" * 30)
    read = "from nce_train.text.corpus import encode_corpus; encode_corpus('text.txt', '.', cache=False)"
    for command in (["-c", read], ["-m", "nce_train.cli.train", "text.txt"]):  # the kernels of reading are there
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            check=True,
            timeout=200,
        )
    lines = done.stderr.splitlines()
    assert lines.count("compiling the kernel, to be stored for later runs") == 1, lines
    assert lines[0].startswith("vocabulary:")


@pytest.mark.parametrize(("long", "told"), [(0.0, True), (100.0, False)])
def test_only_what_takes_long_is_told(monkeypatch, long, told):
    monkeypatch.setattr(compiling, "SLOW", long)
    happened = threading.Event()
    with compiling.report_if_slow(happened.set):
        assert happened.wait(20 if told else 0) == told
    assert happened.is_set() == told


@pytest.mark.slow
def test_it_ends_as_soon_as_the_kernels_are_there(tmp_path):
    """Nothing waits for the thread that watches the other process, and Python finds nothing amiss in it."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", compiling.__name__],
        env=environment(tmp_path),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        process.stdin.write(Settings(dim=16).resolved().to_yaml().encode() + b"\0")
        process.stdin.flush()
        assert (process.wait(timeout=200), process.stderr.read()) == (0, b"")
    assert list(tmp_path.rglob("*.nbc"))


def test_no_process_is_started_where_kernels_are_compiled_already(monkeypatch):
    settings = Settings().resolved()
    compiling.compile_kernels(settings)

    def refuse(*arguments, **options):
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    compiling.compile_elsewhere(settings)
    monkeypatch.setattr(compiling, "_is_to_be_compiled", lambda settings: True)
    with pytest.raises(AssertionError, match="was started"):
        compiling.compile_elsewhere(settings)
    monkeypatch.setattr(sys, "executable", "")
    compiling.compile_elsewhere(settings)
