"""The files that a verb reads, so that no output overwrites one of them.

A list comes out: what each file is read as, and its path. An output that is one of them is refused before the work.
"""

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nce_train.arguments import PathLike, as_paths
from nce_train.errors import InputError
from nce_train.files import is_same_file
from nce_train.text.sources import list_sources
from nce_train.training.settings_files import read_config

Inputs = list[tuple[str, Any]]  # what a file is read as, and its path; None for what is no file


def refuse_overwriting(output: PathLike, inputs: Iterable[tuple[str, Any]]) -> None:
    """Raise InputError when an output is the same file as one of the inputs."""
    for what, path in inputs:
        if isinstance(path, (str, os.PathLike)) and is_same_file(path, output):
            raise InputError(f"{os.fspath(output)}: this file is read as {what}; name another one to write")


def refuse_inside_corpus(output: PathLike, corpus: Any) -> None:
    """Raise InputError when the next run on a corpus directory would read an output as text.

    Hidden files and directories are not read.
    """
    target = os.path.realpath(output)
    for name in [corpus] if isinstance(corpus, str | os.PathLike) else corpus:
        if not isinstance(name, str | os.PathLike):
            return  # token sequences
        directory = os.path.join(os.path.realpath(name), "")
        if not os.path.isdir(directory) or not target.startswith(directory):
            continue
        below = target.removeprefix(directory)
        if not any(part.startswith(".") for part in below.split(os.sep)):
            raise InputError(
                f"{os.fspath(output)} is inside the corpus directory {os.fspath(name)}: the next run would read it as "
                "text; name another place"
            )


def corpus_inputs(corpus: Any) -> Inputs:
    """The files of a corpus."""
    return [("corpus", source.path) for source in list_sources(corpus).sources]


def run_inputs(
    corpus: Any, config: PathLike | None, given: Mapping[str, Any], init: Any, resume: PathLike | None
) -> Inputs:
    """The files that a training run reads; of a resumed run, those of its first session too. See `train`."""
    from nce_train.model_files import CHECKPOINT
    from nce_train.runs.record import read_record

    settings = {**({} if config is None else read_config(config)), **given}
    inputs = [] if corpus is None else corpus_inputs(corpus)
    if resume is not None:
        with contextlib.suppress(InputError):  # the run itself reports it
            record = read_record(Path(resume) / CHECKPOINT)
            inputs += [("corpus", source["path"]) for source in record.sources]
            settings = {**record.config, "heldout": record.heldout["path"], **settings}
    inputs += [("held-out text", settings.get("heldout")), ("vocabulary", settings.get("vocab")), ("vectors", init)]
    return inputs + [("evaluation set", path) for path in as_paths(settings.get("eval_set") or ())]
