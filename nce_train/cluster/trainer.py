"""Rounds of training on workers: this process keeps the base, hands out shards, and combines what they changed.

Each shard has a home, the worker that has its ids. A worker that is lost costs the rounds of its shards, which others
repeat; one that joins is used from the next round on. Each worker is sent the rows that the last round has changed,
or all of them when it has none yet, once a round; changes come back for the rows that a shard has touched.
"""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from distributed import Future

from nce_train.cluster.cost import RoundCost
from nce_train.cluster.job import (
    Base,
    Job,
    Segment,
    ShardChanges,
    ShardOrder,
    drop_parts,
    ids_of_segment,
    put_shard_together,
    rehearse,
    sum_losses,
    train_shard,
)
from nce_train.cluster.reading import Shards
from nce_train.cluster.sums import RoundSum
from nce_train.cluster.workers import TRIES, Workers, failure_of, finished, homes_of, reason
from nce_train.errors import RunError
from nce_train.evaluation.heldout_batches import NceBatch
from nce_train.kernel.state import TOKENS, Tables
from nce_train.training.rounds import BaseRounds, ShardResult
from nce_train.training.settings import Settings


@dataclass
class WorkerSpeed:
    """What a worker has done since it was last told of; seconds of training."""

    tokens: int = 0
    seconds: float = 0.0


class ClusterTrainer(BaseRounds):
    """One run in rounds on the workers of a cluster; see `Trainer`.

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
        self._part_homes = shards.homes
        self._say = say
        self._sum = RoundSum(self.tables, settings.dim)
        self._homes: dict[int, str] = {}
        self._version = 0  # of the base: another after each change
        self._has: dict[str, int] = {}  # which version each worker has
        self._changed: Base | None = None  # by the last round
        self._changes_sent: dict[str, Future] = {}  # in this round, by worker
        self._bases_sent: dict[str, Future | None] = {}  # whole ones; None where one did not arrive
        self._speeds: dict[str, WorkerSpeed] = {}
        self._told_at = 0.0
        self.cost: RoundCost | None = None

    def _restore_position(self, state: Mapping[str, np.ndarray]) -> None:
        super()._restore_position(state)
        self._forget_bases()

    def start_with(self, fill: Callable[[Tables], None]) -> None:
        super().start_with(fill)
        self._forget_bases()

    def _forget_bases(self) -> None:
        """What the workers have, since `compile`, is not the base any more."""
        self._version += 1
        self._has.clear()
        self._changed = None

    def compile(self) -> None:
        """Have every worker ready for its shards, and say what a round will cost."""
        self._workers.try_again(self._make_ready)

    def _make_ready(self) -> None:
        threads = self._workers.usable()
        self._find_homes(threads)
        used = sorted(set(self._homes.values()))
        started = time.perf_counter()
        base = self._whole_base()
        sent = self._workers.scatter(base, used)
        sending = time.perf_counter() - started
        first = {home: shard for shard, home in reversed(self._homes.items())}
        self._put_shards_together()
        trials = [
            self._workers.submit(
                rehearse, self._job_at(home), sent, self._order(shard, self._cuts[shard][0]), workers=[home]
            )
            for home, shard in first.items()
        ]
        tried: list[ShardChanges] = self._workers.results(trials)
        started = time.perf_counter()
        self._workers.results([self._workers.submit(_echo, sent, workers=used[:1])])
        fetching = time.perf_counter() - started
        self._workers.results([self._workers.submit(drop_parts, self._job_at(home), workers=[home]) for home in used])
        self._has = dict.fromkeys(used, self._version)
        self.cost = RoundCost(
            shards=self.settings.shards,
            threads=min(self.settings.shards, sum(threads.values())),
            tokens=statistics.mean(int(changes.result.cursor[TOKENS]) for changes in tried),
            seconds=statistics.mean(changes.seconds for changes in tried),
            shard_bytes=statistics.mean(changes.nbytes for changes in tried),
            base_bytes=base.nbytes,
            bytes_per_second=2 * base.nbytes / (sending + fetching),
            threads_here=int(self.settings.threads),
        )
        self._say(f"{self.cost.travels()}: {self.cost.verdict()}")
        if sum(threads.values()) > self.settings.shards:
            self._say(
                f"{self.settings.shards} shards keep {self.settings.shards} of the {sum(threads.values())} threads of "
                "the cluster busy; --shards raises it (and gives another model)."
            )

    def _put_shards_together(self) -> None:
        """Have every shard's ids at its home; what lies in parts of other workers, where two meet, is sent there."""

        def piece(segment: Segment, home: str) -> Future | None:
            elsewhere = self._part_homes[segment.part]
            if elsewhere == home:
                return None
            return self._workers.submit(ids_of_segment, self._job_at(elsewhere), segment, workers=[elsewhere])

        tasks = []
        for shard, home in self._homes.items():
            segments = self._segments[shard]
            pieces = [piece(segment, home) for segment in segments]
            job = self._job_at(home)
            tasks.append(self._workers.submit(put_shard_together, job, shard, segments, pieces, workers=[home]))
        self._workers.results(tasks)

    # --- a round ---------------------------------------------------------------------------------------------------

    def _work(self, number: int) -> None:
        if number > 0:  # the work is done elsewhere
            return
        try:
            self._told_at = time.monotonic()
            while self._start_round():
                results = self._train_round()
                if results is None:
                    return
                self._changed = self._sum.combine(self._factors)
                self._version += 1
                self._end_round(results)
                self._tell_speeds()
        except BaseException as failure:
            self._failure = failure

    def _train_round(self) -> list[ShardResult] | None:
        """Have all shards trained; None when training is to stop, and nothing has changed."""
        results: dict[int, ShardResult] = {}

        def take(shard: int, changes: ShardChanges) -> None:
            results[shard] = changes.result
            self._sum.add(shard, changes)
            speed = self._speeds.setdefault(self._homes[shard], WorkerSpeed())
            speed.tokens += int(changes.result.cursor[TOKENS])
            speed.seconds += changes.seconds

        self._sum.begin()
        if not self._at_homes(self._hand_out, take, may_stop=True):
            return None
        return [results[shard] for shard in range(len(results))]

    def _hand_out(self, shard: int) -> Future:
        return self._submit(shard, train_shard, self._order(shard, self._next[shard]))

    def sums_of_losses(self, batches: Sequence[NceBatch]) -> list[float]:
        """Have held-out pairs measured with the base as it is, a K-th of the batches at the home of each shard.

        Batches are at most 2.5 MB, and are sent once: workers need not open the held-out text.
        """
        sums: dict[int, list[float]] = {}
        spread, shards = self._workers.spread(batches), self.settings.shards

        def hand_out(shard: int) -> Future:
            first, last = (len(batches) * edge // shards for edge in (shard, shard + 1))
            return self._submit(shard, sum_losses, spread, first, last, self._version)

        self._at_homes(hand_out, sums.__setitem__, may_stop=False)
        return [each for shard in range(shards) for each in sums[shard]]

    # --- work at the homes of the shards ---------------------------------------------------------------------------

    def _at_homes(self, hand_out: Callable[[int], Future], take: Callable[[int, Any], None], *, may_stop: bool) -> bool:
        """Have something done at the home of each shard, again where it fails; False when training is to stop."""
        self._find_homes(self._workers.usable())
        self._send_changes()
        futures = {hand_out(shard): shard for shard in self._homes}
        tries, known = dict.fromkeys(self._homes, 1), set(self._homes.values())
        while futures:
            done = finished(futures)
            results = self._workers.gather(done)
            failed = []
            for future, result in zip(done, results, strict=True):
                shard = futures.pop(future)
                home = self._homes[shard]
                if result is not None:
                    self._has[home] = self._version
                    take(shard, result)
                    continue
                self._has.pop(home, None)  # to be tried again, from a whole base
                self._bases_sent.pop(home, None)
                tries[shard] += 1
                if tries[shard] > TRIES:
                    raise RunError(f"Shard {shard} failed {TRIES} times: {reason(failure_of(future))}.")
                failed.append(shard)
            if failed:  # perhaps with their homes
                self._find_homes(self._workers.usable())
            futures.update({hand_out(shard): shard for shard in failed})
            if may_stop and self._stopped:
                for future in futures:
                    future.cancel()
                return False
            if not done:
                self._replace_lost(futures, hand_out, known)
        return True

    def _replace_lost(self, futures: dict[Future, int], hand_out: Callable[[int], Future], known: set[str]) -> None:
        """Hand out all shards anew that are out when one of the known workers is lost.

        Those of the lost worker wait there for ever, for they may run nowhere else; and from it others may have been
        fetching the base.
        """
        alive = self._workers.alive()
        if known <= alive.keys():
            return
        self._find_homes(self._workers.usable())
        known.clear()
        known.update(self._homes.values())
        self._changes_sent.clear()
        self._bases_sent.clear()
        shards = list(futures.values())
        for future in futures:
            future.cancel()
        futures.clear()
        for shard in shards:
            self._has.pop(self._homes[shard], None)
        futures.update({hand_out(shard): shard for shard in shards})

    def _submit(self, shard: int, function: Callable[..., Any], *arguments: Any) -> Future:
        """Have a shard's home call a function with the job, what brings its base up to date, and these."""
        home = self._homes[shard]
        job, base = self._job_at(home), self._base_for(home)
        return self._workers.submit(function, job, base, *arguments, workers=[home], only_there=True)

    def _job_at(self, worker: str) -> Future:
        return self._workers.own(self._job, worker)

    def _order(self, shard: int, position: int) -> ShardOrder:
        return ShardOrder(
            shard=shard,
            segments=self._segments[shard],
            version=self._version,
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
        if self._has.get(worker) == self._version:
            return None
        if self._is_one_behind(worker) and worker in self._changes_sent:
            return self._changes_sent[worker]
        if worker not in self._bases_sent:
            self._bases_sent[worker] = self._workers.scatter(self._whole_base(), [worker])
        return self._bases_sent[worker]

    def _is_one_behind(self, worker: str) -> bool:
        return self._changed is not None and self._has.get(worker) == self._version - 1

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
        near = homes_of([shard / shards for shard in range(shards)], threads)  # the ids, when they were encoded
        for shard in range(shards):
            home = self._homes.get(shard, near[shard])
            if room.get(home, 0) > 0:
                self._homes[shard] = home
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
