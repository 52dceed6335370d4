"""The cache of compiled functions: a full, missing or damaged cache never fails a run, and an edit makes it invalid."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import warnings
from pathlib import Path

import numba
import pytest
from numba.core.caching import CompileResultCacheImpl

from nce_train import compiled
from nce_train.errors import NceTrainWarning

SOURCE = """
from nce_train.compiled import cached_njit

@cached_njit(nogil=True)
def double(number):
    return 2 * number
"""
WITH_SMALL_FILES = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (64, resource.RLIM_INFINITY))
from nce_train.cli._command import handle_failures
from tiny import double
handle_failures(lambda: print(double(21)))()
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load the module as in a new process."""
    (tmp_path / "tiny.py").write_text(SOURCE)
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(compiled, "_has_warned", threading.Event())

    def load_now():
        spec = importlib.util.spec_from_file_location("tiny", tmp_path / "tiny.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.double

    return load_now


@pytest.fixture
def filled(load, tmp_path):
    """The index file and the data file of a cache with one function."""
    assert load()(21) == 42
    cached = load()
    assert cached(21) == 42
    assert sum(cached.stats.cache_hits.values()) == 1
    index, data = (next((tmp_path / "cache").rglob(ending)) for ending in ("*.nbi", "*.nbc"))
    return index, data


@pytest.mark.slow
def test_the_cache_is_never_inside_an_installed_package(tmp_path, monkeypatch):
    # pip does not remove files that it has not written, and Python would import the directory that remains
    for place in ("site-packages", "checkout"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "tiny.py").write_text(SOURCE)
        environment = {**os.environ, "PYTHONPATH": str(tmp_path / place), "XDG_CACHE_HOME": str(tmp_path / "home")}
        environment.pop("NUMBA_CACHE_DIR", None)
        command = [
            sys.executable,
            "-c",
            "import tiny; print(tiny.double(21), sum(tiny.double.stats.cache_hits.values()))",
        ]
        outputs = [subprocess.run(command, env=environment, capture_output=True, check=True).stdout for _ in range(2)]
        assert outputs == [b"42 0\n", b"42 1\n"]  # the second run loads it from the cache
    assert not list((tmp_path / "site-packages").rglob("*.nbi"))
    assert len(list((tmp_path / "checkout").rglob("*.nbi"))) == 1
    assert len(list((tmp_path / "home").rglob("*.nbi"))) == 1


@pytest.mark.slow
def test_an_edit_of_any_module_of_the_package_recompiles(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "outer.py").write_text(
        "from nce_train.compiled import cached_njit, is_missing_from_cache\n"
        "from package.inner import factor\n"
        "@cached_njit(nogil=True)\n"
        "def times_factor(number):\n"
        "    return number * factor()\n"
        "missing = is_missing_from_cache(times_factor)\n"
        "result = times_factor(21)\n"
        "print(missing, result, sum(times_factor.stats.cache_hits.values()), is_missing_from_cache(times_factor))\n"
    )
    inner = "from nce_train.compiled import cached_njit\n@cached_njit(nogil=True)\ndef factor():\n    return "
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def run():
        command = [sys.executable, "-c", "import package.outer"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    for value, product in ((2, 42), (3, 63)):
        (package / "inner.py").write_text(f"{inner}{value}\n")
        assert run() == f"True {product} 0 False\n"
        assert run() == f"False {product} 1 False\n"


@pytest.mark.parametrize("what", ["index", "data"])
@pytest.mark.parametrize("left", ["nothing", "half", "zeros", "noise"])
def test_damaged_entries_are_replaced(load, filled, what, left):
    path = filled[what == "data"]
    content = path.read_bytes()
    path.write_bytes(
        {"nothing": b"", "half": content[: len(content) // 2], "zeros": bytes(len(content)), "noise": b"\x93" * 99}[
            left
        ]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load()(21) == 42
        replaced = load()
        assert replaced(21) == 42
    assert sum(replaced.stats.cache_hits.values()) == 1


def test_a_removed_directory_is_created_again(load, filled, tmp_path):
    function = load()
    shutil.rmtree(tmp_path / "cache")
    assert function(21) == 42
    assert filled[1].exists()


def test_a_cache_that_cannot_be_written_is_reported_once(load, filled, tmp_path):
    function = load()
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("a file is in the way")
    with pytest.warns(NceTrainWarning, match="/cache/.* cannot be written") as warned:
        assert function(21) == 42
        assert function(2.5) == 5.0
    assert len(warned) == 1
    assert "NUMBA_CACHE_DIR" in str(warned[0].message)


def test_no_location_can_be_written(load, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file is in the way")
    only_the_given_place = CompileResultCacheImpl._locator_classes[:1]
    monkeypatch.setattr(CompileResultCacheImpl, "_locator_classes", only_the_given_place)
    with pytest.warns(NceTrainWarning, match="no place to keep compiled kernels"):
        assert load()(21) == 42


@pytest.mark.skipif(os.name != "posix", reason="needs the limits of POSIX")
def test_a_command_continues_without_disk_space(load, tmp_path):
    command = [sys.executable, "-c", WITH_SMALL_FILES]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "full"), "PYTHONDONTWRITEBYTECODE": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
    assert done.stderr.startswith("Warning: The cache of compiled kernels, ")
    assert str(tmp_path / "full") in done.stderr
    assert "File too large" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list((tmp_path / "full").rglob("*.tmp.*"))


AS_ANOTHER_USER = """
import os, sys
import numba
from nce_train.compiled import is_missing_from_cache
numba.njit(lambda number: number + 1)(1)  # all that is imported late is imported now
if os.geteuid() == 0:
    os.setegid(65534)
    os.seteuid(65534)
sys.path.insert(0, os.environ["TINY"])
from tiny import double
print(is_missing_from_cache(double), double(21), sum(double.stats.cache_hits.values()))
print(is_missing_from_cache(double), double(2.5))
"""


@pytest.fixture
def image():
    """A directory that others may read, with the module and its cache as another user made them."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    (place / "tiny.py").write_text(SOURCE)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(place), *sys.path]), "TINY": str(place)}
    environment |= {"NUMBA_CACHE_DIR": str(place / "cache"), "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("XDG_CACHE_HOME", None)
    yield place, environment
    for directory, _, _ in os.walk(place):
        os.chmod(directory, 0o755)
    shutil.rmtree(place)


def run_python(code, environment):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd="/")


@pytest.mark.skipif(os.name != "posix", reason="needs the permissions of POSIX")
def test_a_cache_that_can_only_be_read_is_read_and_nothing_is_said(image):
    place, environment = image
    run_python("from tiny import double; double(21)", environment)
    for file in place.rglob("*.py"):
        os.utime(file, (1, 1))  # images do not keep the times of files
    (place / "__pycache__").mkdir(exist_ok=True)
    for directory, _, files in os.walk(place):
        for file in files:
            os.chmod(os.path.join(directory, file), 0o444)
        os.chmod(directory, 0o555)
    done = run_python(AS_ANOTHER_USER, environment)
    loaded, compiled_here = done.stdout.splitlines()
    assert loaded == "False 42 1"  # no other process would be started to compile what cannot be stored
    assert compiled_here == "False 5.0"
    assert done.stderr.count("NceTrainWarning: There is no place to keep compiled kernels") == 1  # for the other type
    without = AS_ANOTHER_USER.rpartition("print(")[0]
    assert run_python(without, environment).stderr == ""


@pytest.mark.slow
def test_the_users_cache_is_private_and_that_of_another_user_is_not_read(image):
    place, environment = image
    environment["XDG_CACHE_HOME"] = str(place / "home" / ".cache")
    (place / "site-packages").mkdir()
    (place / "tiny.py").rename(place / "site-packages" / "tiny.py")
    environment["PYTHONPATH"] = os.pathsep.join([str(place / "site-packages"), *sys.path])
    del environment["NUMBA_CACHE_DIR"]
    call = "from tiny import double; print(double(21), sum(double.stats.cache_hits.values()))"
    assert run_python(call, environment).stdout == "42 0\n"
    assert run_python(call, environment).stdout == "42 1\n"
    (cache,) = {path.parent for path in place.rglob("*.nbi")}
    assert {path.stat().st_mode & 0o777 for path in (cache, place / "home")} == {0o700}
    if os.geteuid() == 0:
        os.chown(cache, 65534, 65534)
        done = run_python(call, environment)
        assert done.stdout == "42 0\n"
        assert "it belongs to another user" in done.stderr


def test_without_a_home_directory_no_cache_is_made_in_the_working_directory(image, tmp_path):
    place, environment = image
    (place / "site-packages").mkdir()
    (place / "tiny.py").rename(place / "site-packages" / "tiny.py")
    environment["PYTHONPATH"] = os.pathsep.join([str(place / "site-packages"), *sys.path])
    environment["XDG_CACHE_HOME"] = "relative"  # to be ignored, says the specification
    del environment["NUMBA_CACHE_DIR"]
    code = f"import os; os.chdir({str(tmp_path)!r}); from tiny import double; print(double(21), os.listdir())"
    done = run_python(code, environment)
    assert done.stdout == "42 []\n"
    assert done.stderr.count("NceTrainWarning: There is no place to keep compiled kernels") == 1
