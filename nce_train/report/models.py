"""What a report shows of a model: its vectors and, for a model directory, its readings and its manifest.

Paths go in, checked values come out. A model may come from another machine: the type of everything that the page shows
is checked here.
"""

import contextlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nce_train.embeddings import Embeddings
from nce_train.embeddings.formats.model_directory import read_finished
from nce_train.errors import InputError
from nce_train.model_files import MANIFEST, METRICS
from nce_train.names import readable

Number = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, lt=1 << 63)]
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
# The value of a setting, or a detail of the machine.
Plain = str | int | Number | bool | None


class _Checked(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, protected_namespaces=())


class Reading(_Checked):
    """A line of `metrics.jsonl`: a reading of training, or a held-out loss or evaluation in between."""

    step: Count
    tokens: Count | None = None
    seconds: Number | None = None
    loss: Number | None = None
    learning_rate: Number | None = None
    tokens_per_second: Number | None = None
    heldout: dict[str, Any] | None = None
    evaluation: dict[str, Any] | None = None


class Corpus(_Checked):
    """A file of the training text."""

    name: str
    bytes: Count | None = None
    sha256: str | None = None


class Manifest(_Checked):
    """The keys of `manifest.json` that a report shows."""

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


Checked = TypeVar("Checked", bound=_Checked)


class ReportedModel(NamedTuple):
    """A model by its name in the report, and the record of its training, which a vectors file does not have."""

    name: str
    embeddings: Embeddings
    readings: list[Reading]
    manifest: Manifest | None

    def training_readings(self) -> list[Reading]:
        """Return the readings of training, without held-out losses and evaluations."""
        return [reading for reading in self.readings if reading.heldout is None and reading.evaluation is None]


def read_models(paths: Sequence[str | os.PathLike[str]]) -> list[ReportedModel]:
    """Read the models of one report, model directories or vectors files.

    They are named by the last part of their paths, or by the whole paths where two names would be the same.
    """
    places = [os.path.abspath(path) for path in paths]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise InputError(f"{os.fspath(paths[number])}: this model is given twice; compare different ones")
    short = [os.path.basename(place) or place for place in places]
    names = short if len(set(short)) == len(short) else [os.fspath(path) for path in paths]
    return [_read_model(Path(path), readable(name)) for path, name in zip(paths, names, strict=True)]


def _read_model(path: Path, name: str) -> ReportedModel:
    if not path.is_dir():
        return ReportedModel(name, Embeddings.load(path), [], None)
    return read_finished(
        path,
        lambda: ReportedModel(
            name, Embeddings.load(path), _read_readings(path / METRICS), _read_manifest(path / MANIFEST)
        ),
    )


def _read_manifest(path: Path) -> Manifest | None:
    if not path.exists():
        return None
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    return _validate(Manifest, content, str(path), "the manifest of a run")


def _read_readings(path: Path) -> list[Reading]:
    """Read `metrics.jsonl`; where a step has several readings of a kind, such as at the end, the last one counts."""
    if not path.exists():
        return []
    by_step: dict[tuple[int, bool, bool], Reading] = {}
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                reading = _validate(Reading, line, f"{path}, line {number}", "a reading of a run")
                by_step[reading.step, reading.evaluation is not None, reading.heldout is not None] = reading
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    return [by_step[key] for key in sorted(by_step)]


def _validate(kind: type[Checked], content: bytes, place: str, called: str) -> Checked:
    if _SURROGATE.search(content):  # models of 0.1.0 may have names that are not UTF-8, which pydantic refuses
        with contextlib.suppress(ValueError, RecursionError):
            content = json.dumps(readable(json.loads(content))).encode()
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))[:80]
        reason = f"{field}: {first['msg']}" if field else first["msg"]
        raise InputError(f"{place}: not {called} ({reason}); copy the file again") from None
