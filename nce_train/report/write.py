"""From models to files: paths of models go in; the page and, if requested, its pictures are written."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nce_train.embeddings import Embeddings
from nce_train.errors import InputError
from nce_train.files import atomic_write, check_output_path, is_same_file, report_write_failure
from nce_train.report.content import page_content
from nce_train.report.html_page import plotly_source, render_page
from nce_train.report.models import read_models
from nce_train.report.pictures import loss_picture, map_picture
from nce_train.report.word_map import map_words

PathLike = str | os.PathLike[str]


def write_report(
    models: Sequence[PathLike],
    out: PathLike | None,
    evaluate: Callable[[Embeddings], Mapping[str, Any]],
    *,
    inputs: Iterable[PathLike] = (),
    words: int = 5000,
    layout: str = "pca",
    pictures: bool = False,
) -> list[Path]:
    """Write the report of a model; each file appears whole or not at all.

    Parameters
    ----------
    models : sequence of paths
        Model directories or vectors files: the reported model first, then the models to compare it with.
    out : path or None
        The page; None for the first model's name with `-report.html`, in the current directory.
    evaluate : callable
        Called with embeddings; returns what `nce_train.evaluate` does.
    inputs : iterable of paths
        Further files that are read and must not be overwritten.
    words, layout : int, str
        See `nce_train.report.word_map.map_words`.
    pictures : bool
        Also write the loss curve and the map as PNG files beside the page: `page.loss.png` (unless no model has
        readings) and `page.map.png`.

    Returns
    -------
    list of Path
        The files that were written, the page first.

    Raises
    ------
    InputError
        When a model cannot be read, nothing can be written at `out`, or an extra is missing.
    RunError
        When writing fails.
    """
    page = Path(f"{_stem(models[0])}-report.html" if out is None else out)
    loss_file, map_file = (page.with_name(f"{page.stem}.{kind}.png") for kind in ("loss", "map"))
    for file in [page, loss_file, map_file] if pictures else [page]:
        _check_output(file, [*models, *inputs])
    plotly = plotly_source()  # first: a missing extra is reported before the work
    reported = read_models(models)
    evaluations = [evaluate(model.embeddings) for model in reported]
    word_map = map_words(reported[0].embeddings, words, layout)
    title = f"{reported[0].name}: nce-train report"
    contents = {page: render_page(title, page_content(reported, evaluations, word_map), plotly)}
    if pictures:
        curve = loss_picture(reported)
        if curve is not None:
            contents[loss_file] = curve
        contents[map_file] = map_picture(reported[0].embeddings, word_map)
    for path, content in contents.items():
        with report_write_failure(path), atomic_write(path) as output:
            output.write(content)
    return list(contents)


def _stem(model: PathLike) -> str:
    """`runs/medium.nce` → `medium`."""
    return Path(os.path.abspath(model)).stem or "model"


def _check_output(path: Path, inputs: Iterable[PathLike]) -> None:
    """Refuse, before the work, a path that cannot be written or that is read."""
    check_output_path(path)
    if any(is_same_file(path, other) for other in inputs):
        raise InputError(f"{path}: this file is read; write to another")
    if any(is_same_file(path.parent, other) for other in inputs):
        raise InputError(f"{path}: this is inside the model directory; write to another place")
