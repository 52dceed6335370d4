"""What is written down of a run, so that it can go on: its settings, its corpus, its readings and timings so far.

The record lies in `checkpoint/run.json` from the moment the output is claimed, and in every checkpoint.
"""

import json
import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nce_train.errors import InputError, RunError
from nce_train.files import atomic_write, is_same_file
from nce_train.runs.checkpoint import FORMAT, RUN
from nce_train.runs.model_directory import sha256_of
from nce_train.text.corpus import EncodedCorpus, check_has_words
from nce_train.text.sources import Corpus, Source, SourceList, list_sources
from nce_train.text.token_file import count_words
from nce_train.text.vocabulary import Vocabulary
from nce_train.training.settings import Settings, load_settings, without_removed

CHANGEABLE = ("epochs", "threads", "log_every", "log_every_steps", "checkpoint_every", "eval_every", "eval_set")
STANDARD_INPUT = "-"
_KEYS = {"id", "config", "corpus", "sources", "readings", "heldout", "timings"}


def new_record(corpus: Corpus, settings: Settings) -> dict[str, Any]:
    """The record of a run that begins.

    Returns
    -------
    dict
        `format`, `id` (of this run and no other), `config`, `readings`, `timings`, `heldout` (its path, its files, and
        what was seen of it), `evaluated` (tokens and seconds of training at the last evaluation);
        `corpus`: absolute paths, or None for what cannot be read again;
        `sources`: `name`, `path`, `bytes`, `mtime_ns` of each (None for no regular file). Later also `sha256` of the
        sources, `vocabulary` (fingerprint), `tokens`, `stream` (checksum of the ids), `start` (of a warm start),
        `cache` (whether ids may come from earlier runs), and `stopped_early`, when a callback ended it.
    """
    return {
        "format": FORMAT,
        "id": secrets.token_hex(8),
        "config": settings.model_dump(),
        "corpus": _paths(corpus),
        "sources": [_fingerprint(source) for source in list_sources(corpus).sources],
        "readings": [],
        "heldout": {
            "path": None if settings.heldout is None else _absolute(settings.heldout),
            "sources": [] if settings.heldout is None else _hashed(settings.heldout),
            "looks": [],
        },
        "evaluated": {"tokens": 0, "seconds": 0.0},
        "timings": no_timings(),
    }


def no_timings() -> dict[str, float]:
    """Seconds of what a run does, before it does any."""
    names = ("vocabulary", "encode", "compile", "train", "heldout", "evaluation", "checkpoints", "save")
    return dict.fromkeys([*names, "total"], 0.0)


def check_heldout(corpus: Corpus, settings: Settings) -> str | None:
    """Read the held-out text once, so that a mistake in it is told before the work.

    Returns
    -------
    str or None
        A warning, when it is trained on.

    Raises
    ------
    InputError
        When it cannot be read or holds no token.
    """
    if settings.heldout is None:
        return None
    if settings.heldout == STANDARD_INPUT:
        raise InputError("the held-out text cannot be standard input (-): give --heldout a file")
    listed = list_sources(settings.heldout, "held-out text")
    _check_tokens(listed, settings)
    trained_on = [source.path for source in list_sources(corpus).sources if source.path is not None]
    for source in listed.sources:
        if source.path is not None and any(is_same_file(source.path, path) for path in trained_on):
            return f"The held-out text {source.name} is part of the corpus: its loss says nothing about other texts."
    return None


def _check_tokens(listed: SourceList, settings: Settings) -> None:
    if any(source.status is None and source.url is None for source in listed.sources):
        return  # a pipe can be read once only
    with tempfile.TemporaryDirectory(prefix="nce-train-") as scratch:
        counted = count_words(listed, None, Path(scratch), settings.tokens, settings.lowercase, False, 1, None)
    check_has_words(listed, counted.num_words)


def note_encoded(record: dict[str, Any], encoded: EncodedCorpus) -> None:
    """Write into a record what is known when the corpus has been read."""
    by_name = {source["name"]: source for source in record["sources"]}
    by_path = {source["path"]: source for source in record["sources"]}
    unlisted = {"path": None, "mtime_ns": None}
    record["sources"] = [
        # a run that starts again reads from absolute paths, whatever the files were called at first
        {**by_name.get(source["name"], by_path.get(os.path.abspath(source["name"]), unlisted)), **source}
        for source in encoded.sources
    ]
    record["vocabulary"] = encoded.vocabulary.fingerprint
    record["tokens"] = encoded.token_count


def write_record(directory: Path, record: Mapping[str, Any]) -> None:
    """Write `run.json`; RunError when that fails."""
    try:
        with atomic_write(directory / RUN, "w", encoding="utf-8") as file:
            json.dump(record, file, indent=1, allow_nan=False)
    except OSError as error:
        raise RunError(f"{directory / RUN} cannot be written: {error.strerror}; mend this and train again.") from None


def read_record(directory: Path) -> dict[str, Any]:
    """Read `run.json`; InputError when it is missing or no record."""
    try:
        record = json.loads((directory / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        record = None
    if not isinstance(record, dict):
        raise InputError(f"{directory} holds nothing to go on with: start anew with --overwrite.")
    return record


def settings_of(record: Mapping[str, Any], changes: Mapping[str, Any], output: Path) -> Settings:
    """The settings of a run with some of them changed.

    Raises
    ------
    InputError
        When the record is of another version, or one of `changes` is no setting, not CHANGEABLE, or fewer epochs.
    """
    if record.get("format") != FORMAT or not record.keys() >= _KEYS:
        raise InputError(f"The checkpoint in {output} is of another version of nce-train: resume it with that.")
    config = without_removed(record["config"], f"The run in {output}")
    old = load_settings(None, config)
    new = load_settings(None, {**config, **changes}).resolved()
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


def find_corpus(
    record: Mapping[str, Any], given: Corpus | None, settings: Settings, output: Path, note: Callable[[str], None]
) -> list[str] | None:
    """Make sure that corpus and vocabulary are those of the run.

    Parameters
    ----------
    record : mapping
    given : path or list of paths, optional
        What the caller takes the corpus to be.
    settings : Settings
    output : Path
        What lies in it is no corpus.
    note : callable
        Told when the corpus is not there any more.

    Returns
    -------
    list of str or None
        Where the corpus is; None when it cannot be read again.

    Raises
    ------
    InputError
        When a file of it, or the vocabulary file, was changed, or `given` is another corpus.
    """
    paths: list[str] | None = record["corpus"]
    if given is not None and _paths(given) != paths:
        was = ", ".join(paths or ["standard input"])
        raise InputError(f"With --resume the corpus is that of the run ({was}): leave CORPUS out, or start anew.")
    if settings.vocab is not None and "vocabulary" in record and Path(settings.vocab).exists():
        found = Vocabulary.load(settings.vocab, unknown=settings.unknown).fingerprint
        if found != record["vocabulary"]:
            raise InputError(f"{settings.vocab} has changed since the run began: put it back, or start anew.")
    if paths is None:
        return None
    try:
        found_sources = list_sources(paths).sources
    except InputError as error:
        note(f"The corpus cannot be read any more ({str(error).rstrip('.')})")
        return None
    inside = os.path.join(os.path.abspath(output), "")
    before = {source["path"]: source for source in record["sources"] if source["path"] is not None}
    now = {os.path.abspath(source.path): source for source in found_sources if source.path is not None}
    now = {path: source for path, source in now.items() if not path.startswith(inside)}
    for path in sorted(before.keys() ^ now.keys()):
        raise InputError(_corpus_changed(f"{path} is {'new' if path in now else 'gone'}"))
    if any(source.status is None for source in now.values()):  # a pipe
        return None
    for path, source in now.items():
        if _is_another(_fingerprint(source), before[path]):
            raise InputError(_corpus_changed(f"{path} is another file now"))
    return paths


def check_same_heldout(record: Mapping[str, Any]) -> None:
    """Raise InputError when the held-out text is not there any more, or another than was measured before."""
    heldout = record["heldout"]
    if heldout["path"] is None or not heldout["looks"]:
        return
    now = {source["path"]: source for source in map(_fingerprint, _files_of(heldout["path"]))}
    before = {source["path"]: source for source in heldout.get("sources", now.values())}
    for path in sorted(now.keys() | before.keys()):
        if path not in now or path not in before or _is_another(now[path], before[path]):
            raise InputError(
                f"The held-out text {path} has changed since the run began, so its losses cannot be compared: put the "
                "old one back, or start anew with --overwrite."
            )


def _hashed(text: str) -> list[dict[str, Any]]:
    return [{**_fingerprint(source), "sha256": sha256_of(Path(source.name))} for source in _files_of(text)]


def _files_of(text: str) -> list[Source]:
    """The regular files of a held-out text; a pipe cannot be compared."""
    return [source for source in list_sources(text, "held-out text").sources if source.status is not None]


def _is_another(found: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    if found["mtime_ns"] == before["mtime_ns"] and found["bytes"] == before["bytes"]:
        return False
    if "sha256" not in before:  # nothing has been trained on it
        return False
    return found["bytes"] != before["bytes"] or sha256_of(found["path"]) != before["sha256"]


def _corpus_changed(how: str) -> str:
    return f"The corpus has changed since the run began, {how}: put the old one back, or start anew with --overwrite."


def _paths(corpus: Corpus) -> list[str] | None:
    """Absolute paths of a corpus, or None for standard input and iterables."""
    names = [corpus] if isinstance(corpus, (str, os.PathLike)) else corpus
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, (str, os.PathLike)) for name in names):
        return None
    if any(os.fspath(name) == STANDARD_INPUT for name in names):
        return None
    return [_absolute(os.fspath(name)) for name in names]


def _absolute(name: str) -> str:
    return name if "://" in name else os.path.abspath(name)


def _fingerprint(source: Source) -> dict[str, Any]:
    status = source.status
    return {
        "name": source.name,
        "path": None if source.path is None else os.path.abspath(source.path),
        "bytes": source.size,
        "mtime_ns": None if status is None else status.st_mtime_ns,
    }
