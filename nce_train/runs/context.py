"""What the steps of a run share: a plain value without methods."""

from dataclasses import dataclass
from pathlib import Path

from nce_train.runs.protocols import Executor, Hooks, Watcher
from nce_train.runs.record import RunRecord
from nce_train.runs.timings import Timings


@dataclass(frozen=True)
class RunContext:
    """Where a run writes, what is recorded of it, and who takes part."""

    output: Path | None  # the model directory; None when the model stays in memory
    directory: Path  # for the token file and, when there is an output, for checkpoints
    record: RunRecord  # updated during the run
    timings: Timings
    watcher: Watcher
    hooks: Hooks
    cluster: Executor | None
