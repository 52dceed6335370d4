"""Hogwild training: threads run the kernel over ranges of the token stream until the epochs are done.

In: the token stream, the vocabulary's counts, settings. Out: the parameters and what was counted. Each thread calls
the compiled kernel for some milliseconds at a time; between calls it hands its sums in, which is where readings,
the learning rate's progress, `max_steps` and stopping are decided. There are no locks around parameters.
"""

import dataclasses
import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from nce_train.errors import RunError
from nce_train.training.config import Settings
from nce_train.training.kernel import (
    BLOCKS,
    CENTRE,
    CENTRES,
    KEPT,
    LINE_END,
    PAIRS,
    POSITION,
    PRODUCTS,
    RADIUS_FIXED,
    RADIUS_PER_BLOCK,
    RADIUS_PER_CENTRE,
    RANGE_END,
    SENTENCE_ENDS,
    TOKENS,
    Noise,
    Plan,
    Schedule,
    Tables,
    Thread,
    new_thread,
    train_blocks,
)
from nce_train.training.metrics import Reading
from nce_train.training.noise import noise_tables
from nce_train.training.parameters import (
    initial_tables,
    keep_probability,
    keep_threshold,
    take_hot_rows,
    with_hot_rows,
    without_hot_rows,
)

CENTRES_PER_CALL = 20_000  # about 10 ms of work: short enough to stop at once, long enough not to notice
# Hot rows of which each thread has a copy, and blocks of all threads together between merges. With 2 threads, measured
# over the first 6 M tokens of a Wikipedia text (M tokens/s, mean loss): no copies 3.8, 2.292; 128 rows every 512 blocks
# 5.0, 2.297, every 128 blocks 5.2, 2.295; 1024 rows every 512 blocks 5.6, 2.324, every 128 blocks 5.6, 2.305.
HOT_ROWS_AT_MOST = 128
BLOCKS_BETWEEN_MERGES = 128
NO_LIMIT = 2**62
LEAST_RANGE = 100_000  # ids; shorter ranges would cut lines too often

OnReading = Callable[[Reading], None]
OnProgress = Callable[[], None]


@dataclass
class Totals:
    """Sums over all threads. `products`: of a row and a centre, as the kernel computed them, masked ones included."""

    tokens: int = 0
    blocks: int = 0
    pairs: int = 0
    centres: int = 0
    products: int = 0
    loss: float = 0.0


@dataclass(frozen=True)
class Trained:
    """What a run leaves behind.

    Attributes
    ----------
    tables : Tables
    totals : Totals
        Of the whole run.
    seconds : float
        Of training.
    """

    tables: Tables
    totals: Totals
    seconds: float


class Trainer:
    """One training run over one token stream.

    Parameters
    ----------
    stream : int32 [n]
        Class ids, and LINE_END behind each sentence.
    token_count : int
        Ids in the stream, without the LINE_ENDs.
    counts : int64 [vocabulary]
    settings : Settings
        Resolved.
    """

    def __init__(self, stream: np.ndarray, token_count: int, counts: np.ndarray, settings: Settings) -> None:
        self.settings = settings
        self.stream = stream
        self.token_count = token_count
        self.plan = kernel_plan(settings)
        self.keep = keep_threshold(keep_probability(counts, settings.subsample))
        seeds = np.random.SeedSequence([settings.seed, 1]).generate_state(int(settings.threads), np.uint64)
        hot_rows = 0 if len(seeds) == 1 else min(HOT_ROWS_AT_MOST, len(counts))
        self.noise: Noise = with_hot_rows(noise_tables(counts, settings), hot_rows, len(seeds))
        self.tables = initial_tables(counts, settings, copied_rows=hot_rows * len(seeds))
        period = max(1, BLOCKS_BETWEEN_MERGES // len(seeds))
        self.threads: list[Thread] = [
            new_thread(
                self.plan,
                self.tables.input.shape[1],
                np.float32,
                seed,
                (hot_rows, len(counts) + number * hot_rows, period),
            )
            for number, seed in enumerate(seeds)
        ]
        for thread in self.threads:
            take_hot_rows(self.tables, thread)
        self.totals = Totals()
        self.seconds = 0.0
        self._last_reading = (Totals(), 0.0)
        self._started = 0.0
        self._reserved = 0  # blocks that kernel calls under way may still do
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._failure: BaseException | None = None

    def compile(self) -> None:
        """Have the kernel compiled, or loaded from the cache of an earlier compilation."""
        train_blocks(self.tables, self.noise, self.keep, self.stream, self.plan, self._schedule(), self.threads[0], 0)

    def stop(self) -> None:
        """Have the threads stop after their current kernel call; to be called from another thread."""
        self._stop.set()

    def progress(self) -> float:
        """How much of the run is done, from 0 to 1."""
        schedule = self._schedule()
        return max(schedule.tokens / schedule.all_tokens, schedule.blocks / schedule.all_blocks)

    def run(self, on_reading: OnReading | None = None, on_progress: OnProgress | None = None) -> Trained:
        """Train to the end of the last epoch, or `max_steps`.

        Parameters
        ----------
        on_reading : callable, optional
            Called with each `Reading`, at the settings' interval and at the end.
        on_progress : callable, optional
            Called several times a second, from the calling thread.

        Returns
        -------
        Trained

        Raises
        ------
        RunError
            When a parameter became infinite or not a number.
        KeyboardInterrupt
            As it came, when all threads have stopped.
        """
        ranges = self._ranges()
        self._started = time.perf_counter()
        workers = [
            threading.Thread(target=self._work, args=(thread, ranges, on_reading), daemon=True)
            for thread in self.threads
        ]
        for worker in workers:
            worker.start()
        try:
            self._watch(workers, on_reading, on_progress)
        finally:
            self._stop.set()
            for worker in workers:
                worker.join()
            self.seconds = time.perf_counter() - self._started
        if self._failure is not None:
            raise self._failure
        self._merge_hot_rows()
        if on_reading is not None and self.totals.blocks > self._last_reading[0].blocks:
            on_reading(self._reading())
        tables = without_hot_rows(self.tables)
        _check_finite(tables, self.settings)
        return Trained(tables, self.totals, self.seconds)

    # --- between kernel calls ---------------------------------------------------------------------------------

    def _work(self, thread: Thread, ranges: Iterator[tuple[int, int]], on_reading: OnReading | None) -> None:
        try:
            while not self._stop.is_set():
                with self._lock:
                    begin, end = next(ranges, (0, 0))
                if begin == end:
                    return
                cursor = thread.cursor
                cursor[POSITION], cursor[RANGE_END] = begin, end
                cursor[KEPT] = cursor[CENTRE] = cursor[SENTENCE_ENDS] = 0
                while not self._stop.is_set() and self._call(thread, on_reading):
                    pass
        except BaseException as failure:
            self._failure = failure
            self._stop.set()

    def _call(self, thread: Thread, on_reading: OnReading | None) -> bool:
        """Run the kernel once; False when the range is exhausted."""
        with self._lock:
            budget = self._budget()
            schedule = self._schedule()
            others_at_work = self._reserved > budget
        if budget == 0:  # what is left of max_steps is reserved by other threads, whose ranges may end first
            if not others_at_work:
                self._stop.set()
            time.sleep(0.001)
            return True
        cursor = thread.cursor
        before = cursor.copy()
        thread.loss[0] = 0.0
        done = train_blocks(self.tables, self.noise, self.keep, self.stream, self.plan, schedule, thread, budget)
        with self._lock:
            self._reserved -= budget
            totals = self.totals
            done_now = cursor - before
            totals.tokens += int(done_now[TOKENS])
            totals.blocks += int(done_now[BLOCKS])
            totals.pairs += int(done_now[PAIRS])
            totals.centres += int(done_now[CENTRES])
            totals.products += int(done_now[PRODUCTS])
            totals.loss += float(thread.loss[0])
            if not math.isfinite(totals.loss):
                raise RunError(_diverged(self.settings, totals.blocks))
            if on_reading is not None and self._step_reading_due():
                on_reading(self._reading())
        return done == budget

    def _budget(self) -> int:
        """How many blocks the next kernel call may do, reserved for it (the lock is held)."""
        budget = max(1, CENTRES_PER_CALL // self.settings.block_size)
        every, last = self.settings.log_every_steps, self.settings.max_steps
        if every is not None:
            budget = min(budget, every - self.totals.blocks % every)
        if last is not None:
            budget = min(budget, last - self.totals.blocks - self._reserved)
        self._reserved += budget
        return budget

    def _schedule(self) -> Schedule:
        settings, totals = self.settings, self.totals
        return Schedule(
            lr=float(settings.lr),
            tokens=totals.tokens,
            all_tokens=self.token_count * settings.epochs,
            blocks=totals.blocks,
            all_blocks=settings.max_steps or NO_LIMIT,
            threads=len(self.threads),
        )

    def _merge_hot_rows(self) -> None:
        for thread in self.threads:
            train_blocks(self.tables, self.noise, self.keep, self.stream, self.plan, self._schedule(), thread, 0)

    def _step_reading_due(self) -> bool:
        every = self.settings.log_every_steps
        return every is not None and self.totals.blocks // every > self._last_reading[0].blocks // every

    def _watch(
        self, workers: list[threading.Thread], on_reading: OnReading | None, on_progress: OnProgress | None
    ) -> None:
        """Report progress and take the timed readings until the workers have ended."""
        due = self._started + self.settings.log_every
        for worker in workers:
            while worker.is_alive():
                worker.join(0.1)
                if on_progress is not None:
                    on_progress()
                if on_reading is None or self.settings.log_every_steps is not None:
                    continue
                if time.perf_counter() >= due:
                    due += self.settings.log_every
                    with self._lock:
                        reading = self._reading()
                    on_reading(reading)

    def _reading(self) -> Reading:
        """The state now, its loss and speed since the previous reading (the lock is held)."""
        now = time.perf_counter() - self._started
        before, then = self._last_reading
        totals = self.totals
        pairs = totals.pairs - before.pairs
        schedule = self._schedule()
        rate = schedule.lr * max(1e-4, 1 - self.progress()) if self.plan.linear else schedule.lr
        self._last_reading = (dataclasses.replace(totals), now)
        return Reading(
            step=totals.blocks,
            epoch=min(totals.tokens // self.token_count, self.settings.epochs - 1),
            tokens=totals.tokens,
            loss=(totals.loss - before.loss) / pairs if pairs else None,
            learning_rate=rate,
            tokens_per_second=(totals.tokens - before.tokens) / max(now - then, 1e-9),
            seconds=now,
        )

    def _ranges(self) -> Iterator[tuple[int, int]]:
        """The ranges of all epochs, in order. One thread takes an epoch whole, several take many short ones."""
        pieces = 1
        if len(self.threads) > 1:
            pieces = max(len(self.threads), min(16 * len(self.threads), len(self.stream) // LEAST_RANGE))
        cuts = cut_at_line_ends(self.stream, pieces)
        for _ in range(self.settings.epochs):
            yield from itertools.pairwise(cuts)


def kernel_plan(settings: Settings) -> Plan:
    """The settings that the kernel looks at, as it wants them."""
    radius_kinds = {"block": RADIUS_PER_BLOCK, "centre": RADIUS_PER_CENTRE, "none": RADIUS_FIXED}
    return Plan(
        window=settings.window,
        radius_kind=radius_kinds[settings.dynamic_window],
        block_size=settings.block_size,
        num_sampled=settings.num_sampled,
        pairs=settings.objective == "pairs",
        mean=settings.reduction == "mean",
        unique=settings.unique,
        remove_accidental_hits=settings.remove_accidental_hits,
        linear=settings.lr_schedule == "linear",
    )


def cut_at_line_ends(stream: np.ndarray, pieces: int) -> list[int]:
    """Cut points of a stream into at most `pieces` ranges of like size, behind line ends where there are any near.

    Examples
    --------
    >>> cut_at_line_ends(np.array([5, 5, 5, -1, 5, -1]), 2)
    [0, 4, 6]
    """
    cuts = [0]
    size = len(stream)
    for piece in range(1, pieces):
        target = size * piece // pieces
        if target <= cuts[-1]:
            continue
        near = stream[target - 1 : min(size, target + size // pieces)]
        line_ends = np.flatnonzero(near == LINE_END)
        cut = target + int(line_ends[0]) if len(line_ends) else target
        if cuts[-1] < cut < size:
            cuts.append(cut)
    return [*cuts, size]


def _check_finite(tables: Tables, settings: Settings) -> None:
    if not all(np.isfinite(np.sum(table, dtype=np.float64)) for table in tables):
        raise RunError(_diverged(settings, None))


def _diverged(settings: Settings, step: int | None) -> str:
    where = "by the end of training" if step is None else f"before step {step:,}"
    return (
        f"The parameters became infinite or not a number {where}: most likely the learning rate {settings.lr:g} is too "
        f"high for objective {settings.objective}, reduction {settings.reduction}; lower --lr and train again."
    )
