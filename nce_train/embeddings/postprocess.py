"""Post-processing of vectors: scaling to unit length, and removal of the mean and the top components."""

import numpy as np
from numpy.typing import NDArray

from nce_train.errors import InputError

_BLOCK_ROWS = 1 << 14


def unit_length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale each row to length 1; a row of zeros is unchanged.

    Parameters
    ----------
    vectors : float32 [rows, dim]

    Returns
    -------
    float32 [rows, dim]
    """
    norms = vector_norms(vectors)
    return vectors / norms[:, None]


def vector_norms(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the length of each row to divide it by; 1 for a row of zeros.

    Parameters
    ----------
    vectors : float32 [rows, dim]

    Returns
    -------
    float32 [rows]
    """
    # In float64, as the square of a tiny or huge float32 may underflow or overflow.
    squares = np.einsum("rd,rd->r", vectors, vectors, dtype=np.float64)
    norms = np.sqrt(squares)
    norms[norms == 0] = 1
    return np.minimum(norms, np.finfo(np.float32).max).astype(np.float32)


def all_but_the_top(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Remove the mean of all rows and their top round(dim/100), at least 1, principal components.

    J. Mu, S. Bhat, P. Viswanath: "All-but-the-Top: Simple and Effective Postprocessing for Word
    Representations", 2018, algorithm 1.

    Parameters
    ----------
    vectors : float32 [rows, dim]

    Returns
    -------
    float32 [rows, dim]

    Raises
    ------
    InputError
        When the numbers are too large to be centred in float32.
    """
    removed = max(1, round(vectors.shape[1] / 100))
    with np.errstate(over="ignore"):
        centred = vectors - vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    if not np.isfinite(centred).all():
        raise InputError("abtt cannot centre these vectors: some numbers are near the largest that float32 holds")
    blocks = [centred[start : start + _BLOCK_ROWS] for start in range(0, len(centred), _BLOCK_ROWS)]
    products = np.zeros((vectors.shape[1], vectors.shape[1]))
    for block in blocks:  # converted to float64 by blocks: a million rows would take 5 GB
        products += block.T.astype(np.float64) @ block
    _, components = np.linalg.eigh(products)
    top = components[:, -removed:].astype(np.float32)
    for block in blocks:
        block -= (block @ top) @ top.T
    return centred
