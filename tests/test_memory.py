"""Available memory: limited by the machine or by a control group."""

import pytest

from nce_train import memory


@pytest.fixture
def group(tmp_path, monkeypatch):
    """A control group with a limit of 1,000 bytes that uses 990, of which 300 are inactive file cache."""
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("990\n")
    (tmp_path / "memory.stat").write_text("anon 600\nactive_file 90\ninactive_file 300\n")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    return tmp_path


def test_inactive_file_cache_is_available(group):
    assert memory.available_memory() == 310


def test_available_memory_is_never_negative(group):
    (group / "memory.current").write_text("1400\n")
    assert memory.available_memory() == 0


@pytest.mark.parametrize(("name", "text"), [("memory.max", "max\n"), ("memory.max", ""), ("memory.stat", None)])
def test_without_a_known_limit_the_memory_of_the_machine_is_available(group, name, text):
    (group / name).unlink()
    if text is not None:
        (group / name).write_text(text)
    assert memory.available_memory() > 2**20
