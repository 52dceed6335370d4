"""nce-report: one HTML page with the training curves, the evaluation and the map of a model."""

import click

from nce_train.cli._command import command
from nce_train.cli._options import OUT_FILE, choice_option, file_option, model_argument, number_option

_HELP = """Write one HTML page about MODEL, a model directory or a vectors file.

It shows the training curves, the evaluation, the settings and their origin, and a map of the most frequent words to
search and click. The page loads nothing from the network: it can be kept, mailed and opened offline.
"""


@command("nce-report", _HELP)
@model_argument
@file_option(
    "-o",
    "--output",
    type=OUT_FILE,
    help="The page; - for standard output; by default MODEL's name with -report.html, in this directory.",
)
@file_option(
    "--set",
    "sets",
    multiple=True,
    help="Evaluate on this set of analogies or similarities (repeatable).  [default: the project's own analogies]",
)
@file_option(
    "--compare", metavar="MODEL", multiple=True, help="Show another model's curves and results too (repeatable)."
)
@number_option("--words", default=5000, help="Map the N most frequent words.")
@choice_option(
    "--layout",
    ["pca", "umap"],
    help="How the map is computed: principal components, or UMAP (needs the extra umap).",
)
@click.option(
    "--png", is_flag=True, help="Also draw the loss curve and the map as FILE's name with .loss.png, .map.png."
)
def main(
    model: str,
    output: str | None,
    sets: tuple[str, ...],
    compare: tuple[str, ...],
    words: int,
    layout: str,
    png: bool,
) -> None:
    from nce_train.api import report
    from nce_train.files import is_stream

    for file in report(model, output, sets=sets, compare=compare, words=words, layout=layout, pictures=png):
        if is_stream(file):
            continue
        size = file.stat().st_size
        click.echo(f"{file}: {size / 1e6:.1f} MB" if size >= 1e6 else f"{file}: {size / 1e3:.0f} kB", err=True)


if __name__ == "__main__":
    main()
