"""Checkpoint files: whole or told to be damaged, whatever was cut, flipped or not written."""

import os
import resource
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nce_train.runs.state_file import newest_checkpoint, remove_states, states, write_checkpoint

ARRAYS = {
    "table": np.random.default_rng(0).normal(size=(3000, 50)).astype(np.float32),
    "threads/0/cursor": np.arange(8),
    "empty": np.zeros((0, 2), np.int64),
    "random": np.array([2**64 - 1], np.uint64),
}


def assert_same(arrays, expected):
    assert list(arrays) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(arrays[name], array, strict=True)


def test_what_is_written_is_read(tmp_path):
    wide = np.zeros((2000, 80), np.float32)
    wide[:, :50] = ARRAYS["table"][:2000]
    arrays = {**ARRAYS, "view": wide[:, :50], "large": np.arange(10**6)}
    done = []
    path = write_checkpoint(tmp_path, {"step": 7}, arrays, lambda *pair: done.append(pair))
    found, damaged = newest_checkpoint(tmp_path)
    assert (found.path, found.run, damaged) == (path, {"step": 7}, [])
    assert_same(found.arrays, arrays)
    assert isinstance(found.arrays["large"], np.memmap)
    total = sum(array.nbytes for array in arrays.values())
    assert done[-1] == (total, total)
    with np.load(path, allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["view"], wide[:, :50])


def test_two_are_kept_and_numbers_rise(tmp_path):
    for step in range(12):
        write_checkpoint(tmp_path, {"step": step}, ARRAYS)
    assert [path.name for path in states(tmp_path)] == ["state-000011.npz", "state-000012.npz"]
    assert newest_checkpoint(tmp_path)[0].run == {"step": 11}
    remove_states(tmp_path)
    assert newest_checkpoint(tmp_path) == (None, [])


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    directory = tmp_path_factory.mktemp("two")
    for step in (1, 2):
        path = write_checkpoint(directory, {"step": step}, ARRAYS)
    return directory, path, path.read_bytes()


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_cut_or_changed_file_gives_the_one_before(two, data):
    directory, path, whole = two
    place = data.draw(st.integers(0, len(whole) - 1))
    kind = data.draw(st.sampled_from(["cut", "zeros", "bit"]))
    broken = bytearray(whole)
    if kind == "cut":
        del broken[place:]
    elif kind == "zeros":  # as after a power failure: the size is there, the content is not
        broken[place:] = bytes(len(whole) - place)
    else:
        broken[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(broken)
    found, damaged = newest_checkpoint(directory)
    if found.path == path:  # a bit that no content depends on, such as a time in the archive's headers
        assert kind == "bit" or bytes(broken) == whole
        assert (found.run, damaged) == ({"step": 2}, [])
    else:
        assert (found.run, damaged) == ({"step": 1}, [path])
    assert_same(found.arrays, ARRAYS)


@pytest.mark.parametrize(
    ("place", "value", "raised"),
    [
        (6, 1, RuntimeError),  # encrypted
        (6, 0x20, NotImplementedError),  # patched data
        (8, 6, NotImplementedError),  # a compression that Python has not
    ],
)
def test_a_changed_flag_is_damage_and_nothing_else(tmp_path, place, value, raised):
    for step in (1, 2):
        path = write_checkpoint(tmp_path, {"step": step}, ARRAYS)
    content = bytearray(path.read_bytes())
    # the local header and the one in the table of contents, where both flags stand two bytes further on
    for begin, further in ((b"PK\3\4", 0), (b"PK\1\2", 2)):
        content[content.index(begin) + place + further] = value
    path.write_bytes(content)
    with zipfile.ZipFile(path) as archive, pytest.raises(raised):
        archive.read(archive.namelist()[0])
    found, damaged = newest_checkpoint(tmp_path)
    assert (found.run, damaged) == ({"step": 1}, [path])


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_no_space_leaves_the_older_one(tmp_path, share):
    first = write_checkpoint(tmp_path, {"step": 1}, ARRAYS)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(share * first.stat().st_size), hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_checkpoint(tmp_path, {"step": 2}, ARRAYS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert newest_checkpoint(tmp_path)[0].run == {"step": 1}
    assert os.listdir(tmp_path) == [first.name]


WRITER = """
import sys, pathlib, numpy as np
from nce_train.runs.state_file import write_checkpoint
step = 0
while True:
    step += 1
    write_checkpoint(pathlib.Path(sys.argv[1]), {"step": step}, {"table": np.full((500_000,), step)})
    print(step, flush=True)
"""


def test_a_killed_writer_leaves_a_whole_one(tmp_path):
    generator = np.random.default_rng(3)
    for attempt in range(4):
        directory = tmp_path / str(attempt)
        directory.mkdir()
        writer = subprocess.Popen([sys.executable, "-c", WRITER, directory], stdout=subprocess.PIPE, text=True)
        writer.stdout.readline()
        time.sleep(generator.uniform(0, 0.05))
        writer.send_signal(signal.SIGKILL)
        written = [1, *map(int, writer.communicate()[0].split())]
        found, damaged = newest_checkpoint(directory)
        assert damaged == []
        assert found.run["step"] in (written[-1], written[-1] + 1)
        assert (found.arrays["table"] == found.run["step"]).all()
