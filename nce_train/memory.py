"""How much memory this process uses and may use."""

import sys
import threading
from pathlib import Path

from nce_train.control_groups import SYSTEM, memory_left

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_INTERVAL = 0.1  # seconds
_WORKING_MEMORY = 2**30
_WORKING_SHARE = 1 / 4  # of the available memory, where that is less


class MemoryGauge:
    """Measures the peak of the process's anonymous memory (without mapped files) while it is open.

    On systems without /proc it measures the peak of the whole resident set instead.
    """

    def __init__(self) -> None:
        self._peak = 0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "MemoryGauge":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()

    def peak(self) -> int:
        """The largest number of bytes measured so far."""
        self._peak = max(self._peak, anonymous_memory())
        return self._peak

    def _watch(self) -> None:
        while not self._closed.wait(_INTERVAL):
            self._peak = max(self._peak, anonymous_memory())


def anonymous_memory() -> int:
    """Bytes of anonymous memory this process uses now, or its peak resident set where that is not known."""
    anonymous = _kibibytes(SYSTEM / "proc/self/status", "RssAnon")
    if anonymous is not None:
        return anonymous
    if resource is None:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def available_memory(root: Path = SYSTEM) -> int | None:
    """Bytes this process can still allocate; None if unknown.

    They are limited by the machine, the control groups of this process, and its own limits of address space and data
    (`ulimit -v` and `ulimit -d`). Swap space does not count. `root` is the directory that holds `proc` and `sys`.
    """
    limits = [_kibibytes(root / "proc/meminfo", "MemAvailable"), memory_left(root), left_of_process_limits(root)]
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def working_memory() -> int:
    """Bytes that the tables of one step may use: 1 GiB, or a quarter of the available memory if that is less."""
    available = available_memory()
    return _WORKING_MEMORY if available is None else min(_WORKING_MEMORY, int(_WORKING_SHARE * available))


def left_of_process_limits(root: Path = SYSTEM) -> int | None:
    """Bytes left of this process's own limits of address space and data; None when it has none."""
    left = []
    if resource is not None:
        for limit, key in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
            soft, used = resource.getrlimit(limit)[0], _kibibytes(root / "proc/self/status", key)
            if soft != resource.RLIM_INFINITY and used is not None:
                left.append(max(0, soft - used))
    return min(left) if left else None


def _kibibytes(path: Path, key: str) -> int | None:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith(key + ":"):
                    return int(line.split()[1]) * 1024
    except OSError:
        return None
    return None
