"""Write embeddings as a file that other programs read."""

import os
from pathlib import Path

from nce_train.arguments import PathLike, check_output, check_positive
from nce_train.embeddings import Embeddings
from nce_train.embeddings.embeddings import first_words, with_vectors
from nce_train.embeddings.formats.registry import warn_without_subwords
from nce_train.embeddings.postprocess import all_but_the_top, unit_length
from nce_train.errors import InputError
from nce_train.files import is_same_file
from nce_train.model_files import NGRAMS


def export(
    model: Embeddings | PathLike,
    out: PathLike,
    *,
    format: str | None = None,
    top: int | None = None,
    vectors: str = "input",
    normalize: bool = False,
    postprocess: str | None = None,
    dtype: str = "float32",
) -> Embeddings:
    """Write embeddings as a file that other programs read.

    Parameters
    ----------
    model : Embeddings, str or os.PathLike
        Embeddings, or a model directory or vectors file.
    out : path
        The file, or the directory for `projector`; a further ending `.gz`, `.bz2`, `.xz` or `.zst` compresses.
    format : str, optional
        See `Embeddings.save`; by default from the ending of `out`.
    top : int, optional
        Write only this many words, the most frequent ones. With sub-words the others are unknown words there, whose
        vectors are composed.
    vectors : {"input", "output", "sum"}
        The words' input vectors, output vectors, or the sum; only a model directory has the last two.
    normalize : bool
        Scale each vector to length 1, after `postprocess`. Sub-words are left out with a warning.
    postprocess : {"abtt"}, optional
        Remove the mean and the top components of the vectors that are written. Sub-words are left out with a warning.
    dtype : {"float32", "float16", "int8"}
        The type of the numbers in the file; see `Embeddings.save`.

    Returns
    -------
    Embeddings
        What was written, before it is rounded to `dtype`.

    Raises
    ------
    InputError
        When the model cannot be read, has no such vectors, or nothing can be written at `out`.

    Examples
    --------
    >>> from pathlib import Path
    >>> import nce_train
    >>> from nce_train.api import export
    >>> model = nce_train.Embeddings(["east", "north"], [[2, 0], [0, 3]])
    >>> export(model, "unit.txt", normalize=True)
    Embeddings(2 words, dim 2)
    >>> print(Path("unit.txt").read_text(), end="")
    2 2
    east 1.0 0.0
    north 0.0 1.0
    """
    if postprocess not in (None, "abtt"):
        raise InputError(f"postprocess is {postprocess!r}; give 'abtt' or None")
    check_positive("top", top, or_none=True)
    check_output("out", out)
    if not isinstance(model, Embeddings):
        if is_same_file(Path(out).parent, model):
            raise InputError(f"{os.fspath(out)} is inside the model directory; write to another place")
        if vectors != "input" and (Path(model) / NGRAMS).exists():
            warn_without_subwords(out, f"n-grams have no {vectors} vectors")
        model = Embeddings.load(model, vectors=vectors)
    elif vectors != "input":
        raise InputError(f"embeddings in memory have no {vectors} vectors; give the model directory")
    written = first_words(model, top)
    if postprocess is not None or normalize:
        # N-gram rows cannot be changed alike, so that composed vectors would not be comparable with those of the words.
        if model.subwords is not None:
            warn_without_subwords(out, "postprocess and normalize change the vectors of known words only")
        changed = written.vectors
        if postprocess == "abtt":
            changed = all_but_the_top(changed)
        written = with_vectors(model, unit_length(changed) if normalize else changed)
    written.save(out, format, dtype)
    return written
