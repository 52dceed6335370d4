"""What is written down of a run, so that it can be resumed: its settings, corpus, readings and timings so far.

The record lies in `checkpoint/run.json` from the moment the output is claimed, and in every checkpoint.
"""

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nce_train.errors import InputError, RunError
from nce_train.files import atomic_write
from nce_train.model_files import RUN
from nce_train.runs.state_file import FORMAT
from nce_train.text.corpus import EncodedCorpus
from nce_train.training.settings import Settings
from nce_train.training.settings_files import settings_of_run, without_removed

CHANGEABLE = ("epochs", "threads", "log_every", "log_every_steps", "checkpoint_every", "eval_every", "eval_set")


@dataclass
class RunRecord:
    """What is known of a run."""

    id: str  # of this run and no other
    config: dict[str, Any]  # the settings
    corpus: list[str] | None  # absolute paths; None for what cannot be read again
    sources: list[dict[str, Any]]  # name, path, bytes and mtime_ns of each, and sha256 when it was read
    readings: list[dict[str, Any]]  # the lines of metrics.jsonl
    # of the held-out text: path, sources, and its losses after each epoch as "looks", as runs of 0.1.0 wrote them
    heldout: dict[str, Any]
    evaluated: dict[str, Any]  # tokens and seconds of training at the last evaluation
    timings: dict[str, float]  # see `Timings`
    cache: bool = True  # whether ids may come from earlier runs
    keep_checkpoint: bool = False  # whether the last checkpoint stays when the run is finished
    start: dict[str, Any] | None = None  # of a warm start: `WarmStart.record`
    stopped_early: str | None = None  # "callback" or "patience", when one of them ended training
    vocabulary: str | None = None  # its fingerprint, when the corpus was read
    tokens: int | None = None  # in-vocabulary tokens of the corpus
    text: dict[str, Any] | None = None  # all of it: see `TextSize`
    stream: int | None = None  # the checksum of the ids, when they were kept for a checkpoint
    format: int = FORMAT

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], output: Path) -> "RunRecord":
        """The record that `as_dict` gave; InputError when it is of another version."""
        known = {field.name for field in dataclasses.fields(cls)}
        try:
            if values["format"] != FORMAT:
                raise ValueError
            return cls(**{name: value for name, value in values.items() if name in known})
        except (KeyError, TypeError, ValueError):
            raise InputError(
                f"The checkpoint in {output} is of another version of nce-train: resume it with that."
            ) from None

    def as_dict(self) -> dict[str, Any]:
        """What JSON can hold."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def write(self, directory: Path) -> None:
        """Write `run.json`; RunError when that fails."""
        try:
            with atomic_write(directory / RUN, "w", encoding="utf-8") as file:
                json.dump(self.as_dict(), file, indent=1, allow_nan=False)
        except OSError as error:
            raise RunError(
                f"{directory / RUN} cannot be written: {error.strerror}; fix this and train again."
            ) from None

    def add_encoded(self, encoded: EncodedCorpus) -> None:
        """Note what is known when the corpus has been read."""
        by_name = {source["name"]: source for source in self.sources}
        by_path = {source["path"]: source for source in self.sources}
        unlisted = {"path": None, "mtime_ns": None}
        self.sources = [
            # a run that starts again reads from absolute paths; its sources may have had relative ones
            {**by_name.get(source["name"], by_path.get(os.path.abspath(source["name"]), unlisted)), **source}
            for source in encoded.sources
        ]
        self.vocabulary = encoded.vocabulary.fingerprint
        self.tokens = encoded.token_count
        self.text = encoded.text._asdict()


def read_record(directory: Path) -> RunRecord:
    """Read `run.json` in a checkpoint directory; InputError when it is missing, damaged, or of another version."""
    try:
        record = json.loads((directory / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        record = None
    if not isinstance(record, dict):
        raise InputError(f"{directory} holds no run to resume: start anew with --overwrite.")
    return RunRecord.from_dict(record, directory.parent)


def changed_settings(record: RunRecord, changes: Mapping[str, Any], output: Path) -> Settings:
    """The settings of a run with changes; InputError when one is no setting, not CHANGEABLE, or fewer epochs."""
    config = without_removed(record.config, f"The run in {output}")
    old = settings_of_run(config)
    new = settings_of_run(config, changes).resolved()
    for name in Settings.model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if before != after and name not in CHANGEABLE:
            option = name.replace("_", "-")
            raise InputError(
                f"With --resume, --{option} cannot change from {before} to {after}: leave it out, or start anew (only "
                f"{', '.join('--' + name.replace('_', '-') for name in CHANGEABLE)} may change)."
            )
    if new.epochs < old.epochs:
        raise InputError(f"With --resume, --epochs can be raised, but not from {old.epochs} to {new.epochs}.")
    return new
