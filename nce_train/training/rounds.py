"""Rounds: the same answer on any number of threads or machines.

The corpus is cut into K shards. In a round each shard trains its next tokens from the same base parameters, on one
thread that copies the rows it touches and draws from a stream of its own, seeded by run, round and shard. Then the
base takes over what changed: row by row, in the order of the shards,

    row += Σ_k (copy_k − row) · m/K,    m = 1 + (K − 1) / (1 + K·u/τ),

u the expected number of updates of the row by one shard in one round. Rare rows get the sum of the changes (m → K), to
which few shards have anything to add; frequent rows get their mean (m → 1), since every shard has gone the same way.
Who runs a shard, and when, changes nothing.

The first rounds are short and each is a little longer than the one before. At the start vectors are near zero, and they
grow in proportion to what they are: where K shards each take the same step from zero, their mean is one step, while K
short rounds are K steps, each from where the last one led.
"""

import functools
import itertools
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from nce_train.kernel.combine import RoundFactors, ShardCopies, combine, new_shard_copies
from nce_train.kernel.schedule import Schedule
from nce_train.kernel.sizes import table_width
from nce_train.kernel.state import (
    BLOCKS,
    LINE_END,
    POSITION,
    RANGE_END,
    TOKENS,
    AnyBags,
    Noise,
    Plan,
    ShardRows,
    Tables,
    new_thread_arrays,
)
from nce_train.kernel.train import train_blocks
from nce_train.training.ngram_rows import NgramRows
from nce_train.training.noise import noise_probability, noise_tables
from nce_train.training.parameters import initial_tables, keep_probability
from nce_train.training.settings import Settings
from nce_train.training.trainer import NO_LIMIT, Trainer

# The first round has this share of `round_tokens`; each of the first SHORT_ROUNDS is longer than the one before by the
# same factor, 1.08, and all others have them all: a round is about a thirteenth of what is trained before it
# (benchmarks/STUDY.md, "Rounds").
FIRST_ROUND = 0.01
SHORT_ROUNDS = 60
SHORTEST_ROUND = 100  # tokens: words lose their contexts where a round ends within a line
NEAR = 1000  # ids; most lines end within so many
ROWS_AT_ONCE = 512  # rows that a thread combines at a time, at most


def tokens_of_round(number: int, round_tokens: int) -> int:
    """Tokens that each shard trains in a round, the first of which has number 0.

    Examples
    --------
    >>> [tokens_of_round(number, 100_000) for number in (0, 1, 30, 60, 1000)]
    [1000, 1080, 10000, 100000, 100000]
    """
    short = round(round_tokens * FIRST_ROUND ** max(0.0, 1 - number / SHORT_ROUNDS))
    return max(min(SHORTEST_ROUND, round_tokens), short)


def round_factors(
    counts: np.ndarray, noise_probability: np.ndarray, settings: Settings, ngrams: NgramRows | None = None
) -> RoundFactors:
    """The factors m/K of all rows, in the longest rounds.

    Parameters
    ----------
    counts : int64 [vocabulary]
    noise_probability : float64 [vocabulary]
        Of drawing each word as noise.
    settings : Settings
        Resolved: `shards` K, `round_tokens` R and `round_tau` τ are numbers.
    ngrams : NgramRows, optional
        The words' rows where they have n-grams: a row is updated as often as all words that it is of.

    Returns
    -------
    RoundFactors

    Notes
    -----
    With f a word's share of the tokens and `keep` the chance that subsampling keeps it, an input row is updated
    u = R · f · keep times, an output row u = R · f · keep · c + (R · Σ f·keep / G) · S · q times: c contexts a centre,
    blocks of G centres, S noise words drawn with probability q. With CBOW c is in the input row's instead.
    """
    shares = counts / counts.sum() * keep_probability(counts, settings.subsample)
    contexts = 2 * settings.window if settings.dynamic_window == "none" else settings.window + 1
    blocks = shares.sum() / settings.block_size
    draws = blocks * settings.num_sampled * noise_probability
    if settings.unique:  # at most once a block
        draws = np.minimum(draws, blocks)
    rows = shares if ngrams is None else np.bincount(ngrams.bags.rows, np.repeat(shares, np.diff(ngrams.bags.starts)))
    inputs, outputs = (1, contexts) if settings.model == "skipgram" else (contexts, 1)
    factors = RoundFactors(rows * inputs, shares * outputs + draws, settings.shards, 0.0)
    return factors_of_round(factors, int(settings.round_tokens), float(settings.round_tau))


def factors_of_round(factors: RoundFactors, tokens: int, tau: float) -> RoundFactors:
    """The same factors in a round of so many tokens a shard."""
    return factors._replace(scale=factors.shards * tokens / tau)


def shard_cuts(stream: np.ndarray, shards: int) -> list[tuple[int, int]]:
    """Where each shard begins and ends in the stream: behind the line end next to N·k/K, or there if none is near.

    Near is within half a shard, so that a text of one line has no empty shard; one of few short lines may have some.

    Examples
    --------
    >>> shard_cuts(np.array([5, 5, 5, -1, 5, -1], np.int32), 2)
    [(0, 4), (4, 6)]
    """
    return cuts_of(len(stream), shards, functools.partial(_behind_line_end, stream))


def cuts_of(size: int, shards: int, behind_line_end: Callable[[int, int], int]) -> list[tuple[int, int]]:
    """The `shard_cuts` of a stream that may be elsewhere.

    `behind_line_end(target, limit)` gives the first place behind a line end in [target, limit], or else `target`.
    """
    cuts = [0]
    for shard in range(1, shards):
        target = max(cuts[-1], size * shard // shards)
        limit = min(size, target + size // (2 * shards))
        cuts.append(behind_line_end(target, limit) if target > 0 else 0)
    return list(itertools.pairwise([*cuts, size]))


def next_position(stream: np.ndarray, begin: int, end: int, tokens: int) -> int:
    """Where a shard's round ends that begins at `begin`: `tokens` tokens on, and on to the line's end if it is near."""
    target, counted = begin + tokens, begin
    while counted < min(target, end):  # each line end that is passed takes the target one on
        piece = stream[counted : min(target, end)]
        counted += len(piece)
        target += int(np.count_nonzero(piece == LINE_END))
    return _behind_line_end(stream, target, min(end, target + tokens)) if target < end else end


def _behind_line_end(stream: np.ndarray, target: int, limit: int) -> int:
    """The first place behind a line end in [target, limit], or else `target`, which is at least 1."""
    for end in (min(limit, target + NEAR), limit):
        is_line_end = stream[target - 1 : end] == LINE_END
        if is_line_end.any():
            return target + int(is_line_end.argmax())
    return target


class ShardWorkspace:
    """Where one shard trains a round: its copies of rows, and the thread that changes them.

    The copies are those of shard `number` in `copies`; without these it has its own.
    """

    def __init__(
        self,
        base: Tables,
        noise: Noise,
        plan: Plan,
        dim: int,
        bags: AnyBags | None = None,
        copies: ShardCopies | None = None,
        number: int = 0,
    ) -> None:
        dtype = base.input.dtype.type
        if copies is None:
            copies = new_shard_copies(base, 1)
        self.tables = copies.tables(number)
        self.noise = Noise(noise.columns, np.zeros_like(noise.log_count), np.zeros_like(noise.log_miss))
        thread = new_thread_arrays(plan, table_width(dim), dtype, 0, copied=(base, noise), bags=bags)
        assert thread.shard_rows is not None
        places = {"input_place": copies.input_place[number], "output_place": copies.output_place[number]}
        self.thread = thread._replace(shard_rows=thread.shard_rows._replace(**places))

    @property
    def shard_rows(self) -> ShardRows:
        shard_rows = self.thread.shard_rows
        assert shard_rows is not None
        return shard_rows

    def begin(self, position: int, end: int, random_state: int) -> None:
        """Forget the last round; train [position, end) of the stream next."""
        thread, shard_rows = self.thread, self.shard_rows
        thread.cursor[:] = 0
        thread.cursor[POSITION], thread.cursor[RANGE_END] = position, end
        thread.random[0] = random_state
        thread.ring[:] = -1
        thread.loss[0] = 0
        shard_rows.used[:] = 0
        shard_rows.input_place[:] = -1
        shard_rows.output_place[:] = -1

    def train(self, keep: np.ndarray, stream: np.ndarray, plan: Plan, schedule: Schedule, blocks: int) -> int:
        """Train at most `blocks` blocks on; how many were done. `schedule` is that of the round's beginning."""
        cursor = self.thread.cursor
        now = schedule._replace(
            tokens=schedule.tokens + schedule.parallel * int(cursor[TOKENS]),
            blocks=schedule.blocks + schedule.parallel * int(cursor[BLOCKS]),
        )
        return int(train_blocks(self.tables, self.noise, keep, stream, plan, now, self.thread, blocks))


@dataclass(frozen=True)
class ShardResult:
    """What is added to the run's sums when a shard has trained its part of a round."""

    end: int  # where in the stream its next round begins
    cursor: np.ndarray  # int64 [CURSOR_SIZE], as the kernel counted
    loss: float


class BaseRounds(Trainer):
    """The order of rounds and what each shard is to do in them, whoever trains the shards; see `Trainer`.

    Parameters
    ----------
    stream, token_count, counts, settings, ngrams
        See `Trainer`; the stream may be empty where the ids are elsewhere.
    cuts : list of (int, int)
        Where each shard begins and ends in the stream.
    """

    def __init__(
        self,
        stream: np.ndarray,
        token_count: int,
        counts: np.ndarray,
        settings: Settings,
        cuts: list[tuple[int, int]],
        ngrams: NgramRows | None = None,
    ) -> None:
        super().__init__(stream, token_count, counts, settings, ngrams)
        self.noise = noise_tables(counts, settings)
        self.tables = initial_tables(counts, settings, ngram_rows=0 if ngrams is None else len(ngrams.buckets))
        self._factors = round_factors(counts, noise_probability(counts, settings), settings, ngrams)
        self._cuts = cuts
        self._next = [end for _, end in self._cuts]  # where each shard's next round begins
        self._rounds = 0
        self._round_tokens = int(settings.round_tokens)  # of each shard in this round; before the first, the most
        self._round_schedule = self._schedule()

    def _parallel(self) -> int:
        return self.settings.shards

    def _all_begun(self) -> bool:
        return all(position == end for position, (_, end) in zip(self._next, self._cuts, strict=True))

    def _settle(self) -> None:
        pass

    def _position(self) -> dict[str, np.ndarray]:
        return {"round": np.array([self._rounds]), "next": np.array(self._next)}

    def _restore_position(self, state: Mapping[str, np.ndarray]) -> None:
        if len(state["next"]) != len(self._next):
            raise ValueError("a run with another number of shards")
        self._rounds = int(state["round"][0])
        self._next = [int(position) for position in state["next"]]

    def _start_round(self) -> bool:
        """Set what the round that comes needs: where shards begin, how much, the schedule; False when there is none."""
        if self._pause or self.finished:
            return False
        if self._all_begun():
            if self._epochs_begun >= self._epoch_limit:
                return False
            self._epochs_begun += 1
            self._next = [begin for begin, _ in self._cuts]
        settings = self.settings
        self._round_tokens = tokens_of_round(self._rounds, int(settings.round_tokens))
        self._factors = factors_of_round(self._factors, self._round_tokens, float(settings.round_tau))
        self._round_schedule = self._schedule()
        return True

    def _random_state(self, shard: int) -> int:
        seed = [self.settings.seed, 2, self._rounds, shard]
        return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])

    def _blocks_at_most(self, shard: int) -> int:
        """How many blocks a shard may train in the round: what is left of `max_steps`, shared among the shards."""
        if self.settings.max_steps is None:
            return NO_LIMIT
        shards = self.settings.shards
        return (self.settings.max_steps - self.totals.blocks + shards - 1 - shard) // shards

    def _end_round(self, results: list[ShardResult]) -> None:
        """Take the shards' results, in their order; the base is combined already."""
        with self._lock:
            for result in results:
                self._add_to_totals(result.cursor, result.loss)
            self._rounds += 1
            self._next = [result.end for result in results]
            reading = self._reading() if self._step_reading_due() else None
        if reading is not None:
            self._report(reading)


class RoundTrainer(BaseRounds):
    """One run in rounds over one token stream, with threads of this machine; see `Trainer`.

    The settings' `threads` change only the time it takes. A round that is interrupted is begun anew.
    """

    def __init__(
        self,
        stream: np.ndarray,
        token_count: int,
        counts: np.ndarray,
        settings: Settings,
        ngrams: NgramRows | None = None,
    ) -> None:
        super().__init__(stream, token_count, counts, settings, shard_cuts(stream, settings.shards), ngrams)
        self._width = table_width(settings.dim)
        self._copies = new_shard_copies(self.tables, settings.shards)
        self._shards = [
            ShardWorkspace(self.tables, self.noise, self.plan, settings.dim, self.bags, self._copies, number)
            for number in range(settings.shards)
        ]
        self._ends: list[int] = []  # where the shards' parts of this round end; none where training ends
        self._to_train: deque[int] = deque()
        self._complete = False
        threads = int(settings.threads)
        self._before_round = threading.Barrier(threads, self._begin_round)
        self._all_trained = threading.Barrier(threads, self._note_whether_complete)
        self._all_combined = threading.Barrier(threads)

    def compile(self) -> None:
        """Have the kernel compiled, or loaded from the cache of an earlier compilation."""
        shard = self._shards[0]
        shard.begin(0, 0, 0)
        shard.train(self.keep, self.stream, self.plan, self._schedule(), 0)
        combine(self.tables, self._copies, self._factors, self._width, 0, 1)

    # --- a round: the threads meet before it, when all shards are trained, and when all rows are combined -----------

    def _work(self, number: int) -> None:
        try:
            while True:
                self._before_round.wait()
                if not self._ends:
                    return
                self._train_shards()
                self._all_trained.wait()
                if not self._complete:
                    return
                self._combine_rows(number)
                if self._all_combined.wait() == 0:  # for one of the threads
                    self._end_round(self._results())
        except threading.BrokenBarrierError:
            pass  # another thread has failed
        except BaseException as failure:
            self._failure = failure
            for meeting in (self._before_round, self._all_trained, self._all_combined):
                meeting.abort()

    def _begin_round(self) -> None:
        self._ends = []
        if not self._start_round():
            return
        self._ends = list(self._next)
        self._to_train = deque(range(len(self._shards)))
        self._complete = True

    def _train_shards(self) -> None:
        """Train one shard after the other until none is left to take."""
        while True:
            with self._lock:
                if not self._to_train:
                    return
                number = self._to_train.popleft()
            if not self._train_shard(number):
                self._complete = False
                return

    def _train_shard(self, number: int) -> bool:
        """Train a shard's part of the round; False when it was interrupted."""
        shard = self._shards[number]
        begin, (_, end) = self._next[number], self._cuts[number]
        self._ends[number] = next_position(self.stream, begin, end, self._round_tokens)
        shard.begin(begin, self._ends[number], self._random_state(number))
        left = self._blocks_at_most(number)
        while left > 0:
            if self._pause:
                return False
            blocks = min(left, self._blocks_per_call())
            done = shard.train(self.keep, self.stream, self.plan, self._round_schedule, blocks)
            left -= done
            if done < blocks:
                break
        return True

    def _note_whether_complete(self) -> None:
        self._complete = self._complete and not self._to_train

    def _combine_rows(self, number: int) -> None:
        """Combine this thread's share of the rows."""
        rows, threads = max(len(self.tables.input), len(self.tables.output)), int(self.settings.threads)
        at_once = min(ROWS_AT_ONCE, max(1, rows // (4 * threads)))
        for first in range(number * at_once, rows, threads * at_once):
            combine(self.tables, self._copies, self._factors, self._width, first, first + at_once)

    def _results(self) -> list[ShardResult]:
        return [
            ShardResult(end, shard.thread.cursor, float(shard.thread.loss[0]))
            for shard, end in zip(self._shards, self._ends, strict=True)
        ]
