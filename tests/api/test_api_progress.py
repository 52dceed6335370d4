"""The display of a run: bars, lines, and the log file."""

import dataclasses
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from nce_train import compiled, train
from nce_train.api.progress import ProgressDisplay, format_duration
from nce_train.api.progress_bar import ProgressBar
from nce_train.errors import InputError, NceTrainWarning
from nce_train.text.corpus import EncodedCorpus, TextSize
from nce_train.text.vocabulary import Vocabulary
from nce_train.training.readings import Reading

QUICK = {"vocabulary": 0.2, "encode": 0.1, "compile": 0.3, "train": 9.0, "heldout": 0.0, "evaluation": 0.0}
QUICK |= {"checkpoints": 0.0, "save": 0.0, "total": 9.5}


def shown(capsys, use):
    """What a display writes to stderr."""
    with ProgressDisplay() as display:
        use(display)
    return capsys.readouterr().err


def test_each_loss_is_shown_with_its_unit(capsys):
    reading = Reading(1, 0, 10, 2.5, 0.05, 100.0, 1.0)
    assert "loss 2.5000 per sample," in shown(capsys, lambda display: display.reading(reading, 0.5))
    assert shown(capsys, lambda display: display.heldout(3, 4.5)) == "held-out loss after epoch 3: 4.5000 per example\n"


@pytest.mark.parametrize(
    ("timings", "parts"),
    [
        ({}, "9.5 s in total; 0.3 s compiling"),
        (
            {"vocabulary": 2.0, "encode": 0.6, "heldout": 3.2, "checkpoints": 1.0, "total": 13.7},
            "13.7 s in total, of which 2.6 s reading, 3.2 s held-out text, 1.0 s checkpoints; 0.3 s compiling",
        ),
    ],
)
def test_the_summary_names_the_parts_that_took_long(capsys, timings, parts):
    manifest = {"timings": QUICK | timings, "loss": 2.0, "tokens_trained": 9000, "tokens_per_second": 1000.0}
    assert parts in shown(capsys, lambda display: display.finished(manifest))


def test_reading_is_shown_in_bytes_and_encoding_in_percent(capsys):
    def use(display):
        for done, total, phase in ((10**6, 4 * 10**6, "vocabulary"), (10**6, None, "vocabulary"), (5, 8, "encode")):
            display._last_line = -100.0
            display.scanning(done, total, phase)

    lines = shown(capsys, use).splitlines()
    assert lines == ["reading: 1.0 MB of 4.0 MB", "reading: 1.0 MB", "turning words into ids: 62%"]


@pytest.mark.parametrize(
    ("seconds", "text"),
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
def test_a_duration_has_its_two_largest_units(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "from_cache", "line"),
    [
        ((30, 900), False, "vocabulary: 30 words, 900 tokens in it (0.3 s)\n"),
        ((17_000, 18_000), False, "vocabulary: 30 words of 17,000, 900 of 18,000 tokens in it (5%; 0.3 s)\n"),
        ((None, 18_000), False, "vocabulary: 30 words, 900 of 18,000 tokens in it (5%; 0.3 s)\n"),
        ((17_000, 18_000), True, "tokens in it (5%; token ids of an earlier run on the same files are reused; "),
    ],
)
def test_what_is_left_out_is_in_the_first_line(capsys, text, from_cache, line):
    vocabulary = Vocabulary([f"w{i}" for i in range(30)], np.full(30, 30))
    timings = {"vocabulary": 0.2, "encode": 0.1}
    size = TextSize(*text)
    encoded = EncodedCorpus(vocabulary, np.empty(0), Path("x"), 900, size, [], timings, from_cache, [])
    assert line in shown(capsys, lambda display: display.scanned(encoded))


def test_a_kernel_that_cannot_be_stored_is_not_said_to_be(capsys, monkeypatch):
    monkeypatch.setattr(compiled, "_has_warned", threading.Event())
    with pytest.warns(NceTrainWarning, match="cannot be written"):
        compiled._warn("The cache of compiled kernels, x, cannot be written (No space left on device)")
    assert shown(capsys, lambda display: display.compiling()) == "compiling the kernel\n"


def test_compiling_has_a_line_of_its_own(capsys):
    assert shown(capsys, lambda display: display.compiling()) == "compiling the kernel, to be stored for later runs\n"


def test_the_time_left_is_computed_from_the_speed_in_the_same_line(capsys):
    with ProgressDisplay() as display:
        slow = Reading(step=1, epoch=0, tokens=1_000, loss=2.0, learning_rate=0.05, tokens_per_second=10.0, seconds=1.0)
        display.reading(slow, 0.25)
        display.reading(dataclasses.replace(slow, tokens=0), 0.0)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("10 tokens/s, loss 2.0000 per sample, lr 0.05000, 5 min left")
    assert lines[1].endswith("time left not known yet")


def test_a_log_file_has_the_lines_of_a_quiet_run(tmp_path, capsys):
    train([["red", "blue"]] * 50, dim=4, subsample=0, epochs=1, progress=False, log_file=tmp_path / "run.log")
    assert capsys.readouterr().err == ""
    assert " trained 100 tokens in " in (tmp_path / "run.log").read_text()


def test_a_log_file_that_the_run_reads_is_refused(tmp_path):
    (tmp_path / "text.txt").write_text("red blue\n" * 50)
    with pytest.raises(InputError, match="this file is read as corpus; name another one to write"):
        train(tmp_path / "text.txt", log_file=tmp_path / "text.txt", progress=False)
    assert (tmp_path / "text.txt").read_text() == "red blue\n" * 50


def test_a_bar_starts_again_with_each_phase(capsys):
    with ProgressBar(file=sys.stderr) as bar:
        for phase, done in (("reading", 2), ("reading", 4), ("training", 1), ("training", 0)):
            bar.show(phase, done, 4)
            assert bar.phase == phase
        bar.write("a line")
    assert bar.phase is None
    err = capsys.readouterr().err
    assert "reading:   0%" in err and "training:   0%" in err and "a line\n" in err


def test_a_bar_takes_no_semaphore_of_the_system():
    code = (
        "import sys\n"
        "from nce_train.api.progress_bar import ProgressBar\n"
        "with ProgressBar(file=sys.stderr) as bar:\n"
        "    bar.show('reading', 1, 4)\n"
        "assert 'multiprocessing.synchronize' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
