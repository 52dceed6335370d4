"""The map of words: embeddings go in; points of a plane for the most frequent words, and their neighbours, come out.

Neighbours are searched in the whole vocabulary.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings import Embeddings
from nce_train.embeddings.nearest import nearest_rows
from nce_train.embeddings.postprocess import unit_length, vector_norms
from nce_train.errors import InputError

LAYOUTS = ("pca", "umap")


class WordMap(NamedTuple):
    """Points and neighbours of the first rows of a vocabulary.

    Attributes
    ----------
    layout : {"pca", "umap"}
        The method that placed the points.
    points : float32 [words, 2]
    neighbours : int64 [words, k]
        Rows of the whole vocabulary, the nearest first.
    similarities : float32 [words, k]
        Their cosines.
    """

    layout: str
    points: NDArray[np.float32]
    neighbours: NDArray[np.intp]
    similarities: NDArray[np.float32]


def map_words(embeddings: Embeddings, words: int, layout: str = "pca", neighbours: int = 10) -> WordMap:
    """Place the most frequent words in a plane and find their neighbours.

    Parameters
    ----------
    embeddings : Embeddings
        By decreasing frequency.
    words : int
        The number of first rows to place; all rows when there are fewer.
    layout : {"pca", "umap"}
        The first two principal components, or UMAP by cosine (the extra `umap`), of the unit-length vectors.
    neighbours : int
        The number of neighbours of each word, among all words; fewer when there are no more.

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
    vectors = embeddings.vectors
    units = unit_length(vectors[:words])
    points = principal_components(units) if layout == "pca" else _umap(units)
    nearest = nearest_rows(units, vectors, vector_norms(vectors), np.arange(len(units)), neighbours)
    rows, similarities = zip(*nearest, strict=True)
    return WordMap(layout, points, np.stack(rows), np.stack(similarities))


def principal_components(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Project vectors onto their first two principal components.

    Parameters
    ----------
    vectors : float32 [rows, dim]

    Returns
    -------
    float32 [rows, 2]
        The mean is 0. A component that does not exist (with one row, or dim 1) is 0. The number of largest size in
        each component is positive, so that the same vectors always give the same map.
    """
    centred = vectors - vectors.mean(axis=0, dtype=np.float64)
    _, components = np.linalg.eigh(centred.T @ centred)
    points = np.zeros((len(vectors), 2), np.float32)
    projected = (centred @ components[:, :-3:-1]).astype(np.float32)
    largest = projected[np.abs(projected).argmax(axis=0), np.arange(projected.shape[1])]
    points[:, : projected.shape[1]] = projected * np.where(largest < 0, -1, 1)
    return points


def _umap(units: NDArray[np.float32]) -> NDArray[np.float32]:
    if len(units) < 3:
        raise InputError(f"the layout umap needs at least 3 words, and there are {len(units)}; use pca")
    try:
        import umap
    except ImportError:
        raise InputError("the layout umap needs umap-learn: pip install 'nce-train[umap]'") from None
    # UMAP's spectral initialisation needs more rows than components.
    init = "spectral" if len(units) > 10 else "random"
    model = umap.UMAP(n_neighbors=min(15, len(units) - 1), metric="cosine", init=init, random_state=0, n_jobs=1)
    return np.asarray(model.fit_transform(units), np.float32)
