"""Available memory under this process's own limits; those of control groups are in test_control_groups."""

import subprocess
import sys

import pytest

from nce_train import memory

resource = pytest.importorskip("resource", reason="needs the limits of POSIX")
MIB = 2**20
CODE = """
import resource
from nce_train.memory import available_memory, working_memory
before = available_memory()
resource.setrlimit(resource.{limit}, ({bytes}, resource.RLIM_INFINITY))
print(before, available_memory(), working_memory())
"""


@pytest.mark.parametrize("limit", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_a_limit_of_the_process_limits_its_memory(limit):
    code = CODE.format(limit=limit, bytes=300 * MIB)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, available, working = map(int, done.stdout.split())
    assert 100 * MIB < available < 300 * MIB  # an interpreter has some
    assert available < before
    assert working == available // 4


def test_without_limits_the_memory_of_the_machine_is_available():
    assert memory.available_memory() > MIB
    assert memory.available_memory(root=memory.SYSTEM / "nonexistent") is None or sys.platform != "linux"
