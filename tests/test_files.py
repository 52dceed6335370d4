"""Files are written completely or not at all; links and special files are preserved."""

import os
import subprocess
import sys
import threading

import pytest

from nce_train.files import atomic_write, check_output_path, is_same_file, is_stream


def test_a_failure_keeps_the_old_file(tmp_path):
    (tmp_path / "f").write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_write(tmp_path / "f") as file:
        file.write(b"new")
        raise ZeroDivisionError
    assert (tmp_path / "f").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_success_replaces_the_file(tmp_path):
    (tmp_path / "f").write_text("old")
    with atomic_write(tmp_path / "f", "w", encoding="utf-8") as file:
        file.write("new")
        assert (tmp_path / "f").read_text() == "old"
    assert (tmp_path / "f").read_text() == "new"


@pytest.mark.skipif(os.name != "posix", reason="needs the links and pipes of POSIX")
def test_links_and_pipes_are_preserved(tmp_path):
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


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs names of open files")
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_the_content_of_an_open_file_is_preserved(tmp_path, name):
    """As in a shell: { echo first; program; echo last; } >> kept."""
    (tmp_path / "kept").write_bytes(b"old\n")
    code = (
        "import os; from nce_train.files import atomic_write, check_output_path\n"
        "os.write(1, b'first\\n')\n"
        f"check_output_path({name!r})\n"
        f"with atomic_write({name!r}) as file: file.write(b'new\\n')\n"
        "os.write(1, b'last\\n')"
    )
    with open(tmp_path / "kept", "ab") as kept:
        subprocess.run([sys.executable, "-c", code], stdout=kept, check=True, timeout=60)
    assert (tmp_path / "kept").read_bytes() == b"old\nfirst\nnew\nlast\n"
    assert os.listdir(tmp_path) == ["kept"]


def test_streams(tmp_path):
    (tmp_path / "f").touch()
    assert is_stream("/dev/null") and is_stream("/dev/stdout") and is_stream("/dev/fd/7")
    assert not is_stream(tmp_path / "f") and not is_stream(tmp_path / "none")
    check_output_path("/dev/null")


def test_same_files(tmp_path):
    (tmp_path / "f").touch()
    assert is_same_file(tmp_path / "f", f"{tmp_path}/./f")
    assert not is_same_file(tmp_path / "f", tmp_path / "none")
