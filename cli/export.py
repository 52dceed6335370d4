"""nce-export: write a model's vectors as a file that other programs read."""

import click

from nce_train.cli._common import command

# `embeddings.formats.FORMATS` has the same names; a test compares them, so that `--help` need not load NumPy.
FORMAT_NAMES = ("word2vec", "word2vec-binary", "glove", "npy", "safetensors", "projector")


@command("nce-export")
@click.argument("model", metavar="MODEL", type=click.Path(readable=False))
@click.argument("out", metavar="OUT", type=click.Path(readable=False))
@click.option(
    "--format",
    type=click.Choice(FORMAT_NAMES),
    help="Without it, OUT's ending tells: .txt and .vec (word2vec), .bin, .glove, .npy, .safetensors.",
)
@click.option("--top", metavar="N", type=click.IntRange(min=1), help="Only the N most frequent words.")
@click.option(
    "--vectors",
    type=click.Choice(["input", "output", "sum"]),
    default="input",
    show_default=True,
    help="The words' vectors as centres, as contexts, or the sum of both.",
)
@click.option("--normalize", is_flag=True, help="Scale each vector to length 1 (after --postprocess).")
@click.option(
    "--postprocess",
    type=click.Choice(["abtt"]),
    help="abtt removes the mean and the top components of the vectors written.",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16", "int8"]),
    default="float32",
    show_default=True,
    help="The type of the numbers; the smaller ones for npy and safetensors only, int8 with one scale a row.",
)
def main(
    model: str,
    out: str,
    format: str | None,
    top: int | None,
    vectors: str,
    normalize: bool,
    postprocess: str | None,
    dtype: str,
) -> None:
    """Write the words and vectors of MODEL, a model directory or a vectors file, to OUT.

    A further ending .gz, .bz2, .xz or .zst compresses. With the format npy, the words stand in OUT.vocab.tsv; with
    the format projector, OUT is a directory that `tensorboard --logdir OUT` shows.
    """
    from nce_train.api import export

    written = export(
        model,
        out,
        format=format,
        top=top,
        vectors=vectors,
        normalize=normalize,
        postprocess=postprocess,
        dtype=dtype,
    )
    rounded = "" if dtype == "float32" else f", {dtype}"
    click.echo(f"{out}: {len(written)} words, dim {written.vectors.shape[1]}{rounded}", err=True)


if __name__ == "__main__":
    main()
