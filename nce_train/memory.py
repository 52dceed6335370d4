"""How much memory this process uses and may use."""

import threading
from pathlib import Path
from types import TracebackType

_STATUS = Path("/proc/self/status")
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
    resident = _kibibytes(_STATUS, "RssAnon")
    if resident is not None:
        return resident
    try:
        import resource
        import sys
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def available_memory() -> int | None:
    """Bytes this process can still allocate: limited by the machine or its control group; None if unknown."""
    limits = [_kibibytes(_MEMINFO, "MemAvailable")]
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        if limit != "max":
            used = int((_CGROUP / "memory.current").read_text()) - _cached_files()
            limits.append(max(0, int(limit) - used))
    except (OSError, ValueError):
        pass  # no control group, or of version 1
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def working_memory() -> int:
    """Bytes that the tables of one step may use: 1 GiB, or a quarter of the available memory if that is less."""
    available = available_memory()
    return _WORKING_MEMORY if available is None else min(_WORKING_MEMORY, int(_WORKING_SHARE * available))


def _cached_files() -> int:
    """Bytes of the control group's inactive file cache, which the kernel frees when memory is short."""
    for line in (_CGROUP / "memory.stat").read_text().splitlines():
        if line.startswith("inactive_file "):
            return int(line.split()[1])
    return 0


def _kibibytes(path: Path, key: str) -> int | None:
    try:
        with open(path, encoding="ascii") as file:
            for line in file:
                if line.startswith(key + ":"):
                    return int(line.split()[1]) * 1024
    except OSError:
        return None
    return None
