"""The contents of `manifest.json`."""

import os
import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

from nce_train.model_files import FORMAT
from nce_train.runs.record import RunRecord
from nce_train.runs.warm_start import provenance
from nce_train.text.corpus import EncodedCorpus
from nce_train.training.settings import Settings

if TYPE_CHECKING:
    from nce_train.training.trainer import Trained


def manifest_of(
    record: RunRecord,
    encoded: EncodedCorpus,
    settings: Settings,
    trained: "Trained",
    timings: dict[str, float],
    peak_memory: int,
) -> dict[str, Any]:
    """What is known of a finished run: all keys but `files`."""
    totals = trained.totals
    return {
        "format": FORMAT,
        "timings": timings,
        "tokens": encoded.token_count,
        "tokens_trained": totals.tokens,
        "vocabulary": len(encoded.vocabulary),
        "text": encoded.text._asdict(),
        "epochs": settings.epochs,
        "steps": totals.blocks,
        "pairs": totals.pairs,
        "loss": totals.loss / totals.pairs if totals.pairs else None,
        "tokens_per_second": totals.tokens / max(trained.seconds, 1e-9),
        "peak_memory_bytes": peak_memory,
        "threads": settings.threads,
        "seed": settings.seed,
        "config": settings.model_dump(),
        "corpus": encoded.sources,
        "packages": package_versions(),
        "machine": machine_description(),
        "run": record.id,
        **provenance(record.start),
        "heldout": record.heldout["looks"],
        "stopped_early": record.stopped_early,
    }


def package_versions() -> dict[str, str]:
    """Versions of what the numbers of a run depend on."""
    versions = {"python": platform.python_version()}
    for package in ("nce-train", "numpy", "numba", "llvmlite"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def machine_description() -> dict[str, Any]:
    """The machine a run was made on."""
    from llvmlite.binding import get_host_cpu_name

    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": get_host_cpu_name(),
        "cpus": os.cpu_count(),
    }
