"""Limits that are checked before the work: memory, room on the disk, a text without pairs."""

import shutil
from pathlib import Path

from nce_train.errors import InputError
from nce_train.kernel.sizes import row_length
from nce_train.memory import available_memory
from nce_train.runs.protocols import Executor
from nce_train.training.settings import Settings


def memory_needed(vocabulary: int, settings: Settings, copies: float) -> int:
    """Anonymous memory in bytes that training takes: parameters, tables per word, and what the program has anyway.

    `copies` of the parameters are taken into account at their largest.
    """
    base = 250 * 2**20  # the interpreter, NumPy and the compiler, measured
    numbers = row_length(settings.dim)
    return (
        base
        + vocabulary * (2 * 4 * numbers + 4 + 4 + 4 + 4 + 8 + 8 + 200)
        + int(vocabulary * copies) * (2 * 4 * numbers + 32)
    )


def copies_beside(vocabulary: int, settings: Settings, cluster: Executor | None) -> float:
    """How many copies of the parameters this process has beside them, at most."""
    if cluster is not None:
        return 2  # the sum of the changes, and the base on its way to a worker
    if settings.deterministic:
        return settings.shards
    from nce_train.training.hot_rows import hot_rows_of  # with the compiler

    threads = int(settings.threads)
    return hot_rows_of(vocabulary, threads) * (threads - 1) / vocabulary  # each copy is twice there


def refuse_without_memory(vocabulary: int, settings: Settings, cluster: Executor | None) -> None:
    """Raise InputError when more memory is needed than there is."""
    needed = memory_needed(vocabulary, settings, copies_beside(vocabulary, settings, cluster))
    available = available_memory()
    if available is not None and needed > available:
        raise InputError(
            f"{vocabulary:,} words at dim {settings.dim} need {needed / 2**20:,.0f} MiB of memory, but "
            f"only {available / 2**20:,.0f} MiB are available: raise --min-count, set --max-vocab or lower --dim."
        )


def shortage_of_room(directory: Path, vocabulary: int, settings: Settings) -> str | None:
    """Refuse when the model cannot fit on the disk; a warning when checkpoints may not."""
    needed, free = parameter_bytes(vocabulary, settings.dim), shutil.disk_usage(directory).free
    if needed > free:
        raise InputError(
            f"A model of {vocabulary:,} words at dim {settings.dim} takes {needed / 2**20:,.1f} MiB on the disk, but "
            f"only {free / 2**20:,.1f} MiB are free at {directory}: free some, choose another place with -o, or lower "
            "--dim."
        )
    if 2 * needed > free:  # two checkpoints while training, one and the model at the end
        return (
            f"Checkpoints and model together take up to {2 * needed / 2**20:,.1f} MiB on the disk, but only "
            f"{free / 2**20:,.1f} MiB are free at {directory}: free some, or checkpoints will fail."
        )
    return None


def parameter_bytes(vocabulary: int, dim: int) -> int:
    """Size of the parameters in files."""
    return 4 * vocabulary * (2 * dim + 1)


def refuse_without_pairs(pairs: int, settings: Settings) -> None:
    """Raise InputError when nothing was trained."""
    if pairs == 0:
        reasons = ["its lines hold one word each (--line-breaks ignore joins them)"]
        if settings.subsample > 0:
            reasons.append(f"--subsample {settings.subsample:g} drops nearly all")
        if settings.deterministic:
            reasons.append("it is too short for rounds (leave --deterministic and --round-tokens out)")
        raise InputError(f"No word of the corpus has a context, so nothing can be learnt: {', or '.join(reasons)}.")
