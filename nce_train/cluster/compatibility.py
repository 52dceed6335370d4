"""Whether a worker can be used: it needs this machine's versions, the others' kind of processor, and the corpus.

`inspect_worker` runs on the worker, `complaint_about` judges here what it reports.
"""

import os
from collections.abc import Sequence
from importlib import metadata
from typing import NamedTuple

# The numbers of a run depend on these.
_PACKAGES = ("nce-train", "numpy", "numba", "llvmlite")


class WorkerReport(NamedTuple):
    """What a worker reports of itself."""

    versions: dict[str, str]
    processor: str  # that code is compiled for
    unreadable: str  # the first file that it cannot read, as the end of a sentence; "" when it can read all


def inspect_worker(files: Sequence[tuple[str, int]]) -> WorkerReport:
    """Runs on the worker; `files` are the paths or URLs of the corpus and their bytes."""
    from llvmlite.binding import get_host_cpu_name

    processor = os.environ.get("NUMBA_CPU_NAME") or get_host_cpu_name()
    complaints = (_complaint_about_file(name, size) for name, size in files)
    return WorkerReport(_versions(), processor, next(filter(None, complaints), ""))


def complaint_about(report: WorkerReport, processor: str | None) -> str:
    """Why a worker cannot be used, as the end of a sentence, or "" when it can.

    Parameters
    ----------
    report : WorkerReport
    processor : str or None
        That of the other workers; None for the first.
    """
    here, there = _versions(), report.versions
    different = [name for name in here if there.get(name) != here[name]]
    if different:
        theirs, ours = (", ".join(f"{name} {versions.get(name)}" for name in different) for versions in (there, here))
        return f"has {theirs} where this machine has {ours}: install the same on all"
    if report.unreadable:
        return f"{report.unreadable}: put the corpus where all workers can open it under the same name"
    if processor not in (None, report.processor):
        return (
            f"has a {report.processor} processor where others have {processor}, so its last bits would differ: "
            "set NUMBA_CPU_NAME=generic on all"
        )
    return ""


def one_line(error: BaseException) -> str:
    """An exception's type and text on one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def _versions() -> dict[str, str]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def _complaint_about_file(name: str, expected_size: int) -> str:
    try:
        if "://" in name:
            import fsspec

            system, path = fsspec.url_to_fs(name)
            size = system.info(path)["size"]
        else:
            with open(name, "rb") as file:
                size = file.seek(0, os.SEEK_END)
    except (OSError, ValueError, ImportError) as error:
        return f"cannot open {name} ({one_line(error)})"
    if size != expected_size:
        return f"sees {size:,} bytes in {name} where this machine sees {expected_size:,}"
    return ""
