"""How much memory this process has taken and may take."""

import threading
from pathlib import Path
from types import TracebackType

_STATUS = Path("/proc/self/status")
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


class MemoryGauge:
    """Watches the process's anonymous memory (mapped files not counted) while it is open.

    On systems without /proc the peak of the whole resident set is taken instead.
    """

    def __init__(self, interval: float = 0.1) -> None:
        self._interval = interval
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
        """The greatest number of bytes seen so far."""
        self._peak = max(self._peak, anonymous_memory())
        return self._peak

    def _watch(self) -> None:
        while not self._closed.wait(self._interval):
            self._peak = max(self._peak, anonymous_memory())


def anonymous_memory() -> int:
    """Bytes of anonymous memory this process holds now; its peak resident set where that cannot be told."""
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
    """Bytes this process can still take: the machine's, or what its control group allows; None if unknown."""
    limits = [_kibibytes(_MEMINFO, "MemAvailable")]
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        if limit != "max":
            used = int((_CGROUP / "memory.current").read_text()) - _cached_files()
            limits.append(max(0, int(limit) - used))
    except (OSError, ValueError):
        pass  # no control group, or of the older kind
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def _cached_files() -> int:
    """Bytes of the control group that hold files read a while ago, which the kernel gives up when memory is short."""
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
