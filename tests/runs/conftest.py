"""What several tests of runs share."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for what tests share


@pytest.fixture
def often(monkeypatch):
    """So small a text is trained in moments: look every millisecond, after short calls."""
    monkeypatch.setattr("nce_train.training.trainer.POLL_SECONDS", 0.001)
    monkeypatch.setattr("nce_train.training.trainer.CENTRES_PER_CALL", 400)
