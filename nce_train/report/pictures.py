"""Pictures for a paper or a README: models and a map go in, the loss curve and the map come out as PNG files."""

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nce_train.embeddings import Embeddings
from nce_train.errors import InputError
from nce_train.report.models import ReportedModel
from nce_train.report.word_map import WordMap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = ("#2a78d6", "#d9601a", "#14966a", "#8a4fd0", "#c2327f", "#a87400", "#52808f", "#6b6f76")
_INK, _QUIET, _GRID = "#1c1d1f", "#63666b", "#eeedea"
_DOTS_PER_INCH = 110
_LABEL_SIZE = 7.5  # points
# Free space beside and above a label, in points: spreads the labels over the whole map.
_LABEL_MARGINS = (5, 4)
_MAX_LABEL_LENGTH = 24


def loss_picture(models: Sequence[ReportedModel]) -> bytes | None:
    """Draw the training loss of models over tokens.

    Parameters
    ----------
    models : sequence of ReportedModel

    Returns
    -------
    bytes or None
        A PNG file; None when no model has a reading with a loss.

    Raises
    ------
    InputError
        When the extra `report` is missing.
    """
    curves = [
        [
            (reading.tokens, reading.loss)
            for reading in model.training_readings()
            if None not in (reading.tokens, reading.loss)
        ]
        for model in models
    ]
    if not any(curves):
        return None
    figure = _figure(7, 3.6)
    axes = figure.add_axes((0.09, 0.14, 0.88, 0.78))
    for number, (model, curve) in enumerate(zip(models, curves, strict=True)):
        tokens, loss = np.array(curve, float).reshape(-1, 2).T
        marker = "o" if len(curve) < 3 else None
        axes.plot(tokens / 1e6, loss, marker=marker, color=_COLOURS[number % len(_COLOURS)], linewidth=1.8)
        if len(models) > 1:
            axes.lines[-1].set_label(_label(model.name))
    if len(models) > 1:
        for text in axes.legend(frameon=False, fontsize=9).get_texts():
            text.set_parse_math(False)
    axes.set_xlabel("million tokens trained", color=_QUIET, fontsize=9)
    axes.set_title("NCE loss per data sample", color=_INK, fontsize=10, loc="left")
    axes.grid(color=_GRID)
    axes.tick_params(colors=_QUIET, labelsize=8, length=0)
    axes.spines[:].set_visible(False)
    return _png(figure)


def map_picture(embeddings: Embeddings, word_map: WordMap) -> bytes:
    """Draw the map of words, with labels of the most frequent words where there is room.

    Parameters
    ----------
    embeddings : Embeddings
    word_map : WordMap

    Returns
    -------
    bytes
        A PNG file.

    Raises
    ------
    InputError
        When the extra `report` is missing.
    """
    figure = _figure(8, 6.2)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    points = word_map.points
    axes.scatter(points[:, 0], points[:, 1], s=3, color=_COLOURS[0], alpha=0.35, linewidths=0)
    axes.margins(0.03)
    axes.set_aspect("equal", adjustable="datalim")
    axes.apply_aspect()  # fixes the transformation to pixels
    width, height = figure.get_size_inches() * 72  # in points, as font sizes are
    places = axes.transData.transform(points) * 72 / figure.dpi
    taken: list[tuple[float, float, float, float]] = []
    for row, (x, y) in enumerate(places):
        label = _label(embeddings.index_to_key[row])
        half = 0.3 * _LABEL_SIZE * len(label) + _LABEL_MARGINS[0]
        box = (x - half, x + half, y - _LABEL_MARGINS[1], y + _LABEL_SIZE + _LABEL_MARGINS[1])
        inside = box[0] > 0 and box[1] < width and box[3] < height
        if inside and all(
            box[1] < left or box[0] > right or box[3] < bottom or box[2] > top for left, right, bottom, top in taken
        ):
            taken.append(box)
            axes.annotate(
                label,
                points[row],
                (0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=_LABEL_SIZE,
                color=_INK,
                parse_math=False,
            )
    return _png(figure)


def _figure(width: float, height: float) -> "Figure":
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError("pictures need matplotlib: pip install 'nce-train[report]'") from None
    return Figure(figsize=(width, height), dpi=_DOTS_PER_INCH, facecolor="white")


def _label(text: str) -> str:
    """A word or name as a label: short, on one line, without control characters."""
    cut = text if len(text) <= _MAX_LABEL_LENGTH else text[:_MAX_LABEL_LENGTH] + "…"
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in cut)


def _png(figure: "Figure") -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # a box is drawn for it
        figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
