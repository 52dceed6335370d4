"""An index for approximate search in large tables: usearch's graph (HNSW), in a file that belongs to one table.

The file is usearch's own, followed by a mark, the SHA-256 of everything before the mark, and the SHA-256 of the
vectors; usearch ignores what follows its own data. It crashes on some damaged files, which the checksums detect.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from nce_train.arguments import check_output, check_path
from nce_train.embeddings.postprocess import unit_length
from nce_train.errors import InputError, RunError
from nce_train.files import atomic_write
from nce_train.mapped_files import can_be_mapped, map_array

_MARK = b"nce-train index\n"
_DIGEST = 32
_TRAILER = len(_MARK) + 2 * _DIGEST
_BLOCK_ROWS = 1 << 12


class ApproximateIndex:
    """An index of the vectors of one `Embeddings`, for its `neighbours(…, index=…)`; needs the extra `ann`.

    `build` and `load` return one.

    Attributes
    ----------
    vectors : float32 [rows, dim]
        The indexed vectors.

    Examples
    --------
    >>> index = ApproximateIndex.build(model.vectors)  # doctest: +SKIP
    >>> index.save("vectors.usearch")  # doctest: +SKIP
    >>> model.neighbours(words, index=ApproximateIndex.load("vectors.usearch", model.vectors))  # doctest: +SKIP
    """

    def __init__(self, graph: Any, vectors: NDArray[np.float32]) -> None:
        self._graph = graph
        self.vectors = vectors

    @classmethod
    def build(cls, vectors: NDArray[np.float32], progress: Callable[[int, int], None] | None = None) -> Self:
        """Index vectors.

        Parameters
        ----------
        vectors : float32 [rows, dim]
        progress : callable, optional
            `progress(done, total)` after every few thousand rows.

        Raises
        ------
        InputError
            When the extra is missing.
        """
        graph = _usearch().Index(ndim=vectors.shape[1], metric="cos", dtype="f32")
        for start in range(0, len(vectors), _BLOCK_ROWS):
            units = unit_length(vectors[start : start + _BLOCK_ROWS])
            _call_in_thread(graph.add, np.arange(start, start + len(units)), units)
            if progress:
                progress(start + len(units), len(vectors))
        return cls(graph, vectors)

    @classmethod
    def load(cls, path: str | os.PathLike[str], vectors: NDArray[np.float32]) -> Self:
        """Map an index file read-only. Damage is detected, but not forgery: load your own files only.

        Parameters
        ----------
        path : str or os.PathLike
        vectors : float32 [rows, dim]
            The vectors that it must be an index of.

        Raises
        ------
        InputError
            When the extra is missing, or the file is absent, damaged, not written by `save`, or of other vectors.
        """
        check_path("path", path)
        usearch = _usearch()
        path = Path(path)
        try:
            with open(path, "rb") as file:
                content = map_array(file, np.uint8, (os.fstat(file.fileno()).st_size,))
        except OSError as error:
            raise InputError(f"{path}: the index cannot be read ({error.strerror}); check the path") from None
        trailer = content[-_TRAILER:].tobytes()
        if not trailer.startswith(_MARK):
            raise InputError(f"{path}: not an index that nce-train wrote, or cut short; name another file")
        if hashlib.sha256(content[:-_TRAILER].data).digest() != trailer[len(_MARK) : -_DIGEST]:
            raise InputError(f"{path}: the index is damaged; remove it, so that it is built again")
        if _sha256_of_vectors(vectors) != trailer[-_DIGEST:]:
            raise InputError(f"{path}: an index of other vectors; remove it, so that it is built again")
        with path.open("rb") as file:
            return cls(usearch.Index.restore(_open_name(file), view=can_be_mapped(path)), vectors)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to a file, which appears whole or not at all.

        Raises
        ------
        OSError, RunError
            When it cannot be written.
        """
        check_output("path", path)
        with atomic_write(path) as file:
            try:
                self._graph.save(_open_name(file))
            except (RuntimeError, ValueError) as error:
                raise RunError(
                    f"{path}: the index could not be written ({error}); correct this and try again"
                ) from None
            with open(file.name, "rb") as written:
                digest = hashlib.file_digest(written, "sha256").digest()
            file.seek(0, os.SEEK_END)
            file.write(_MARK + digest + _sha256_of_vectors(self.vectors))

    def nearest_rows(
        self, targets: NDArray[np.float32], norms: NDArray[np.float32], excluded: NDArray[np.intp], number: int
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        """As `nearest.nearest_rows` in `vectors`, but a row is missed now and then; the cosines are exact."""
        for start in range(0, len(targets), _BLOCK_ROWS):
            block, own_rows = targets[start : start + _BLOCK_ROWS], excluded[start : start + _BLOCK_ROWS]
            matches = _call_in_thread(self._graph.search, block, min(number + 1, len(self.vectors)))
            # The result for one target has one axis; if fewer rows were found, the distances end in NaN.
            found = np.isfinite(np.atleast_2d(matches.distances))
            rows = np.atleast_2d(matches.keys).astype(np.intp)
            for target, own, best in zip(block, own_rows, map(np.extract, found, rows), strict=True):
                best = best[best != own]
                similarities = self.vectors[best] @ target / norms[best]
                order = np.lexsort((best, -similarities))[:number]
                yield best[order], similarities[order]


def _call_in_thread(call: Callable[..., Any], *arguments: Any) -> Any:
    """Call usearch in another thread: in the main thread it swallows what a signal handler raises, such as Ctrl-C."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call, *arguments).result()


def _open_name(file: IO[bytes]) -> str:
    """A name of an open file for usearch, which takes none that is not UTF-8."""
    return f"/dev/fd/{file.fileno()}"


def _sha256_of_vectors(vectors: NDArray[np.float32]) -> bytes:
    digest = hashlib.sha256(repr(vectors.shape).encode())
    for start in range(0, len(vectors), _BLOCK_ROWS):
        digest.update(np.ascontiguousarray(vectors[start : start + _BLOCK_ROWS]).data)
    return digest.digest()


def _usearch() -> Any:
    try:
        import usearch.index
    except ImportError:
        raise InputError("an index for approximate search needs an extra: pip install 'nce-train[ann]'") from None
    return usearch.index
