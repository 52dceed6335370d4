"""Files for TensorBoard: the readings of a run as scalars during training, and its words for the projector at the end.

In: the states that training passes to a callback, and at the end words and vectors. Out: a directory for
`tensorboard --logdir`. The step of a scalar is the number of blocks done, as in `metrics.jsonl`.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
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

    A failure to write, for example on a full disk, ends the log with a warning; the run continues.

    Parameters
    ----------
    directory : path
        Created if it does not exist. The curves of an earlier run in it are replaced.
    resumed : bool
        Whether the run is resumed: then only the curves in `directory` from its first state on are replaced.
    warn : callable
        Called with the warning.

    Raises
    ------
    InputError
        When tensorboardX is not installed, or the directory cannot be written.
    """

    def __init__(self, directory: str | os.PathLike[str], resumed: bool, warn: Callable[[str], None]) -> None:
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
        self._resumed = resumed
        self._warn = warn
        self._events: Any = None
        self._failed = False

    def __enter__(self) -> "TensorBoardLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            if self._events is not None:
                self._events.close()
            self._directory.rmdir()  # fails unless nothing was written

    def __call__(self, state: "TrainingState") -> None:
        """Write the scalars of a state."""
        if self._failed:
            return
        with self._stop_at_failure():
            if self._events is None:
                self._begin(state.step)
            for tag, value in _scalars(state):
                self._write(state.step, tag, value)
            self._events.flush()

    def write_projector(self, words: Sequence[str], counts: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Write the first PROJECTOR_WORDS words and their vectors for the projector.

        Parameters
        ----------
        words : sequence of str
        counts : int64 [words]
        vectors : float32 [words, dim]
        """
        if self._failed:
            return
        top = PROJECTOR_WORDS
        with self._stop_at_failure():
            Embeddings(words[:top], vectors[:top], counts[:top]).save(self._directory / PROJECTOR, "projector")
            # TensorBoard expects this file beside the events
            with atomic_write(self._directory / "projector_config.pbtxt", "w", encoding="utf-8") as file:
                file.write(_CONFIG)

    def _begin(self, step: int) -> None:
        # not tensorboardX's SummaryWriter: on a full disk its thread ends and the run waits for ever
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        # the time makes file names distinct and sorted, also of two runs that begin within a second
        self._events = EventsWriter(os.fspath(self._directory / "events"), f".{time.time_ns()}")
        # readers drop the events of earlier files from this step on
        start = Event(step=step if self._resumed else 0, session_log=SessionLog(status=SessionLog.START))
        self._events.write_event(start)

    def _write(self, step: int, tag: str, value: float) -> None:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.summary import scalar

        self._events.write_event(Event(wall_time=time.time(), step=step, summary=scalar(tag, value)))

    @contextlib.contextmanager
    def _stop_at_failure(self) -> Iterator[None]:
        try:
            yield
        except (OSError, InputError) as error:
            self._failed = True
            reason = (isinstance(error, OSError) and error.strerror) or str(error).rstrip(".")
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
