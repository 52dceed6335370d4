"""Files are whole or absent; links and special files stay what they are."""

import os
import threading

import pytest

from nce_train.files import atomic_write, is_same_file


def test_a_failure_leaves_the_old_file(tmp_path):
    (tmp_path / "f").write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_write(tmp_path / "f") as file:
        file.write(b"new")
        raise ZeroDivisionError
    assert (tmp_path / "f").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_success_replaces_it(tmp_path):
    (tmp_path / "f").write_text("old")
    with atomic_write(tmp_path / "f", "w", encoding="utf-8") as file:
        file.write("new")
        assert (tmp_path / "f").read_text() == "old"
    assert (tmp_path / "f").read_text() == "new"


@pytest.mark.skipif(os.name != "posix", reason="links and pipes as POSIX has them")
def test_links_and_pipes_stay(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    with atomic_write(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"

    os.mkfifo(tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    with atomic_write(tmp_path / "pipe") as file:
        file.write(b"through")
    reader.join()
    assert read == [b"through"]
    assert (tmp_path / "pipe").is_fifo()


def test_same_files(tmp_path):
    (tmp_path / "f").touch()
    assert is_same_file(tmp_path / "f", f"{tmp_path}/./f")
    assert not is_same_file(tmp_path / "f", tmp_path / "none")
