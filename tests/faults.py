"""Faults on purpose: `python -m tests.faults --kills 50 --no-space 20` prints what each did, and what was lost.

Real `nce-train` processes train on the sample corpus with one thread. They are killed with SIGKILL at random moments,
or find no space left from a random moment on (a small disk that fills up, or, where none can be mounted, a limit of the
size of files). Each is then resumed, or begun again where nothing had been begun, until it is done; its model must have
the bytes of a run that was left alone.
"""

import argparse
import contextlib
import hashlib
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SAMPLE = Path(__file__).parents[1] / "data" / "sample.txt.xz"
FILES = ("input.npy", "output.npy", "bias.npy", "vocab.tsv", "config.yaml")
SETTINGS = ("--epochs", "12", "--dim", "32", "--checkpoint-every", "100ms")
MOST_KILLS = 3  # of one run
ROOM_LEAST, ROOM_MOST = 3.0, 6.4  # powers of ten, bytes: a checkpoint has 0.4 MB, the ids 2.2 MB
DISK = 32 * 2**20  # bytes


class Outcome(NamedTuple):
    """One fault: where it struck, what the command said, whether the model is the same in the end."""

    kind: str
    moment: str
    said: str
    same: bool


class Faults:
    """Runs in a scratch directory, compared with one that was left alone."""

    def __init__(self, scratch: Path, seed: int, mode: tuple[str, ...]) -> None:
        self.scratch = scratch
        self.settings = (*SETTINGS, *mode)
        self.random = random.Random(seed)
        self._run("warm.nce")  # compiles
        started = time.monotonic()
        self._run("whole.nce")
        self.seconds = time.monotonic() - started
        self.expected = digests(scratch / "whole.nce")

    def kill(self, number: int) -> Outcome:
        """SIGKILL at up to three random moments of one run."""
        output = self.scratch / f"killed-{number}.nce"
        moments = []
        for _ in range(self.random.randint(1, MOST_KILLS)):
            process = self._start(*self._begin_or_resume(output))
            self._wait(process, output, self.seconds / 2)
            process.kill()
            process.communicate()
            moments.append(moment_of(output))
            if moments[-1] == "after the end":
                break
        return Outcome("kill", ", ".join(moments), "", self._finish(output))

    def no_space(self, number: int) -> Outcome:
        """From a random moment on there is no space but for a random number of bytes."""
        output = self.scratch / f"full-{number}" / "m.nce"
        output.parent.mkdir()
        with small_disk(output.parent) as is_small:
            process = self._start(*self._begin_or_resume(output))
            self._wait(process, output, self.seconds / 5)  # after it, there must be something left to write
            moment = moment_of(output)
            room = round(10 ** self.random.uniform(ROOM_LEAST, ROOM_MOST))
            if is_small:
                fill(output.parent / "filler", room)
            else:
                limit_files(process.pid, room)
            _, err = process.communicate()
            (output.parent / "filler").unlink(missing_ok=True)
            lines = err.splitlines()
            said = f"exit {process.returncode}"
            said += "".join(f"; {line}" for line in lines[-1:] if line.startswith("Error: "))
            failed = sum("could not be written to" in line and "goes on" in line for line in lines)
            said += f"; {failed} checkpoints failed" if failed else ""
            told = "Traceback" not in err and process.returncode in (0, 1, 2)
            moment += f", {room:,} bytes of {'a disk' if is_small else 'a file'}"
            return Outcome("no space", moment, said.replace(str(self.scratch), ""), self._finish(output) and told)

    def _wait(self, process: "subprocess.Popen[str]", output: Path, longest: float) -> None:
        """Wait for a random moment: one time in three of start and reading, else of the training and the end."""
        if self.random.random() < 1 / 3:
            time.sleep(self.random.uniform(0, self.seconds / 2))
            return
        while process.poll() is None and not (output / "checkpoint" / "metrics.jsonl").exists():
            time.sleep(0.005)
        time.sleep(self.random.uniform(0, longest))

    def _begin_or_resume(self, output: Path) -> tuple[str, ...]:
        if (output / "checkpoint" / "run.json").exists():
            return ("--resume", str(output))
        cache = self.random.choice([(), ("--no-cache",)])
        return (str(SAMPLE), "-o", str(output), "--overwrite", *self.settings, *cache)

    def _finish(self, output: Path) -> bool:
        if moment_of(output) != "after the end":
            self._run(str(output), *self._begin_or_resume(output))
        return digests(output) == self.expected and not (output / "checkpoint").exists()

    def _run(self, name: str, *arguments: str) -> None:
        process = self._start(*(arguments or (str(SAMPLE), "-o", name, *self.settings)))
        _, err = process.communicate()
        if process.returncode:
            raise SystemExit(f"{name}: exit {process.returncode}: {err}")

    def _start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "nce_train.cli.train", *arguments],
            cwd=self.scratch,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "XDG_CACHE_HOME": str(self.scratch / "cache")},
        )


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mount a small file system at `folder`; False where that is not allowed."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(folder)]
    try:
        is_mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        is_mounted = False
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", str(folder)], check=True)


def fill(path: Path, room: int) -> None:
    """Leave `room` bytes on a disk to which another process is writing."""
    with open(path, "wb") as file:
        while True:
            disk = os.statvfs(path.parent)
            try:
                os.posix_fallocate(file.fileno(), 0, max(1, disk.f_bavail * disk.f_frsize - room))
                return
            except OSError:  # less is free by now
                if disk.f_bavail == 0:
                    return


def limit_files(process: int, size: int) -> None:
    """Let the files that a process writes grow no further."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with contextlib.suppress(ProcessLookupError):  # it is done
        resource.prlimit(process, resource.RLIMIT_FSIZE, (size, hard))


def digests(model: Path) -> dict[str, str]:
    """SHA-256 of each file that must be the same."""
    return {name: hashlib.sha256((model / name).read_bytes()).hexdigest() for name in FILES if (model / name).exists()}


def moment_of(output: Path) -> str:
    """How far a run had come, from what it left."""
    checkpoint = output / "checkpoint"
    if not checkpoint.exists():
        return "after the end" if (output / "manifest.json").exists() else "before the start"
    names = [path.name for path in checkpoint.iterdir()]
    if "model" in names:
        return "saving the model"
    if any(name.startswith(".state-") for name in names):
        return "writing a checkpoint"
    if any(name.startswith("state-") for name in names):
        return "training"
    return "training, no checkpoint yet" if "metrics.jsonl" in names else "reading"


def main() -> int:
    """Print a line for each fault and a table at the end; 1 if anything was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--no-space", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--deterministic", action="store_true", help="two threads in rounds instead of one thread")
    chosen = parser.parse_args()
    mode = ("--deterministic", "--threads", "2") if chosen.deterministic else ("--threads", "1")
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="nce-faults-") as scratch:
        faults = Faults(Path(scratch), chosen.seed, mode)
        print(f"a run that is left alone takes {faults.seconds:.1f} s", flush=True)
        for kind, count in ((faults.kill, chosen.kills), (faults.no_space, chosen.no_space)):
            for number in range(count):
                outcome = kind(number)
                outcomes.append(outcome)
                end = "the same bytes" if outcome.same else "LOST"
                print(
                    f"{outcome.kind} {number + 1} ({outcome.moment}): {outcome.said or 'killed'} -> {end}", flush=True
                )
    moments = Counter((outcome.kind, moment.split(",")[0]) for outcome in outcomes for moment in [outcome.moment])
    print("\n| fault | first struck while | runs |\n|---|---|---|")
    for (kind, moment), count in sorted(moments.items()):
        print(f"| {kind} | {moment} | {count} |")
    lost = sum(not outcome.same for outcome in outcomes)
    print(f"\n{len(outcomes)} runs, {len(outcomes) - lost} ended in the same bytes, {lost} did not")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
