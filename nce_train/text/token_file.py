"""The token file: sources go in, an `.npy` file of word ids comes out.

`count_words` reads the text once, counts its words and appends provisional ids to the file. The caller then chooses the
vocabulary. `write_final_ids` replaces the provisional ids, which are specific to a `WordRun`, by rows of the
vocabulary.
"""

import contextlib
import errno
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np

from nce_train.errors import InputError, RunError
from nce_train.files import atomic_write
from nce_train.mapped_files import map_array
from nce_train.npy_file import npy_header
from nce_train.text.blocks import BLOCK_BYTES, read_blocks
from nce_train.text.encodings import TornTokens
from nce_train.text.sources import SourceList
from nce_train.text.token_rules import TokenRules
from nce_train.text.vocabulary import LINE_END

if TYPE_CHECKING:
    from nce_train.text.counter_pool import ScannedBlock
    from nce_train.text.word_runs import WordRun

Progress = Callable[[int, int | None, str], None]

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class CountedText(NamedTuple):
    """What `count_words` returns."""

    runs: "dict[int, WordRun]"
    blocks: list[tuple[int, int]]  # in reading order: the number of the run, and how many ids were written
    is_raw: bool  # whether punctuation and blanks may be attached to the words
    torn: TornTokens

    @property
    def num_words(self) -> int:
        """Number of words in the runs; a word may be in several."""
        return sum(run.num_words for run in self.runs.values())

    @property
    def num_tokens(self) -> int:
        """Number of tokens."""
        return sum(int(run.counts.sum()) for run in self.runs.values())


@contextlib.contextmanager
def open_token_file(path: Path) -> Iterator[IO[bytes]]:
    """`atomic_write` for the token file: InputError when it cannot be created, RunError when the disk is full."""
    is_open = False
    try:
        with report_full_disk(path), atomic_write(path, "w+b") as file:
            is_open = True
            yield file
    except OSError as error:
        if not is_open:
            raise InputError(f"cannot write {path}: {error.strerror}") from None
        raise


@contextlib.contextmanager
def report_full_disk(path: Path) -> Iterator[None]:
    """Raise RunError in place of the OSError of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise RunError(f"cannot write {path}: {error.strerror}; it takes 4 bytes a token") from None
        raise


def count_words(
    listed: SourceList,
    file: IO[bytes] | None,
    directory: Path,
    rules: TokenRules,
    mark_lines: bool,
    threads: int,
    progress: Progress | None,
) -> CountedText:
    """Count all words of a text, and append their provisional ids to `file`, if there is one, behind a header.

    `directory` is for a temporary file, when the distinct words do not fit in memory. With `mark_lines`, the ids
    contain `LINE_END`. For the other parameters and the errors see `corpus.encode_corpus`.
    """
    from nce_train.text.counter_pool import CounterPool  # compiled code

    if any(source.sentences is not None for source in listed.sources):
        is_raw = False
        rules = rules._replace(tokens="whitespace")  # between the tokens that were given
    else:
        is_raw = rules.tokens == "whitespace"
    counters = CounterPool(rules, mark_lines, threads, directory)
    blocks: list[tuple[int, int]] = []
    pending: deque[Future[ScannedBlock]] = deque()

    def finish_oldest() -> None:
        scanned = pending.popleft().result()
        if file is not None:
            file.write(scanned.ids.data)
            blocks.append((scanned.run, len(scanned.ids)))
        scanned.counter.release(scanned.ids)

    if file is not None:
        file.write(_header(0))
    origin = 0
    total_bytes = listed.total_bytes
    with thread_pool(threads) as pool:
        for block in read_blocks(listed, BLOCK_BYTES):
            # Enough waiting blocks to keep all threads busy while this one reads, but few, to save memory.
            if len(pending) > 2 * threads:
                finish_oldest()
            pending.append(pool.submit(counters.scan, block, origin))
            origin += block.end
            if progress is not None:
                progress(listed.bytes_read, total_bytes, "vocabulary")
        while pending:
            finish_oldest()
    return CountedText(counters.close(), blocks, is_raw, counters.torn)


@contextlib.contextmanager
def thread_pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """A thread pool that waits for its threads, but not after Ctrl-C: they may be compiling for seconds."""
    pool = ThreadPoolExecutor(threads)
    wait = True
    try:
        yield pool
    except KeyboardInterrupt:
        wait = False
        raise
    finally:
        pool.shutdown(wait, cancel_futures=True)


def write_final_ids(
    file: IO[bytes], counted: CountedText, row_of: np.ndarray, row_of_others: int, progress: Progress | None = None
) -> int:
    """Replace the provisional ids in a file of `count_words` by rows of the vocabulary, in place.

    The runs have been merged; `row_of`, int32 [merged words], has the row of each merged word, `row_of_others` that of
    all other words, or `DROPPED`. Returns the number of tokens written.
    """
    from nce_train.text import scan  # compiled code

    # The output is never longer than the input read so far.
    last_block = {run: number for number, (run, _) in enumerate(counted.blocks)}
    tables: dict[int, np.ndarray] = {}  # of the runs in use: at most one for each counter
    total = 4 * sum(num_ids for _, num_ids in counted.blocks)
    read_at = write_at = data_start = len(_header(0))
    token_count = 0
    line_is_open = False
    for number, (run, num_ids) in enumerate(counted.blocks):
        if run not in tables:
            tables[run] = counted.runs[run].translation(row_of, row_of_others)
        file.seek(read_at)
        ids = np.frombuffer(bytearray(file.read(4 * num_ids)), np.int32)
        read_at += ids.nbytes
        written, num_tokens, line_is_open = scan.translate_ids(ids, tables[run], ids, line_is_open)
        if last_block[run] == number:
            del tables[run]
        file.seek(write_at)
        write_at += file.write(ids[:written].tobytes())
        token_count += num_tokens
        if progress is not None:
            progress(read_at - data_start, total, "encode")
    if line_is_open:
        file.seek(write_at)
        write_at += file.write(np.array([LINE_END], np.int32).tobytes())
    file.truncate(write_at)
    file.seek(0)
    file.write(_header((write_at - data_start) // 4))
    return token_count


def map_ids(file: IO[bytes]) -> np.ndarray:
    """The ids in an open token file, which may be nameless; int32, read-only memory map."""
    begin = len(_header(0))
    return map_array(file, np.int32, ((file.seek(0, os.SEEK_END) - begin) // 4,), begin)


def _header(length: int) -> bytes:
    """The header of an int32 array of `length`; NumPy pads it, so its size is the same for all lengths."""
    return npy_header(np.dtype("<i4"), (length,))
