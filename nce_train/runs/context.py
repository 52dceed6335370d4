"""What the steps of a run are given: a value, which knows nothing and does nothing."""

from dataclasses import dataclass
from pathlib import Path

from nce_train.runs.protocols import Executor, Hooks, Watcher
from nce_train.runs.record import RunRecord
from nce_train.runs.timings import Timings


@dataclass(frozen=True)
class RunContext:
    """Where a run writes, what is recorded of it, and who takes part.

    Attributes
    ----------
    output : Path or None
        The model directory; None when the model stays in memory.
    directory : Path
        For the token file and, when there is an output, for checkpoints.
    record : RunRecord
        Updated during the run.
    timings : Timings
    watcher : Watcher
    hooks : Hooks
    cluster : Executor or None
    """

    output: Path | None
    directory: Path
    record: RunRecord
    timings: Timings
    watcher: Watcher
    hooks: Hooks
    cluster: Executor | None
