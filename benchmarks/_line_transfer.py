"""How long a cache line takes from one core to another and back.

Two threads, each on a CPU of its own, count up one number in turn. On cores that share a cache that takes well below
100 ns; on cores of different sockets or cache groups several times as long, and threads that write the same rows feel
it. On a virtual machine it changes with where its CPUs are put at the moment.
"""

import os
import threading
import time
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

TRIPS = 2_000
FIRST_TRIPS = 100  # not timed: the other thread may not have begun
ROUNDS = 40


def line_round_trip() -> float | None:
    """Nanoseconds of a round trip; None with a single CPU or where threads cannot be given one.

    The least of some rounds: what else runs on the machine can only lengthen it.
    """
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
    if len(cpus) < 2:
        return None
    _count_in_turn(np.zeros(1, np.int64), 0, 0, 1)  # has it compiled
    return min(_round(cpus[:2]) for _ in range(ROUNDS)) / TRIPS * 1e9


def _round(cpus: list[int]) -> float:
    counter = np.zeros(16, np.int64)  # a cache line and more
    seconds = [0.0, 0.0]

    def work(number: int) -> None:
        os.sched_setaffinity(0, {cpus[number]})
        _count_in_turn(counter, number, 0, FIRST_TRIPS)
        started = time.perf_counter()
        _count_in_turn(counter, number, FIRST_TRIPS, FIRST_TRIPS + TRIPS)
        seconds[number] = time.perf_counter() - started

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return min(seconds)


@intrinsic
def _load(typing_context: Any, array: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.load_atomic(pointer, "acquire", 8)

    return types.int64(array), generate


@intrinsic
def _store(typing_context: Any, array: Any, number: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        builder.store_atomic(arguments[1], pointer, "release", 8)
        return context.get_dummy_value()

    return types.none(array, types.int64), generate


@njit(nogil=True)
def _count_in_turn(counter, number, first, end):  # type: ignore[no-untyped-def]
    """Count up `counter[0]` from 2 · first to 2 · end, whenever it is even (number 0) or odd (number 1)."""
    for trip in range(first, end):
        turn = 2 * trip + number
        while _load(counter) != turn:
            pass
        _store(counter, turn + 1)
