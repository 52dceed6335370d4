"""Rounds on workers end in the bytes of rounds on threads, however they are interrupted and whoever trains them."""

import dataclasses

import numpy as np
import pytest
from observing import Calling

from nce_train.cluster.cost import RoundCost, bytes_of_rows, expected_touched
from nce_train.cluster.job import Base, BaseMissing, Desk, Job
from nce_train.cluster.reading import Reading
from nce_train.cluster.trainer import ClusterTrainer
from nce_train.evaluation.heldout_batches import nce_batches, sum_of_nce_losses
from nce_train.text.corpus import encode_corpus
from nce_train.text.sources import list_sources
from nce_train.training.parameters import keep_probability
from nce_train.training.rounds import RoundTrainer
from nce_train.training.settings import Settings


@pytest.fixture
def encoded(corpus, tmp_path):
    return encode_corpus(corpus, tmp_path, cache=False, min_count=3)


@pytest.fixture
def trainers(corpus, workers, encoded):
    """Makes a trainer on threads and one on workers for the same settings."""
    listed = list_sources(corpus)

    def make(**changes):
        values = {"dim": 20, "epochs": 2, "threads": 1, "num_sampled": 5, "subsample": 0.0, "round_tokens": 900}
        values = {**values, "shards": 5, "min_count": 3, "deterministic": True, **changes}
        settings = Settings(**values).resolved()
        settings = settings.with_rounds(len(encoded.vocabulary), encoded.token_count)
        counts = encoded.vocabulary.counts
        on_threads = RoundTrainer(encoded.stream, encoded.token_count, counts, settings)
        reading = Reading(workers, listed, settings, lambda *_: None, part_bytes=20_000)
        job = Job(settings.model_dump(), encoded.vocabulary, reading.parts)
        shards = reading.encode(job)
        said = []
        on_workers = ClusterTrainer(workers, job, shards, counts, settings, said.append)
        on_workers.compile()
        assert said[0].startswith(f"a round trains {settings.shards} × ")
        return on_threads, on_workers

    return make


@pytest.fixture
def brief_looks(monkeypatch):
    monkeypatch.setattr("nce_train.training.trainer.POLL_SECONDS", 0.0005)
    monkeypatch.setattr("nce_train.training.trainer.CENTRES_PER_CALL", 80)


def parameters(trainer):
    return [table.tobytes() for table in trainer.tables]


@pytest.mark.parametrize("changes", [{}, {"max_steps": 900, "shards": 3, "unique": True}])
def test_the_bytes_are_those_of_threads(trainers, changes):
    on_threads, on_workers = trainers(**changes)
    expected = on_threads.run()
    assert on_workers.run().totals == expected.totals
    assert int(on_workers.state()["round"][0]) >= 2
    assert parameters(on_workers) == parameters(on_threads)


def test_what_it_starts_with_reaches_the_workers(trainers):
    """They have had the base that `compile` sent."""
    both = trainers()

    def fill(tables):
        tables.input[:, :20] += 0.25

    for trainer in both:
        trainer.start_with(fill)
        trainer.run()
    assert parameters(both[1]) == parameters(both[0])


def lose_the_base(trainer):
    workers = trainer._workers
    one = min(workers.usable())
    workers.results([workers.submit(drop_training, workers.own(trainer._job, one), workers=[one])])


def drop_training(job):
    job.desk()._training = None


def test_held_out_losses_are_those_of_one_machine(trainers, encoded):
    """To the last bit, after each epoch; and training goes on as if nobody had looked."""
    on_threads, on_workers = trainers(dim=20)
    counts = encoded.vocabulary.counts
    pairs = np.random.default_rng(2).integers(0, len(counts), (2, 7300))
    batches = list(nce_batches(*pairs, counts, on_threads.settings.model_dump()))
    here, there = [], []

    def look_here(epoch):
        tables = on_threads.state()
        parameters = tables["input"], tables["output"], tables["bias"]
        here.append([sum_of_nce_losses(batch, *parameters) for batch in batches])

    def look_there(epoch):
        if epoch == 2:  # as one that was started anew
            lose_the_base(on_workers)
        there.append(on_workers.sums_of_losses(batches))

    on_threads.run([Calling(on_epoch=look_here)])
    on_workers.run([Calling(on_epoch=look_there)])
    assert there == here and len(here) == 2 and len(here[0]) == 8
    assert here[0] != here[1]
    assert parameters(on_workers) == parameters(on_threads)


@pytest.mark.usefixtures("brief_looks")
def test_stopped_and_restored_here_or_there(trainers):
    """A state of workers goes on on threads, and one of threads on workers."""
    whole, on_workers = trainers()
    whole.run()
    on_threads, on_workers_again = trainers()
    on_workers.run([Calling(on_poll=StopsAfter(on_workers, 2))])
    assert not on_workers.finished
    on_threads.restore(on_workers.state())
    on_threads.run([Calling(on_poll=StopsAfter(on_threads, 4))])
    assert not on_threads.finished
    on_workers_again.restore(on_threads.state())
    assert on_workers_again.run().totals == whole.totals
    assert parameters(on_workers_again) == parameters(whole)


class StopsAfter:
    def __init__(self, trainer, rounds):
        self.trainer, self.rounds = trainer, rounds

    def __call__(self):
        if int(self.trainer.state()["round"][0]) >= self.rounds:
            self.trainer.stop()


def test_a_worker_that_has_missed_a_round_says_so(encoded, tmp_path):
    settings = Settings(deterministic=True, dim=20).resolved()
    training = Desk(Job(settings.model_dump(), encoded.vocabulary, []), str(tmp_path)).training()
    rows = np.array([3, 5], np.int32)
    changed = Base((rows, rows[:1]), (np.ones((2, 20), np.float32), np.ones((1, 20), np.float32), rows[:1] * 1.0))
    shape = (len(encoded.vocabulary), 20)
    whole = Base(None, (np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape[0], np.float32)))
    for missing in (changed, None):
        with pytest.raises(BaseMissing):
            training.take(missing, 1)
    training.take(whole, 4)
    training.take(None, 4)
    training.take(changed, 5)
    with pytest.raises(BaseMissing):
        training.take(changed, 7)
    assert training.base.input.any(1).nonzero()[0].tolist() == [3, 5]
    assert training.base.output.any(1).nonzero()[0].tolist() == [3]


def test_shards_keep_their_homes(trainers):
    _, trainer = trainers(shards=8)
    trainer._find_homes({"a": 1, "b": 1, "c": 2})
    first = dict(trainer._homes)
    assert sorted(list(first.values()).count(worker) for worker in "abc") == [2, 2, 4]
    trainer._find_homes({"a": 1, "c": 2})  # b is lost
    moved = [shard for shard in first if trainer._homes[shard] != first[shard]]
    assert moved == [shard for shard in first if first[shard] == "b"]
    trainer._find_homes({"a": 1, "c": 2, "d": 1})  # d has joined
    assert list(trainer._homes.values()).count("d") == 2


def test_cost_is_arithmetic():
    slow = RoundCost(8, 4, 1e5, 0.5, 34e6, 76e6, 1.25e8)  # a gigabit a second
    assert slow.training_seconds == 1.0
    assert slow.travel_seconds == pytest.approx((76e6 + 8 * 34e6) / 1.25e8)
    assert slow.gain == pytest.approx(4 / (1 + 2.784))
    assert slow.travels() == (
        "a round trains 8 × 100,000 tokens in 1.0 s on 4 threads, and moves up to 76.0 MB out and 272.0 MB in, 2.8 s "
        "at 125 MB/s"
    )
    assert slow.verdict() == "about 1.1 times one thread of a worker"
    here = dataclasses.replace(slow, threads_here=3)
    assert here.gain_here == pytest.approx(8 / 3)
    assert here.verdict().endswith("worker; --deterministic on 3 threads of this machine will be faster")
    assert "on 1 thread of this machine" in dataclasses.replace(slow, bytes_per_second=1.25e7).verdict()


def test_expected_rows_are_those_of_a_simulation():
    counts = np.sort(np.random.default_rng(0).zipf(1.5, 2000) + 1)[::-1].astype(np.int64)
    settings = Settings(subsample=1e-3, num_sampled=4, sampler="uniform").resolved()
    inputs, outputs = expected_touched(counts, settings, 3000)
    generator = np.random.default_rng(1)
    tokens = generator.choice(len(counts), 3000, p=counts / counts.sum())
    kept = tokens[generator.random(3000) < keep_probability(counts, 1e-3)[tokens]]
    noise = generator.integers(0, len(counts), len(kept) // 8 * 4)
    assert inputs == pytest.approx(len(set(kept)), rel=0.1)
    assert outputs == pytest.approx(len({*kept, *noise}), rel=0.1)
    assert bytes_of_rows(1, 2, 10) == 4 * (3 * 10 + 3 + 2)
