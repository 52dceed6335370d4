"""The loss curve and the map as PNG pictures, for a paper or a README."""

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nce_train.embeddings import Embeddings
from nce_train.errors import InputError
from nce_train.report.content import training_readings
from nce_train.report.run import Run
from nce_train.report.word_map import WordMap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = ("#2a78d6", "#d9601a", "#14966a", "#8a4fd0", "#c2327f", "#a87400", "#52808f", "#6b6f76")
_INK, _QUIET, _GRID = "#1c1d1f", "#63666b", "#eeedea"
_DOTS_PER_INCH = 110
_LABEL_SIZE = 7.5  # points
# Beside and above, in points: labels spread over the whole map instead of where frequent words are.
_LABEL_MARGINS = (5, 4)
_LONGEST_LABEL = 24


def loss_picture(runs: Sequence[Run]) -> bytes | None:
    """Draw the loss of runs over tokens.

    Parameters
    ----------
    runs : sequence of Run

    Returns
    -------
    bytes or None
        A PNG file; None when no run has a reading with a loss.

    Raises
    ------
    InputError
        When the extra `report` is missing.
    """
    curves = [
        [
            (reading.tokens, reading.loss)
            for reading in training_readings(run)
            if None not in (reading.tokens, reading.loss)
        ]
        for run in runs
    ]
    if not any(curves):
        return None
    figure = _figure(7, 3.6)
    axes = figure.add_axes((0.09, 0.14, 0.88, 0.78))
    for number, (run, curve) in enumerate(zip(runs, curves, strict=True)):
        tokens, loss = np.array(curve, float).reshape(-1, 2).T
        marker = "o" if len(curve) < 3 else None
        axes.plot(tokens / 1e6, loss, marker=marker, color=_COLOURS[number % len(_COLOURS)], linewidth=1.8)
        if len(runs) > 1:
            axes.lines[-1].set_label(_label(run.name))
    if len(runs) > 1:
        for text in axes.legend(frameon=False, fontsize=9).get_texts():
            text.set_parse_math(False)
    axes.set_xlabel("million tokens trained", color=_QUIET, fontsize=9)
    axes.set_title("NCE loss per data sample", color=_INK, fontsize=10, loc="left")
    axes.grid(color=_GRID)
    axes.tick_params(colors=_QUIET, labelsize=8, length=0)
    axes.spines[:].set_visible(False)
    return _png(figure)


def map_picture(embeddings: Embeddings, word_map: WordMap) -> bytes:
    """Draw the map of words, with labels for the most frequent ones where there is room.

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
    axes.apply_aspect()  # settles where points fall
    width, height = figure.get_size_inches() * 72  # points, as the letters
    pixels = axes.transData.transform(points) * 72 / figure.dpi
    taken: list[tuple[float, float, float, float]] = []
    for row, (x, y) in enumerate(pixels):
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
    """What of a word or name can stand in a picture: short, on one line, in characters that exist."""
    cut = text if len(text) <= _LONGEST_LABEL else text[:_LONGEST_LABEL] + "…"
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in cut)


def _png(figure: "Figure") -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # a box is drawn instead
        figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
