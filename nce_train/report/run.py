"""What a report shows of one model: its vectors, and, where it is a model directory, its readings and its manifest.

A model may come from elsewhere: whatever is read here is checked for its type, so that the page can rely on it.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nce_train.embeddings import Embeddings
from nce_train.embeddings.formats.model_directory import read_finished
from nce_train.errors import InputError

Number = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, lt=1 << 63)]
# What a setting or a detail of the machine may be.
Plain = str | int | Number | bool | None


class _Checked(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, protected_namespaces=())


class Reading(_Checked):
    """A line of `metrics.jsonl`: of training, or (`heldout`, `evaluation`) of a look at the model in between."""

    step: Count
    tokens: Count | None = None
    seconds: Number | None = None
    loss: Number | None = None
    learning_rate: Number | None = None
    tokens_per_second: Number | None = None
    heldout: dict[str, Any] | None = None
    evaluation: dict[str, Any] | None = None


class Corpus(_Checked):
    """A file that was trained on."""

    name: str
    bytes: Count | None = None
    sha256: str | None = None


class Manifest(_Checked):
    """The keys of `manifest.json` that are shown."""

    tokens: Count | None = None
    tokens_trained: Count | None = None
    pairs: Count | None = None
    tokens_per_second: Number | None = None
    peak_memory_bytes: Count | None = None
    timings: dict[str, Number] = {}
    config: dict[str, Plain | list[Plain]] = {}
    corpus: list[Corpus] = []
    packages: dict[str, Plain] = {}
    machine: dict[str, Plain] = {}
    files: dict[str, str] = {}


class Run(NamedTuple):
    """A model and what is known of its training.

    Attributes
    ----------
    name : str
        What the report calls it.
    embeddings : Embeddings
    readings : list of Reading
        Empty for a vectors file.
    manifest : Manifest or None
        None for a vectors file and for a directory without one.
    """

    name: str
    embeddings: Embeddings
    readings: list[Reading]
    manifest: Manifest | None


def read_runs(paths: Sequence[str | os.PathLike[str]]) -> list[Run]:
    """Read models that are to be shown together.

    Parameters
    ----------
    paths : sequence of paths
        Model directories or vectors files.

    Returns
    -------
    list of Run
        Named after the last part of their paths, or, where two of them would be called the same, the whole paths.

    Raises
    ------
    InputError
        When a model is named twice, cannot be read or is unfinished, or its manifest or readings are damaged.
    """
    places = [os.path.abspath(path) for path in paths]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise InputError(f"{os.fspath(paths[number])}: this model is given twice; compare different ones")
    short = [os.path.basename(place) or place for place in places]
    names = short if len(set(short)) == len(short) else [os.fspath(path) for path in paths]
    return [_read_run(Path(path), name) for path, name in zip(paths, names, strict=True)]


def _read_run(path: Path, name: str) -> Run:
    if not path.is_dir():
        return Run(name, Embeddings.load(path), [], None)
    return read_finished(
        path, lambda: Run(name, Embeddings.load(path), _readings(path / "metrics.jsonl"), _manifest(path))
    )


def _manifest(path: Path) -> Manifest | None:
    place = path / "manifest.json"
    if not place.exists():
        return None
    try:
        return Manifest.model_validate_json(place.read_bytes())
    except OSError as error:
        raise InputError(f"{place}: cannot be read ({error.strerror})") from None
    except ValidationError as error:
        raise InputError(f"{place}: not the manifest of a run ({_first_fault(error)}); copy it again") from None


def _readings(path: Path) -> list[Reading]:
    """Read `metrics.jsonl`; of readings at the same step the last counts, such as that of the end."""
    if not path.exists():
        return []
    by_step: dict[tuple[int, bool, bool], Reading] = {}
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                reading = _reading(line, f"{path}, line {number}")
                by_step[reading.step, reading.evaluation is not None, reading.heldout is not None] = reading
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    return [by_step[key] for key in sorted(by_step)]


def _reading(line: bytes, place: str) -> Reading:
    try:
        return Reading.model_validate_json(line)
    except ValidationError as error:
        raise InputError(f"{place}: not a reading of a run ({_first_fault(error)}); copy the file again") from None


def _first_fault(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))[:80]
    return f"{where}: {first['msg']}" if where else first["msg"]
