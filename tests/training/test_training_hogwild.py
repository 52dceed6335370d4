"""The trainer: what is counted, when readings fall, how a run ends."""

import threading

import numpy as np
import pytest
from kernel_case import random_lines, stream_of
from observing import Calling, Readings
from twin import block_step

from nce_train.errors import InputError, RunError
from nce_train.kernel.state import BLOCKS, LINE_END, Bags
from nce_train.training.hogwild import HogwildTrainer, cut_at_line_ends
from nce_train.training.ngram_rows import NgramRows
from nce_train.training.observers import Observer
from nce_train.training.settings import Settings

LINES = random_lines(np.random.default_rng(1), 100, [37] * 400)
TOKENS = 37 * 400


def trainer(lines=LINES, classes=100, ngrams=None, **changes):
    values = {"dim": 16, "threads": 1, "subsample": 0.0, "num_sampled": 4, "epochs": 2, "lr": 0.05, "min_count": 1}
    stream = stream_of(lines)
    counts = np.maximum(np.bincount(stream[stream != LINE_END], minlength=classes), 1)
    settings = Settings(**{**values, **changes}).resolved()
    return HogwildTrainer(stream, int((stream != LINE_END).sum()), counts, settings, ngrams)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_all_tokens_of_all_epochs_are_trained(threads):
    run = trainer(threads=threads, dynamic_window="none", window=2)
    trained = run.run()
    assert trained.totals.tokens == 2 * TOKENS
    assert trained.totals.pairs == 2 * 400 * (37 * 4 - 2 * (2 + 1))
    assert trained.totals.blocks == 2 * TOKENS / 8
    assert np.isfinite(trained.totals.loss)


@pytest.mark.parametrize("threads", [1, 3, 8])
def test_max_steps_is_met_exactly(threads):
    # so few and short ranges that threads often wait for what others have reserved
    for seed in range(5):
        run = trainer(threads=threads, max_steps=1234, epochs=50, seed=seed)
        assert run.run().totals.blocks == 1234


def test_readings_at_multiples_of_steps():
    readings = Readings()
    trainer(log_every_steps=300).run([readings])
    assert [reading.step for reading in readings] == [*range(300, 3700, 300), 3700]
    assert [reading.epoch for reading in readings] == sorted(reading.epoch for reading in readings)
    assert readings[0].epoch == 0
    assert readings[-1].epoch == 1
    assert readings[-1].tokens == 2 * TOKENS


def test_readings_fall_once_with_several_threads():
    readings = Readings()
    trainer(threads=3, log_every_steps=300).run([readings])
    steps = [reading.step for reading in readings]
    assert steps == sorted(set(steps))
    assert {step // 300 for step in steps} >= set(range(1, 13))


def test_losses_of_readings_add_up():
    readings = Readings()
    run = trainer(log_every_steps=1000)  # the last piece, of 700, is not joined with the one before
    run.run([readings])
    sizes = np.diff([0, *(reading.step for reading in readings)])  # blocks have as many pairs nearly
    assert np.average([reading.loss for reading in readings], weights=sizes) == pytest.approx(
        run.totals.loss / run.totals.pairs, rel=1e-3
    )


def test_the_last_reading_covers_the_piece_before_it_too_where_it_is_short():
    fine, coarse = Readings(), Readings()
    trainer(log_every_steps=100).run([fine])
    trainer(log_every_steps=300).run([coarse])
    assert [reading.step for reading in coarse[-2:]] == [3600, 3700]  # a third of a piece
    losses = {reading.step: reading.loss for reading in fine}
    assert coarse[-2].loss == pytest.approx(np.mean([losses[step] for step in (3400, 3500, 3600)]), rel=2e-3)
    assert coarse[-1].loss == pytest.approx(np.mean([losses[step] for step in (3400, 3500, 3600, 3700)]), rel=2e-3)
    seconds = coarse[-1].seconds - coarse[-3].seconds
    assert coarse[-1].tokens_per_second == pytest.approx((coarse[-1].tokens - coarse[-3].tokens) / seconds)


def test_the_loss_falls_where_there_is_something_to_learn():
    readings = Readings()
    trainer([[(line + place) % 100 for place in range(40)] for line in range(400)], log_every_steps=500).run([readings])
    assert readings[-1].loss < 0.5 * readings[0].loss


def test_learning_rate_falls_with_tokens_or_steps():
    for changes, expected in (
        ({}, [0.05 * (1 - step / 3700) for step in range(500, 3700, 500)] + [5e-6]),
        ({"max_steps": 1000}, [0.025, 5e-6]),
        ({"lr_schedule": "constant", "max_steps": 1000}, [0.05, 0.05]),
    ):
        readings = Readings()
        trainer(log_every_steps=500, **changes).run([readings])
        # tokens are read a buffer at a time, ahead of the blocks
        assert [reading.learning_rate for reading in readings] == pytest.approx(expected, abs=0.002)


def test_one_thread_repeats_itself():
    first, second = trainer().run(), trainer().run()
    np.testing.assert_array_equal(first.tables.input, second.tables.input)
    assert (first.tables.input != trainer(seed=2).run().tables.input).any()


def test_loss_at_rate_zero_is_the_twins():
    # before anything has moved the output vectors are 0: every logit is b − log Q + log m
    run = trainer(lr=0.0, epochs=1, dynamic_window="none", window=2)
    before = tuple(np.array(table, np.float64) for table in run.tables)
    trained = run.run()
    for table, old in zip(trained.tables, before, strict=True):
        np.testing.assert_array_equal(table, old.astype(np.float32))

    from kernel_case import KernelCase

    case = KernelCase(LINES, 100, 16, run.plan, np.float32)
    case.tables.input[:], case.tables.output[:], case.tables.bias[:] = before
    case.thread.random[0] = np.random.SeedSequence([1, 1]).generate_state(1, np.uint64)[0]
    case.noise, case.probability = run.noise, np.exp(run.noise.log_count) / 4
    loss = 0.0
    while case.run(1, lr=0.0):
        loss += block_step(before, case.block(), case.probability, 0.0)[1]
    assert trained.totals.loss == pytest.approx(loss, rel=1e-6)


def test_loss_does_not_depend_on_threads():
    # Hogwild noise and another order of blocks: within 2 %, stated for this corpus
    losses = [trainer(threads=threads).run().totals for threads in (1, 4)]
    means = [totals.loss / totals.pairs for totals in losses]
    assert means[0] == pytest.approx(means[1], rel=0.02)


def test_divergence_ends_the_run_with_a_sentence():
    with pytest.raises(RunError, match=r"infinite or not a number .* learning rate 1e.30 is too high .* lower --lr"):
        trainer(lr=1e30, lr_schedule="constant").run()


def test_nothing_is_left_in_the_copies_of_hot_rows():
    run = trainer(threads=2)
    run.run()
    assert run.threads[0].hot[0] == 0  # works on the shared rows
    for thread in run.threads[1:]:
        count, start, _ = thread.hot
        assert count == 50  # half of 100 words
        np.testing.assert_array_equal(run.tables.output[start : start + count], thread.hot_output)
        np.testing.assert_array_equal(run.tables.bias[start : start + count], thread.hot_bias)


def shared_ngrams(words, ngrams, size):
    """Each word's own row, and size - 1 of a few n-grams, which many words have in common."""
    rows = np.random.default_rng(5).integers(words, words + ngrams, (words, size), np.int32)
    rows[:, 0] = np.arange(words)
    return NgramRows(Bags(np.arange(words + 1) * size, rows.reshape(-1)), np.arange(ngrams, dtype=np.int32))


def test_nothing_is_left_in_the_threads_own_vectors_of_words():
    ngrams = shared_ngrams(100, 40, 6)
    run = trainer(threads=2, ngrams=ngrams)
    before = run.tables.input.copy()
    run.run()
    for thread in run.threads:
        count, start, _ = thread.hot_words.numbers
        assert count == 50
        assert start in (140, 190)
        np.testing.assert_array_equal(run.tables.input[start : start + count, :16], thread.hot_words.vectors)
        assert (run.tables.input[start : start + count] != before[start : start + count]).all(axis=0)[:16].all()
    after = run.tables.input[:140].copy()
    run._settle()
    np.testing.assert_allclose(run.tables.input[:140], after, atol=1e-6)
    assert run.shared_tables().input.shape[0] == 140


def test_words_that_have_most_ngrams_in_common_do_not_overshoot():
    # Hogwild noise and merges: within 5 %; where each n-gram takes the whole of all changes this diverges
    lines = random_lines(np.random.default_rng(2), 2000, [37] * 3000)
    losses = []
    for threads in (1, 2):
        run = trainer(lines, 2000, shared_ngrams(2000, 60, 20), threads=threads)
        run.run()
        losses.append(run.totals.loss / run.totals.pairs)
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_stop_ends_the_run_early():
    run = trainer(epochs=1_000_000)
    timer = threading.Timer(0.3, run.stop)
    timer.start()
    totals = run.run().totals
    timer.join()
    assert 0 < totals.tokens < 1_000_000 * TOKENS


def test_a_failing_observer_ends_the_run():
    def fail(reading):
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        trainer(log_every_steps=100).run([Calling(on_reading=fail)])


def test_a_corpus_of_single_words_trains_nothing():
    readings = Readings()
    run = trainer(lines=[[word % 100] for word in range(500)])
    trained = run.run([readings])
    assert trained.totals.blocks == trained.totals.pairs == 0
    assert trained.totals.tokens == 1000
    assert trained.totals.loss == 0


@pytest.mark.parametrize("pieces", [1, 2, 3, 7, 100])
def test_ranges_are_the_stream(pieces):
    stream = stream_of([[1] * length for length in (5, 50, 1, 1, 30, 200)])
    cuts = cut_at_line_ends(stream, pieces)
    assert cuts[0] == 0
    assert cuts[-1] == len(stream)
    assert cuts == sorted(set(cuts))
    assert len(cuts) <= pieces + 1


def test_ranges_are_cut_behind_line_ends():
    stream = stream_of([[1] * 10] * 1000)
    cuts = cut_at_line_ends(stream, 16)
    assert len(cuts) == 17
    assert all(stream[cut - 1] == LINE_END for cut in cuts[1:])


def test_one_long_line_is_cut_all_the_same():
    assert len(cut_at_line_ends(stream_of([[1] * 1000]), 4)) == 5


@pytest.mark.parametrize("threads", [1, 2, 5, 20])
def test_tiny_texts_lose_no_pairs_to_threads(threads):
    lines = [[0, 1]] * 3 + [[1, 2, 0]]
    run = trainer(lines=lines, threads=threads, epochs=1, dynamic_window="none")
    assert run.run().totals.pairs == 12


def test_thread_positions_are_where_they_stopped():
    run = trainer(max_steps=10)
    run.run()
    assert run.threads[0].cursor[BLOCKS] == 10


class AlwaysPausing(Observer):
    """Pauses the threads as often as that can be done, and keeps what a checkpoint would hold."""

    def __init__(self, run):
        self.run, self.saved = run, []

    def wants_pause(self):
        return True

    def on_pause(self, pause):
        if self.run.seconds > 0 and not pause.finished:
            self.saved.append({name: np.array(array) for name, array in self.run.state().items()})


def assert_same_parameters(first, second):
    for left, right in zip(first, second, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"max_steps": 25_000},
        {"dynamic_window": "centre", "unique": True},
        {"log_every_steps": 700, "subsample": 1e-2},
    ],
    ids=str,
)
def test_one_thread_goes_on_from_any_stop_to_the_same_bytes(changes, monkeypatch):
    monkeypatch.setattr("nce_train.training.trainer.CENTRES_PER_CALL", 400)  # many places to stop at
    monkeypatch.setattr("nce_train.training.trainer.POLL_SECONDS", 0.001)
    options = {"epochs": 40, **changes}
    readings = Readings()
    expected = trainer(**options).run([readings])
    stopped = trainer(**options)
    saver = AlwaysPausing(stopped)
    assert_same_parameters(expected.tables, stopped.run([saver]).tables)
    assert len(saver.saved) > 3
    for state in (saver.saved[0], saver.saved[len(saver.saved) // 2], saver.saved[-1]):
        run = trainer(**options)
        run.restore(state)
        read_again = Readings()
        trained = run.run([read_again])
        assert_same_parameters(expected.tables, trained.tables)
        assert trained.totals == expected.totals
        if "log_every_steps" in changes:
            for again, reading in zip(reversed(read_again), reversed(readings), strict=False):
                assert (again.step, again.tokens, again.loss) == (reading.step, reading.tokens, reading.loss)


def test_a_finished_run_is_known_from_its_state():
    run = trainer()
    assert not run.finished
    run.run()
    again = trainer()
    again.restore(run.state())
    assert again.finished
    assert again.run().totals == run.totals
    longer = trainer(epochs=3)
    longer.restore(run.state())
    assert not longer.finished
    assert longer.run().totals.tokens == 3 * TOKENS


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (4, 2), (2, 5), (3, 3)])
def test_another_number_of_threads_trains_the_rest(before, after, monkeypatch):
    monkeypatch.setattr("nce_train.training.trainer.CENTRES_PER_CALL", 80)
    monkeypatch.setattr("nce_train.training.trainer.POLL_SECONDS", 0.001)
    run = trainer(threads=before, epochs=30)
    saver = AlwaysPausing(run)
    run.run([saver])
    for state in (saver.saved[0], saver.saved[len(saver.saved) // 2], saver.saved[-1]):
        other = trainer(threads=after, epochs=30)
        other.restore(state)
        again = AlwaysPausing(other)
        totals = other.run([again]).totals
        assert totals.tokens == 30 * TOKENS
        assert np.isfinite(totals.loss)
        for second in again.saved[:1]:
            third = trainer(threads=before, epochs=30)
            third.restore(second)
            assert third.run().totals.tokens == 30 * TOKENS


def test_the_state_of_another_model_is_refused():
    with pytest.raises(ValueError, match="where float32"):
        trainer().restore(trainer(dim=17).state())


def test_a_loss_that_explodes_ends_the_run_before_it_is_infinite(monkeypatch):
    # at this rate it rises slowly at first: 1.0, 1.2, 1.7
    monkeypatch.setattr("nce_train.training.trainer.CENTRES_PER_CALL", 400)
    with pytest.raises(
        RunError, match=r"The loss, 1\.\d+ at the start, rose to .* learning rate 0.5 is too high .*lower --lr"
    ):
        trainer(lr=0.5, lr_schedule="constant").run()


def test_more_tokens_than_can_be_counted_are_refused():
    settings = Settings(epochs=10**9, threads=1).resolved()
    with pytest.raises(InputError, match=r"1,000,000,000 epochs of 5,000,000,000 tokens cannot be counted"):
        HogwildTrainer(stream_of([[0, 1]]), 5 * 10**9, np.ones(2, np.int64), settings)
