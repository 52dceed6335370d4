"""The schedule: how much of a run is done, and the learning rate at that point.

Plain functions, for readings; the kernel compiles the same two.
"""

from typing import NamedTuple

LAST_SHARE = 1e-4  # of the first learning rate, at which the linear schedule ends


class Schedule(NamedTuple):
    """Where training stands. Everything but `lr` is whole, so that nothing depends on how kernel calls are cut."""

    lr: float  # at the start
    tokens: int  # trained by all threads when the kernel was called
    all_tokens: int  # of all epochs
    blocks: int  # trained by all threads when the kernel was called
    all_blocks: int  # `max_steps`, or a number beyond all
    threads: int  # the other threads are taken to be as fast as this one


def progress(schedule, tokens, blocks):
    """How much of the run is done, from 0 to 1, by tokens or by blocks, whichever is further.

    Parameters
    ----------
    schedule : Schedule
    tokens, blocks : int
        What this thread has trained since the kernel was called.
    """
    return max(
        (schedule.tokens + schedule.threads * tokens) / schedule.all_tokens,
        (schedule.blocks + schedule.threads * blocks) / schedule.all_blocks,
    )


def learning_rate(schedule, is_linear, done):
    """The learning rate when `done` of the run, from 0 to 1, is done: constant, or falling linearly."""
    return schedule.lr * max(LAST_SHARE, 1.0 - done) if is_linear else schedule.lr
