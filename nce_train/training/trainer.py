"""What every trainer does: run the threads, pause, take readings, stop; and the arrays that all trainers share.

A trainer runs a number of threads over one token stream until the epochs are done. Between
kernel calls everything a run depends on is in arrays: `state` returns them, `restore` takes them back.
"""

import dataclasses
import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nce_train.errors import DivergedError, InputError
from nce_train.kernel.hot_rows import without_copies
from nce_train.kernel.schedule import Schedule, learning_rate, progress
from nce_train.kernel.state import (
    BLOCKS,
    CENTRES,
    PAIRS,
    PRODUCTS,
    RADIUS_FIXED,
    RADIUS_PER_BLOCK,
    RADIUS_PER_CENTRE,
    TOKENS,
    Noise,
    Plan,
    Tables,
)
from nce_train.training.ngram_rows import NgramRows, kernel_bags, word_vectors
from nce_train.training.noise import merging_pays
from nce_train.training.observers import Observer, Pause
from nce_train.training.parameters import keep_probability, keep_threshold
from nce_train.training.readings import Reading
from nce_train.training.settings import Settings

# A kernel call is about 10 ms of work: short enough to stop at once, long enough to cost nothing. With large settings
# it has fewer centres, so that it computes at most PRODUCTS_PER_CALL products of two numbers.
CENTRES_PER_CALL = 20_000
PRODUCTS_PER_CALL = 4e8
NO_LIMIT = 2**62
POLL_SECONDS = 0.1  # between checks for readings and pauses that are due

# A mean loss of more than EXPLODED times that of the first kernel call is divergence: runs that converge exceed it by a
# tenth at most, measured over many settings; runs that diverge pass any bound within a few calls.
EXPLODED = 10
PAIRS_FOR_A_MEAN = 1000


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
    """What a run leaves behind."""

    tables: Tables
    totals: Totals  # of the whole run
    seconds: float  # of training


class Trainer(ABC):
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
    ngrams : NgramRows, optional
        The words' rows where they have n-grams.
    """

    tables: Tables
    noise: Noise

    def __init__(
        self,
        stream: np.ndarray,
        token_count: int,
        counts: np.ndarray,
        settings: Settings,
        ngrams: NgramRows | None = None,
    ) -> None:
        if token_count * settings.epochs >= NO_LIMIT:
            raise InputError(f"{settings.epochs:,} epochs of {token_count:,} tokens cannot be counted; lower --epochs.")
        self.settings = settings
        self.stream = stream
        self.token_count = token_count
        self.classes = len(counts)
        self.ngrams = ngrams
        self.bags = kernel_bags(settings, ngrams)
        self.plan = kernel_plan(settings, counts)
        self.keep = keep_threshold(keep_probability(counts, settings.subsample))
        self.totals = Totals()
        self.seconds = 0.0  # of training, up to the last stop
        self._last_reading = self._reading_before = (Totals(), 0.0)  # and the seconds then
        self._first_loss = 0.0  # mean of the first piece of work with enough pairs
        self._started: float | None = None  # when the threads last began
        self._epochs_begun = 0
        self._epoch_limit = settings.epochs  # epochs that may be begun before the next pause
        self._ended_early = False
        self._pause_at = math.inf  # tokens: the piece of work that reaches them is the last before a pause
        self._lock = threading.Lock()
        # plain flags: a signal handler that sets an Event may wait for ever for a lock of the thread it interrupts
        self._pause = False
        self._stopped = False
        self._failure: BaseException | None = None
        self._observers: Sequence[Observer] = ()

    # --- what kinds of trainers differ in -----------------------------------------------------------------------

    @abstractmethod
    def compile(self) -> None:
        """Have the kernel compiled, or loaded from the cache of an earlier compilation."""

    @abstractmethod
    def _all_begun(self) -> bool:
        """Whether all work of the epochs that have begun is taken."""

    @abstractmethod
    def _work(self, number: int) -> None:
        """What thread `number` does until `_pause` or the end."""

    @abstractmethod
    def _settle(self) -> None:
        """Make `tables` complete when the threads have stopped."""

    @abstractmethod
    def _parallel(self) -> int:
        """How many pieces of work advance side by side, for the learning rate's progress."""

    @abstractmethod
    def _position(self) -> dict[str, np.ndarray]:
        """What `_restore_position` needs beside parameters and sums."""

    @abstractmethod
    def _restore_position(self, state: Mapping[str, np.ndarray]) -> None: ...

    def start_with(self, fill: Callable[[Tables], None]) -> None:
        """Have the parameters changed before anything is trained."""
        fill(self.shared_tables())
        self._settle()

    # --- the run --------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Have `run` end after the threads' current kernel calls; from another thread or a signal handler."""
        self._stopped = True
        self._pause = True

    def end_early(self) -> None:
        """Have `run` end as if all were trained; observers may call it."""
        self._ended_early = True
        self._pause = True

    @property
    def finished(self) -> bool:
        """Whether everything is trained."""
        if self.settings.max_steps is not None and self.totals.blocks >= self.settings.max_steps:
            return True
        return self._ended_early or (self._epochs_begun >= self.settings.epochs and self._all_begun())

    @property
    def has_failed(self) -> bool:
        """Whether a thread failed in the midst of its work: `state` is then none to go on from."""
        return self._failure is not None

    def progress(self) -> float:
        """How much of the run is done, from 0 to 1."""
        return float(progress(self._schedule(), 0, 0))

    def run(self, observers: Sequence[Observer] = ()) -> Trained:
        """Train to the end of the last epoch, or `max_steps`, or until `stop`.

        Observers are called in their order. `finished` says whether training is complete. Raises DivergedError
        when a parameter became infinite or not a number.
        """
        self._observers = observers
        try:
            self._run_to_the_end()
        finally:
            self._observers = ()  # which know the trainer: the tables are freed as soon as nobody needs them
        self.check()
        return Trained(self.shared_tables(), self.totals, self.seconds)

    def _run_to_the_end(self) -> None:
        while True:
            for observer in self._observers:
                observer.on_pause(self._current_pause())
            if self.finished or self._stopped:
                break
            self._pause_at = min((observer.pause_at() for observer in self._observers), default=math.inf)
            if any(observer.after_epochs for observer in self._observers):
                self._epoch_limit = self._epochs_begun + int(self._all_begun())
            self._train_until_paused()
        if self.finished and self.totals.blocks > self._last_reading[0].blocks:
            self._join_short_piece()
            self._report(self._reading())

    def _join_short_piece(self) -> None:
        """Have the last reading cover the piece before it too where it is short: its loss would be mostly chance."""
        last, before = self._last_reading[0].pairs, self._reading_before[0].pairs
        if 2 * (self.totals.pairs - last) < last - before:
            self._last_reading = self._reading_before

    def check(self) -> None:
        """Raise DivergedError when a parameter is infinite or not a number; no thread may be at work."""
        if not all(np.isfinite(np.sum(table, dtype=np.float64)) for table in self.shared_tables()):
            raise DivergedError(
                _diverged(self.settings, "parameters became infinite or not a number", self.totals.blocks)
            )

    def shared_tables(self) -> Tables:
        """The parameters, without the threads' copies."""
        ngram_rows = 0 if self.ngrams is None else len(self.ngrams.buckets)
        return without_copies(self.tables, self.classes + ngram_rows, self.classes)

    def word_vectors(self) -> np.ndarray:
        """The words' vectors, float32 [vocabulary, dim]: with n-grams the means of their rows, else views of these.

        No thread may be at work.
        """
        settings = self.settings
        return word_vectors(self.tables.input, self.ngrams, settings.dim, int(settings.threads))

    # --- to stop here and go on elsewhere -----------------------------------------------------------------------

    def state(self) -> dict[str, np.ndarray]:
        """All that `restore` needs, while no thread is at work. Parameters are views of `dim` columns, not copies."""
        tables = self.shared_tables()
        (last, last_seconds), (before, seconds_before) = self._last_reading, self._reading_before
        sums = (self.totals, last, before)
        return {
            "input": tables.input[:, : self.settings.dim],
            "output": tables.output[:, : self.settings.dim],
            "bias": tables.bias,
            "totals": np.array([dataclasses.astuple(totals)[:-1] for totals in sums]),
            "loss": np.array([totals.loss for totals in sums]),
            "first_loss": np.array([self._first_loss]),
            "seconds": np.array([self.seconds, last_seconds, seconds_before]),
            "epochs_begun": np.array([self._epochs_begun]),
            **self._position(),
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on where another trainer's `state` was taken, on the same stream and with settings that fit.

        `epochs`, the number of threads and the interval of readings may be others.

        Raises
        ------
        KeyError, ValueError
            When it is the state of another kind of trainer.
        """
        tables, dim = self.shared_tables(), self.settings.dim
        fill(tables.input[:, :dim], state["input"])
        fill(tables.output[:, :dim], state["output"])
        fill(tables.bias, state["bias"])
        self.totals, *sums = (
            Totals(*map(int, counted), float(loss))  # type: ignore[call-arg]
            for counted, loss in zip(state["totals"], state["loss"], strict=True)
        )
        self.seconds, *seconds = map(float, state["seconds"])
        readings = list(zip(sums, seconds, strict=True))
        self._last_reading, self._reading_before = readings[0], readings[-1]  # one only in states of 0.1.0
        self._first_loss = float(state["first_loss"][0])
        self._epochs_begun = int(state["epochs_begun"][0])
        self._restore_position(state)

    # --- between pieces of work -----------------------------------------------------------------------------------

    def _current_pause(self) -> Pause:
        epoch_is_over = self.finished or (self._epochs_begun > 0 and self._all_begun())
        return Pause(self._epochs_begun if epoch_is_over else None, self.finished, self._stopped)

    def _train_until_paused(self) -> None:
        self._pause = False
        if self._stopped:  # checked after the line above, which may have undone the pause of `stop`
            return
        self._started = time.perf_counter()
        workers = [
            threading.Thread(target=self._work, args=(number,), daemon=True)
            for number in range(int(self.settings.threads))
        ]
        try:
            for worker in workers:
                worker.start()
            self._watch(workers)
        finally:
            self._pause = True
            for worker in workers:
                if worker.ident is not None:
                    worker.join()
            self.seconds, self._started = self.seconds_now(), None
            if self._failure is None:
                self._settle()
        if self._failure is not None:
            raise self._failure

    def _add_to_totals(self, done: np.ndarray, loss: float) -> None:
        """Add what a thread has done, as the kernel's cursor counts it (the lock is held)."""
        totals = self.totals
        totals.tokens += int(done[TOKENS])
        totals.blocks += int(done[BLOCKS])
        totals.pairs += int(done[PAIRS])
        totals.centres += int(done[CENTRES])
        totals.products += int(done[PRODUCTS])
        totals.loss += loss
        if totals.tokens >= self._pause_at:
            self._pause = True
        if not math.isfinite(totals.loss):
            raise DivergedError(_diverged(self.settings, "parameters became infinite or not a number", totals.blocks))
        if done[PAIRS] >= PAIRS_FOR_A_MEAN:
            mean = loss / int(done[PAIRS])
            self._first_loss = self._first_loss or mean
            if mean > EXPLODED * self._first_loss:
                how = f"loss, {self._first_loss:.3g} at the start, rose to {mean:.3g}"
                raise DivergedError(_diverged(self.settings, how, totals.blocks))

    def _blocks_per_call(self) -> int:
        settings = self.settings
        products = settings.block_size * (settings.num_sampled + 2 * settings.window) * settings.dim
        return max(1, min(CENTRES_PER_CALL // settings.block_size, int(PRODUCTS_PER_CALL / products)))

    def _schedule(self) -> Schedule:
        settings, totals = self.settings, self.totals
        return Schedule(
            lr=float(settings.lr),
            tokens=totals.tokens,
            all_tokens=self.token_count * settings.epochs,
            blocks=totals.blocks,
            all_blocks=settings.max_steps or NO_LIMIT,
            parallel=self._parallel(),
        )

    def _step_reading_due(self) -> bool:
        every = self.settings.log_every_steps
        return every is not None and self.totals.blocks // every > self._last_reading[0].blocks // every

    def _watch(self, workers: list[threading.Thread]) -> None:
        """Take the timed readings, and pause when an observer wants to, until the workers have ended."""
        are_timed = self.settings.log_every_steps is None
        for worker in workers:
            while worker.is_alive():
                worker.join(POLL_SECONDS)
                if are_timed and self.seconds_now() >= self._last_reading[1] + self.settings.log_every:
                    with self._lock:
                        reading = self._reading()
                    self._report(reading)
                for observer in self._observers:
                    if observer.wants_pause():
                        self._pause = True

    def _report(self, reading: Reading) -> None:
        for observer in self._observers:
            observer.on_reading(reading)

    def seconds_now(self) -> float:
        """Seconds of training so far; may be called at any time."""
        return self.seconds + (0.0 if self._started is None else time.perf_counter() - self._started)

    def _reading(self) -> Reading:
        """Take a reading (the lock is held)."""
        reading = self.now()
        self._reading_before = self._last_reading
        self._last_reading = (dataclasses.replace(self.totals), reading.seconds)
        return reading

    def now(self) -> Reading:
        """The state now, its loss and speed since the last reading; no thread may be at work, or the lock is held."""
        now = self.seconds_now()
        before, then = self._last_reading
        totals = self.totals
        pairs = totals.pairs - before.pairs
        return Reading(
            step=totals.blocks,
            epoch=max(0, self._epochs_begun - 1),
            tokens=totals.tokens,
            loss=(totals.loss - before.loss) / pairs if pairs else None,
            learning_rate=float(learning_rate(self._schedule(), self.plan.linear, self.progress())),
            tokens_per_second=(totals.tokens - before.tokens) / max(now - then, 1e-9),
            seconds=now,
        )


def kernel_plan(settings: Settings, counts: np.ndarray) -> Plan:
    """The settings that the kernel needs, as numbers."""
    radius_kinds = {"block": RADIUS_PER_BLOCK, "centre": RADIUS_PER_CENTRE, "none": RADIUS_FIXED}
    return Plan(
        window=settings.window,
        radius_kind=radius_kinds[settings.dynamic_window],
        block_size=settings.block_size,
        num_sampled=settings.num_sampled,
        fresh_noise=settings.num_sampled if settings.unique else -(-settings.num_sampled // settings.noise_reuse),
        merge_noise=merging_pays(counts, settings),
        pairs=settings.objective == "pairs",
        mean=settings.reduction == "mean",
        unique=settings.unique,
        remove_accidental_hits=settings.remove_accidental_hits,
        linear=settings.lr_schedule == "linear",
    )


def fill(array: np.ndarray, values: np.ndarray) -> None:
    """Copy `values` into `array`; ValueError when they are not of its shape and type."""
    if array.shape != values.shape or array.dtype != values.dtype:
        raise ValueError(f"{values.dtype} {values.shape} where {array.dtype} {array.shape} should be")
    array[...] = values


def _diverged(settings: Settings, how: str, step: int) -> str:
    return (
        f"The {how} before step {step:,}: most likely the learning rate {settings.lr:g} is too high for objective "
        f"{settings.objective}, reduction {settings.reduction}; lower --lr and train again."
    )
