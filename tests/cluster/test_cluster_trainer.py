"""Rounds on workers give the same bytes as rounds on threads, whoever trains them and wherever they are interrupted."""

import dataclasses

import numpy as np
import pytest
from observing import Calling

from nce_train.cluster.cost import RoundCost
from nce_train.cluster.job import Job
from nce_train.cluster.messages import RowValues
from nce_train.cluster.reading import CorpusReader
from nce_train.cluster.trainer import ClusterTrainer
from nce_train.cluster.worker import StaleBase, WorkerTrainer
from nce_train.cluster.workers import assign_shards
from nce_train.evaluation.heldout_batches import nce_batches, sum_of_nce_losses
from nce_train.evaluation.heldout_examples import cbow_examples, skipgram_examples
from nce_train.evaluation.word_bags import row_counts
from nce_train.text.corpus import encode_corpus
from nce_train.text.sources import list_sources
from nce_train.training.ngram_rows import ngram_rows
from nce_train.training.observers import Observer
from nce_train.training.rounds import RoundTrainer
from nce_train.training.settings import Settings


@pytest.fixture
def encoded(corpus, tmp_path):
    return encode_corpus(corpus, tmp_path, cache=False, min_count=3)


@pytest.fixture
def trainers(corpus, workers, encoded):
    """Makes a trainer on threads and one on workers for the same settings."""

    def make(**changes):
        values = {"dim": 20, "epochs": 2, "threads": 1, "num_sampled": 5, "subsample": 0.0, "round_tokens": 900}
        values = {**values, "shards": 5, "min_count": 3, "ngrams": "off", "deterministic": True, **changes}
        settings = Settings(**values).resolved()
        settings = settings.with_rounds(len(encoded.vocabulary), encoded.token_count)
        counts = encoded.vocabulary.counts
        ngrams = ngram_rows(encoded.vocabulary.words, counts, settings)
        on_threads = RoundTrainer(encoded.stream, encoded.token_count, counts, settings, ngrams)
        reader = CorpusReader(workers, list_sources(corpus), settings, lambda *_: None, part_bytes=20_000)
        job = Job(settings, encoded.vocabulary, reader.parts)
        messages = []
        on_workers = ClusterTrainer(workers, job, reader.encode(job), counts, settings, ngrams, messages.append)
        on_workers.compile()
        assert messages[0].startswith(f"a round trains {settings.shards} × ")
        return on_threads, on_workers

    return make


def parameters(trainer):
    return [table.tobytes() for table in trainer.tables]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ngrams": "2-3", "buckets": 500},
        {"max_steps": 900, "shards": 3, "unique": True},
        {"model": "cbow", "lr": 0.01},
        {"model": "cbow", "ngrams": "2-3", "buckets": 500, "lr": 0.01},
    ],
)
def test_same_bytes_as_on_threads(trainers, changes):
    on_threads, on_workers = trainers(**changes)
    expected = on_threads.run()
    assert on_workers.run().totals == expected.totals
    assert int(on_workers.state()["round"][0]) >= 2
    assert parameters(on_workers) == parameters(on_threads)


def test_start_with_replaces_the_base_that_compile_sent(trainers):
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
    workers.results([workers.submit_with_copy(trainer._job, one, drop_trainer)])


def drop_trainer(job):
    job.state()._trainer = None


@pytest.mark.parametrize("model", ["skipgram", "cbow"])
def test_held_out_losses_have_the_bits_of_one_machine_and_leave_training_unchanged(trainers, encoded, model):
    on_threads, on_workers = trainers(dim=20, ngrams="3-4", model=model, lr=0.01)
    words, counts = encoded.vocabulary.words, encoded.vocabulary.counts
    settings = on_threads.settings.model_dump()
    if model == "cbow":
        examples = cbow_examples(encoded.stream, 5, 7300, row_counts(words, settings))
    else:
        examples = skipgram_examples(encoded.stream, 5, 7300)
    batches = list(nce_batches(examples, counts, settings))
    here, there = [], []

    def measure_here(epoch):
        tables = on_threads.state()
        parameters = on_threads.word_vectors(), tables["output"], tables["bias"]
        here.append([sum_of_nce_losses(batch, *parameters) for batch in batches])

    def measure_there(epoch):
        if epoch == 2:  # as after a restart of that worker
            lose_the_base(on_workers)
        there.append(on_workers.sums_of_losses(batches))

    on_threads.run([Calling(on_epoch=measure_here)])
    on_workers.run([Calling(on_epoch=measure_there)])
    assert there == here and len(here) == 2 and len(here[0]) == 8
    assert here[0] != here[1]
    assert parameters(on_workers) == parameters(on_threads)


def test_a_state_of_workers_resumes_on_threads_and_the_reverse(trainers):
    whole, on_workers = trainers()
    whole.run()
    on_threads, on_workers_again = trainers()
    on_workers.run([StopsAt(on_workers, 2 * 5 * 900)])
    assert not on_workers.finished
    on_threads.restore(on_workers.state())
    on_threads.run([StopsAt(on_threads, 4 * 5 * 900)])
    assert not on_threads.finished
    on_workers_again.restore(on_threads.state())
    assert on_workers_again.run().totals == whole.totals
    assert parameters(on_workers_again) == parameters(whole)


class StopsAt(Observer):
    """Stops a trainer after the round in which a number of tokens is reached, on a slow machine too."""

    def __init__(self, trainer, tokens):
        self.trainer, self.tokens = trainer, tokens

    def pause_at(self):
        return self.tokens

    def on_pause(self, pause):
        if self.trainer.totals.tokens >= self.tokens:
            self.trainer.stop()


def test_a_worker_that_has_missed_a_round_refuses_the_changes_of_the_next(encoded):
    settings = Settings(deterministic=True, dim=20, ngrams="off").resolved()
    trainer = WorkerTrainer(encoded.vocabulary, settings)
    rows = np.array([3, 5], np.int32)
    changed = RowValues((rows, rows[:1]), (np.ones((2, 20), np.float32), np.ones((1, 20), np.float32), rows[:1] * 1.0))
    shape = (len(encoded.vocabulary), 20)
    whole = RowValues(None, (np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape[0], np.float32)))
    for missing in (changed, None):
        with pytest.raises(StaleBase):
            trainer.update_base(missing, 1)
    trainer.update_base(whole, 4)
    trainer.update_base(None, 4)
    trainer.update_base(changed, 5)
    with pytest.raises(StaleBase):
        trainer.update_base(changed, 7)
    assert trainer.base.input.any(1).nonzero()[0].tolist() == [3, 5]
    assert trainer.base.output.any(1).nonzero()[0].tolist() == [3]


def test_shards_keep_their_owners():
    first = assign_shards(8, {"a": 1, "b": 1, "c": 2}, {})
    assert sorted(list(first.values()).count(worker) for worker in "abc") == [2, 2, 4]
    without_b = assign_shards(8, {"a": 1, "c": 2}, first)
    assert [shard for shard in first if without_b[shard] != first[shard]] == [
        shard for shard in first if first[shard] == "b"
    ]
    with_d = assign_shards(8, {"a": 1, "c": 2, "d": 1}, without_b)
    assert list(with_d.values()).count("d") == 2


def test_round_cost():
    slow = RoundCost(8, 4, 1e5, 0.5, 34e6, 76e6, 1.25e8)  # a gigabit a second
    assert slow.training_seconds == 1.0
    assert slow.transfer_seconds == pytest.approx((76e6 + 8 * 34e6) / 1.25e8)
    assert slow.speedup == pytest.approx(4 / (1 + 2.784))
    assert slow.transfer_summary() == (
        "a round trains 8 × 100,000 tokens in 1.0 s on 4 threads, and transfers up to 76.0 MB out and 272.0 MB in, "
        "2.8 s at 125 MB/s"
    )
    assert slow.speedup_summary() == "about 1.1 times as fast as one thread of a worker"
    here = dataclasses.replace(slow, local_threads=3)
    assert here.local_speedup == pytest.approx(8 / 3)
    assert here.speedup_summary().endswith("worker; --deterministic on 3 threads of this machine will be faster")
    slower = dataclasses.replace(slow, bytes_per_second=1.25e7)
    assert "on 1 thread of this machine" in slower.speedup_summary()
