"""How much memory may be taken: the machine's, or what a control group leaves."""

import pytest

from nce_train import memory


@pytest.fixture
def group(tmp_path, monkeypatch):
    """A control group that may take 1,000 bytes and has taken 990, of which 300 are files read a while ago."""
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("990\n")
    (tmp_path / "memory.stat").write_text("anon 600\nactive_file 90\ninactive_file 300\n")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    return tmp_path


def test_files_that_were_read_do_not_count(group):
    assert memory.available_memory() == 310


def test_never_less_than_nothing(group):
    (group / "memory.current").write_text("1400\n")
    assert memory.available_memory() == 0


@pytest.mark.parametrize(("name", "text"), [("memory.max", "max\n"), ("memory.max", ""), ("memory.stat", None)])
def test_without_a_limit_that_is_known_the_machine_s_counts(group, name, text):
    (group / name).unlink()
    if text is not None:
        (group / name).write_text(text)
    assert memory.available_memory() > 2**20
