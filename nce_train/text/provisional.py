"""A text as provisional ids in a file, and as the runs of its words; and the file with the final ids in their place.

The ids are numbered anew with every run; what comes between counting and translating, the choice of the vocabulary,
is up to the caller.
"""

import contextlib
import errno
import io
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np

from nce_train.errors import InputError, RunError
from nce_train.files import atomic_write
from nce_train.text.sources import BLOCK_BYTES, SourceList
from nce_train.text.vocabulary import LINE_END

if TYPE_CHECKING:
    from nce_train.text.counters import Scanned
    from nce_train.text.runs import Run

Progress = Callable[[int, int | None, str], None]

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def token_file(path: Path) -> Iterator[IO[bytes]]:
    """`atomic_write`, with its failures as sentences."""
    is_open = False
    try:
        with full_disk_told(path), atomic_write(path, "w+b") as file:
            is_open = True
            yield file
    except OSError as error:
        if not is_open:
            raise InputError(f"cannot write {path}: {error.strerror}") from None
        raise


@contextlib.contextmanager
def full_disk_told(path: Path) -> Iterator[None]:
    """Make a full disk a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise RunError(f"cannot write {path}: {error.strerror}; it takes 4 bytes a token") from None
        raise


class Counted(NamedTuple):
    runs: "dict[int, Run]"
    blocks: list[tuple[int, int]]  # in reading order: the run, and how many ids were written
    is_raw: bool  # whether punctuation may hang on the words

    @property
    def num_words(self) -> int:
        """How many words the runs hold; one may be in several."""
        return sum(run.num_words for run in self.runs.values())


def count(
    listed: SourceList,
    file: IO[bytes] | None,
    directory: Path,
    tokens: str,
    lowercase: bool,
    mark_lines: bool,
    threads: int,
    progress: Progress | None,
) -> Counted:
    """Count all words; append the provisional ids to `file`, behind room for the header."""
    from nce_train.text.counters import Counters  # compiled code

    is_text = all(source.sentences is None for source in listed.sources)
    threads = max(1, threads)
    counters = Counters(is_text and tokens == "words", mark_lines, lowercase, threads, directory)
    blocks: list[tuple[int, int]] = []
    pending: deque[Future[Scanned]] = deque()

    def finish_oldest() -> None:
        scanned = pending.popleft().result()
        if file is not None:
            file.write(scanned.ids.data)
            blocks.append((scanned.run, len(scanned.ids)))
        scanned.counter.give_back(scanned.ids)

    if file is not None:
        file.write(_npy_header(0))
    origin = 0
    total_bytes = listed.total_bytes
    with workers(threads) as pool:
        for block in listed.blocks(BLOCK_BYTES):
            # Enough waiting blocks that no worker idles while this thread reads; few, for they cost memory.
            if len(pending) > 2 * threads:
                finish_oldest()
            pending.append(pool.submit(counters.scan, block, origin))
            origin += block.end
            if progress is not None:
                progress(listed.bytes_read, total_bytes, "vocabulary")
        while pending:
            finish_oldest()
    return Counted(counters.close(), blocks, is_raw=is_text and tokens == "whitespace")


@contextlib.contextmanager
def workers(threads: int) -> Iterator[ThreadPoolExecutor]:
    """A pool that is waited for, but not after Ctrl-C: its threads may be compiling for seconds."""
    pool = ThreadPoolExecutor(threads)
    wait = True
    try:
        yield pool
    except KeyboardInterrupt:
        wait = False
        raise
    finally:
        pool.shutdown(wait, cancel_futures=True)


def translate(
    source: IO[bytes],
    target: IO[bytes],
    counted: Counted,
    row_of: np.ndarray,
    row_of_others: int,
    progress: Progress | None = None,
) -> int:
    """Write the provisional ids in `source` as rows to `target`, which may be the same file; the number of tokens left.

    Parameters
    ----------
    source, target : files
    counted : Counted
        The runs as `runs.merge` has numbered them.
    row_of : int32 [merged words]
    row_of_others : int
        A row, or `DROPPED`.
    progress : callable or None
    """
    from nce_train.text import scan  # compiled code

    # what is written is never longer than what has been read
    last_block = {run: number for number, (run, _) in enumerate(counted.blocks)}
    tables: dict[int, np.ndarray] = {}  # of the runs whose blocks come now: not more than there are counters
    total = 4 * sum(num_ids for _, num_ids in counted.blocks)
    read_at = write_at = data_start = len(_npy_header(0))
    token_count = 0
    line_is_open = False
    for number, (run, num_ids) in enumerate(counted.blocks):
        if run not in tables:
            tables[run] = counted.runs[run].translation(row_of, row_of_others)
        source.seek(read_at)
        ids = np.frombuffer(bytearray(source.read(4 * num_ids)), np.int32)
        read_at += ids.nbytes
        written, num_tokens, line_is_open = scan.translate_ids(ids, tables[run], ids, line_is_open)
        if last_block[run] == number:
            del tables[run]
        target.seek(write_at)
        write_at += target.write(ids[:written].tobytes())
        token_count += num_tokens
        if progress is not None:
            progress(read_at - data_start, total, "encode")
    if line_is_open:
        target.seek(write_at)
        write_at += target.write(np.array([LINE_END], np.int32).tobytes())
    target.truncate(write_at)
    target.seek(0)
    target.write(_npy_header((write_at - data_start) // 4))
    return token_count


def mapped_ids(file: IO[bytes]) -> np.ndarray:
    """The ids in an open token file, which need not have a name; int32, read-only memory map."""
    begin = len(_npy_header(0))
    size = (file.seek(0, os.SEEK_END) - begin) // 4
    if size == 0:
        return np.empty(0, np.int32)
    return np.memmap(file, np.int32, "r", begin, (size,))


def _npy_header(length: int) -> bytes:
    """The header of an int32 array of `length`; NumPy leaves room in it, so its size is the same for all."""
    header = io.BytesIO()
    fields = {"descr": "<i4", "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(header, fields)
    return header.getvalue()
