"""Smoothing: at the end of training each input embedding moves towards those of its nearest neighbours.

What a word learned from few occurrences is noisy, and the mean of its neighbours is less so: the estimate between the
two is better than either. With x a word's input embedding, c its count and x_1 … x_k its nearest neighbours by cosine,

    x ← (1 − λ) x + λ |x| m / |m|,   m = Σ_i max(0, cos(x, x_i)) x_i / |x_i|,
    λ = smoothing · (1/3 + 2/3 · 200 / (200 + c)),

all at once. The constants were fitted to Wikipedia (`benchmarks/STUDY.md`, "Smoothing"). A length shrinks as far as the
neighbours' direction is another, and the classifier's loss on held-out text hardly changes.
"""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nce_train.training.nearest_kernel import keep_nearest

NEIGHBOURS = 10
SEARCHED = 32_000  # most frequent words: rarer ones are no help
FREQUENT_SHARE = 1 / 3  # of `smoothing`, for the most frequent words
HALF_COUNT = 200.0  # occurrences at which a word is in the middle between the most frequent and the rarest ones

# The search: the searched words are put into clusters, and a word is compared with those of its nearest clusters only.
# Of 74,000 words 95 % of the ten nearest neighbours are found, in a tenth of the comparisons.
CLUSTER_WORDS = 180
CLUSTERS_COMPARED = 16
CLUSTERING_STEPS = 4

MOST_THREADS = 8  # of the search: each has arrays of about 15 MB

_ROWS_AT_ONCE = 4096
_BLOCK_NUMBERS = 1 << 22  # cosines at once, however large a cluster is
_FREE = -2.0  # below any cosine

Progress = Callable[[int, int], None]


class Neighbours(NamedTuple):
    """Each word's nearest neighbours among the most frequent words."""

    units: NDArray[np.float32]  # [searched, dim]: these words' input embeddings at length 1
    rows: NDArray[np.int32]  # [vocabulary, NEIGHBOURS]: rows of `units`, which are in another order than words
    cosines: NDArray[np.float32]  # [vocabulary, NEIGHBOURS], the greatest first, none below 0


class _Clusters(NamedTuple):
    """Words of like direction, cluster after cluster."""

    centres: NDArray[np.float32]  # [clusters, dim], at length 1
    units: NDArray[np.float32]  # [searched, dim]
    starts: NDArray[np.int64]  # [clusters + 1]: where each begins in `units`
    places: NDArray[np.int64]  # [searched]: where each word stands in `units`


def find_neighbours(
    vectors: NDArray[np.float32], threads: int, stopped: Callable[[], bool], progress: Progress
) -> Neighbours | None:
    """Find nearest neighbours of all words; the same on any number of threads.

    Parameters
    ----------
    vectors : float32 [vocabulary, dim]
        Input embeddings, the most frequent words' first; more than NEIGHBOURS.
    threads : int
        At most MOST_THREADS of them are used.
    stopped : callable
        Asked every few thousand words; the search ends when it returns True.
    progress : callable
        `progress(done, total)` in words.

    Returns
    -------
    Neighbours or None
        None when it was stopped.
    """
    progress(0, len(vectors))
    rows = np.zeros((len(vectors), NEIGHBOURS), np.int32)
    cosines = np.full((len(vectors), NEIGHBOURS), _FREE, np.float32)
    with _pool(min(threads, MOST_THREADS)) as pool:
        clusters = _cluster(_unit_length(vectors[:SEARCHED]), pool)

        def search(part: slice) -> int:
            _search(_unit_length(vectors[part]), part.start, clusters, rows[part], cosines[part])
            return len(rows[part])

        done = 0
        for found in pool.map(search, _parts(len(vectors))):
            done += found
            progress(done, len(vectors))
            if stopped():
                return None
    return Neighbours(clusters.units, rows, np.maximum(cosines, 0, out=cosines))


@contextlib.contextmanager
def _pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that each multiply matrices alone.

    A BLAS cuts each of the many small products among its threads. Where other work has one of two CPUs, each product
    waits for the thread that has none: 3.6 s instead of 1.7 s for 74,000 words; with both CPUs free 1.5 s and 1.1 s.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        pool = ThreadPoolExecutor(threads, "smoothing")
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


def _parts(count: int) -> list[slice]:
    return [slice(start, start + _ROWS_AT_ONCE) for start in range(0, count, _ROWS_AT_ONCE)]


def smooth(vectors: NDArray[np.float32], counts: NDArray[np.int64], smoothing: float, near: Neighbours) -> None:
    """Move input embeddings towards their neighbours, in place.

    Parameters
    ----------
    vectors : float32 [vocabulary, dim]
    counts : int64 [vocabulary]
    smoothing : float
        The weight of the neighbours for a word that hardly occurs, from 0 to 1.
    near : Neighbours
        Of these vectors.
    """
    weights = smoothing * neighbour_shares(counts)
    for part in _parts(len(vectors)):
        own, weight = vectors[part], weights[part, None].astype(np.float32)
        mean = _unit_length(np.einsum("rk,rkd->rd", near.cosines[part], near.units[near.rows[part]]))
        own[...] = (1 - weight) * own + weight * _lengths(own).astype(np.float32) * mean


def neighbour_shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """How much of `smoothing` applies to words of these counts, float64 [vocabulary]."""
    return np.asarray(FREQUENT_SHARE + (1 - FREQUENT_SHARE) * HALF_COUNT / (HALF_COUNT + counts))


def _cluster(units: NDArray[np.float32], pool: ThreadPoolExecutor) -> _Clusters:
    """Put vectors of length 1 into clusters, by k-means from evenly spaced ones."""
    number = max(1, len(units) // CLUSTER_WORDS)

    def nearest(centres: NDArray[np.float32]) -> NDArray[np.int64]:
        found = pool.map(lambda part: _nearest_centres(units[part], centres, 1), _parts(len(units)))
        return np.concatenate(list(found))[:, 0]

    centres = units[:: len(units) // number][:number].copy()
    for _ in range(CLUSTERING_STEPS):
        order, starts = _members(nearest(centres), number)
        filled = np.flatnonzero(np.diff(starts))
        centres[filled] = _unit_length(np.add.reduceat(units[order], starts[filled], axis=0))
    order, starts = _members(nearest(centres), number)
    places = np.empty(len(units), np.int64)
    places[order] = np.arange(len(units))
    return _Clusters(centres, units[order], starts, places)


def _nearest_centres(units: NDArray[np.float32], centres: NDArray[np.float32], number: int) -> NDArray[np.int64]:
    """The nearest centres to each vector, in no order, int64 [vectors, number]."""
    cosines = units @ centres.T
    if number == 1:
        return np.argmax(cosines, axis=1, keepdims=True)
    return np.argpartition(-cosines, number - 1, axis=1)[:, :number]


def _members(cluster_of: NDArray[np.int64], number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices in the order of their clusters, and where each cluster begins in that order and the last one ends."""
    order = np.argsort(cluster_of, kind="stable")
    return order, np.searchsorted(cluster_of[order], np.arange(number + 1))


def _search(
    targets: NDArray[np.float32],
    first: int,
    clusters: _Clusters,
    rows: NDArray[np.int32],
    cosines: NDArray[np.float32],
) -> None:
    """Compare the targets, which are the words from `first` on, with the words of their nearest clusters."""
    number = len(clusters.centres)
    compared = min(CLUSTERS_COMPARED, number)
    own_places = np.full(len(targets), -1)
    searched = clusters.places[first : first + len(targets)]
    own_places[: len(searched)] = searched
    pairs, starts = _members(_nearest_centres(targets, clusters.centres, compared).ravel(), number)
    for cluster in range(number):
        here = pairs[starts[cluster] : starts[cluster + 1]] // compared
        begin, end = clusters.starts[cluster : cluster + 2]
        at_once = max(1, _BLOCK_NUMBERS // max(1, end - begin))
        for part in (here[place : place + at_once] for place in range(0, len(here), at_once)):
            block = targets[part] @ clusters.units[begin:end].T
            keep_nearest(block, part, begin, own_places, rows, cosines)


def _unit_length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = _lengths(vectors)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths), np.float32)


def _lengths(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    # in float64, where the square of a tiny or huge float32 neither vanishes nor overflows
    return np.sqrt(np.einsum("rd,rd->r", vectors, vectors, dtype=np.float64))[:, None]
