"""What a worker knows of a run, and what it does: encode parts of the corpus, put shards together, train them.

A `Job` travels to each worker once. What the worker makes of it (ids, a copy of the base, room to train in) hangs on
the job and is gone when Dask forgets it, which is when the run ends or the coordinator is lost.
"""

import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from distributed import get_worker

from nce_train.evaluation.heldout_batches import NceBatch, sum_of_nce_losses
from nce_train.kernel.schedule import Schedule
from nce_train.kernel.sizes import row_length
from nce_train.kernel.state import Tables, aligned_zeros
from nce_train.runs.state_file import checksum
from nce_train.text import word_runs
from nce_train.text.counted_part import CountedPart, count_part
from nce_train.text.sources import Source
from nce_train.text.vocabulary import LINE_END, Vocabulary
from nce_train.training.noise import noise_tables
from nce_train.training.parameters import keep_probability, keep_threshold
from nce_train.training.rounds import ShardResult, ShardWorkspace, next_position
from nce_train.training.settings import Settings
from nce_train.training.trainer import kernel_plan


class Segment(NamedTuple):
    """A stretch of the ids of one part of the corpus."""

    part: int
    begin: int
    end: int


class EncodedPart(NamedTuple):
    """A part of the corpus as ids, how many of them are words, and the SHA-256 of a part that is a whole file."""

    ids: np.ndarray
    tokens: int
    sha256: str


class ShardOrder(NamedTuple):
    """What a shard is to train in a round; positions count from the beginning of the whole stream."""

    shard: int
    segments: list[Segment]  # its ids
    version: int  # of the base, in which it is trained
    begin: int  # where the shard begins
    position: int  # where its round begins
    tokens: int
    blocks: int  # at most
    random_state: int
    schedule: Schedule


@dataclass(frozen=True)
class Base:
    """The parameters before a round: all rows, or those that the last round has changed.

    Attributes
    ----------
    rows : tuple of int32 arrays, or None
        Which rows of the input and of the output table; None for all.
    tables : tuple of float32 arrays
        Rows of `dim` numbers of the input and the output table, and biases.
    """

    rows: tuple[np.ndarray, np.ndarray] | None
    tables: tuple[np.ndarray, np.ndarray, np.ndarray]

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        return sum(array.nbytes for array in (*self.tables, *(self.rows or ())))


@dataclass(frozen=True)
class ShardChanges:
    """What a shard's round has changed, by the rows that it touched.

    Attributes
    ----------
    result : ShardResult
    rows : tuple of int32 arrays
        Of the input and of the output table.
    changes : tuple of float32 arrays
        Rows of `dim` numbers: input, output; and of one number: biases.
    seconds : float
        Of training, without waiting for ids or base.
    """

    result: ShardResult
    rows: tuple[np.ndarray, np.ndarray]
    changes: tuple[np.ndarray, np.ndarray, np.ndarray]
    seconds: float

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        return sum(array.nbytes for array in (*self.changes, *self.rows))


class BaseMissing(RuntimeError):
    """A worker has not the base that it was taken to have."""


@dataclass
class Job:
    """A run as the workers know it.

    Attributes
    ----------
    settings : dict
        Resolved.
    vocabulary : Vocabulary
    parts : list of Source
        The corpus in reading order; see `blocks.split_source`.
    """

    settings: dict[str, Any]
    vocabulary: Vocabulary
    parts: list[Source]
    _desk: "Desk | None" = field(default=None, init=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_desk": None}

    def desk(self) -> "Desk":
        """What this process has of the run; made when it is first asked for."""
        with _desks_lock:
            if self._desk is None:
                self._desk = Desk(self, get_worker().local_directory)
            return self._desk


_desks_lock = threading.Lock()


class Desk:
    """What one worker process has of a run: ids in files, a copy of the base, workspaces.

    Parameters
    ----------
    job : Job
    directory : path
        Dask's place for a worker's files.
    """

    def __init__(self, job: Job, directory: str) -> None:
        self.job = job
        self.settings = Settings(**job.settings)
        self._scratch = tempfile.TemporaryDirectory(
            prefix="nce-train-", dir=directory, ignore_cleanup_errors=True
        )  # gone with this object
        self._part_locks = [threading.Lock() for _ in range(len(job.parts) + 1)]
        self._parts: dict[int, EncodedPart] = {}
        self._shards: dict[int, np.ndarray] = {}
        self._lock = threading.Lock()
        self._known = word_runs.vocabulary_run(job.vocabulary.words)
        self._training: _Training | None = None

    def part(self, number: int, counted: CountedPart | None = None) -> EncodedPart:
        """The ids of a part of the corpus, encoded when first asked for: from what was counted here, or read again.

        Behind the parts stands one of a single LINE_END, which closes a corpus whose line breaks are ignored.
        """
        if number == len(self.job.parts):
            return EncodedPart(np.array([LINE_END], np.int32), 0, "")
        with self._part_locks[number]:
            if number not in self._parts:
                if counted is None or not counted.has_ids:
                    counted = self._count(number)
                self._parts[number] = self._encode(counted)
            return self._parts[number]

    def _count(self, number: int) -> CountedPart:
        settings, part = self.settings, self.job.parts[number]
        return count_part(part, self._scratch.name, settings.tokens, settings.lowercase, settings.line_breaks)

    def _encode(self, counted: CountedPart) -> EncodedPart:
        ids, tokens = counted.encode(self._known, self.job.vocabulary.unknown is not None)
        if self.settings.line_breaks == "ignore" and len(ids) > 0:
            ids = ids[:-1]
        return EncodedPart(ids, tokens, counted.source.sha256)

    def shard(
        self, number: int, segments: list[Segment], pieces: Sequence[np.ndarray | None] | None = None
    ) -> np.ndarray:
        """The ids of a shard, put together when first asked for: from these pieces, or from the parts of this desk."""
        with self._lock:
            if number not in self._shards:
                self._shards[number] = self._put_together(number, segments, pieces or [None] * len(segments))
            return self._shards[number]

    def _put_together(self, number: int, segments: list[Segment], pieces: Sequence[np.ndarray | None]) -> np.ndarray:
        path = Path(self._scratch.name) / f"shard-{number}.npy"
        size = sum(segment.end - segment.begin for segment in segments)
        if size == 0:
            return _read_only(np.empty(0, np.int32))
        ids = np.lib.format.open_memmap(path, "w+", np.int32, (size,))
        done = 0
        for (part, begin, end), piece in zip(segments, pieces, strict=True):
            ids[done : done + end - begin] = self.part(part).ids[begin:end] if piece is None else piece
            done += end - begin
        ids.flush()
        return _ids_of(path)

    def training(self) -> "_Training":
        """What training needs; the ids of parts are not kept beside those of shards."""
        with self._lock:
            if self._training is None:
                self._training = _Training(self.job.vocabulary.counts, self.settings)
            return self._training

    def drop_parts(self) -> None:
        """Remove the ids of parts: the shards have theirs. A shard that comes later is encoded anew."""
        for number in list(self._parts):
            with self._part_locks[number]:
                self._parts.pop(number, None)


class _Training:
    """A worker's copy of the base, and a workspace for each shard that it trains at a time."""

    def __init__(self, counts: np.ndarray, settings: Settings) -> None:
        shape = (len(counts), row_length(settings.dim))
        self.settings = settings
        self.plan = kernel_plan(settings, counts)
        self.noise = noise_tables(counts, settings)
        self.keep = keep_threshold(keep_probability(counts, settings.subsample))
        self.base = Tables(
            aligned_zeros(shape, np.float32), aligned_zeros(shape, np.float32), aligned_zeros(shape[:1], np.float32)
        )
        self.version = -1  # of the base; none yet
        self._idle: list[ShardWorkspace] = []
        self._lock = threading.Lock()

    def take(self, new: Base | None, version: int) -> None:
        """Bring the base up to date, if it is not yet."""
        with self._lock:
            if self.version == version:
                return
            if new is not None and new.rows is None:
                places: tuple[Any, Any] = (slice(None), slice(None))
            elif new is not None and new.rows is not None and self.version == version - 1:
                places = new.rows
            else:
                raise BaseMissing(f"version {self.version} of the base is here, {version} is asked for")
            dim = self.settings.dim
            self.version = -1  # should this fail half-way
            self.base.input[places[0], :dim] = new.tables[0]
            self.base.output[places[1], :dim] = new.tables[1]
            self.base.bias[places[1]] = new.tables[2]
            self.version = version

    def train(self, ids: np.ndarray, order: ShardOrder) -> ShardChanges:
        """Train a shard's round, with one thread."""
        workspace = self._workspace()
        started = time.perf_counter()
        begin = order.position - order.begin
        end = next_position(ids, begin, len(ids), order.tokens)
        workspace.begin(begin, end, order.random_state)
        if order.blocks > 0:
            workspace.train(self.keep, ids, self.plan, order.schedule, order.blocks)
        changes = self._changes(workspace, order.begin + end, started)
        with self._lock:
            self._idle.append(workspace)
        return changes

    def _workspace(self) -> ShardWorkspace:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return ShardWorkspace(self.base, self.noise, self.plan, self.settings.dim)

    def _changes(self, workspace: ShardWorkspace, end: int, started: float) -> ShardChanges:
        dim, copies, tables = self.settings.dim, workspace.copies, workspace.tables
        rows = tuple(
            np.flatnonzero(places >= 0).astype(np.int32) for places in (copies.input_place, copies.output_place)
        )
        inputs, outputs = copies.input_place[rows[0]], copies.output_place[rows[1]]
        thread = workspace.thread
        return ShardChanges(
            ShardResult(end, thread.cursor.copy(), float(thread.loss[0])),
            (rows[0], rows[1]),
            (
                tables.input[inputs, :dim] - self.base.input[rows[0], :dim],
                tables.output[outputs, :dim] - self.base.output[rows[1], :dim],
                tables.bias[outputs] - self.base.bias[rows[1]],
            ),
            time.perf_counter() - started,
        )


class PartSize(NamedTuple):
    """Of the ids of a part: how many, how many of them words; and the SHA-256 of one that is a whole file."""

    ids: int
    tokens: int
    sha256: str


def measure_part(job: Job, number: int, counted: CountedPart | None) -> PartSize:
    """Encode a part of the corpus, for the shards that will need it here."""
    part = job.desk().part(number, counted)
    return PartSize(len(part.ids), part.tokens, part.sha256)


def first_line_end(job: Job, number: int, begin: int, end: int) -> int:
    """Where in the ids [begin, end) of a part the first LINE_END stands, or -1."""
    found = np.flatnonzero(job.desk().part(number).ids[begin:end] == LINE_END)
    return begin + int(found[0]) if len(found) else -1


def part_checksum(job: Job, number: int, crc: int) -> int:
    """The CRC-32 of the ids up to the end of a part, when `crc` is that of the ids before it."""
    return checksum(job.desk().part(number).ids, crc)


def rehearse(job: Job, base: Base, order: ShardOrder) -> ShardChanges:
    """Have a worker ready for its first round: load the kernel, put a shard together, train it once for trial."""
    desk = job.desk()
    training = desk.training()
    training.train(_read_only(np.array([LINE_END], np.int32)), order._replace(begin=0, position=1))  # may compile
    ids = desk.shard(order.shard, order.segments)
    training.take(base, order.version)
    return training.train(ids, order)


def put_shard_together(job: Job, number: int, segments: list[Segment], pieces: Sequence[np.ndarray | None]) -> None:
    """Have a worker put a shard together before its first round; a piece for each segment that is not of its parts."""
    job.desk().shard(number, segments, pieces)


def ids_of_segment(job: Job, segment: Segment) -> np.ndarray:
    """A piece for a shard that another worker puts together."""
    return np.array(job.desk().part(segment.part).ids[segment.begin : segment.end])


def drop_parts(job: Job) -> None:
    """Remove the ids of parts that a worker has no more use for."""
    job.desk().drop_parts()


def train_shard(job: Job, base: Base | None, order: ShardOrder) -> ShardChanges:
    """Train a shard for a round, from a base that is brought up to date by `base`."""
    desk = job.desk()
    ids = desk.shard(order.shard, order.segments)
    training = desk.training()
    training.take(base, order.version)
    return training.train(ids, order)


def sum_losses(
    job: Job, base: Base | None, batches: Sequence[NceBatch], first: int, last: int, version: int
) -> list[float]:
    """The NCE losses of some batches of held-out pairs, with the base that is brought up to date by `base`."""
    training = job.desk().training()
    training.take(base, version)
    tables, dim = training.base, training.settings.dim
    parameters = (tables.input[:, :dim], tables.output[:, :dim], tables.bias)
    return [sum_of_nce_losses(batch, *parameters) for batch in batches[first:last]]


def _ids_of(path: Path) -> np.ndarray:
    ids: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return ids


def _read_only(ids: np.ndarray) -> np.ndarray:
    """As a mapped file is: another type to the compiler."""
    ids.flags.writeable = False
    return ids
