"""The seconds that the parts of a run take, added up over all its sessions."""

import contextlib
import time
from collections.abc import Iterator, Mapping

PARTS = ("vocabulary", "encode", "compile", "train", "heldout", "evaluation", "checkpoints", "save")


class Timings:
    """Measures the parts of a run.

    Parameters
    ----------
    before : mapping
        Seconds of earlier sessions, as `now` returned them; may be empty.
    """

    def __init__(self, before: Mapping[str, float]) -> None:
        self._seconds = {part: before.get(part, 0.0) for part in PARTS}
        self._total_before = before.get("total", 0.0)
        self._started = time.perf_counter()

    @contextlib.contextmanager
    def measure(self, part: str) -> Iterator[None]:
        """Add the seconds of what is done within to a part."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(part, time.perf_counter() - started)

    def add(self, part: str, seconds: float) -> None:
        """Add seconds to a part."""
        self._seconds[part] += seconds

    def now(self, train_seconds: float) -> dict[str, float]:
        """All parts, and the `total`; the trainer knows the seconds of training, over all sessions."""
        total = self._total_before + time.perf_counter() - self._started
        return {**self._seconds, "train": train_seconds, "total": total}
