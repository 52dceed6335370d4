"""What several tests of runs share."""

import pytest


@pytest.fixture
def often(monkeypatch):
    """So small a text is trained in moments: look every millisecond, after short calls."""
    monkeypatch.setattr("nce_train.training.trainer.POLL_SECONDS", 0.001)
    monkeypatch.setattr("nce_train.training.trainer.CENTRES_PER_CALL", 400)
