"""A run as the workers know it, and what they do for it: the functions that the coordinator has them call.

A `Job` is sent to each worker once. What the worker makes of it hangs on the worker's copy of the job. It is removed
when Dask releases that copy: when the run ends, or when the coordinator is lost.
"""

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from distributed import get_worker

from nce_train.cluster.messages import RowValues, Segment, ShardTask, TrainedShard
from nce_train.cluster.worker import WorkerState, read_only
from nce_train.evaluation.heldout_batches import NceBatch, sum_of_nce_losses
from nce_train.runs.state_file import checksum
from nce_train.text import word_runs
from nce_train.text.blocks import PADDING
from nce_train.text.corpus import wanted_words
from nce_train.text.counted_part import CountedPart, count_part
from nce_train.text.encodings import TornTokens
from nce_train.text.sources import Source
from nce_train.text.token_rules import TokenRules
from nce_train.text.vocabulary import LINE_END, Vocabulary
from nce_train.text.word_runs import MergedWords, WordRun
from nce_train.training.settings import Settings

_FIRST_BITS = 40  # of a position in a part

_state_lock = threading.Lock()


@dataclass
class Job:
    """A run as the workers know it."""

    settings: Settings  # resolved
    vocabulary: Vocabulary
    parts: list[Source]  # the corpus in reading order; see `blocks.split_source`
    _state: WorkerState | None = field(default=None, init=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_state": None}

    def state(self) -> WorkerState:
        """What this worker holds of the run; made by the first call."""
        with _state_lock:
            if self._state is None:
                directory = get_worker().local_directory
                self._state = WorkerState(self.settings, self.vocabulary, self.parts, directory)
            return self._state


class PartSize(NamedTuple):
    """The number of ids of a part, and the rest of an `EncodedPart`."""

    ids: int
    tokens: int
    sha256: str
    text_tokens: int
    torn: TornTokens


# --- the vocabulary: each part is counted on its own; then the same buckets of all parts are merged by one task -------


def count_words(part: Source, rules: TokenRules, line_breaks: str) -> CountedPart:
    """Count a part of the corpus; see `count_part`."""
    return count_part(part, get_worker().local_directory, rules, line_breaks)


def torn_tokens(part: CountedPart) -> TornTokens:
    """What the encoding of a part tore; see `TornTokens`."""
    return part.counted.torn


def bucket_runs(part: CountedPart, number: int, begin: int, end: int) -> list[WordRun]:
    """The words in the buckets [begin, end) of part `number`, on the worker that has counted it.

    Positions of first occurrence are moved behind those of all parts before this one.
    """
    return [_slice_of(run, begin, end, number << _FIRST_BITS) for run in part.counted.runs.values()]


def merge_buckets(
    parts: Sequence[Sequence[WordRun]], min_count: int, max_vocab: int | None, raw: bool, old: Vocabulary | None
) -> MergedWords:
    """Merge `bucket_runs` of all parts; every word is complete in them. The wanted ones come to the coordinator."""
    # the arrays of another worker are read-only, and merging writes `merged_ids`
    writable = [run._replace(merged_ids=np.zeros(run.num_words, np.int32)) for run in itertools.chain(*parts)]
    return word_runs.merge(writable, wanted_words(min_count, max_vocab, old), raw)


def _slice_of(run: WordRun, begin: int, end: int, origin: int) -> WordRun:
    words = slice(run.bucket_starts[begin], run.bucket_starts[end])
    text = slice(run.bucket_text_starts[begin], run.bucket_text_starts[end] + PADDING)
    return WordRun(
        bucket_starts=np.clip(run.bucket_starts, words.start, words.stop) - words.start,
        bucket_text_starts=np.clip(run.bucket_text_starts, text.start, text.stop - PADDING) - text.start,
        ids=run.ids[words],
        lengths=run.lengths[words],
        counts=run.counts[words],
        first=run.first[words] + origin,
        merged_ids=run.merged_ids[words],
        text=run.text[text],
    )


# --- the ids --------------------------------------------------------------------------------------------------------


def encode_part(job: Job, number: int, counted: CountedPart | None) -> PartSize:
    """Encode a part of the corpus."""
    part = job.state().part(number, counted)
    return PartSize(len(part.ids), *part[1:])


def first_line_end(job: Job, number: int, begin: int, end: int) -> int:
    """Where in the ids [begin, end) of a part the first LINE_END stands, or -1."""
    line_ends = np.flatnonzero(job.state().part(number).ids[begin:end] == LINE_END)
    return begin + int(line_ends[0]) if len(line_ends) else -1


def part_checksum(job: Job, number: int, crc: int) -> int:
    """The CRC-32 of all ids up to the end of a part; `crc` is that of the ids before the part."""
    return checksum(job.state().part(number).ids, crc)


def segment_ids(job: Job, segment: Segment) -> np.ndarray:
    """The ids of a segment, for a shard that another worker assembles."""
    return np.array(job.state().part(segment.part).ids[segment.begin : segment.end])


def assemble_shard(job: Job, number: int, segments: list[Segment], remote_ids: Sequence[np.ndarray | None]) -> None:
    """Assemble the ids of a shard; see `WorkerState.shard`."""
    job.state().shard(number, segments, remote_ids)


def drop_parts(job: Job) -> None:
    """Remove the ids of parts."""
    job.state().drop_parts()


# --- training and held-out loss -------------------------------------------------------------------------------------


def train_trial(job: Job, base: RowValues, task: ShardTask) -> TrainedShard:
    """Get the worker ready for its first round: load or compile the kernel, take the base, train a shard on trial."""
    one_line_end = read_only(np.array([LINE_END], np.int32))
    job.state().trainer().train(one_line_end, task._replace(begin=0, position=1))  # compiles
    return train_shard(job, base, task)


def train_shard(job: Job, update: RowValues | None, task: ShardTask) -> TrainedShard:
    """Train a shard's round, from the base that `update` brings up to date."""
    ids = job.state().shard(task.shard, task.segments)
    trainer = job.state().trainer()
    trainer.update_base(update, task.version)
    return trainer.train(ids, task)


def sum_losses(
    job: Job, update: RowValues | None, batches: Sequence[NceBatch], first: int, last: int, version: int
) -> list[float]:
    """The NCE losses of the held-out batches [first, last), with the base that `update` brings up to date."""
    trainer = job.state().trainer()
    trainer.update_base(update, version)
    parameters = trainer.parameters()
    return [sum_of_nce_losses(batch, *parameters) for batch in batches[first:last]]
