"""The inputs of a run: what is recorded of corpus and held-out text, and whether they are still the same on resume."""

import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nce_train.errors import InputError
from nce_train.files import is_same_file
from nce_train.runs.model_directory import sha256_of
from nce_train.runs.record import RunRecord
from nce_train.text.corpus import check_has_words
from nce_train.text.sources import Corpus, Source, SourceList, list_sources
from nce_train.text.token_file import count_words
from nce_train.text.vocabulary import Vocabulary
from nce_train.training.settings import Settings

STANDARD_INPUT = "-"


def new_record(corpus: Corpus, settings: Settings, *, cache: bool = True, keep_checkpoint: bool = False) -> RunRecord:
    """The record of a run that begins; see `RunRecord`."""
    return RunRecord(
        id=secrets.token_hex(8),
        config=settings.model_dump(),
        corpus=_paths(corpus),
        sources=[_fingerprint(source) for source in list_sources(corpus).sources],
        readings=[],
        heldout={
            "path": None if settings.heldout is None else _absolute(settings.heldout),
            "sources": [] if settings.heldout is None else _hashed(settings.heldout),
            "looks": [],
        },
        evaluated={"tokens": 0, "seconds": 0.0},
        timings={},
        cache=cache,
        keep_checkpoint=keep_checkpoint,
    )


def check_heldout(corpus: Corpus, settings: Settings) -> str | None:
    """Read the held-out text once, so that a mistake in it is reported before the work.

    Returns a warning when it is part of the corpus; raises InputError when it cannot be read or holds no token.
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
        counted = count_words(listed, None, Path(scratch), settings.token_rules, False, 1, None)
    check_has_words(listed, counted.num_words, counted.torn)


def find_corpus(
    record: RunRecord, given: Corpus | None, settings: Settings, output: Path, note: Callable[[str], None]
) -> list[str] | None:
    """Where the corpus of a run is, when it and the vocabulary file are unchanged; None when it cannot be read again.

    `given` is what the caller takes the corpus to be; files inside `output` are no part of it. `note` is called with a
    warning when the corpus is gone. Raises InputError when a file has changed, or `given` is another corpus.
    """
    paths: list[str] | None = record.corpus
    if given is not None and _paths(given) != paths:
        was = ", ".join(paths or ["standard input"])
        raise InputError(f"With --resume the corpus is that of the run ({was}): leave CORPUS out, or start anew.")
    if settings.vocab is not None and record.vocabulary is not None and Path(settings.vocab).exists():
        found = Vocabulary.load(settings.vocab, unknown=settings.unknown).fingerprint
        if found != record.vocabulary:
            raise InputError(f"{settings.vocab} has changed since the run began: put it back, or start anew.")
    if paths is None:
        return None
    try:
        found_sources = list_sources(paths).sources
    except InputError as error:
        note(f"The corpus cannot be read any more ({str(error).rstrip('.')})")
        return None
    inside = os.path.join(os.path.abspath(output), "")
    before = {source["path"]: source for source in record.sources if source["path"] is not None}
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


def check_same_heldout(record: RunRecord) -> None:
    """Raise InputError when the held-out text is not there any more, or another than was measured before."""
    heldout = record.heldout
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
