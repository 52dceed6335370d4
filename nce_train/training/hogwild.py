"""Hogwild training: threads run the kernel over ranges of the token stream until the epochs are done.

Each thread calls the compiled kernel for about ten milliseconds at a time and adds its sums to the totals between
calls. There are no locks around parameters: `docs/kernel.md` says why that is safe. With one thread a run that was
stopped and restored gives the same bytes as one that was not.
"""

import itertools
import time
from collections import deque
from collections.abc import Mapping

import numpy as np

from nce_train.kernel.hot_rows import with_hot_rows
from nce_train.kernel.sizes import table_width
from nce_train.kernel.state import (
    CENTRE,
    KEPT,
    LINE_END,
    NO_SHARES,
    NO_TIERS,
    POSITION,
    RANGE_END,
    SENTENCE,
    Noise,
    Tables,
    ThreadArrays,
    new_hot_words,
    new_thread_arrays,
    tiers_end,
)
from nce_train.kernel.train import MERGE_ONLY, train_blocks
from nce_train.training.hot_row_plan import hot_tiers
from nce_train.training.hot_word_plan import hot_word_shares, hot_word_tiers
from nce_train.training.ngram_rows import NgramRows
from nce_train.training.noise import noise_tables
from nce_train.training.parameters import initial_tables
from nce_train.training.settings import Settings
from nce_train.training.trainer import Trainer, fill

LEAST_RANGE = 100_000  # ids; shorter ranges would cut lines too often
LEAST_LOOKED_THROUGH = 64  # ids, for a line's end to cut at: a text of two lines must not lose its pairs to being cut


class HogwildTrainer(Trainer):
    """One Hogwild run over one token stream; see `Trainer`."""

    def __init__(
        self,
        stream: np.ndarray,
        token_count: int,
        counts: np.ndarray,
        settings: Settings,
        ngrams: NgramRows | None = None,
    ) -> None:
        super().__init__(stream, token_count, counts, settings, ngrams)
        seeds = np.random.SeedSequence([settings.seed, 1]).generate_state(int(settings.threads), np.uint64)
        self.tables, self.noise, self.threads = self._with_copies(counts, ngrams, seeds)
        self._reserved = 0  # blocks that kernel calls under way may still do
        self._cuts = cut_at_line_ends(stream, self._pieces(len(stream)))
        self._ranges: deque[tuple[int, int]] = deque()  # of the epoch begun last, those no thread has had
        self._active = [False] * len(self.threads)  # whether a thread is inside a range
        self._waiting: list[dict[str, np.ndarray]] = []  # threads of a restored run that had more, inside a range each

    def _with_copies(
        self, counts: np.ndarray, ngrams: NgramRows | None, seeds: np.ndarray
    ) -> tuple[Tables, Noise, list[ThreadArrays]]:
        """Allocate the tables with room for the threads' copies, the noise of these rows, and the threads' arrays."""
        settings, threads = self.settings, len(seeds)
        rows, words, shares = hot_tiers(counts, settings, threads), NO_TIERS, NO_SHARES
        if ngrams is not None and settings.model == "skipgram":
            words = hot_word_tiers(counts, settings, ngrams.bags, threads)
            shares = hot_word_shares(counts, settings, ngrams.bags, words, threads)
        hot_rows, hot_words = tiers_end(rows), tiers_end(words)
        copies = threads - 1  # the first thread works on the shared rows of the output table
        ngram_rows = 0 if ngrams is None else len(ngrams.buckets)
        tables = initial_tables(
            counts, settings, ngram_rows=ngram_rows, copied_rows=hot_rows * copies, copied_words=hot_words * threads
        )
        width = table_width(settings.dim)
        first_word = len(counts) + ngram_rows
        arrays = [
            new_thread_arrays(
                self.plan,
                width,
                np.float32,
                seed,
                rows if thread > 0 else NO_TIERS,
                hot_start=len(counts) + (thread - 1) * hot_rows,
                bags=self.bags,
                hot_words=new_hot_words(width, np.float32, words, first_word + thread * hot_words, shares),
            )
            for thread, seed in enumerate(seeds)
        ]
        return tables, with_hot_rows(noise_tables(counts, settings), hot_rows, copies), arrays

    def compile(self) -> None:
        """Have the kernel compiled, or loaded from the cache of an earlier compilation."""
        self._train(self.threads[0], MERGE_ONLY)

    def _train(self, thread: ThreadArrays, blocks: int) -> int:
        return int(
            train_blocks(self.tables, self.noise, self.keep, self.stream, self.plan, self._schedule(), thread, blocks)
        )

    def _parallel(self) -> int:
        return len(self.threads)

    def _all_begun(self) -> bool:
        return not (self._ranges or self._waiting or any(self._active))

    def _settle(self) -> None:
        """Merge the threads' copies."""
        for thread in self.threads:
            self._train(thread, MERGE_ONLY)

    # --- to stop here and go on elsewhere -----------------------------------------------------------------------

    def _position(self) -> dict[str, np.ndarray]:
        position = {
            "ranges": np.array(self._ranges, np.int64).reshape(-1, 2),
            "active": np.array(self._active + [True] * len(self._waiting)),
        }
        for number, arrays in enumerate([*map(_own_state, self.threads), *self._waiting]):
            position.update({f"threads/{number}/{name}": array for name, array in arrays.items()})
        return position

    def _restore_position(self, state: Mapping[str, np.ndarray]) -> None:
        self._ranges = deque((int(begin), int(end)) for begin, end in state["ranges"])
        names = list(_own_state(self.threads[0]))
        for number, active in enumerate(state["active"]):
            arrays = {name: state[f"threads/{number}/{name}"] for name in names}
            if number < len(self.threads):
                _resume_thread(self.threads[number], arrays)
                self._active[number] = bool(active)
            elif active:
                self._waiting.append({name: np.array(array) for name, array in arrays.items()})
        if len(state["active"]) != len(self.threads):
            self._share_out(len(state["active"]))

    def _share_out(self, restored: int) -> None:
        """Share what is left of the ranges begun among another number of threads than began them."""
        seeds = np.random.SeedSequence([self.settings.seed, 1, self.totals.blocks])
        fresh = seeds.generate_state(len(self.threads), np.uint64)
        for thread, seed in zip(self.threads[restored:], fresh[restored:], strict=True):
            thread.random[0] = seed
        cursors = [thread.cursor for thread, active in zip(self.threads, self._active, strict=True) if active]
        for cursor in [*cursors, *(arrays["cursor"] for arrays in self._waiting)]:
            begin, end = int(cursor[POSITION]), int(cursor[RANGE_END])
            cuts = [begin + cut for cut in cut_at_line_ends(self.stream[begin:end], self._pieces(end - begin))]
            cursor[RANGE_END] = cuts[1]
            self._ranges.extend(itertools.pairwise(cuts[1:]))

    # --- between kernel calls ---------------------------------------------------------------------------------

    def _work(self, number: int) -> None:
        try:
            self._train(self.threads[number], MERGE_ONLY)
            while not self._pause:
                if not self._active[number]:
                    with self._lock:
                        if not self._take_range(number):
                            return
                while not self._pause and self._active[number]:
                    self._active[number] = self._call(self.threads[number])
        except BaseException as failure:
            self._failure = failure
            self._pause = True

    def _take_range(self, number: int) -> bool:
        """Give a thread its next range; False when there is none (the lock is held)."""
        if self._waiting:
            _resume_thread(self.threads[number], self._waiting.pop())
        else:
            if not self._ranges:
                if self._epochs_begun >= self._epoch_limit:
                    return False
                self._epochs_begun += 1
                self._ranges.extend(itertools.pairwise(self._cuts))
            cursor = self.threads[number].cursor
            cursor[POSITION], cursor[RANGE_END] = self._ranges.popleft()
            cursor[KEPT] = cursor[CENTRE] = cursor[SENTENCE] = 0
        self._active[number] = True
        return True

    def _call(self, thread: ThreadArrays) -> bool:
        """Run the kernel once; False when the range is exhausted."""
        with self._lock:
            budget = self._budget()
            schedule = self._schedule()
            others_at_work = self._reserved > budget
        if budget == 0:  # what is left of max_steps is reserved by other threads, whose ranges may end first
            if not others_at_work:
                self._pause = True
            time.sleep(0.001)
            return True
        before = thread.cursor.copy()
        thread.loss[0] = 0.0
        done = train_blocks(self.tables, self.noise, self.keep, self.stream, self.plan, schedule, thread, budget)
        with self._lock:
            self._reserved -= budget
            self._add_to_totals(thread.cursor - before, float(thread.loss[0]))
            if self._step_reading_due():
                self._report(self._reading())
        return done == budget

    def _budget(self) -> int:
        """How many blocks the next kernel call may do, reserved for it (the lock is held)."""
        budget = self._blocks_per_call()
        every, last = self.settings.log_every_steps, self.settings.max_steps
        if every is not None:
            budget = min(budget, every - self.totals.blocks % every)
        if last is not None:
            budget = min(budget, last - self.totals.blocks - self._reserved)
        self._reserved += budget
        return budget

    def _pieces(self, ids: int) -> int:
        """Into how many ranges a stretch of the stream is cut: one thread takes it whole, several take short ones."""
        threads = len(self.threads)
        return 1 if threads == 1 else max(threads, min(16 * threads, ids // LEAST_RANGE))


def _own_state(thread: ThreadArrays) -> dict[str, np.ndarray]:
    """What a thread needs to go on; its copies are merged and taken anew, the rest is scratch."""
    return {name: getattr(thread, name) for name in ("cursor", "random", "kept", "sentences", "ring")}


def _resume_thread(thread: ThreadArrays, arrays: Mapping[str, np.ndarray]) -> None:
    for name, array in _own_state(thread).items():
        fill(array, arrays[name])


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
        near = stream[target - 1 : min(size, target + max(size // pieces, LEAST_LOOKED_THROUGH))]
        line_ends = np.flatnonzero(near == LINE_END)
        cut = target + int(line_ends[0]) if len(line_ends) else target
        if cuts[-1] < cut < size:
            cuts.append(cut)
    return [*cuts, size]
