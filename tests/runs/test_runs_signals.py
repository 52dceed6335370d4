"""Ctrl-C and SIGTERM as a person or a batch system sends them: exit codes, what is said, what is left."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import nce_train
from nce_train.model_files import FILES, SUBWORD_FILES
from nce_train.runs import signals

SAMPLE = Path(__file__).parents[2] / "data" / "sample.txt.xz"


def accept_interrupts():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # jobs in the background ignore it


def start(folder, *arguments, before=accept_interrupts, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "nce_train.cli.train", *map(str, arguments)],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), **environment},
        preexec_fn=before,
    )


def wait_for(process, beginning):
    """Read stderr up to a line that begins so."""
    for line in process.stderr:
        if line.startswith(beginning):
            return
    raise AssertionError(f"the run ended without a line {beginning}…")


def send_twice(process, number, seconds):
    process.send_signal(number)
    time.sleep(seconds)
    process.send_signal(number)


def ended(process):
    """(exit code, the last line of stderr); it must have ended without a traceback."""
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err, err
    assert out == ""
    return process.returncode, err.splitlines()[-1]


@pytest.mark.slow
def test_an_interrupted_training_says_how_to_go_on_and_does(tmp_path):
    # each signal twice within some ms, as wrappers and process groups have it
    process = start(tmp_path, SAMPLE, "-o", "m.nce", "--epochs", 100_000, "--log-every", "100ms", "--dim", 32)
    wait_for(process, "epoch")
    send_twice(process, signal.SIGTERM, 0.005)
    far = r"\(0%: epoch [\d,]+, [\d,]+ tokens\)"
    sentence = f"Error: interrupted; resume from the last checkpoint {far} with: nce-train --resume m.nce"
    code, said = ended(process)
    assert code == 143
    assert re.fullmatch(sentence, said), said
    for number, exit_code in ((signal.SIGINT, 130), (signal.SIGHUP, 129), (signal.SIGUSR1, 138)):
        process = start(tmp_path, "--resume", "m.nce")
        wait_for(process, "resuming from step")
        wait_for(process, "epoch")
        send_twice(process, number, 0.001)
        code, said = ended(process)
        assert code == exit_code
        assert re.fullmatch(sentence, said), said
    names = {path.name for path in (tmp_path / "m.nce" / "checkpoint").iterdir()}
    assert names == {
        "lock", "run.json", "tokens.npy", "vocab.tsv", "metrics.jsonl", "state-000003.npz", "state-000004.npz"
    }  # fmt: skip


@pytest.mark.parametrize("seconds", [0, 0.01])
def test_an_interrupt_after_the_last_line_finds_the_work_done(tmp_path, seconds):
    process = start(tmp_path, SAMPLE, "-o", "m.nce", "--max-steps", 1, "--quiet")
    assert process.stdout.readline() == "m.nce\n"
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    assert (process.wait(timeout=60), process.stderr.read()) == (0, "")


def test_what_a_process_is_to_ignore_it_ignores(tmp_path):
    # nohup
    process = start(tmp_path, SAMPLE, "-o", "m.nce", "--epochs", 100_000, "--log-every", "100ms", before=ignore_hangup)
    wait_for(process, "epoch")
    process.send_signal(signal.SIGHUP)
    wait_for(process, "epoch")
    wait_for(process, "epoch")
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 143


def ignore_hangup():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_while_reading_leaves_nothing(tmp_path, number, code):
    process = start(tmp_path, "-", "-o", "m.nce")  # whose standard input says nothing: it waits in a read
    while not (tmp_path / "m.nce" / "checkpoint" / "run.json").exists():
        assert process.poll() is None
    send_twice(process, number, 0.001)
    assert ended(process)[0] == code
    assert not (tmp_path / "m.nce").exists()


@pytest.mark.slow
def test_an_interrupt_while_compiling_leaves_nothing(tmp_path):
    process = start(tmp_path, SAMPLE, "-o", "m.nce", NUMBA_CACHE_DIR=str(tmp_path / "compiled"))
    wait_for(process, "vocabulary")  # the text is read long before the kernel is compiled
    process.send_signal(signal.SIGINT)
    code, line = ended(process)
    assert (code, line) == (130, "Error: interrupted; nothing more was written")
    assert not (tmp_path / "m.nce").exists()


@pytest.mark.slow
def test_an_interrupt_while_saving_leaves_a_whole_model(tmp_path):
    # many words of many numbers: saving them takes a while
    text = "\n".join(" ".join(f"w{line}-{place}" for place in range(20)) for line in range(20_000))
    (tmp_path / "text.txt").write_text(text)
    process = start(tmp_path, "text.txt", "--min-count", 1, "--epochs", 1, "--dim", 200, "--max-steps", 10)
    saving = tmp_path / "text.nce" / "checkpoint" / "model"
    while not saving.exists():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    code, line = ended(process)
    assert (code, line) == (130, "Error: interrupted when all was done: the model in text.nce is complete")
    assert {path.name for path in (tmp_path / "text.nce").iterdir()} == set(FILES) - set(SUBWORD_FILES)
    assert nce_train.Embeddings.load(tmp_path / "text.nce").vectors.shape[1] == 200


@pytest.mark.slow
def test_killed_and_full_runs_lose_nothing():
    finished = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--kills", "5", "--no-space", "5", "--seed", "2"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "10 runs, 10 ended in the same bytes, 0 did not" in finished.stdout


SCRIPT = """
import sys, nce_train
if __name__ == "__main__":
    nce_train.train(sys.argv[1], output="m.nce", epochs=100_000, dim=32, log_every="100ms")
"""


def test_sigterm_to_a_script_leaves_a_checkpoint_and_ends_it(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, SAMPLE], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for(process, "epoch")
    send_twice(process, signal.SIGTERM, 0.001)
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM and "Traceback" not in err
    assert (tmp_path / "m.nce" / "checkpoint" / "state-000001.npz").exists()


def test_a_cpu_limit_repeats_its_signal_and_cuts_nothing_short(monkeypatch):
    monkeypatch.setattr(signals, "SAME_WISH_SECONDS", 0)
    stops = []
    with signals.FirstSignal(lambda: stops.append(1)) as first:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGXCPU)
    assert (len(stops), first.received) == (1, signal.SIGXCPU)


CALLED_FROM_C = """
import ctypes, os, signal, time
from nce_train.cli._signals import Ended, raise_on_signals

raise_on_signals()
def _raw_object_cache_notify():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.001)

ctypes.CFUNCTYPE(None)(_raw_object_cache_notify)()
try:
    time.sleep(30)
except Ended as end:
    print("ended", end.exit_code)
"""


def test_a_signal_in_a_callback_of_the_compiler_is_not_lost():
    done = subprocess.run([sys.executable, "-c", CALLED_FROM_C], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("ended 143\n", "")
