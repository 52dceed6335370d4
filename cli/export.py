"""nce-export: write a model's vectors as a file that other programs read."""

import click

from nce_train.cli._command import command
from nce_train.cli._options import OUT_FILE, choice_option, model_argument, number_option

# The names in `embeddings.formats.FORMATS`, repeated so that `--help` need not load NumPy; a test compares them.
FORMAT_NAMES = ("word2vec", "word2vec-binary", "glove", "npy", "fasttext", "safetensors", "projector")


_HELP = """Write the words and vectors of MODEL, a model directory or a vectors file, to OUT.

OUT is a file, which is replaced if it exists, or - for standard output. A further ending .gz, .bz2, .xz or .zst
compresses it. With the format npy, the words are in OUT.vocab.tsv. With the format projector, OUT is a directory for
`tensorboard --logdir OUT`. Vectors of unknown words are kept by npy, safetensors and fasttext (a model for fastText).
"""


@command("nce-export", _HELP)
@model_argument
@click.argument("out", metavar="OUT", type=OUT_FILE)
@click.option(
    "--format",
    type=click.Choice(FORMAT_NAMES),
    help="By default from OUT's ending: .txt and .vec (word2vec), .bin, .glove, .npy, .safetensors, .fasttext.bin.",
)
@number_option("--top", help="Write only the N most frequent words.")
@choice_option(
    "--vectors",
    ["input", "output", "sum"],
    help="The words' input vectors, their output vectors, or the sum of both.",
)
@click.option("--normalize", is_flag=True, help="Scale each vector to length 1 (after --postprocess).")
@click.option(
    "--postprocess",
    type=click.Choice(["abtt"]),
    help="abtt removes the mean and the top components of the vectors.",
)
@choice_option(
    "--dtype",
    ["float32", "float16", "int8"],
    help="Type of the numbers; float16 and int8 (with one scale for each row) only for npy and safetensors.",
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
