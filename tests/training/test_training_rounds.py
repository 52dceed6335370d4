"""Rounds: the same bytes on any number of threads, and the rule by which the shards' changes are combined."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from kernel_case import random_lines, stream_of
from observing import Calling, Readings

from nce_train.kernel.combine import RoundFactors, combine, new_shard_copies
from nce_train.kernel.schedule import Schedule
from nce_train.kernel.sizes import table_width
from nce_train.kernel.state import RANGE_END, new_thread_arrays
from nce_train.kernel.train import train_blocks
from nce_train.training.hogwild import HogwildTrainer
from nce_train.training.noise import noise_probability, noise_tables
from nce_train.training.parameters import initial_tables
from nce_train.training.rounds import RoundTrainer, ShardWorkspace, next_position, round_factors, shard_cuts
from nce_train.training.settings import Settings

CLASSES = 300


def zipf_lines(seed, lines, length):
    generator = np.random.default_rng(seed)
    return [[int(CLASSES ** generator.random()) - 1 for _ in range(length)] for _ in range(lines)]


STREAM = stream_of(zipf_lines(1, 400, 20))
COUNTS = np.sort(np.bincount(STREAM[STREAM >= 0], minlength=CLASSES) + 1)[::-1]
TOKENS = int((STREAM >= 0).sum())


def new_trainer(**changes):
    values = {"dim": 20, "epochs": 2, "threads": 2, "num_sampled": 5, "subsample": 0.0, "round_tokens": 300}
    settings = Settings(deterministic=True, **{**values, **changes}).resolved()
    return RoundTrainer(STREAM, TOKENS, COUNTS, settings.with_rounds(CLASSES, TOKENS))


def parameters(trainer):
    return [table.tobytes() for table in trainer.tables]


@pytest.mark.parametrize("changes", [{}, {"unique": True, "window": 2}, {"shards": 3, "block_size": 20}])
def test_any_number_of_threads_gives_the_same_bytes(changes):
    expected = new_trainer(threads=1, **changes)
    trained = expected.run()
    assert trained.totals.tokens == 2 * TOKENS
    for threads in (2, 3, 8):
        trainer = new_trainer(threads=threads, **changes)
        assert trainer.run().totals == trained.totals
        assert parameters(trainer) == parameters(expected)


def test_another_seed_gives_other_bytes():
    assert parameters(new_trainer(seed=1)) != parameters(new_trainer(seed=2))
    first, second = new_trainer(input_init="uniform(0.1)"), new_trainer(input_init="uniform(0.1)", seed=2)
    first.run()
    second.run()
    assert parameters(first)[2] != parameters(second)[2]


class StopsAfter:
    """Stops the run after a number of rounds, when it is called."""

    def __init__(self, trainer, rounds):
        self.trainer, self.rounds = trainer, rounds

    def __call__(self):
        if int(self.trainer.state()["round"][0]) >= self.rounds:
            self.trainer.stop()


@pytest.mark.parametrize("changes", [{}, {"max_steps": 1500, "lr_schedule": "linear"}])
@pytest.mark.parametrize("threads", [1, 3])
def test_stopped_and_restored_it_ends_in_the_same_bytes(changes, threads, monkeypatch):
    monkeypatch.setattr("nce_train.training.trainer.CENTRES_PER_CALL", 80)
    monkeypatch.setattr("nce_train.training.trainer.POLL_SECONDS", 0.0005)
    whole = new_trainer(**changes)
    whole.run()
    assert whole.finished
    changes = {**changes, "log_every_steps": 1}  # a reading at the end of each round
    trainer = new_trainer(threads=threads, **changes)
    stops = 0
    while not trainer.finished:
        rounds = int(trainer.state()["round"][0])
        # the first two times at the end of a round, then wherever the threads are when it is seen to be over
        if stops < 2:
            trainer.run([Calling(on_reading=lambda reading, trainer=trainer: trainer.stop())])
        else:
            trainer.run([Calling(on_poll=StopsAfter(trainer, rounds + 1))])
        state = {name: array.copy() for name, array in trainer.state().items()}
        trainer = new_trainer(threads=threads, **changes)
        trainer.restore(state)
        stops += 1
    assert stops >= 3
    assert parameters(trainer) == parameters(whole)
    assert trainer.totals == whole.totals


def test_how_a_round_is_cut_into_calls_changes_nothing(monkeypatch):
    """A thread looks whether it is to stop between calls; the learning rate within a round must not tell."""
    whole = new_trainer(round_tokens=2000)
    whole.run()
    monkeypatch.setattr("nce_train.training.trainer.CENTRES_PER_CALL", 24)
    pieces = new_trainer(round_tokens=2000)
    pieces.run()
    assert parameters(pieces) == parameters(whole)


def test_max_steps_are_kept_to():
    trainer = new_trainer(max_steps=137, shards=4)
    assert trainer.run().totals.blocks == 137


def test_it_learns_what_hogwild_learns():
    rounds = new_trainer(epochs=8, lr=0.07, log_every_steps=1000)
    settings = Settings(dim=20, epochs=8, threads=1, num_sampled=5, subsample=0.0, log_every_steps=1000).resolved()
    hogwild = HogwildTrainer(STREAM, TOKENS, COUNTS, settings)
    losses = []
    for trainer in (rounds, hogwild):
        readings = Readings()
        trainer.run([readings])
        losses.append((readings[0].loss, readings[-1].loss))
    assert losses[0][1] < losses[0][0]
    assert losses[0][1] == pytest.approx(losses[1][1], rel=0.05)


@pytest.mark.parametrize("unique", [False, True])
def test_one_shard_with_rounds_as_long_as_the_epoch_is_plain_training(unique):
    """K = 1: the base takes over all changes, and the result is that of the kernel on the tables themselves."""
    trainer = new_trainer(shards=1, round_tokens=10**6, epochs=1, threads=1, unique=unique)
    trainer.run()
    settings = trainer.settings
    tables, noise = initial_tables(COUNTS, settings), noise_tables(COUNTS, settings)
    thread = new_thread_arrays(trainer.plan, table_width(settings.dim), np.float32, 0)
    thread.random[0] = np.random.SeedSequence([settings.seed, 2, 0, 0]).generate_state(1, np.uint64)[0]
    thread.cursor[RANGE_END] = len(STREAM)
    schedule = Schedule(float(settings.lr), 0, TOKENS, 0, 2**62, 1)
    blocks = train_blocks(tables, noise, trainer.keep, STREAM, trainer.plan, schedule, thread, 10**6)
    assert blocks == trainer.totals.blocks
    for got, want in zip(trainer.tables, tables, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6)  # row + (copy − row) rounds


def test_lines_of_one_word_touch_no_rows():
    """Thousands of words in a row that have no contexts: more than there is room for rows of one block."""
    classes = 6000
    lonely = [[word] for word in range(100, classes)]
    stream = stream_of([*zipf_lines(1, 5, 20), *lonely, *zipf_lines(2, 5, 20)])
    counts = np.bincount(stream[stream >= 0], minlength=classes) + 1
    values = {"dim": 16, "epochs": 1, "num_sampled": 5, "subsample": 0.0, "shards": 1, "round_tokens": 10**6}
    settings = Settings(deterministic=True, threads=1, **values).resolved()
    trainer = RoundTrainer(stream, int((stream >= 0).sum()), counts, settings.with_rounds(classes, 10**6))
    before = [table.copy() for table in trainer.tables]
    trainer.run()
    assert trainer.totals.tokens == int((stream >= 0).sum())
    changed = (trainer.tables.input != before[0]).any(1)
    assert changed[:100].any()
    together = {word for line in [*zipf_lines(1, 5, 20), *zipf_lines(2, 5, 20)] for word in line}
    assert set(np.flatnonzero(changed)) <= together


def multiples(factors):
    """m/K of all rows."""
    return [(1 + (factors.shards - 1) / (1 + factors.scale * updates)) / factors.shards for updates in factors[:2]]


def test_combining_is_the_formula():
    settings = new_trainer().settings
    generator = np.random.default_rng(3)
    base, noise = initial_tables(COUNTS, settings), noise_tables(COUNTS, settings)
    base.output[:] = generator.normal(size=base.output.shape)
    plan = new_trainer().plan
    copies = new_shard_copies(base, 3)
    shards = [ShardWorkspace(base, noise, plan, settings.dim, None, copies, number) for number in range(3)]
    factors = RoundFactors(*generator.uniform(0, 0.01, (2, CLASSES)), 3, 700.0)
    want = [table.astype(np.float64) for table in base]
    for number, shard in enumerate(shards):
        shard.begin(0, 0, 0)
        touched = generator.permutation(CLASSES)[: 50 * number]  # the first touches nothing
        for kind, places in ((0, shard.shard_rows.input_place), (1, shard.shard_rows.output_place)):
            places[touched] = np.arange(len(touched))
            for t in (0,) if kind == 0 else (1, 2):
                copied = shard.tables[t]
                copied[: len(touched)] = generator.normal(size=copied[: len(touched)].shape)
                change = copied[: len(touched)].astype(np.float64) - base[t][touched]
                factor = multiples(factors)[kind][touched]
                want[t][touched] += (factor if change.ndim == 1 else factor[:, None]) * change
    for first in range(0, CLASSES, 128):
        combine(base, copies, factors, table_width(settings.dim), first, first + 128)
    for got, expected in zip(base, want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_factors_are_the_sum_for_rare_and_the_mean_for_frequent_rows():
    counts = np.array([10**7, 10**6, 10**4, 10, 1])
    settings = Settings(shards=4, round_tokens=100_000, round_tau=60.0).resolved()
    factors = round_factors(counts, noise_probability(counts, settings), settings)
    inputs, outputs = multiples(factors)
    for factor in (inputs, outputs):
        assert (np.diff(factor) >= 0).all()
        assert (factor > 0.25).all()
        assert (factor <= 1).all()
    assert inputs[4] == pytest.approx(1, abs=1e-3)  # a hundredth of an update a round
    # by hand: f = 10/11010011, keep 1, u = R f = 0.0908…, m = 1 + 3/(1 + 4u/60)
    updates = 100_000 * 10 / counts.sum()
    assert inputs[3] == pytest.approx((1 + 3 / (1 + 4 * updates / 60)) / 4, rel=1e-6)
    assert outputs[0] == pytest.approx(0.25, abs=0.02)


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=40),
    shards=st.integers(1, 12),
    tokens=st.integers(1, 200),
)
def test_shards_and_rounds_cover_the_text_once(lengths, shards, tokens):
    stream = stream_of(random_lines(np.random.default_rng(0), 50, lengths))
    cuts = shard_cuts(stream, shards)
    assert len(cuts) == shards
    position = 0
    for begin, end in cuts:
        assert begin == position
        position = end
        while begin < end:
            following = next_position(stream, begin, end, tokens)
            assert begin < following <= end
            trained = int((stream[begin:following] >= 0).sum())
            assert following == end or tokens <= trained <= 2 * tokens
            begin = following
    assert position == len(stream)


def test_automatic_rounds_fit_the_corpus():
    auto = Settings(deterministic=True).resolved()
    assert auto.with_rounds(74_000, 10**9).round_tokens == pytest.approx(200_000, rel=0.01)
    assert auto.with_rounds(10**6, 10**9).round_tokens == 200_000
    assert auto.with_rounds(74_000, 80_000).round_tokens == 1000
    assert auto.with_rounds(2, 3).round_tokens == 1
    given_numbers = Settings(deterministic=True, round_tokens=7, round_tau=3.0).resolved()
    assert given_numbers.with_rounds(74_000, 10**9) == given_numbers


@pytest.mark.parametrize(
    ("given", "tau"),
    [
        ({}, 60),
        ({"lr": 0.05}, 60),
        ({"lr": 0.142}, 30),
        ({"shards": 16, "lr": 0.158}, 30),
        ({"lr": 0.142, "round_tau": 50.0}, 50),
        ({"lr": 0.142, "reduction": "mean"}, 60),
        ({"lr": 0.142, "deterministic": False}, 60),
    ],
)
def test_automatic_tau_falls_where_the_learning_rate_is_raised(given, tau):
    """What is added beyond the mean, a number of updates times the rate, stays below where rounds diverge."""
    settings = Settings(**{"deterministic": True, **given}).resolved()
    assert settings.with_rounds(74_000, 10**9).round_tau == tau


def test_a_text_of_one_line_keeps_all_shards_busy():
    stream = np.append(np.zeros(899, np.int32), np.int32(-1))
    assert shard_cuts(stream, 3) == [(0, 300), (300, 600), (600, 900)]
