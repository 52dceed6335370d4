"""Files for TensorBoard: the readings of a run as scalars during training, and its words for the projector at the end.

In: the states that training passes to a callback, and at the end words and vectors. Out: a directory for
`tensorboard --logdir`. The step of a scalar is the number of blocks done, as in `metrics.jsonl`.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings import Embeddings
from nce_train.embeddings.formats.projector import METADATA, VECTORS
from nce_train.errors import InputError
from nce_train.files import atomic_write

if TYPE_CHECKING:
    from nce_train.training.readings import TrainingState

PROJECTOR_WORDS = 10_000  # the most frequent: of more, TensorBoard's page in the browser becomes slow
PROJECTOR = "projector"
_CONFIG = f"""embeddings {{
  tensor_name: "words"
  tensor_path: "{PROJECTOR}/{VECTORS}"
  metadata_path: "{PROJECTOR}/{METADATA}"
}}
"""


class TensorBoardLog:
    """A callback of training that writes for TensorBoard, and a context manager that closes the file.

    The curves of an earlier run in the directory are replaced; if the run is resumed, only behind its checkpoint. A
    failure to write, for example on a full disk, ends the log with a warning; the run continues.
    """

    def __init__(self, directory: str | os.PathLike[str], warn: Callable[[str], None]) -> None:
        try:
            import tensorboardX  # noqa: F401 (a missing extra is reported before the work)
        except ImportError:
            raise InputError("TensorBoard's files need an extra: pip install 'nce-train[tensorboard]'") from None
        self._directory = Path(directory)
        try:
            if self._directory.exists() and not self._directory.is_dir():
                raise NotADirectoryError(0, "it is a file")
            self._directory.mkdir(parents=True, exist_ok=True)
            if not os.access(self._directory, os.W_OK | os.X_OK):
                raise PermissionError(0, "no permission")
        except OSError as error:
            raise InputError(
                f"The TensorBoard directory {self._directory} cannot be written: {error.strerror}; choose another."
            ) from None
        self._first_step = 0  # readers drop the events of earlier files from this step on
        self._warn = warn
        self._events: Any = None
        self._failed = False

    def __enter__(self) -> "TensorBoardLog":
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(OSError):
            if self._events is not None:
                self._events.close()
            self._directory.rmdir()  # fails unless nothing was written

    def resume(self, step: int) -> None:
        """Keep the curves of the run that is resumed up to the step of its checkpoint; before the first state."""
        self._first_step = step + 1

    def __call__(self, state: "TrainingState") -> None:
        """Write the scalars of a state."""
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.summary import scalar

        if self._failed:
            return
        with self._stop_at_failure():
            if self._events is None:
                self._begin()
            for tag, value in _scalars(state):
                event = Event(wall_time=time.time(), step=state.step, summary=scalar(tag, value))
                self._events.write_event(event)
            self._events.flush()

    def write_projector(self, words: Sequence[str], counts: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Write the first PROJECTOR_WORDS words and their vectors for the projector."""
        if self._failed:
            return
        top = PROJECTOR_WORDS
        with self._stop_at_failure():
            Embeddings(words[:top], vectors[:top], counts[:top]).save(self._directory / PROJECTOR, "projector")
            # TensorBoard expects this file beside the events
            with atomic_write(self._directory / "projector_config.pbtxt", "w", encoding="utf-8") as file:
                file.write(_CONFIG)

    def _begin(self) -> None:
        # not tensorboardX's SummaryWriter: on a full disk its thread ends and the run waits for ever
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        # the time makes file names distinct and sorted, also of two runs that begin within a second
        self._events = EventsWriter(os.fspath(self._directory / "events"), f".{time.time_ns()}")
        start = Event(step=self._first_step, session_log=SessionLog(status=SessionLog.START))
        self._events.write_event(start)

    @contextlib.contextmanager
    def _stop_at_failure(self) -> Iterator[None]:
        try:
            yield
        except (OSError, InputError, MemoryError) as error:
            self._failed = True
            reason = (isinstance(error, OSError) and error.strerror) or str(error).rstrip(".") or "not enough memory"
            self._warn(f"Nothing more is written to {self._directory} for TensorBoard: {reason}.")


def _scalars(state: "TrainingState") -> Iterator[tuple[str, float]]:
    """Yield the names and values of the new scalars of a state."""
    values: dict[str, float | None]
    if state.heldout is not None:
        values = {"heldout/nce_loss": state.heldout["nce_loss"]}
    elif state.evaluation is not None:
        analogies, similarity = state.evaluation.get("analogies", {}), state.evaluation.get("similarity", {})
        values = {
            **{f"analogies/{name}": result["accuracy"] for name, result in analogies.items()},
            **{f"similarity/{name}": result["spearman"] for name, result in similarity.items()},
        }
    else:
        values = {
            "training/loss": state.loss,
            "training/learning_rate": state.learning_rate,
            "training/tokens_per_second": state.tokens_per_second,
        }
    return ((tag, value) for tag, value in values.items() if value is not None)
