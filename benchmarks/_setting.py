"""What was measured, and where: the corpus, the machine, the versions."""

import contextlib
import hashlib
import os
import platform
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from nce_train.embeddings.formats.compression import open_reading
from nce_train.errors import InputError

_CHUNK = 1 << 20


@contextlib.contextmanager
def plain_text(corpus: Path, scratch: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The corpus unpacked into `scratch`, since not every trainer unpacks, and what it is."""
    text = scratch / "corpus.txt"
    digest = hashlib.sha256()
    tokens = 0
    in_word = False
    try:
        with open_reading(corpus) as file, open(text, "wb") as plain:
            while chunk := file.read(_CHUNK):
                plain.write(chunk)
                digest.update(chunk)
                tokens += len(chunk.split()) - (in_word and not chunk[:1].isspace())
                in_word = not chunk[-1:].isspace()
    except InputError as error:
        sys.exit(str(error))
    try:
        yield (
            text,
            {"name": corpus.name, "bytes": text.stat().st_size, "sha256": digest.hexdigest(), "tokens": tokens},
        )
    finally:
        text.unlink()


def machine() -> dict[str, Any]:
    """The processor, as the operating system and LLVM see it."""
    from llvmlite.binding import get_host_cpu_features, get_host_cpu_name

    features = get_host_cpu_features()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "llvm_name": get_host_cpu_name(),
        "cpus": usable,
        "cores": _cores() or usable,
        "isa": [name for name in ("avx512f", "avx512bw", "avx2", "fma", "neon", "sve") if features.get(name)],
        "system": platform.platform(),
    }


def versions(*packages: str) -> dict[str, str]:
    """Versions of Python, of ours, and of `packages`."""
    found = {"python": platform.python_version()}
    for package in ("nce-train", "numpy", "numba", "llvmlite", *packages):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def setting(corpus: dict[str, Any] | None, *packages: str) -> dict[str, Any]:
    """Everything that a result's reader wants to know about where it comes from."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "corpus": corpus,
        "machine": machine(),
        "versions": versions(*packages),
        "load_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def setting_lines(described: dict[str, Any]) -> list[str]:
    """The same in Markdown."""
    here, corpus, load = described["machine"], described["corpus"], described["load_before"]
    lines = []
    if corpus is not None:
        lines.append(
            f"- Corpus: {corpus['name']}, {corpus['tokens']:,} tokens, {corpus['bytes']:,} bytes, "
            f"sha256 `{corpus['sha256'][:16]}…`"
        )
    lines.append(
        f"- Machine: {here['processor']} ({here['llvm_name']}), {here['cpus']} CPUs on {here['cores']} cores, "
        f"{', '.join(here['isa'])}; {here['system']}" + ("" if load is None else f"; load at the start {load:.1f}")
    )
    lines.append("- Versions: " + ", ".join(f"{name} {version}" for name, version in described["versions"].items()))
    lines.append(f"- Date: {described['date']}")
    return lines


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cores() -> int | None:
    """Cores behind the machine's CPUs: two CPUs may be two threads of one core."""
    siblings = Path("/sys/devices/system/cpu").glob("cpu[0-9]*/topology/thread_siblings_list")
    return len({path.read_text().strip() for path in siblings}) or None
