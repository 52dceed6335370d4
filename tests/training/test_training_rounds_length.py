"""How long rounds are: short at first, so that the first epoch is not lost to averaging."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_case import stream_of
from observing import Readings

from nce_train.training import rounds
from nce_train.training.hogwild import HogwildTrainer
from nce_train.training.noise import noise_probability
from nce_train.training.rounds import (
    FIRST_ROUND,
    SHORT_ROUNDS,
    SHORTEST_ROUND,
    RoundTrainer,
    factors_of_round,
    next_position,
    round_factors,
    tokens_of_round,
)
from nce_train.training.settings import Settings

CLASSES, LINE, SHARDS = 270, 20, 4


def stream_of_topics(lines):
    """Lines whose words are of one of 30 topics, frequent words first."""
    generator = np.random.default_rng(5)
    words = (10 ** generator.random((lines, LINE))).astype(int) - 1
    return stream_of((words * 30 + generator.integers(0, 30, (lines, 1))).tolist())


STREAM = stream_of_topics(4000)
COUNTS = np.bincount(STREAM[STREAM >= 0], minlength=CLASSES)
TOKENS = int(COUNTS.sum())
VALUES = {"dim": 16, "epochs": 1, "num_sampled": 5, "subsample": 0.0, "log_every_steps": 1}


def new_trainer(**changes):
    values = {**VALUES, "shards": SHARDS, "round_tokens": 2000, "threads": 2, **changes}
    settings = Settings(deterministic=True, **values).resolved()
    return RoundTrainer(STREAM, TOKENS, COUNTS, settings.with_rounds(CLASSES, TOKENS))


@settings(deadline=None)  # a busy machine may be slow
@given(number=st.integers(0, 10**6), round_tokens=st.integers(1, 10**12))
def test_rounds_grow_from_a_share_to_all_of_round_tokens(number, round_tokens):
    tokens = tokens_of_round(number, round_tokens)
    assert 1 <= tokens <= tokens_of_round(number + 1, round_tokens) <= round_tokens
    first = max(FIRST_ROUND * round_tokens, min(SHORTEST_ROUND, round_tokens))
    assert tokens_of_round(0, round_tokens) == pytest.approx(first, abs=1)
    if number >= SHORT_ROUNDS:
        assert tokens == round_tokens
    elif tokens >= 1000 > SHORTEST_ROUND:  # by the same factor
        growth = FIRST_ROUND ** (-1 / SHORT_ROUNDS)
        assert tokens_of_round(number + 1, round_tokens) / tokens == pytest.approx(growth, rel=2e-3)


def test_a_run_has_rounds_of_these_lengths(monkeypatch):
    scales = []

    def combine(base, copies, factors, *others):
        scales.append(factors.scale)
        rounds_combine(base, copies, factors, *others)

    rounds_combine = rounds.combine
    monkeypatch.setattr(rounds, "combine", combine)
    readings = Readings()
    new_trainer(epochs=2).run([readings])  # a reading at the end of each round
    trained = np.diff([0, *(reading.tokens for reading in readings)])
    expected = SHARDS * np.array([tokens_of_round(number, 2000) for number in range(len(trained))])
    ends_an_epoch = np.diff([reading.epoch for reading in readings], append=2) > 0
    assert 40 < np.count_nonzero(~ends_an_epoch) < len(trained)
    assert (trained >= expected)[~ends_an_epoch].all()
    assert (trained < expected + SHARDS * LINE)[~ends_an_epoch].all()  # on to the line's end
    assert trained.sum() == 2 * TOKENS
    assert list(dict.fromkeys(scales)) == pytest.approx(list(dict.fromkeys(expected / 60)))  # K·R/τ of each length


def test_shorter_rounds_add_more_of_what_the_shards_have_changed():
    settings = Settings(shards=4, round_tokens=100_000, round_tau=60.0, subsample=0.0).resolved()
    counts = np.array([10**7, 10**6, 10**4, 10, 1])
    longest = round_factors(counts, noise_probability(counts, settings), settings)
    assert longest.scale == factors_of_round(longest, 100_000, 60.0).scale
    short = factors_of_round(longest, 1000, 60.0)
    # by hand: u = 1000 · 0.000908, m = 1 + 3 / (1 + 4 u / 60)
    updates = 1000 * counts[2] / counts.sum()
    assert updates == pytest.approx(0.908, abs=1e-3)
    multiple = 1 + (short.shards - 1) / (1 + short.scale * short.input[2])
    assert multiple == pytest.approx(1 + 3 / (1 + 4 * updates / 60), rel=1e-9)


def test_the_first_epoch_learns_as_much_as_with_shared_parameters(monkeypatch):
    """With rounds that are long from the start, what frequent rows learn from their shards is averaged too early."""

    def last_loss(trainer):
        readings = Readings()
        trainer.run([readings])
        last = [reading.loss for reading in readings if reading.tokens > 0.75 * TOKENS]
        return float(np.mean(last))

    settings = Settings(threads=1, lr=0.07, **VALUES).resolved()
    shared = last_loss(HogwildTrainer(STREAM, TOKENS, COUNTS, settings))
    changes = {"lr": 0.07, "round_tokens": 4000, "shards": 4}
    growing = last_loss(new_trainer(**changes))
    monkeypatch.setattr(rounds, "tokens_of_round", lambda number, round_tokens: round_tokens)
    long = last_loss(new_trainer(**changes))
    assert growing < shared + 0.25 * (long - shared)


@settings(deadline=None)  # a busy machine may be slow
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=30),
    tokens=st.integers(1, 200),
    first_line=st.integers(0, 30),
)
def test_a_round_ends_behind_its_tokens_or_behind_the_line_end_after_them(lengths, tokens, first_line):
    stream = stream_of([[7] * length for length in lengths])
    begin = sum(length + 1 for length in lengths[:first_line])
    expected, trained = begin, 0
    while expected < len(stream) and trained < tokens:
        trained += stream[expected] >= 0
        expected += 1
    behind = [place + 1 for place in range(expected - 1, len(stream)) if stream[place] < 0]
    if expected < len(stream) and behind[0] - expected <= tokens:
        expected = behind[0]
    assert next_position(stream, begin, len(stream), tokens) == expected
