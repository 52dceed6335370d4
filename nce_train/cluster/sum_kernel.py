"""Adds rows of changes to a running total: compiled, over arrays.

The twin in plain NumPy is in `tests/cluster/test_cluster_round_sum.py`.
"""

from nce_train.compiled import cached_njit


@cached_njit(nogil=True, error_model="numpy", _nrt=False)
def add_rows(total, touched, rows, changes):
    """total[rows] += changes, and mark the rows as touched.

    The first change of a row replaces what stands in `total`. Adding it to zero would lose the sign of a negative zero.

    Parameters
    ----------
    total : float32 [classes, columns]
    touched : bool [classes]
        Which rows of `total` hold something.
    rows : int32 [n]
    changes : float32 [n, columns]
    """
    for i in range(len(rows)):
        row = rows[i]
        for d in range(changes.shape[1]):
            total[row, d] = total[row, d] + changes[i, d] if touched[row] else changes[i, d]
        touched[row] = True
