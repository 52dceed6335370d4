"""The model directory that training writes: `input.npy` and `vocab.tsv` make a table; `output.npy` has the
vectors of the words as contexts."""

from pathlib import Path

from nce_train.embeddings.npy import read_array, read_vocabulary
from nce_train.embeddings.table import Table
from nce_train.errors import InputError


def read(path: Path, mmap: bool, vectors: str) -> Table:
    """Read the table of a model directory.

    Parameters
    ----------
    path : Path
    mmap : bool
        Map the vectors read-only (but the sum of both is computed).
    vectors : {"input", "output", "sum"}

    Raises
    ------
    InputError
        When a file is missing or damaged or they do not fit together.
    """
    if not (path / "input.npy").is_file():
        raise InputError(f"{path}: not a model directory (no input.npy inside); give one that nce-train has finished")
    words, counts = read_vocabulary(path / "vocab.tsv")
    names = {"input": ["input.npy"], "output": ["output.npy"], "sum": ["input.npy", "output.npy"]}[vectors]
    tables = []
    for name in names:
        if not (path / name).is_file():
            raise InputError(f"{path}: this model has no {name}; ask for the input vectors")
        tables.append(read_array(path / name, mmap))
        if len(tables[-1]) != len(words) or tables[-1].shape[1] != tables[0].shape[1]:
            raise InputError(
                f"{path / name}: the shape {tables[-1].shape} does not fit the {len(words)} words of "
                f"vocab.tsv and the dim {tables[0].shape[1]}; the files are of different models"
            )
    return Table(
        words,
        tables[0] if len(tables) == 1 else tables[0] + tables[1],
        counts,
        place=lambda row: f"{path / names[-1]}, row {row}",
    )
