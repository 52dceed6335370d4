"""Write one HTML page about a model."""

from collections.abc import Iterable
from pathlib import Path

from nce_train.api.evaluate import evaluate
from nce_train.arguments import PathLike, as_paths, check_output, check_path


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
        Sets to evaluate on; by default the project's own analogy set.
    compare : path or iterable of paths
        Models whose curves and results are shown beside those of `model`.
    words : int
        Map this many of the most frequent words.
    layout : {"pca", "umap"}
        How the map is computed: two principal components, or UMAP (extra `umap`).
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

    check_path("model", model)
    if out is not None:
        check_output("out", out)
    set_paths = as_paths(sets)
    return write_report(
        [model, *as_paths(compare)],
        out,
        lambda embeddings: evaluate(embeddings, set_paths),
        inputs=[split_column(path)[0] for path in set_paths],
        words=words,
        layout=layout,
        pictures=pictures,
    )
