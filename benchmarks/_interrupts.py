"""How long a run takes to end after Ctrl-C, in each of its phases."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks._common import say

LOOKED_AT_EVERY = 0.002  # seconds
NEVER = 300.0  # seconds until a phase that does not come is given up
COMPILING = 2.5  # seconds after which a run with empty caches compiles the kernel


def interruptions(text: Path, long_text: Path, words: Path, scratch: Path, repeats: int) -> dict[str, list[Any]]:
    """Interrupt `nce-train` in each phase, some times.

    Parameters
    ----------
    text, long_text, words : Path
        Something to train on while the kernel is compiled; enough to be caught reading and training; many words, so
        that saving takes a while.
    scratch : Path
    repeats : int

    Returns
    -------
    dict
        By phase a list of `{"seconds": …, "exit_code": …}`; `seconds` is None where the run ended by itself.
    """
    output = scratch / "interrupted.nce"
    started = 0.0

    def is_compiling() -> bool:
        return time.perf_counter() - started > COMPILING

    def is_scanning() -> bool:
        return any(_size(path) > 1_000_000 for path in output.rglob("*"))

    def is_training() -> bool:
        return any(_size(path) > 0 for path in output.rglob("metrics.jsonl"))

    def is_saving() -> bool:
        return any(output.glob("checkpoint/model/*"))

    phases: dict[str, tuple[Path, list[str], Callable[[], bool]]] = {
        "compiling": (text, [], is_compiling),
        "reading": (long_text, [], is_scanning),
        "training": (long_text, ["--epochs", "50", "--log-every", "100ms"], is_training),
        "saving": (words, ["--max-steps", "1"], is_saving),
    }
    found: dict[str, list[Any]] = {}
    for _ in range(repeats):
        for phase, (corpus, options, is_there) in phases.items():
            say(f"interrupting while {phase}")
            shutil.rmtree(output, ignore_errors=True)
            cold = {"NUMBA_CACHE_DIR": str(scratch / "empty")} if phase == "compiling" else {}
            started = time.perf_counter()
            found.setdefault(phase, []).append(_interrupt(corpus, output, options, is_there, cold))
            shutil.rmtree(scratch / "empty", ignore_errors=True)
    shutil.rmtree(output, ignore_errors=True)
    return found


def _interrupt(
    corpus: Path, output: Path, options: list[str], is_there: Callable[[], bool], environment: dict[str, str]
) -> dict[str, Any]:
    words = [sys.executable, "-m", "nce_train.cli.train", str(corpus), "-o", str(output), "--no-cache", "--quiet"]
    process = subprocess.Popen([*words, *options], env={**os.environ, **environment}, stderr=subprocess.DEVNULL)
    with process:
        try:
            deadline = time.perf_counter() + NEVER
            while process.poll() is None and not is_there():
                if time.perf_counter() > deadline:
                    raise TimeoutError(f"{' '.join(words)} did not get that far in {NEVER:.0f} s")
                time.sleep(LOOKED_AT_EVERY)
            if process.poll() is not None:
                return {"seconds": None, "exit_code": process.returncode}
            sent = time.perf_counter()
            process.send_signal(signal.SIGINT)
            exit_code = process.wait(NEVER)
            return {"seconds": time.perf_counter() - sent, "exit_code": exit_code}
        except BaseException:
            process.kill()
            raise


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # gone meanwhile
        return 0
