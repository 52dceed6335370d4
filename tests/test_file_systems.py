"""File systems that lack something: a whole run with the answers that they give to locks, fsync and shared maps.

No such file system can be had everywhere, so the calls of this process give the answer.
"""

import errno
import fcntl
import mmap
import os
import warnings

import numpy as np
import pytest

import nce_train
from nce_train.errors import InputError, NceTrainWarning
from nce_train.files import atomic_write, sync_directory, sync_file
from nce_train.mapped_files import can_be_mapped, map_array, map_npy, map_writable

SENTENCES = [["red", "green", "blue"], ["green", "red", "blue"]] * 50
SMALL = {"dim": 8, "subsample": 0, "epochs": 1, "threads": 1, "progress": False}


@pytest.fixture
def failing(monkeypatch):
    """Let a function answer with an error, if `is_meant` says so of its arguments."""

    def let_fail(module, name, number, is_meant=lambda *_, **__: True):
        real = getattr(module, name)

        def answer(*args, **kwargs):
            if is_meant(*args, **kwargs):
                raise OSError(number, os.strerror(number))
            return real(*args, **kwargs)

        # a class stays one, for isinstance
        monkeypatch.setattr(
            module,
            name,
            type(name, (real,), {"__new__": lambda cls, *a, **k: answer(*a, **k)})
            if (isinstance(real, type))
            else answer,
        )

    return let_fail


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_a_run_warns_once_and_trains(tmp_path, failing, number):
    failing(fcntl, "flock", number)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        nce_train.train(SENTENCES, output=tmp_path / "m.nce", **SMALL)
    assert [str(one.message) for one in caught if one.category is NceTrainWarning] == [
        f"The file system of {tmp_path}/m.nce has no locks ({os.strerror(number)}): nothing keeps another run from "
        "writing there at the same time."
    ]
    assert len(nce_train.Embeddings.load(tmp_path / "m.nce")) == 3


def test_another_failure_of_the_lock_is_one(tmp_path, failing):
    failing(fcntl, "flock", errno.EIO)
    with pytest.raises(InputError, match="Input/output error"):
        nce_train.train(SENTENCES, output=tmp_path / "m.nce", **SMALL)
    assert not (tmp_path / "m.nce").exists()


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_without_fsync_everything_is_written(tmp_path, failing, number):
    failing(os, "fsync", number)
    model = nce_train.train(SENTENCES, output=tmp_path / "m.nce", checkpoint_every="50tokens", **SMALL)
    model.save(tmp_path / "v.npy")
    assert len(nce_train.Embeddings.load(tmp_path / "v.npy")) == 3


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_failure_to_write_is_one(tmp_path, failing, number):
    failing(os, "fsync", number)
    with pytest.raises(OSError, match=os.strerror(number)), atomic_write(tmp_path / "file") as file:
        file.write(b"lost")
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_not_synchronised():
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as pipe:
        sync_file(pipe)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EBADF])
def test_a_directory_that_cannot_be_synchronised(tmp_path, failing, number):
    failing(os, "fsync", number)
    sync_directory(tmp_path)
    failing(os, "open", number)
    sync_directory(tmp_path)


def shared(*_, **way):
    return way.get("access") in (mmap.ACCESS_READ, mmap.ACCESS_WRITE)


@pytest.mark.parametrize("is_meant", [shared, lambda *_, **__: True], ids=["shared-maps", "all-maps"])
@pytest.mark.parametrize("number", [errno.ENODEV, errno.EINVAL, errno.EACCES])
def test_arrays_without_maps(tmp_path, failing, number, is_meant):
    path = tmp_path / "a.npy"
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.save(path, array)
    assert can_be_mapped(path)
    failing(mmap, "mmap", number, is_meant)
    assert not can_be_mapped(path)
    found = map_npy(path)
    assert np.array_equal(found, array)
    assert not found.flags.writeable
    with open(path, "rb") as file:
        assert np.array_equal(map_array(file, np.float32, (4, 3), 128, "F"), array.T)
        assert map_array(file, np.float32, (0,)).shape == (0,)
    with open(path, "r+b") as file:
        content = map_writable(file)
    content[:2] = b"ab"
    assert bytes(content[:6]) == b"abUMPY"


@pytest.mark.parametrize("is_meant", [shared, lambda *_, **__: True], ids=["shared-maps", "all-maps"])
def test_a_run_without_maps_gives_the_same_model(tmp_path, failing, is_meant):
    (tmp_path / "t.txt").write_text("\n".join(map(" ".join, SENTENCES)))
    settings = {
        **SMALL,
        "checkpoint_every": "50tokens",
        "heldout": str(tmp_path / "t.txt"),
        "patience": 1,
        "min_count": 1,
    }
    usual = nce_train.train(tmp_path / "t.txt", output=tmp_path / "usual.nce", **settings)
    failing(mmap, "mmap", errno.ENODEV, is_meant)
    nce_train.train(tmp_path / "t.txt", output=tmp_path / "m.nce", **settings)
    found = nce_train.Embeddings.load(tmp_path / "m.nce")
    assert np.array_equal(found.vectors, usual.vectors)
    nce_train.phrases(tmp_path / "t.txt", tmp_path / "p.txt", passes=2, min_count=1, threshold=0.1)
    assert (tmp_path / "p.txt").stat().st_size > 0


def test_a_file_that_fits_neither_address_space_nor_memory_is_refused(tmp_path, failing, monkeypatch):
    np.save(tmp_path / "a.npy", np.zeros(1000))
    failing(mmap, "mmap", errno.ENOMEM)
    with pytest.raises(MemoryError, match=r"a\.npy"):
        map_npy(tmp_path / "a.npy")
    failing(mmap, "mmap", errno.ENODEV)
    monkeypatch.setattr("nce_train.mapped_files.available_memory", lambda: 100)
    with pytest.raises(MemoryError, match=r"a\.npy"):
        map_npy(tmp_path / "a.npy")
