"""Commands run as processes of their own, timed and weighed from outside."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._line_transfer import line_round_trip

_SAMPLED_EVERY = 0.02  # seconds between looks at a process's memory


@dataclass(frozen=True)
class Finished:
    """A process that ended well. Memory is None where /proc does not tell it."""

    seconds: float
    stdout: str
    peak_resident_bytes: int | None
    peak_anonymous_bytes: int | None
    line_round_trips: tuple[float | None, float | None]  # ns, before and after; see `line_round_trip`


def run(command: Sequence[str], **environment: str | Path) -> Finished:
    """Run a command to its end, with additions to the environment.

    Raises
    ------
    SystemExit
        When it fails, with the command and the last line that it wrote.
    """
    line_before = line_round_trip()
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process, _Scales(process.pid) as scales:
        try:
            stdout, stderr = process.communicate()
        except BaseException:
            process.kill()
            raise
        seconds = time.perf_counter() - started
    if process.returncode:
        last = (stderr.strip().splitlines() or ["it said nothing"])[-1]
        sys.exit(f"{' '.join(command)}\nfailed with exit code {process.returncode}: {last}")
    lines = (line_before, line_round_trip())
    return Finished(seconds, stdout, scales.peak.get("VmHWM"), scales.peak.get("RssAnon"), lines)


class _Scales:
    """Watches another process's memory: its resident peak, which the kernel keeps, and its anonymous part."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak: dict[str, int] = {}

    def __enter__(self) -> "_Scales":
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_SAMPLED_EVERY):
            try:
                lines = self._status.read_text().splitlines()
            except OSError:
                continue
            for line in lines:
                key, _, value = line.partition(":")
                if key in ("VmHWM", "RssAnon"):
                    self.peak[key] = max(self.peak.get(key, 0), int(value.split()[0]) * 1024)


def train(corpus: Path, output: Path, *options: object, **environment: str | Path) -> dict[str, Any]:
    """Train with `nce-train` and return the manifest, with `process`: what it took, seen from outside.

    The ids of earlier runs are not reused.
    """
    words = [str(word) for word in (corpus, "-o", output, "--overwrite", "--quiet", "--no-cache", *options)]
    finished = run([sys.executable, "-m", "nce_train.cli.train", *words], **environment)
    manifest: dict[str, Any] = json.loads((output / "manifest.json").read_text(encoding="utf-8"))
    manifest["process"] = weight_of(finished)
    return manifest


def weight_of(finished: Finished) -> dict[str, Any]:
    """A process's cost as part of a result."""
    return {
        "whole_seconds": finished.seconds,
        "peak_resident_bytes": finished.peak_resident_bytes,
        "peak_anonymous_bytes": finished.peak_anonymous_bytes,
        "line_round_trips": finished.line_round_trips,
    }
