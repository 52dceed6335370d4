"""The model directory: who may write it, and how its files get there whole.

`claim` checks the output before any work is done; `save_model` writes the files into `checkpoint/` and moves them up
when all are complete, the manifest last: a directory with a manifest is a finished model, and an old one stays until
then. What `checkpoint/` holds of an interrupted run stays for `claim_interrupted`.
"""

import contextlib
import errno
import hashlib
import json
import os
import platform
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from nce_train.decompression import READ_ENDINGS
from nce_train.errors import InputError, NceTrainWarning
from nce_train.files import atomic_write, sync_directory
from nce_train.model_files import CHECKPOINT, CONFIG, FILES, MANIFEST, METRICS, RUN, VOCABULARY
from nce_train.names import own_name, readable
from nce_train.npy_file import write_npy
from nce_train.runs.state_file import checkpoint_files
from nce_train.text.vocabulary import Vocabulary

LOCK = "lock"  # in the checkpoint
NEW = "model"  # in the checkpoint: the finished files, until all of them are written
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}  # what flock answers where there are none


def default_output(corpus: str | os.PathLike[str]) -> Path:
    """The output directory named after the first corpus: `texts/medium.txt.xz` → `medium.nce`.

    Raises InputError for standard input, a pipe and whatever else has no name.
    """
    name = own_name(corpus)
    if name is None:
        what = "standard input" if corpus == "-" else os.fspath(corpus)
        raise InputError(f"{what} has no name to name the output after: give -o DIR")
    for ending in READ_ENDINGS:
        if name.lower().endswith(ending) and len(name) > len(ending):
            name = name[: -len(ending)]
            break
    return Path(f"{Path(name).stem or name}.nce")


class Claim:
    """The right to write a model to `output`, held until `close`: other runs are refused meanwhile."""

    def __init__(self, output: Path, lock: IO[str] | None) -> None:
        self.output = output
        self.run_directory = output / CHECKPOINT
        self.goes_on = False  # whether it is of an interrupted run, which stays one until it is finished
        self._lock = lock

    def close(self) -> None:
        """Finish what is complete, remove what is not, and let others write. Checkpoints stay, and what they need."""
        _put_in_place(self.output)
        shutil.rmtree(self.run_directory / NEW, ignore_errors=True)
        is_finished = (self.output / MANIFEST).exists()
        if not checkpoint_files(self.run_directory) and (is_finished or not self.goes_on):
            shutil.rmtree(self.run_directory, ignore_errors=True)
        if not is_finished:
            for name in FILES:
                (self.output / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not empty, or in use
            self.output.rmdir()
        if self._lock is not None:
            self._lock.close()


def claim(output: Path, overwrite: bool) -> Claim:
    """Make sure that a model may be written to `output`, and make its `checkpoint/`, the place of the token file.

    Raises InputError when `output` cannot be written, holds something else, holds a model that `overwrite` does not let
    go, or another run is writing to it.
    """
    if output.is_dir():
        try:
            names = {entry.name for entry in output.iterdir() if not entry.name.endswith(".partial")}
        except OSError as error:
            raise InputError(f"Cannot read the output directory {output}: {error.strerror}.") from None
        foreign = names - {*FILES, CHECKPOINT}
        if foreign:
            raise InputError(
                f"The output directory {output} holds something else ({sorted(foreign)[0]}): choose another with -o."
            )
        with contextlib.suppress(OSError):  # of one that cannot be written, which is refused below
            if (output / CHECKPOINT / LOCK).exists():
                _lock(output / CHECKPOINT).close()  # refuses first when another run is writing there
        if names and not overwrite:
            kind = "a finished model" if MANIFEST in names else "an interrupted run"
            go_on = "--resume to continue it, " if CHECKPOINT in names else ""
            raise InputError(
                f"The output directory {output} holds {kind}: give --overwrite to replace it, {go_on}or another "
                "directory with -o."
            )
    elif output.exists():
        raise InputError(f"The output {output} is a file: choose another with -o.")
    try:
        (output / CHECKPOINT).mkdir(parents=True, exist_ok=True)
        return _claimed(output)
    except OSError as error:
        with contextlib.suppress(OSError):  # there may be nothing, or an older run's files
            if os.listdir(output / CHECKPOINT) in ([], [LOCK]):
                shutil.rmtree(output / CHECKPOINT)
                output.rmdir()
        raise InputError(f"The output directory {output} cannot be written: {error.strerror}.") from None


def claim_interrupted(output: Path) -> Claim:
    """Claim a directory whose interrupted run is resumed.

    Raises InputError when there is no such run, it is finished, or another process is writing there.
    """
    checkpoint, is_finished = output / CHECKPOINT, (output / MANIFEST).exists()
    if not checkpoint.is_dir() or (
        is_finished and not (checkpoint / RUN).exists() and not checkpoint_files(checkpoint)
    ):
        if is_finished:
            raise InputError(
                f"The model in {output} is finished, nothing is left to resume (only a run with --keep-checkpoint can "
                "be given more epochs)."
            )
        raise InputError(f"There is no interrupted run in {output}: give the model directory it was writing.")
    try:
        claimed = _claimed(output)
    except OSError as error:
        raise InputError(f"The directory {output} cannot be written: {error.strerror}.") from None
    _put_in_place(output)
    claimed.goes_on = True
    return claimed


def _claimed(output: Path) -> Claim:
    lock = _lock(output / CHECKPOINT)
    lock.write(f"process {os.getpid()} on {platform.node()}\n")
    lock.flush()
    for leftover in (output / CHECKPOINT).glob(".*.partial"):  # of a run that was killed
        leftover.unlink(missing_ok=True)
    return Claim(output, lock)


def _lock(checkpoint: Path) -> IO[str]:
    """Lock a run's checkpoint, until the file is closed or the process ends however it may."""
    file = open(checkpoint / LOCK, "a+", encoding="utf-8")  # noqa: SIM115 (held open while the run lasts)
    try:
        import fcntl
    except ImportError:  # Windows: no lock, two runs are on their own
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise InputError(
            f"Another run ({holder}) is writing to {checkpoint.parent}: wait for it, or choose another with -o."
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        warnings.warn(
            f"The file system of {checkpoint.parent} has no locks ({error.strerror}): nothing keeps another run from "
            "writing there at the same time.",
            NceTrainWarning,
            stacklevel=1,
        )
        return file
    file.seek(0)
    file.truncate()
    return file


def save_model(
    output: Path,
    parameters: Mapping[str, np.ndarray],
    vocabulary: Vocabulary,
    config_yaml: str,
    readings: Iterable[dict[str, Any]],
    manifest: Callable[[], dict[str, Any]],
) -> dict[str, Any]:
    """Write all files of a model to a claimed `output`, the manifest last, and return it with the files' SHA-256.

    `parameters` are arrays by the names of their files. `manifest` returns all keys but `files`; it is called when the
    other files are written, so that it has their time.
    """
    new = output / CHECKPOINT / NEW
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True, exist_ok=True)  # also where somebody has removed the directory meanwhile
    with _removed_at_failure(new):
        for name, array in parameters.items():
            with atomic_write(new / name) as file:
                write_npy(file, array)
        vocabulary.save(new / VOCABULARY)
        with atomic_write(new / CONFIG, "w", encoding="utf-8") as file:
            file.write(config_yaml)
        with atomic_write(new / METRICS, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(readable(reading), allow_nan=False) + "\n" for reading in readings)
        files = {name: sha256_of(new / name) for name in FILES if (new / name).exists()}
        complete = {**manifest(), "files": files}
        with atomic_write(new / MANIFEST, "w", encoding="utf-8") as file:
            json.dump(readable(complete), file, indent=1, allow_nan=False)
            file.write("\n")
    _put_in_place(output)
    return complete


@contextlib.contextmanager
def _removed_at_failure(directory: Path) -> Iterator[None]:
    """Remove a directory that could not be filled: a checkpoint needs its room."""
    try:
        yield
    except (OSError, MemoryError):
        shutil.rmtree(directory, ignore_errors=True)
        raise


def _put_in_place(output: Path) -> None:
    """Move the complete new model's files up, the manifest last; may be called again when it was interrupted."""
    new = output / CHECKPOINT / NEW
    if not (new / MANIFEST).exists():
        return
    complete = {*json.loads((new / MANIFEST).read_bytes())["files"], MANIFEST}
    (output / MANIFEST).unlink(missing_ok=True)  # from here on the old model, if there was one, is no more
    for name in FILES:
        if name not in complete:
            (output / name).unlink(missing_ok=True)  # of an old model of another kind
        elif (new / name).exists():
            os.replace(new / name, output / name)
    sync_directory(output)


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
