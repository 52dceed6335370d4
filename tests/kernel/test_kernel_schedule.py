"""The schedule: progress by tokens or blocks, and the learning rate that follows from it."""

import pytest

from nce_train.kernel.schedule import Schedule, learning_rate, progress

SCHEDULE = Schedule(lr=0.05, tokens=100, all_tokens=1000, blocks=10, all_blocks=50, threads=2)


@pytest.mark.parametrize(("tokens", "blocks", "expected"), [(0, 0, 0.2), (50, 0, 0.2), (250, 5, 0.6), (0, 15, 0.8)])
def test_progress_is_the_greater_of_tokens_and_blocks_of_all_threads(tokens, blocks, expected):
    assert progress(SCHEDULE, tokens, blocks) == pytest.approx(expected)


def test_the_rate_falls_linearly_to_a_ten_thousandth_or_stays():
    assert learning_rate(SCHEDULE, True, 0.0) == 0.05
    assert learning_rate(SCHEDULE, True, 0.5) == pytest.approx(0.025)
    assert learning_rate(SCHEDULE, True, 1.2) == pytest.approx(5e-6)
    assert learning_rate(SCHEDULE, False, 0.9) == 0.05
