"""From models to files: the page, and its pictures where they are asked for."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nce_train.embeddings import Embeddings
from nce_train.errors import InputError
from nce_train.files import atomic_write, check_output_path, is_same_file, report_write_failure
from nce_train.report.content import content_of
from nce_train.report.page import plotly_source, render_page
from nce_train.report.pictures import loss_picture, map_picture
from nce_train.report.run import read_runs
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
        Model directories or vectors files: the one that is reported on, then those it is compared with.
    out : path or None
        The page; None for the model's name with `-report.html`, in the current directory.
    evaluate : callable
        Returns for embeddings what `nce_train.evaluate` does.
    inputs : iterable of paths
        Further files that must not be written over.
    words, layout : int, str
        See `nce_train.report.word_map.map_words`.
    pictures : bool
        Write the loss curve and the map too, as PNG files beside the page: `page.loss.png` (unless no model has
        readings) and `page.map.png`.

    Returns
    -------
    list of Path
        The files, the page first.

    Raises
    ------
    InputError
        When a model cannot be read, nothing can be written at `out`, or an extra is missing.
    RunError
        When writing fails.
    """
    page = Path(f"{_stem(models[0])}-report.html" if out is None else out)
    loss, map = (page.with_name(f"{page.stem}.{kind}.png") for kind in ("loss", "map"))
    for file in [page, loss, map] if pictures else [page]:
        _check_place(file, [*models, *inputs])
    plotly = plotly_source()  # when it is missing, that is told before the work
    runs = read_runs(models)
    evaluations = [evaluate(run.embeddings) for run in runs]
    word_map = map_words(runs[0].embeddings, words, layout)
    title = f"{runs[0].name}: nce-train report"
    contents = {page: render_page(title, content_of(runs, evaluations, word_map), plotly)}
    if pictures:
        curve = loss_picture(runs)
        contents |= {} if curve is None else {loss: curve}
        contents[map] = map_picture(runs[0].embeddings, word_map)
    for path, content in contents.items():
        with report_write_failure(path), atomic_write(path) as whole:
            whole.write(content)
    return list(contents)


def _stem(model: PathLike) -> str:
    """`runs/medium.nce` → `medium`."""
    return Path(os.path.abspath(model)).stem or "model"


def _check_place(path: Path, inputs: Iterable[PathLike]) -> None:
    """Refuse before the work a place where no file can be written, or where one is that is read."""
    check_output_path(path)
    if any(is_same_file(path, other) for other in inputs):
        raise InputError(f"{path}: this file is read; write to another")
    if any(is_same_file(path.parent, other) for other in inputs):
        raise InputError(f"{path}: this is inside the model directory; write to another place")
