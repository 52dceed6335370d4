"""Which worker owns which part of the corpus, and which shard.

In: the workers and their threads. Out: owners such that each has work in proportion to its threads, and the parts of a
shard belong mostly to the worker that owns the shard.
"""

import math
from collections.abc import Iterable, Mapping


def workers_at(places: Iterable[float], threads: Mapping[str, int]) -> list[str]:
    """The worker at each place between 0 and 1, where every worker takes room in proportion to its threads.

    Examples
    --------
    >>> workers_at([0.1, 0.4, 0.9], {"a": 1, "b": 2})
    ['a', 'b', 'b']
    """
    seats = [worker for worker, count in sorted(threads.items()) for _ in range(count)]
    return [seats[min(int(place * len(seats)), len(seats) - 1)] for place in places]


def assign_shards(shards: int, threads: Mapping[str, int], owners: Mapping[int, str]) -> dict[int, str]:
    """The owner of each shard, by shard.

    Parameters
    ----------
    shards : int
    threads : mapping of str to int
        The threads of each worker there is.
    owners : mapping of int to str
        The owners so far. Each keeps its shards, up to its share of all.
    """
    room = {worker: math.ceil(shards * count / sum(threads.values())) for worker, count in sorted(threads.items())}
    first_choice = workers_at([shard / shards for shard in range(shards)], threads)  # owns most of the shard's parts
    assigned = {}
    for shard in range(shards):
        owner = owners.get(shard, first_choice[shard])
        if room.get(owner, 0) > 0:
            assigned[shard] = owner
            room[owner] -= 1
    for shard in range(shards):
        if shard not in assigned:
            assigned[shard] = max(room, key=lambda worker: room[worker] / threads[worker])
            room[assigned[shard]] -= 1
    return dict(sorted(assigned.items()))
