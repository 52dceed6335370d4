"""What a run says of itself: each number with what it is of."""

import dataclasses

import pytest

from nce_train.api.progress import ProgressDisplay, shown_duration
from nce_train.training.readings import Reading

QUICK = {"vocabulary": 0.2, "encode": 0.1, "compile": 0.3, "train": 9.0, "heldout": 0.0, "evaluation": 0.0}
QUICK |= {"checkpoints": 0.0, "save": 0.0, "total": 9.5}


def said(capsys, tell):
    with ProgressDisplay() as display:
        tell(display)
    return capsys.readouterr().err


def test_the_two_losses_are_told_apart(capsys):
    reading = Reading(1, 0, 10, 2.5, 0.05, 100.0, 1.0)
    assert "loss 2.5000 per sample," in said(capsys, lambda display: display.reading(reading, 0.5))
    assert said(capsys, lambda display: display.heldout(3, 4.5)) == "held-out loss after epoch 3: 4.5000 per pair\n"


@pytest.mark.parametrize(
    ("timings", "parts"),
    [
        ({}, "9.5 s in all; 0.3 s compiling"),
        (
            {"vocabulary": 2.0, "encode": 0.6, "heldout": 3.2, "checkpoints": 1.0, "total": 13.7},
            "13.7 s in all, of them 2.6 s reading, 3.2 s held-out text, 1.0 s checkpoints; 0.3 s compiling",
        ),
    ],
)
def test_what_took_long_is_told(capsys, timings, parts):
    manifest = {"timings": QUICK | timings, "loss": 2.0, "tokens_trained": 9000, "tokens_per_second": 1000.0}
    assert parts in said(capsys, lambda display: display.finished(manifest))


def test_reading_is_told_in_bytes_of_the_corpus_only(capsys):
    def tell(display):
        for done, total, phase in ((10**6, 4 * 10**6, "vocabulary"), (10**6, None, "vocabulary"), (5, 8, "encode")):
            display._last_line = -100.0
            display.scanning(done, total, phase)

    lines = said(capsys, tell).splitlines()
    assert lines == ["reading: 1.0 MB of 4.0 MB", "reading: 1.0 MB", "turning words into ids: 62%"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.4, "0 s"),
        (119.4, "119 s"),
        (119.6, "2 min"),
        (7_169, "119 min"),
        (7_171, "2 h 0 min"),
        (86_400, "24 h 0 min"),
        (172_769, "47 h 59 min"),
        (172_771, "2 d 0 h"),
        (1e6, "11 d 13 h"),
    ],
)
def test_durations_have_the_units_that_matter(seconds, shown):
    assert shown_duration(seconds) == shown


def test_compiling_is_told_in_a_line_of_its_own(capsys):
    assert said(capsys, lambda display: display.compiling()) == "compiling the kernel, which later runs load\n"


def test_the_time_left_is_at_the_speed_beside_it(capsys):
    with ProgressDisplay() as display:
        slow = Reading(step=1, epoch=0, tokens=1_000, loss=2.0, learning_rate=0.05, tokens_per_second=10.0, seconds=1.0)
        display.reading(slow, 0.25)
        display.reading(dataclasses.replace(slow, tokens=0), 0.0)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("10 tokens/s, loss 2.0000 per sample, lr 0.05000, 5 min left")
    assert lines[1].endswith("time left not known yet")
