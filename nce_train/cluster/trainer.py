"""Rounds of training on workers: this process keeps the base, hands out shards, and combines what they changed.

Each shard has a home, the worker that has its ids. A worker that is lost costs the rounds of its shards, which others
repeat; one that joins is used from the next round on. Each worker is sent the rows that the last round has changed,
or all of them when it has none yet, once a round; changes come back for the rows that a shard has touched.
"""

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from distributed import Future

from nce_train.cluster.cost import RoundCost
from nce_train.cluster.job import (
    Base,
    Job,
    ShardChanges,
    ShardOrder,
    drop_parts,
    put_shard_together,
    rehearse,
    train_shard,
)
from nce_train.cluster.reading import Shards
from nce_train.cluster.sums import RoundSum
from nce_train.cluster.workers import Workers, failure_of, finished, reason
from nce_train.errors import RunError
from nce_train.training.base_trainer import OnReading
from nce_train.training.config import Settings
from nce_train.training.kernel import TOKENS
from nce_train.training.rounds import BaseRounds, ShardResult

TRIES = 4  # of one shard in one round, when it fails without a word of ours


@dataclass
class WorkerSpeed:
    """What a worker has done since it was last told of; seconds of training."""

    tokens: int = 0
    seconds: float = 0.0


class ClusterTrainer(BaseRounds):
    """One run in rounds on the workers of a cluster; see `BaseTrainer`.

    Parameters
    ----------
    workers : Workers
    job : Job
    shards : Shards
    counts : int64 [vocabulary]
    settings : Settings
        Resolved. `threads` changes nothing.
    say : callable
        Told, one sentence each, what a round costs before the first one, and how fast each worker is.
    """

    def __init__(
        self,
        workers: Workers,
        job: Job,
        shards: Shards,
        counts: np.ndarray,
        settings: Settings,
        say: Callable[[str], None],
    ) -> None:
        super().__init__(np.empty(0, np.int32), shards.tokens, counts, settings, shards.cuts)
        self._workers = workers
        self._job = job
        self._segments = shards.segments
        self._say = say
        self._sum = RoundSum(self.tables, settings.dim)
        self._homes: dict[int, str] = {}
        self._has: dict[str, int] = {}  # the rounds that each worker's base has gone through
        self._changed: Base | None = None  # by the last round
        self._changes_sent: dict[str, Future] = {}  # in this round, by worker
        self._bases_sent: dict[str, Future | None] = {}  # whole ones; None where one did not arrive
        self._speeds: dict[str, WorkerSpeed] = {}
        self._told_at = 0.0
        self.cost: RoundCost | None = None

    def _restore_position(self, state: Mapping[str, np.ndarray]) -> None:
        super()._restore_position(state)
        self._has.clear()
        self._changed = None

    def compile(self) -> None:
        """Have every worker ready for its shards, and say what a round will cost."""
        threads = self._workers.usable()
        self._find_homes(threads)
        used, job = sorted(set(self._homes.values())), self._workers.spread(self._job)
        started = time.perf_counter()
        base = self._whole_base()
        sent = self._workers.scatter(base, used)
        sending = time.perf_counter() - started
        first = {home: shard for shard, home in reversed(self._homes.items())}
        trials = [
            self._workers.submit(rehearse, job, sent, self._order(shard, self._cuts[shard][0]), workers=[home])
            for home, shard in first.items()
        ]
        self._workers.results(
            [
                self._workers.submit(put_shard_together, job, shard, self._segments[shard], workers=[home])
                for shard, home in self._homes.items()
            ]
        )
        tried: list[ShardChanges] = self._workers.results(trials)
        started = time.perf_counter()
        self._workers.results([self._workers.submit(_echo, sent, workers=used[:1])])
        fetching = time.perf_counter() - started
        self._workers.results([self._workers.submit(drop_parts, job, workers=[home]) for home in used])
        self._has = dict.fromkeys(used, self._rounds)
        self.cost = RoundCost(
            shards=self.settings.shards,
            threads=min(self.settings.shards, sum(threads.values())),
            tokens=statistics.mean(int(changes.result.cursor[TOKENS]) for changes in tried),
            seconds=statistics.mean(changes.seconds for changes in tried),
            shard_bytes=statistics.mean(changes.nbytes for changes in tried),
            base_bytes=base.nbytes,
            bytes_per_second=2 * base.nbytes / (sending + fetching),
        )
        self._say(self.cost.sentence())
        if sum(threads.values()) > self.settings.shards:
            self._say(
                f"{self.settings.shards} shards keep {self.settings.shards} of the {sum(threads.values())} threads of "
                "the cluster busy; --shards raises it (and gives another model)."
            )

    # --- a round ---------------------------------------------------------------------------------------------------

    def _work(self, number: int, on_reading: OnReading | None) -> None:
        if number > 0:  # the work is done elsewhere
            return
        try:
            self._told_at = time.monotonic()
            while self._start_round():
                results = self._train_round()
                if results is None:
                    return
                self._changed = self._sum.combine(self._factors)
                self._end_round(results, on_reading)
                self._tell_speeds()
        except BaseException as failure:
            self._failure = failure

    def _train_round(self) -> list[ShardResult] | None:
        """Have all shards trained; None when training is to stop, and nothing has changed."""
        self._find_homes(self._workers.usable())
        self._sum.begin()
        self._send_changes()
        futures = {self._hand_out(shard): shard for shard in self._homes}
        tries = dict.fromkeys(self._homes, 1)
        results: dict[int, ShardResult] = {}
        while futures:
            done = finished(futures)
            for future, changes in zip(done, self._changes_of(done, futures), strict=True):
                shard = futures.pop(future)
                if changes is not None:
                    results[shard] = changes.result
                    self._sum.add(shard, changes)
                    continue
                tries[shard] += 1
                if tries[shard] > TRIES:
                    raise RunError(f"Shard {shard} failed {TRIES} times: {reason(failure_of(future))}.")
                futures[self._hand_out(shard)] = shard
            if self._stopped:
                for future in futures:
                    future.cancel()
                return None
            if not done:
                self._replace_lost(futures)
        return [results[shard] for shard in range(len(results))]

    def _changes_of(self, done: list[Future], shards: Mapping[Future, int]) -> list[ShardChanges | None]:
        """What tasks returned; None for one that is to be tried again, from a whole base."""
        gathered: list[ShardChanges | None] = self._workers.gather(done)
        for future, changes in zip(done, gathered, strict=True):
            home = self._homes[shards[future]]
            if changes is None:
                self._has.pop(home, None)
                self._bases_sent.pop(home, None)
                continue
            self._has[home] = self._rounds
            speed = self._speeds.setdefault(home, WorkerSpeed())
            speed.tokens += int(changes.result.cursor[TOKENS])
            speed.seconds += changes.seconds
        return gathered

    def _replace_lost(self, futures: dict[Future, int]) -> None:
        """Hand the shards of workers that are lost to others."""
        alive = self._workers.alive()
        lost = {future: shard for future, shard in futures.items() if self._homes[shard] not in alive}
        if not lost:
            return
        self._find_homes(self._workers.usable())
        for future, shard in lost.items():
            future.cancel()
            del futures[future]
            futures[self._hand_out(shard)] = shard

    def _hand_out(self, shard: int) -> Future:
        home = self._homes[shard]
        order = self._order(shard, self._next[shard])
        job = self._workers.spread(self._job)
        base = self._base_for(home)
        return self._workers.submit(train_shard, job, base, order, workers=[home], only_there=True)

    def _order(self, shard: int, position: int) -> ShardOrder:
        return ShardOrder(
            shard=shard,
            segments=self._segments[shard],
            rounds=self._rounds,
            begin=self._cuts[shard][0],
            position=position,
            tokens=int(self.settings.round_tokens),
            blocks=self._blocks_at_most(shard),
            random_state=self._random_state(shard),
            schedule=self._round_schedule,
        )

    # --- the base on its way ---------------------------------------------------------------------------------------

    def _send_changes(self) -> None:
        """Send what the last round has changed to all homes that have the rest."""
        self._changes_sent, self._bases_sent = {}, {}
        homes = [home for home in sorted(set(self._homes.values())) if self._is_one_behind(home)]
        sent = self._workers.scatter(self._changed, homes) if homes else None
        if sent is not None:
            self._changes_sent = dict.fromkeys(homes, sent)

    def _base_for(self, worker: str) -> Future | None:
        """What brings a worker's base up to date; None when it is."""
        if self._has.get(worker) == self._rounds:
            return None
        if self._is_one_behind(worker) and worker in self._changes_sent:
            return self._changes_sent[worker]
        if worker not in self._bases_sent:
            self._bases_sent[worker] = self._workers.scatter(self._whole_base(), [worker])
        return self._bases_sent[worker]

    def _is_one_behind(self, worker: str) -> bool:
        return self._changed is not None and self._has.get(worker) == self._rounds - 1

    def _whole_base(self) -> Base:
        dim, tables = self.settings.dim, self.tables
        values = (tables.input[:, :dim], tables.output[:, :dim], tables.bias)
        return Base(None, (values[0].copy(), values[1].copy(), values[2].copy()))

    # --- who does what ---------------------------------------------------------------------------------------------

    def _find_homes(self, threads: Mapping[str, int]) -> None:
        """Give every shard a home; one that has a home keeps it unless that has more than its share."""
        shards = self.settings.shards
        room = {worker: math.ceil(shards * count / sum(threads.values())) for worker, count in sorted(threads.items())}
        homeless = []
        for shard in range(shards):
            home = self._homes.get(shard, "")
            if room.get(home, 0) > 0:
                room[home] -= 1
            else:
                homeless.append(shard)
        for shard in homeless:
            home = max(room, key=lambda worker: room[worker] / threads[worker])
            room[home] -= 1
            self._homes[shard] = home
        self._homes = dict(sorted(self._homes.items()))

    def _tell_speeds(self) -> None:
        now = time.monotonic()
        if now < self._told_at + self.settings.log_every:
            return
        speeds = sorted(
            ((speed.tokens / max(now - self._told_at, 1e-9), worker) for worker, speed in self._speeds.items()),
            reverse=True,
        )
        shown = ", ".join(f"{worker} {speed:,.0f}" for speed, worker in speeds[:16])
        more = f" and {len(speeds) - 16} more" if len(speeds) > 16 else ""
        self._say(f"tokens/s by worker: {shown}{more}")
        self._speeds.clear()
        self._told_at = now


def _echo(base: Base) -> Base:
    """The same again, as something that a task gives back."""
    return Base(base.rows, base.tables)
