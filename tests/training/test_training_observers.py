"""Observers: when they are called, that they can pause and end a run, and that following changes nothing."""

import numpy as np
import pytest
from kernel_case import random_lines, stream_of

from nce_train.training.hogwild import HogwildTrainer
from nce_train.training.observers import Observer
from nce_train.training.rounds import RoundTrainer
from nce_train.training.settings import Settings

STREAM = stream_of(random_lines(np.random.default_rng(3), 50, [30] * 200))
TOKENS = int(np.count_nonzero(STREAM >= 0))
COUNTS = np.bincount(STREAM[STREAM >= 0], minlength=50)


def new_trainer(kind=HogwildTrainer, **changes):
    values = {"dim": 16, "epochs": 3, "threads": 1, "num_sampled": 5, "subsample": 0.0, "shards": 2, **changes}
    settings = Settings(**values, deterministic=kind is RoundTrainer).resolved().with_rounds(50, TOKENS)
    return kind(STREAM, TOKENS, COUNTS, settings)


class Follower(Observer):
    """Keeps what it is called with; pauses at multiples of `every` tokens, and after epochs if asked to."""

    def __init__(self, trainer, calls, name="", every=None, after_epochs=False):
        self.trainer, self.calls, self.name, self.every = trainer, calls, name, every
        self.after_epochs = after_epochs

    def pause_at(self):
        tokens = self.trainer.totals.tokens
        return super().pause_at() if self.every is None else (tokens // self.every + 1) * self.every

    def on_pause(self, pause):
        self.calls.append((self.name, self.trainer.totals.tokens, pause))


@pytest.mark.parametrize("kind", [HogwildTrainer, RoundTrainer])
def test_epochs_are_paused_after_where_an_observer_asks_for_it(kind):
    for after_epochs, expected in ((True, [None, 1, 2, 3]), (False, [None, 3])):
        trainer, calls = new_trainer(kind), []
        trainer.run([Follower(trainer, []), Follower(trainer, calls, after_epochs=after_epochs)])
        assert [pause.epochs_done for _, _, pause in calls] == expected
        assert [pause.finished for _, _, pause in calls] == [False] * (len(expected) - 1) + [True]
        assert calls[-1][1] == 3 * TOKENS


@pytest.mark.parametrize("kind", [HogwildTrainer, RoundTrainer])
def test_following_changes_no_byte(kind, monkeypatch):
    monkeypatch.setattr("nce_train.training.trainer.CENTRES_PER_CALL", 80)
    alone, followed = new_trainer(kind), new_trainer(kind)
    alone.run()
    calls = []
    followed.run([Follower(followed, calls, every=1000, after_epochs=True)])
    assert len(calls) > 10
    for left, right in zip(alone.tables, followed.tables, strict=True):
        np.testing.assert_array_equal(left, right)


def test_pauses_come_behind_their_number_of_tokens_and_in_the_observers_order(monkeypatch):
    monkeypatch.setattr("nce_train.training.trainer.CENTRES_PER_CALL", 80)
    trainer, calls = new_trainer(), []
    trainer.run([Follower(trainer, calls, "first", every=2000), Follower(trainer, calls, "second")])
    assert [name for name, _, _ in calls] == ["first", "second"] * (len(calls) // 2)
    paused_at = [tokens for name, tokens, _ in calls if name == "first"]
    assert paused_at[0] == 0 and paused_at[-1] == 3 * TOKENS
    for number, tokens in enumerate(paused_at[1:-1], 1):
        assert number * 2000 <= tokens < number * 2000 + 1500


def test_an_observer_ends_the_run_and_later_ones_see_that():
    trainer, calls = new_trainer(), []

    class EndsAfterOneEpoch(Observer):
        after_epochs = True

        def on_pause(self, pause):
            if pause.epochs_done == 1:
                trainer.end_early()

    trainer.run([EndsAfterOneEpoch(), Follower(trainer, calls)])
    assert trainer.finished and trainer.totals.tokens == TOKENS
    assert calls[-1][2].finished


def test_a_stopped_run_says_so_in_its_last_pause():
    trainer, calls = new_trainer(), []

    class Stops(Observer):
        after_epochs = True

        def on_pause(self, pause):
            if pause.epochs_done == 2:
                trainer.stop()

    trainer.run([Stops(), Follower(trainer, calls)])
    assert not trainer.finished and calls[-1][2].stopped
