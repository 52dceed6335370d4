"""The map: the most frequent words as points of a plane, and each word's nearest neighbours in the whole vocabulary."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings import Embeddings
from nce_train.embeddings.postprocess import unit_length
from nce_train.errors import InputError

LAYOUTS = ("pca", "umap")
# Rows of the vocabulary compared with the words of the map at once: 80 MB for 5,000 of them.
_BLOCK_NUMBERS = 20_000_000
# Columns of a similarity matrix that are looked at together, by their maximum.
_GROUP = 32


class WordMap(NamedTuple):
    """Points and neighbours of the first rows of a vocabulary.

    Attributes
    ----------
    layout : str
        How the points were found: "pca" or "umap".
    points : float32 [words, 2]
    neighbours : int64 [words, k]
        Rows of the whole vocabulary, the nearest first.
    similarities : float32 [words, k]
        Their cosines.
    """

    layout: str
    points: NDArray[np.float32]
    neighbours: NDArray[np.int64]
    similarities: NDArray[np.float32]


def map_words(embeddings: Embeddings, words: int, layout: str = "pca", neighbours: int = 10) -> WordMap:
    """Lay out the most frequent words and find their neighbours.

    Parameters
    ----------
    embeddings : Embeddings
        By decreasing frequency.
    words : int
        So many first rows are laid out, or as many as there are.
    layout : {"pca", "umap"}
        The first two principal components, or UMAP by cosine (the extra `umap`), of the unit-length vectors.
    neighbours : int
        For each word, among all words; fewer when there are no more.

    Returns
    -------
    WordMap

    Raises
    ------
    InputError
        When `words` is below 1, the layout is not known, or the extra is missing.
    """
    if words < 1:
        raise InputError(f"words is {words}; a map needs at least 1 word")
    if layout not in LAYOUTS:
        raise InputError(f"layout is {layout!r}; give one of {', '.join(LAYOUTS)}")
    units = unit_length(embeddings.vectors[:words])
    points = principal_components(units) if layout == "pca" else _umap(units)
    return WordMap(layout, points, *nearest(units, embeddings.vectors, neighbours))


def principal_components(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Project vectors onto their first two principal components.

    Parameters
    ----------
    vectors : float32 [rows, dim]

    Returns
    -------
    float32 [rows, 2]
        The mean is 0; a component that does not exist (of one row, or of dim 1) is 0. The number of largest size in
        each component is positive, so that the same vectors always give the same map.
    """
    centred = vectors - vectors.mean(axis=0, dtype=np.float64)
    _, components = np.linalg.eigh(centred.T @ centred)
    points = np.zeros((len(vectors), 2), np.float32)
    found = (centred @ components[:, :-3:-1]).astype(np.float32)
    largest = found[np.abs(found).argmax(axis=0), np.arange(found.shape[1])]
    points[:, : found.shape[1]] = found * np.where(largest < 0, -1, 1)
    return points


def _umap(units: NDArray[np.float32]) -> NDArray[np.float32]:
    if len(units) < 3:
        raise InputError(f"the layout umap needs at least 3 words, and there are {len(units)}; take pca")
    try:
        import umap
    except ImportError:
        raise InputError("the layout umap needs umap-learn: pip install 'nce-train[umap]'") from None
    # UMAP's spectral start needs more rows than it finds components for.
    start = "spectral" if len(units) > 10 else "random"
    model = umap.UMAP(n_neighbors=min(15, len(units) - 1), metric="cosine", init=start, random_state=0, n_jobs=1)
    return np.asarray(model.fit_transform(units), np.float32)


def nearest(
    units: NDArray[np.float32], vectors: NDArray[np.float32], number: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the rows of the largest cosine similarity, in one pass over a table that may be larger than memory.

    Parameters
    ----------
    units : float32 [words, dim]
        Unit-length vectors of the table's first rows, which are not their own neighbours.
    vectors : float32 [rows, dim]
        The whole table.
    number : int
        How many neighbours; all there are when there are fewer.

    Returns
    -------
    neighbours : int64 [words, number]
        The nearest first.
    similarities : float32 [words, number]
    """
    number = min(number, len(vectors) - 1)
    words = len(units)
    best = np.empty((words, 0), np.float32)
    rows = np.empty((words, 0), np.int64)
    at_once = max(1, _BLOCK_NUMBERS // words // _GROUP) * _GROUP
    for start in range(0, len(vectors), at_once):
        block = units @ unit_length(vectors[start : start + at_once]).T
        own = np.arange(start, min(start + block.shape[1], words))
        block[own, own - start] = -np.inf
        kept = _largest(block, number)
        best = np.hstack([best, np.take_along_axis(block, kept, axis=1)])
        rows = np.hstack([rows, kept + start])
        order = np.argsort(-best, axis=1, kind="stable")[:, :number]
        best = np.take_along_axis(best, order, axis=1)
        rows = np.take_along_axis(rows, order, axis=1)
    return rows, best


def _largest(block: NDArray[np.float32], number: int) -> NDArray[np.int64]:
    """Columns of each row's largest values, in increasing order of column.

    They lie in the groups of columns with the largest maxima; looking for those takes half the time of a partition
    of whole rows.
    """
    rows, columns = block.shape
    if number == 0:
        return np.empty((rows, 0), np.int64)
    if number * _GROUP >= columns:
        first = max(0, columns - number)
        return np.sort(np.argpartition(block, first, axis=1)[:, first:], axis=1)
    if missing := -columns % _GROUP:
        block = np.pad(block, ((0, 0), (0, missing)), constant_values=-np.inf)
    groups = block.reshape(rows, _GROUP, -1)  # every so-many-eth column is of a group: the maximum is of long rows
    maxima = groups.max(axis=1)
    number_of_groups = maxima.shape[1]
    chosen = np.argpartition(maxima, number_of_groups - number, axis=1)[:, None, number_of_groups - number :]
    values = np.take_along_axis(groups, chosen, axis=2).reshape(rows, -1)
    columns_of = (np.arange(_GROUP)[:, None] * number_of_groups + chosen).reshape(rows, -1)
    kept = np.argpartition(values, values.shape[1] - number, axis=1)[:, values.shape[1] - number :]
    return np.sort(np.take_along_axis(columns_of, kept, axis=1), axis=1)
