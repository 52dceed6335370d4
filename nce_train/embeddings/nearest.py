"""The rows nearest to given vectors, exactly, by matrix products of bounded size."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

# A block has 64 MB of similarities, of some targets to at most this many rows. With fewer targets in a block the
# products are slower (a million rows, 16 targets: a third of the speed).
_BLOCK_NUMBERS = 1 << 24
_BLOCK_ROWS = 1 << 17
_GROUP_SIZE = 64


def nearest_rows(
    targets: NDArray[np.float32],
    vectors: NDArray[np.float32],
    norms: NDArray[np.float32],
    excluded: NDArray[np.intp],
    number: int,
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    """Yield for each target the rows of the largest cosines, at most `number`, and these cosines.

    The nearest come first, equally near ones in the order of rows. `targets` [targets, dim] are of unit length, `norms`
    [rows] are the lengths of `vectors` [rows, dim]. `excluded` [targets] is the one row to leave out for each target,
    its own; it may lie beyond `vectors`, or be -1 for none.
    """
    block_targets = _BLOCK_NUMBERS // min(max(1, len(vectors)), _BLOCK_ROWS)
    for start in range(0, len(targets), block_targets):
        block = targets[start : start + block_targets]
        found: list[list[tuple[NDArray[np.intp], NDArray[np.float32]]]] = [[] for _ in block]
        for first in range(0, len(vectors), _BLOCK_ROWS):
            products = block @ vectors[first : first + _BLOCK_ROWS].T
            for similarities, parts in zip(products, found, strict=True):
                similarities /= norms[first : first + _BLOCK_ROWS]
                best = largest(similarities, number + 1)
                parts.append((first + best, similarities[best]))
        for own, parts in zip(excluded[start : start + block_targets], found, strict=True):
            rows, similarities = map(np.concatenate, zip(*parts, strict=True))
            best = largest(similarities, number + 1)
            best = best[rows[best] != own][:number]
            yield rows[best], similarities[best]


def largest(values: NDArray[np.float32], number: int) -> NDArray[np.intp]:
    """Indices of the `number` (at least 1) largest values, the largest first; equal ones in their own order."""
    groups = len(values) // _GROUP_SIZE
    if number < groups:
        # A lower bound of the numberth largest value, and close to it: the numberth largest of the groups' maxima. This
        # takes a tenth of the time of a partition of all values.
        maxima = values[: groups * _GROUP_SIZE].reshape(_GROUP_SIZE, groups).max(axis=0)
        candidates = np.flatnonzero(values >= np.partition(maxima, -number)[-number])
    elif number < len(values):
        candidates = np.flatnonzero(values >= np.partition(values, -number)[-number])
    else:
        candidates = np.arange(len(values))
    return candidates[np.argsort(-values[candidates], kind="stable")][:number]
