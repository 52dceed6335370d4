"""The limits that Linux's control groups set for this process: memory, and CPU time.

Batch systems, containers and `systemd-run` set them. `/proc/self/cgroup` names the group, `/proc/self/mountinfo` where
its hierarchy is mounted, version 1, 2 or both. A limit of a group holds for all groups below it, so each limit is the
least over the group and its ancestors. Without control groups there are no limits.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

SYSTEM = Path("/")


def memory_left(root: Path = SYSTEM) -> int | None:
    """Bytes that the groups of this process can still use, file cache that the kernel may free included.

    `memory.high` counts as a limit too: a group above it is slowed down until hardly anything runs. None without a
    limit. `root` is the directory that holds `proc` and `sys`.
    """
    left = [
        limit - used
        for group in _groups("memory", root)
        if (used := _used(group)) is not None
        for name in ("memory.max", "memory.high", "memory.limit_in_bytes")
        if (limit := _number(group / name)) is not None
    ]
    return max(0, min(left)) if left else None


def cpu_quota(root: Path = SYSTEM) -> float | None:
    """How many CPUs' time the groups of this process may use; None without a limit. `root` is as in `memory_left`."""
    quotas = []
    for group in _groups("cpu", root):
        quota, period = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")  # version 1
        if quota is None or period is None:
            quota, period = _number(group / "cpu.max"), _number(group / "cpu.max", 1)  # "200000 100000"
        if quota is not None and period is not None and quota > 0 and period > 0:  # without a quota: -1, or "max"
            quotas.append(quota / period)
    return min(quotas) if quotas else None


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """The directories of this process's groups in the hierarchies that may limit something, ancestors included."""
    for line in _lines(root / "proc/self/cgroup"):
        number, controllers, name = line.split(":", 2)
        if number == "0" or controller in controllers.split(","):
            for mount_point, mount_root in _mounts(None if number == "0" else controller, root):
                yield from _with_ancestors(mount_point, mount_root, name)


def _mounts(controller: str | None, root: Path) -> Iterator[tuple[Path, str]]:
    """Where the hierarchy of a controller, or for None that of version 2, is mounted, and which group is on top there.

    Lines of the file are `ID PARENT DEVICE GROUP MOUNT-POINT OPTIONS … - TYPE SOURCE OPTIONS`.
    """
    for line in _lines(root / "proc/self/mountinfo"):
        mount, _, system = line.partition(" - ")
        kind, *_, options = system.split(" ")
        if kind == ("cgroup2" if controller is None else "cgroup") and controller in (None, *options.split(",")):
            group, mount_point = map(_without_escapes, mount.split(" ")[3:5])
            yield root / mount_point.lstrip("/"), group


def _without_escapes(field: str) -> str:
    """A field of `mountinfo`, where a blank is written as `\\040`."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field)


def _with_ancestors(mount_point: Path, mount_root: str, name: str) -> Iterator[Path]:
    """The directory of a group and those above it, up to the mount point.

    In a container the group may lie outside of what is mounted there: then the mount point is all there is to read.
    """
    group = PurePosixPath(name)
    below = group.relative_to(mount_root) if group.is_relative_to(mount_root) else PurePosixPath()
    directory = mount_point / below
    if ".." in below.parts or not directory.is_dir():
        directory = mount_point
    yield directory
    while directory != mount_point:
        directory = directory.parent
        if _number(directory / "memory.use_hierarchy") != 0:  # in version 1 a group may leave those below it alone
            yield directory


def _used(group: Path) -> int | None:
    """Bytes that a group uses, less its inactive file cache, which the kernel frees when memory is short."""
    used = _number(group / "memory.current")
    key = "inactive_file"
    if used is None:
        used, key = _number(group / "memory.usage_in_bytes"), "total_inactive_file"
    if used is None:
        return None
    cached = (line.split()[1] for line in _lines(group / "memory.stat") if line.startswith(f"{key} "))
    return used - int(next(cached, "0"))


def _number(path: Path, field: int = 0) -> int | None:
    """A number in a file of one line; None when there is no such file, or it holds "max"."""
    try:
        return int(_lines(path)[0].split()[field])
    except (IndexError, ValueError):
        return None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
