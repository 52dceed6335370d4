"""How a command ends when the operating system refuses something."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from command_case import call_command, command

from nce_train.cli._command import handle_failures


def test_a_missing_thread_is_one_sentence(capsys):
    def start():
        raise RuntimeError("can't start new thread")

    with pytest.raises(click.exceptions.Exit) as ended:
        handle_failures(start)()
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err.startswith("Error: no further thread can be started: memory or a limit of")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_what_cannot_be_printed_is_one_sentence(tmp_path):
    (tmp_path / "text.txt").write_text("a b c\n" * 50)
    with open("/dev/full", "wb") as full:
        for arguments, sentence in (
            (["--help"], "standard output: it could not be written (No space left on device); fix this"),
            (["text.txt", "--quiet"], "text.nce is complete, but standard output could not be written (No space left"),
        ):
            words = command("train", *arguments)
            done = subprocess.run(words, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
            assert done.returncode == 1
            assert done.stderr.startswith(f"Error: {sentence}") and done.stderr.count("\n") == 1
    assert (tmp_path / "text.nce" / "manifest.json").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_log_file_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "text.txt").write_text("a b c\n" * 50)
    done = call_command("train", "text.txt", "--quiet", "--log-file", "/dev/full", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == "Nothing more is written to the log file /dev/full: No space left on device.\n"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that cannot be read, of /proc")
def test_a_read_error_names_the_file(tmp_path):
    (tmp_path / "text.txt").write_text("a b c\n" * 50)
    for name in ("vocab", "phrases"):
        done = call_command(name, "text.txt", "/proc/self/mem", "-o", "out", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (1, "Error: cannot read /proc/self/mem: Input/output error\n")


@pytest.mark.skipif(sys.platform != "linux", reason="needs a terminal of its own")
def test_one_ctrl_d_ends_the_text(tmp_path):
    import pty

    controller, terminal = pty.openpty()
    words = command("vocab", "-", "-o", "v.tsv", "--min-count", "1")
    process = subprocess.Popen(words, cwd=tmp_path, stdin=terminal, stderr=subprocess.PIPE, start_new_session=True)
    os.write(controller, b"a b a\n\x04")
    assert process.wait(timeout=60) == 0
    assert (tmp_path / "v.tsv").read_text() == "a\t2\nb\t1\n"
    os.close(controller)
    os.close(terminal)
    process.stderr.close()
