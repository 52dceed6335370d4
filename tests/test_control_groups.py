"""Limits of control groups, read from trees of files as Linux shows them, and of real groups where possible."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from nce_train.control_groups import cpu_quota, memory_left

MIB = 2**20
NO_LIMIT_V1 = 9223372036854771712
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:12 - cgroup cgroup rw,memory\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"  # hybrid
)


@pytest.fixture
def system(tmp_path):
    """Write a tree: what /proc/self/cgroup and mountinfo say, and the files of groups below /sys/fs/cgroup."""

    def write(cgroup, mountinfo, groups):
        files = {"proc/self/cgroup": cgroup, "proc/self/mountinfo": "22 1 8:1 / / rw - ext4 /dev/a rw\n" + mountinfo}
        for group, contents in groups.items():
            files |= {f"sys/fs/cgroup/{group}/{name}": f"{content}\n" for name, content in contents.items()}
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path

    return write


def v2(limit, used, cached=0, **others):
    stat = f"anon 5\nfile {cached + 7}\ninactive_file {cached}"
    return {"memory.max": limit, "memory.current": used, "memory.stat": stat, **others}


def v1(limit, used, cached=0, hierarchy=1):
    return {
        "memory.limit_in_bytes": limit,
        "memory.usage_in_bytes": used,
        "memory.stat": f"cache 5\ninactive_file 3\ntotal_inactive_file {cached}",
        "memory.use_hierarchy": hierarchy,
    }


@pytest.mark.parametrize(
    ("name", "groups", "left"),
    [
        pytest.param("/job", {"job": v2(1000, 990, 300)}, 310, id="inactive-file-cache-is-available"),
        pytest.param("/job", {"job": v2(1000, 1400)}, 0, id="never-negative"),
        pytest.param("/job", {"job": v2("max", 400)}, None, id="no-limit"),
        pytest.param("/a/b", {"a/b": v2("max", 100), "a": v2(1000, 400), "": {}}, 600, id="of-an-ancestor"),
        pytest.param("/a/b", {"a/b": v2(700, 100), "a": v2(1000, 950)}, 50, id="others-use-the-ancestors-memory"),
        pytest.param("/a", {"a": v2(1000, 100, **{"memory.high": 500})}, 400, id="memory.high"),
        pytest.param("/a", {"a": v2("max", 100, **{"memory.high": 500})}, 400, id="memory.high-alone"),
        pytest.param("/", {"": v2(1000, 100)}, 900, id="container-with-a-namespace"),
        pytest.param("/docker/4f", {"": v2(1000, 100)}, 900, id="container-without-a-namespace"),
        pytest.param("/../other", {"": v2(1000, 100)}, 900, id="group-outside-the-namespace"),
        pytest.param("/a b:c", {"a b:c": v2(1000, 100)}, 900, id="odd-name"),
        pytest.param("/a", {"a": {"memory.max": "1000", "memory.current": ""}}, None, id="empty-file"),
        pytest.param("/a", {"a": {"pids.max": "5"}}, None, id="controller-not-enabled"),
    ],
)
def test_memory_of_version_2(system, name, groups, left):
    assert memory_left(system(f"0::{name}\n", V2, groups)) == left


@pytest.mark.parametrize(
    ("mount", "name", "groups", "left"),
    [
        ("/", "/slurm/job", {"memory/slurm/job": v1(1000, 990, 300)}, 310),
        ("/", "/a/b", {"memory/a/b": v1(NO_LIMIT_V1, 100), "memory/a": v1(1000, 400)}, 600),
        ("/", "/a/b", {"memory/a/b": v1(NO_LIMIT_V1, 100), "memory/a": v1(1000, 400, hierarchy=0)}, NO_LIMIT_V1 - 100),
        ("/docker/4f", "/docker/4f/job", {"memory/job": v1(1000, 100), "memory": v1(800, 100)}, 700),
        ("/docker/4f", "/elsewhere", {"memory": v1(800, 100)}, 700),
    ],
)
def test_memory_of_version_1(system, mount, name, groups, left):
    mounts = V1.replace("/ /sys/fs/cgroup/memory", f"{mount} /sys/fs/cgroup/memory")
    root = system(f"9:name=systemd:/x\n4:memory:{name}\n1:cpu,cpuacct:/\n0::/\n", mounts, groups)
    assert memory_left(root) == left


@pytest.mark.parametrize(
    ("mounts", "groups", "quota"),
    [
        (V2, {"a/b": {"cpu.max": "max 100000"}, "a": {"cpu.max": "200000 100000"}}, 2),
        (V2, {"a/b": {"cpu.max": "50000 100000"}, "a": {"cpu.max": "200000 100000"}}, 0.5),
        (V2, {"a/b": {"cpu.max": "max 100000"}}, None),
        (V2, {"a/b": {}}, None),
        (V1, {"cpu,cpuacct/a/b": {"cpu.cfs_quota_us": 150000, "cpu.cfs_period_us": 100000}}, 1.5),
        (V1, {"cpu,cpuacct/a/b": {"cpu.cfs_quota_us": -1, "cpu.cfs_period_us": 100000}}, None),
    ],
)
def test_cpu_quota(system, mounts, groups, quota):
    assert cpu_quota(system("1:cpu,cpuacct:/a/b\n0::/a/b\n", mounts, groups)) == quota


def test_a_mount_point_with_a_blank(system):
    root = system("0::/a\n", V2.replace("/sys/fs/cgroup", r"/sys/fs/cgroup/my\040mount"), {"my mount/a": v2(9, 2)})
    assert memory_left(root) == 7


def test_without_control_groups_there_are_no_limits(tmp_path):
    assert memory_left(tmp_path) is cpu_quota(tmp_path) is None


def test_the_least_limit_is_available(system):
    from nce_train.memory import available_memory

    root = system("0::/job\n", V2, {"job": v2(1000, 400)})
    (root / "proc/meminfo").write_text("MemTotal: 8 kB\nMemAvailable: 2 kB\n")
    assert available_memory(root) == 600
    (root / "sys/fs/cgroup/job/memory.max").write_text("max\n")
    assert available_memory(root) == 2048


@contextmanager
def real_group(controller, file, value):
    """A group of this machine's own with a limit; skipped where none can be made."""
    hierarchy = Path("/sys/fs/cgroup")
    group = (hierarchy if file.endswith(".max") else hierarchy / controller) / f"nce-train-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here ({error.strerror})")
    try:
        try:
            (group / file).write_text(value)
        except OSError as error:
            pytest.skip(f"no control group can be limited here ({error.strerror})")
        yield group
    finally:
        group.rmdir()


@pytest.mark.parametrize(
    ("controller", "files", "limit", "function", "bounds"),
    [
        ("memory", ("memory.max", "memory.limit_in_bytes"), 64 * MIB, "memory_left", (MIB, 64 * MIB)),
        ("cpu", ("cpu.max", "cpu.cfs_quota_us"), 150_000, "cpu_quota", (1.5, 1.5)),
    ],
)
def test_a_real_group(controller, files, limit, function, bounds):
    is_v2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    with real_group(controller, files[0 if is_v2 else 1], str(limit)) as group:
        code = f"from nce_train.control_groups import *; print({function}())"
        done = subprocess.run(
            [sys.executable, "-c", code],
            preexec_fn=lambda: (group / "cgroup.procs").write_text(str(os.getpid())),
            capture_output=True,
            text=True,
            check=True,
        )
    assert bounds[0] <= float(done.stdout) <= bounds[1]
