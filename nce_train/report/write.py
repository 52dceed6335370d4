"""From models to files: paths of models go in; the page and, if requested, its pictures are written."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nce_train.embeddings import Embeddings
from nce_train.errors import InputError
from nce_train.files import atomic_write, check_output_path, is_same_file, is_stream, report_write_failure
from nce_train.names import own_name
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
    """Write what `nce_train.api.report` describes; each file appears whole or not at all.

    The reported model is the first of `models`. `evaluate` returns what `nce_train.evaluate` does. `inputs` are further
    files that are read and must not be overwritten. The pictures are `page.loss.png` (unless no model has readings) and
    `page.map.png` beside the page.
    """
    page = _default_page(models[0]) if out is None else Path(out)
    if pictures and is_stream(page):
        raise InputError(f"{page}: pictures are written beside the page; give -o a file, or leave --png out")
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


def _default_page(model: PathLike) -> Path:
    """`runs/medium.nce` → `medium-report.html`."""
    name = own_name(model)
    if name is None:
        raise InputError(f"{os.fspath(model)} has no name to name the page after: give -o FILE")
    return Path(f"{Path(name).stem}-report.html")


def _check_output(path: Path, inputs: Iterable[PathLike]) -> None:
    """Refuse, before the work, a path that cannot be written or that is read."""
    check_output_path(path)
    if any(is_same_file(path, other) for other in inputs):
        raise InputError(f"{path}: this file is read; write to another")
    if any(is_same_file(path.parent, other) for other in inputs):
        raise InputError(f"{path}: this is inside the model directory; write to another place")
