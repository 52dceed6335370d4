"""What the coordinator and the workers send each other while they train.

For each shard and round the coordinator sends a `ShardTask`, and a `RowValues` that brings the worker's copy of the
base up to date. The worker returns a `TrainedShard`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nce_train.kernel.schedule import Schedule
from nce_train.training.rounds import ShardResult


class Segment(NamedTuple):
    """The ids [begin, end) of one part of the corpus."""

    part: int
    begin: int
    end: int


class ShardTask(NamedTuple):
    """What one shard trains in one round. Positions count from the start of the whole stream."""

    shard: int
    segments: list[Segment]  # where its ids are
    version: int  # of the base from which it is trained
    begin: int  # of the shard
    position: int  # where the round begins
    tokens: int
    max_blocks: int
    random_state: int
    schedule: Schedule


@dataclass(frozen=True)
class RowValues:
    """Values for some rows of the parameters, or for all: new values, or changes.

    Attributes
    ----------
    rows : (int32 [inputs], int32 [outputs]) or None
        Rows of the input and of the output table; None for all rows.
    values : (float32 [inputs, dim], float32 [outputs, dim], float32 [outputs])
        Of the input table, the output table and the biases.
    """

    rows: tuple[np.ndarray, np.ndarray] | None
    values: tuple[np.ndarray, np.ndarray, np.ndarray]

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in (*self.values, *(self.rows or ())))


class TrainedShard(NamedTuple):
    """What a shard's round has changed."""

    result: ShardResult
    changes: RowValues
    seconds: float  # of training, without waiting for ids or parameters
