"""Adding rows that belong together, compiled.

In: rows and the place of each. Out: the sum at each place.
"""

from nce_train.compiled import cached_njit


@cached_njit(nogil=True)
def sum_by_place(place, rows, values, row_sums, value_sums):
    """Add `rows` [n, dim] and `values` [n] into `row_sums` and `value_sums` at `place` int64 [n]."""
    for source in range(place.size):
        target = place[source]
        value_sums[target] += values[source]
        for column in range(rows.shape[1]):
            row_sums[target, column] += rows[source, column]
