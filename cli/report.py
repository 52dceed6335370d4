"""nce-report: one page with the curves, the evaluation and the map of a model."""

import click

from nce_train.cli._common import command


@command("nce-report")
@click.argument("model", metavar="MODEL", type=click.Path(readable=False))
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(readable=False),
    help="The page; without it MODEL's name with -report.html, in this directory.",
)
@click.option(
    "--set",
    "sets",
    metavar="FILE",
    multiple=True,
    type=click.Path(readable=False),
    help="Evaluate on this set of analogies or similarities; may be repeated.  [default: the project's own analogies]",
)
@click.option(
    "--compare",
    metavar="MODEL",
    multiple=True,
    type=click.Path(readable=False),
    help="Lay this model's curves and results beside those of MODEL; may be repeated.",
)
@click.option(
    "--words",
    metavar="N",
    type=click.IntRange(min=1),
    default=5000,
    show_default=True,
    help="Map the N most frequent words.",
)
@click.option(
    "--layout",
    type=click.Choice(["pca", "umap"]),
    default="pca",
    show_default=True,
    help="How the map is made: principal components, or UMAP (needs the extra umap).",
)
@click.option("--png", is_flag=True, help="Also draw the loss curve and the map: FILE's name with .loss.png, .map.png.")
def main(
    model: str,
    output: str | None,
    sets: tuple[str, ...],
    compare: tuple[str, ...],
    words: int,
    layout: str,
    png: bool,
) -> None:
    """Write one HTML page about MODEL, a model directory or a vectors file.

    It shows the curves of training, evaluation, settings and provenance, and a map of the most frequent words to
    search and click. The page fetches nothing from anywhere: it can be kept, mailed and opened offline.
    """
    from nce_train.api import report

    files = report(
        model,
        output,
        sets=sets,
        compare=compare,
        words=words,
        layout=layout,
        pictures=png,
    )
    for file in files:
        size = file.stat().st_size
        click.echo(f"{file}: {size / 1e6:.1f} MB" if size >= 1e6 else f"{file}: {size / 1e3:.0f} kB", err=True)


if __name__ == "__main__":
    main()
