"""Rounds of training on workers: this process keeps the base, hands out shards, and combines what they have changed.

Each shard has an owner, the worker that has its ids. When a worker is lost, others repeat the round of its shards. A
worker that joins is used from the next round on.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from distributed import Future

from nce_train.cluster.base import BaseCopies, RoundSum
from nce_train.cluster.compatibility import one_line
from nce_train.cluster.cost import RoundCost
from nce_train.cluster.job import Job, assemble_shard, drop_parts, segment_ids, sum_losses, train_shard, train_trial
from nce_train.cluster.messages import RowValues, Segment, ShardTask, TrainedShard
from nce_train.cluster.reading import Shards
from nce_train.cluster.workers import TRIES, DataLost, NoResult, Workers, assign_shards, completed
from nce_train.errors import RunError
from nce_train.evaluation.heldout_batches import NceBatch
from nce_train.kernel.state import TOKENS, Tables
from nce_train.training.ngram_rows import NgramRows
from nce_train.training.rounds import BaseRounds, ShardResult
from nce_train.training.settings import Settings


class ClusterTrainer(BaseRounds):
    """One run in rounds on the workers of a cluster; see `Trainer`. The setting `threads` changes nothing.

    `inform` is called with sentences about what a round costs, before the first one.
    """

    def __init__(
        self,
        workers: Workers,
        job: Job,
        shards: Shards,
        counts: np.ndarray,
        settings: Settings,
        ngrams: NgramRows | None,
        inform: Callable[[str], None],
    ) -> None:
        super().__init__(np.empty(0, np.int32), shards.tokens, counts, settings, shards.cuts, ngrams)
        self.cost: RoundCost | None = None  # before `compile`
        self._workers = workers
        self._job = job
        self._segments = shards.segments
        self._part_owners = shards.part_owners
        self._inform = inform
        self._owners: dict[int, str] = {}  # by shard
        self._base = BaseCopies(workers, self.tables, settings.dim)
        self._sum = RoundSum(self.tables, settings.dim)
        self._results: dict[int, ShardResult] = {}  # of this round, by shard

    def _restore_position(self, state: Mapping[str, np.ndarray]) -> None:
        super()._restore_position(state)
        self._base.all_changed()

    def start_with(self, fill: Callable[[Tables], None]) -> None:
        super().start_with(fill)
        self._base.all_changed()

    def compile(self) -> None:
        """Get every worker ready for its shards, and report what a round will cost."""
        self._workers.retry(self._prepare)

    # --- before the first round ------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        threads = self._assign_shards()
        owners = sorted(set(self._owners.values()))
        base = self._base.whole()
        started = time.perf_counter()
        sent = self._workers.scatter(base, owners)
        sending = time.perf_counter() - started
        if sent is None:
            raise DataLost("A worker was lost while it was sent the parameters, repeatedly.")
        self._assemble_shards()
        trials = self._train_trials(sent)
        started = time.perf_counter()
        self._workers.results([self._workers.submit(_copy_of, sent, workers=owners[:1])])
        fetching = time.perf_counter() - started
        self._workers.results([self._submit_to(owner, drop_parts) for owner in owners])
        self._base.mark_current(owners)
        self.cost = RoundCost(
            shards=self.settings.shards,
            threads=min(self.settings.shards, threads),
            tokens=statistics.mean(int(trial.result.cursor[TOKENS]) for trial in trials),
            seconds=statistics.mean(trial.seconds for trial in trials),
            shard_bytes=statistics.mean(trial.changes.nbytes for trial in trials),
            base_bytes=base.nbytes,
            bytes_per_second=2 * base.nbytes / (sending + fetching),
            local_threads=int(self.settings.threads),
        )
        self._inform(f"{self.cost.transfer_summary()}: {self.cost.speedup_summary()}")
        if threads > self.settings.shards:
            self._inform(
                f"{self.settings.shards} shards keep {self.settings.shards} of the {threads} threads of the cluster "
                "busy; --shards raises it (and gives another model)."
            )

    def _assemble_shards(self) -> None:
        """Have every shard's ids assembled at its owner, which is sent those that other workers have encoded."""

        def remote_ids(segment: Segment, owner: str) -> Future | None:
            part_owner = self._part_owners[segment.part]
            return None if part_owner == owner else self._submit_to(part_owner, segment_ids, segment)

        tasks = []
        for shard, owner in self._owners.items():
            segments = self._segments[shard]
            remote = [remote_ids(segment, owner) for segment in segments]
            tasks.append(self._submit_to(owner, assemble_shard, shard, segments, remote))
        self._workers.results(tasks)

    def _train_trials(self, base: Future) -> list[TrainedShard]:
        """Have each owner train the first of its shards on trial."""
        first_shards = {owner: shard for shard, owner in reversed(self._owners.items())}
        tasks = [
            self._submit_to(owner, train_trial, base, self._task(shard, self._cuts[shard][0]))
            for owner, shard in first_shards.items()
        ]
        return self._workers.results(tasks)

    # --- a round ---------------------------------------------------------------------------------------------------

    def _work(self, number: int) -> None:
        if number > 0:  # one thread hands out the work
            return
        try:
            while self._start_round():
                results = self._train_round()
                if results is None:
                    return
                self._base.round_done(self._sum.combine(self._factors))
                self._end_round(results)
        except BaseException as failure:
            self._failure = failure

    def _train_round(self) -> list[ShardResult] | None:
        """Have all shards trained; None when training was stopped, which leaves the base as it is."""
        self._results.clear()
        self._sum.begin()

        def submit(shard: int) -> Future:
            return self._submit_to_owner(shard, train_shard, self._task(shard, self._next[shard]))

        if not self._run_on_owners(submit, self._receive, may_stop=True):
            return None
        return [self._results[shard] for shard in range(len(self._results))]

    def _receive(self, shard: int, trained: TrainedShard) -> None:
        self._results[shard] = trained.result
        self._sum.add(shard, trained.changes)

    def sums_of_losses(self, batches: Sequence[NceBatch]) -> list[float]:
        """The sum of the losses of each batch of held-out examples, with the base as it is.

        The batches are sent once. Each shard's owner computes a share of them.
        """
        sums: dict[int, list[float]] = {}
        sent, shards = self._workers.broadcast(batches), self.settings.shards

        def submit(shard: int) -> Future:
            first, last = (len(batches) * edge // shards for edge in (shard, shard + 1))
            return self._submit_to_owner(shard, sum_losses, sent, first, last, self._base.version)

        self._run_on_owners(submit, sums.__setitem__, may_stop=False)
        return [each for shard in range(shards) for each in sums[shard]]

    # --- one task for each shard, at its owner ---------------------------------------------------------------------

    def _run_on_owners(
        self, submit: Callable[[int], Future], receive: Callable[[int, Any], None], *, may_stop: bool
    ) -> bool:
        """Run a task for each shard, again where it fails; False when `may_stop` and training was stopped meanwhile.

        `submit` submits the task of a shard, `receive` is called with each shard and its result.
        """
        self._assign_shards()
        self._base.send_changes(self._owners.values())
        futures = {submit(shard): shard for shard in self._owners}
        tries, owners = dict.fromkeys(self._owners, 1), set(self._owners.values())
        while futures:
            done = completed(futures)
            failed = []
            for future, result in zip(done, self._workers.gather(done), strict=True):
                shard = futures.pop(future)
                owner = self._owners[shard]
                if not isinstance(result, NoResult):
                    self._base.mark_current([owner])
                    receive(shard, result)
                    continue
                self._base.forget([owner])
                tries[shard] += 1
                if tries[shard] > TRIES:
                    raise RunError(f"Shard {shard} failed {TRIES} times: {one_line(result.reason)}.")
                failed.append(shard)
            if failed:  # perhaps their owners are lost
                self._assign_shards()
            futures.update({submit(shard): shard for shard in failed})
            if may_stop and self._stopped:
                for future in futures:
                    future.cancel()
                return False
            if not done and not owners <= self._workers.alive().keys():
                futures = self._submit_again(futures, submit)
                owners = set(self._owners.values())
        return True

    def _submit_again(self, futures: dict[Future, int], submit: Callable[[int], Future]) -> dict[Future, int]:
        """Submit all open tasks again, after an owner was lost.

        Its own tasks would wait for ever, since they may run nowhere else. Those of other owners may wait too, since
        they may have been fetching the base from the lost worker.
        """
        self._assign_shards()
        for future in futures:
            future.cancel()
        self._base.forget_sent()
        self._base.forget(self._owners[shard] for shard in futures.values())
        return {submit(shard): shard for shard in futures.values()}

    def _submit_to_owner(self, shard: int, function: Callable[..., Any], *arguments: Any) -> Future:
        """Have a shard's owner call `function(job, what brings its base up to date, *arguments)`."""
        owner = self._owners[shard]
        update = self._base.update_for(owner)
        return self._workers.submit_with_copy(self._job, owner, function, update, *arguments, only_there=True)

    def _submit_to(self, worker: str, function: Callable[..., Any], *arguments: Any) -> Future:
        return self._workers.submit_with_copy(self._job, worker, function, *arguments)

    def _assign_shards(self) -> int:
        """Give every shard an owner that can be used; returns the number of threads of all workers."""
        threads = self._workers.usable()
        self._owners = assign_shards(self.settings.shards, threads, self._owners)
        return sum(threads.values())

    def _task(self, shard: int, position: int) -> ShardTask:
        return ShardTask(
            shard=shard,
            segments=self._segments[shard],
            version=self._base.version,
            begin=self._cuts[shard][0],
            position=position,
            tokens=self._round_tokens,
            max_blocks=self._blocks_at_most(shard),
            random_state=self._random_state(shard),
            schedule=self._round_schedule,
        )


def _copy_of(base: RowValues) -> RowValues:
    """Another object with the same arrays, so that a task has something of that size to return."""
    return RowValues(base.rows, base.values)
