"""Write one HTML page about a model."""

from collections.abc import Iterable
from pathlib import Path

from nce_train.api.arguments import PathLike, as_list
from nce_train.api.evaluate import evaluate


def report(
    model: PathLike,
    out: PathLike | None = None,
    *,
    sets: PathLike | Iterable[PathLike] = (),
    compare: PathLike | Iterable[PathLike] = (),
    words: int = 5000,
    layout: str = "pca",
    pictures: bool = False,
) -> list[Path]:
    """Write one HTML page about a model: curves, evaluation, settings, and a map of its words.

    Parameters
    ----------
    model : path
        A model directory or vectors file.
    out : path, optional
        The page; without it the model's name with `-report.html`, in the current directory.
    sets : path or iterable of paths
        What `evaluate` is asked; with none, the project's own analogy set.
    compare : path or iterable of paths
        Models whose curves and results are laid beside those of `model`.
    words : int
        How many of the most frequent words are mapped.
    layout : {"pca", "umap"}
        The map's two principal components, or UMAP (extra `umap`).
    pictures : bool
        Write the loss curve and the map as PNG files too, beside the page.

    Returns
    -------
    list of Path
        The files that were written, the page first.

    Raises
    ------
    InputError
        When a model or set cannot be read, nothing can be written at `out`, or an extra is missing.
    RunError
        When writing fails.
    """
    from nce_train.evaluation.sets import split_column
    from nce_train.report.write import write_report

    asked = as_list(sets)
    return write_report(
        [model, *as_list(compare)],
        out,
        lambda embeddings: evaluate(embeddings, asked),
        inputs=[split_column(path)[0] for path in asked],
        words=words,
        layout=layout,
        pictures=pictures,
    )
