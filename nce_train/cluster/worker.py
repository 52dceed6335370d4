"""What one worker process holds of a run: the ids of parts and shards, and what trains them from a copy of the base.

Ids are in files of Dask's directory for the worker. Everything is made when it is first needed, and removed with the
`WorkerState`.
"""

import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nce_train.cluster.messages import RowValues, Segment, ShardTask, TrainedShard
from nce_train.kernel.sizes import row_length
from nce_train.kernel.state import Tables, aligned_zeros
from nce_train.mapped_files import map_npy
from nce_train.npy_file import npy_header
from nce_train.text import word_runs
from nce_train.text.counted_part import CountedPart, count_part
from nce_train.text.encodings import TornTokens
from nce_train.text.sources import Source
from nce_train.text.vocabulary import LINE_END, Vocabulary
from nce_train.training.ngram_rows import kernel_bags, ngram_rows, word_vectors
from nce_train.training.noise import noise_tables
from nce_train.training.parameters import keep_probability, keep_threshold
from nce_train.training.rounds import ShardResult, ShardWorkspace, next_position
from nce_train.training.settings import Settings
from nce_train.training.trainer import kernel_plan


class EncodedPart(NamedTuple):
    """A part of the corpus as ids, with the number of words among them."""

    ids: np.ndarray
    tokens: int
    sha256: str  # of a part that is a whole file
    text_tokens: int  # all tokens, whether in the vocabulary or not
    torn: TornTokens


class WorkerState:
    """What one worker process holds of a run: see `Job`. Its threads may call all methods at the same time."""

    def __init__(self, settings: Settings, vocabulary: Vocabulary, parts: Sequence[Source], directory: str) -> None:
        self._settings = settings
        self._vocabulary = vocabulary
        self._sources = parts
        self._scratch = tempfile.TemporaryDirectory(prefix="nce-train-", dir=directory, ignore_cleanup_errors=True)
        self._words = word_runs.vocabulary_run(vocabulary.words)
        self._parts: dict[int, EncodedPart] = {}
        self._part_locks = [threading.Lock() for _ in parts]
        self._shards: dict[int, np.ndarray] = {}
        self._trainer: WorkerTrainer | None = None
        self._lock = threading.Lock()  # for shards and the trainer

    def part(self, number: int, counted: CountedPart | None = None) -> EncodedPart:
        """The ids of a part of the corpus.

        After the last part there is one more, of a single LINE_END: it closes a corpus whose line breaks are ignored.
        Without the `counted` part, or when it was counted on another worker, the text is read again.
        """
        if number == len(self._sources):
            return EncodedPart(np.array([LINE_END], np.int32), 0, "", 0, TornTokens())
        with self._part_locks[number]:
            if number not in self._parts:
                settings = self._settings
                if counted is None or not counted.has_ids:
                    how = (settings.token_rules, settings.line_breaks)
                    counted = count_part(self._sources[number], self._scratch.name, *how)
                ids, tokens = counted.encode(self._words, self._vocabulary.unknown is not None)
                if settings.line_breaks == "ignore" and len(ids) > 0:
                    ids = ids[:-1]
                self._parts[number] = EncodedPart(
                    ids, tokens, counted.source.sha256, counted.counted.num_tokens, counted.counted.torn
                )
            return self._parts[number]

    def shard(
        self, number: int, segments: Sequence[Segment], remote_ids: Sequence[np.ndarray | None] | None = None
    ) -> np.ndarray:
        """The ids of a shard, int32 [n], which are in `segments`.

        `remote_ids` are the ids of each segment, None where they are taken from the parts of this worker; by default
        all are.
        """
        with self._lock:
            if number not in self._shards:
                self._shards[number] = self._assemble(number, segments, remote_ids or [None] * len(segments))
            return self._shards[number]

    def trainer(self) -> "WorkerTrainer":
        """What trains the shards."""
        with self._lock:
            if self._trainer is None:
                self._trainer = WorkerTrainer(self._vocabulary, self._settings)
            return self._trainer

    def drop_parts(self) -> None:
        """Remove the ids of parts, which assembled shards no longer need. They are encoded again on demand."""
        for number in list(self._parts):
            with self._part_locks[number]:
                self._parts.pop(number, None)

    def _assemble(
        self, number: int, segments: Sequence[Segment], remote_ids: Sequence[np.ndarray | None]
    ) -> np.ndarray:
        size = sum(segment.end - segment.begin for segment in segments)
        if size == 0:
            return read_only(np.empty(0, np.int32))
        path = Path(self._scratch.name) / f"shard-{number}.npy"
        with open(path, "wb") as file:
            file.write(npy_header(np.dtype(np.int32), (size,)))
            for (part, begin, end), remote in zip(segments, remote_ids, strict=True):
                ids = self.part(part).ids[begin:end] if remote is None else remote
                file.write(np.ascontiguousarray(ids, np.int32).data)
        return map_npy(path)


class StaleBase(RuntimeError):
    """The worker's copy of the base is older than the coordinator assumed."""


class WorkerTrainer:
    """Trains rounds of shards from a copy of the base. Threads may call all methods at the same time."""

    def __init__(self, vocabulary: Vocabulary, settings: Settings) -> None:
        counts, words, length = vocabulary.counts, len(vocabulary), row_length(settings.dim)
        # the coordinator resolves and lays out the same
        self._ngrams = ngram_rows(vocabulary.words, counts, settings.with_ngrams(vocabulary.words))
        rows = words if self._ngrams is None else words + len(self._ngrams.buckets)
        self._bags = kernel_bags(settings, self._ngrams)
        self.base = Tables(
            aligned_zeros((rows, length), np.float32),
            aligned_zeros((words, length), np.float32),
            aligned_zeros((words,), np.float32),
        )
        self._version = -1  # of the base; -1 when there is none
        self._dim = settings.dim
        self._plan = kernel_plan(settings, counts)
        self._noise = noise_tables(counts, settings)
        self._keep = keep_threshold(keep_probability(counts, settings.subsample))
        self._idle: list[ShardWorkspace] = []  # threads take from it and append to it
        self._lock = threading.Lock()

    def update_base(self, update: RowValues | None, version: int) -> None:
        """Bring the base to a version, unless it has it.

        `update` has all rows, or those that differ from the version before. When it does not lead from the base's
        version to the one wanted, StaleBase is raised.
        """
        with self._lock:
            if self._version == version:
                return
            rows: tuple[Any, Any]
            if update is not None and update.rows is None:
                rows = (slice(None), slice(None))
            elif update is not None and update.rows is not None and self._version == version - 1:
                rows = update.rows
            else:
                raise StaleBase(f"the base has version {self._version}, and version {version} is needed")
            self._version = -1  # in case of a failure half-way
            self.base.input[rows[0], : self._dim] = update.values[0]
            self.base.output[rows[1], : self._dim] = update.values[1]
            self.base.bias[rows[1]] = update.values[2]
            self._version = version

    def parameters(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The words' vectors and the output table, float32 [vocabulary, dim], and the biases, float32 [vocabulary]."""
        vectors = word_vectors(self.base.input, self._ngrams, self._dim, threads=1)
        return vectors, self.base.output[:, : self._dim], self.base.bias

    def train(self, ids: np.ndarray, task: ShardTask) -> TrainedShard:
        """Train a shard's round, with the calling thread; `ids`, int32 [n] and read-only, are of the whole shard."""
        try:
            workspace = self._idle.pop()
        except IndexError:
            workspace = ShardWorkspace(self.base, self._noise, self._plan, self._dim, self._bags)
        started = time.perf_counter()
        begin = task.position - task.begin
        end = next_position(ids, begin, len(ids), task.tokens)
        workspace.begin(begin, end, task.random_state)
        if task.max_blocks > 0:
            workspace.train(self._keep, ids, self._plan, task.schedule, task.max_blocks)
        thread = workspace.thread
        result = ShardResult(task.begin + end, thread.cursor.copy(), float(thread.loss[0]))
        trained = TrainedShard(result, self._changes(workspace), time.perf_counter() - started)
        self._idle.append(workspace)
        return trained

    def _changes(self, workspace: ShardWorkspace) -> RowValues:
        dim, copies, tables = self._dim, workspace.shard_rows, workspace.tables
        inputs, outputs = (
            np.flatnonzero(places >= 0).astype(np.int32) for places in (copies.input_place, copies.output_place)
        )
        input_places, output_places = copies.input_place[inputs], copies.output_place[outputs]
        values = (
            tables.input[input_places, :dim] - self.base.input[inputs, :dim],
            tables.output[output_places, :dim] - self.base.output[outputs, :dim],
            tables.bias[output_places] - self.base.bias[outputs],
        )
        return RowValues((inputs, outputs), values)


def read_only(ids: np.ndarray) -> np.ndarray:
    """Make ids read-only, as those of a mapped file are: the compiler takes the two for different types."""
    ids.flags.writeable = False
    return ids
