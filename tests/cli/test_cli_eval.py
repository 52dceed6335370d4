"""nce-eval as a real process: its table, its JSON, its exit codes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from nce_train.embeddings import Embeddings

CAPITALS = [("athens", "greece"), ("oslo", "norway"), ("lima", "peru")]


@pytest.fixture
def here(tmp_path):
    """A model, an analogy set that it answers, and a similarity set."""
    rng = np.random.default_rng(4)
    role = rng.standard_normal((2, 8))
    lands = rng.standard_normal((3, 8))
    vectors = (lands[:, None] + role).reshape(6, 8)
    words = [word for pair in CAPITALS for word in pair]
    Embeddings(words, vectors).save(tmp_path / "model.txt")
    (tmp_path / "capitals.txt").write_text(
        ": first\nAthens Greece Oslo Norway\noslo norway lima peru\n: second\nathens greece paris france\n"
    )
    (tmp_path / "pairs.tsv").write_text("# scores\noslo\tnorway\t9\nlima\tathens\t2.5\noslo\tparis\t1\n")
    return tmp_path


def run(here, *arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "nce_train.cli.eval", *arguments],
        cwd=here,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def test_json(here):
    done = run(here, "model.txt", "capitals.txt", "pairs.tsv", "--json")
    assert done.returncode == 0 and done.stderr == ""
    report = json.loads(done.stdout)
    assert report == {
        "model": "model.txt",
        "vocabulary": 6,
        "dim": 8,
        "analogies": {
            "capitals": {
                "correct": 2,
                "asked": 2,
                "questions": 3,
                "accuracy": 1.0,
                "coverage": 2 / 3,
                "sections": {
                    "first": {"correct": 2, "asked": 2, "questions": 2, "accuracy": 1.0, "coverage": 1.0},
                    "second": {"correct": 0, "asked": 0, "questions": 1, "accuracy": None, "coverage": 0.0},
                },
            }
        },
        "similarity": {
            "pairs": {
                "spearman": report["similarity"]["pairs"]["spearman"],
                "pairs": 2,
                "of": 3,
                "coverage": 2 / 3,
            }
        },
    }
    assert abs(report["similarity"]["pairs"]["spearman"]) == pytest.approx(1)


def test_the_table_shows_sections_and_coverage(here):
    done = run(here, "model.txt", "--analogies", "capitals.txt", "--similarity", "pairs.tsv", "--restrict-vocab", "4")
    assert done.returncode == 0 and done.stderr == ""
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["model.txt:", "6", "words,", "dim", "8"]
    assert ["first", "1", "1", "2", "100.0%", "50.0%"] in lines
    assert ["second", "0", "0", "1", "–", "0.0%"] in lines
    assert ["all", "1", "1", "3", "100.0%", "33.3%"] in lines
    assert [lines[-1][0], *lines[-1][2:]] == ["pairs", "2", "3", "66.7%"]


def test_without_a_set_the_project_s_own_is_asked(here):
    done = run(here, "model.txt", "--json")
    assert done.returncode == 0, done.stderr
    (name,) = json.loads(done.stdout)["analogies"]
    assert name == "analogies"


def test_words_that_the_terminal_cannot_show_are_told_all_the_same(here):
    (here / "set.txt").write_bytes(b": f\xe9minin\noslo norway lima peru\n")  # not UTF-8
    done = run(here, "model.txt", "set.txt", env={**os.environ, "PYTHONIOENCODING": "utf-8"})
    assert done.returncode == 0, done.stderr
    assert "f\\udce9minin" in done.stdout


def test_the_kind_can_be_forced(here):
    done = run(here, "model.txt", "--analogies", "pairs.tsv")
    assert done.returncode == 2
    assert done.stderr == "Error: pairs.tsv, line 2: 3 words where an analogy has four; mend the line\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["absent.nce"], "absent.nce: no such file; check the path"),
        (["model.txt", "absent.txt"], "absent.txt: the set cannot be read (No such file or directory)"),
        ([".", "capitals.txt"], "not a model directory"),
        (["model.txt", "capitals.txt", "other/capitals.txt"], "rename one of the files"),
        (["model.txt", "--restrict-vocab", "-1"], "--restrict-vocab"),
        ([], "MODEL"),
        (["model.txt", "--nonsense"], "No such option"),
    ],
)
def test_wrong_usage_and_bad_input_exit_with_2(here, arguments, sentence):
    (here / "other").mkdir()
    (here / "other" / "capitals.txt").write_text("a b c d\n")
    done = run(here, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert sentence in done.stderr and "Traceback" not in done.stderr


def test_the_same_set_twice_is_asked_once(here):
    done = run(here, "model.txt", "capitals.txt", "capitals.txt", "--json")
    assert json.loads(done.stdout)["analogies"]["capitals"]["questions"] == 3


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_no_space_for_the_result_exits_with_1(here):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "nce_train.cli.eval", "model.txt", "capitals.txt"],
            cwd=here,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert (
        done.stderr == "Error: standard output: the results could not be written (No space left on device); mend this\n"
    )


def test_a_reader_that_went_away_is_no_failure_worth_words(here):
    (here / "long.txt").write_text("".join(f": section {i}\na b c d\n" for i in range(3000)))
    process = subprocess.Popen(
        [sys.executable, "-m", "nce_train.cli.eval", "model.txt", "long.txt"],
        cwd=here,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 1


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_an_interrupt_exits_with_130(here):
    os.mkfifo(here / "waits.txt")
    process = subprocess.Popen(
        [sys.executable, "-m", "nce_train.cli.eval", "model.txt", "--analogies", "waits.txt"],
        cwd=here,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # jobs in the background ignore it
    )
    writer = None
    while writer is None:
        time.sleep(0.02)
        # This fails until the command has opened the other end, where it then waits for text.
        with contextlib.suppress(OSError):
            writer = os.open(here / "waits.txt", os.O_WRONLY | os.O_NONBLOCK)
    process.send_signal(signal.SIGINT)
    os.close(writer)  # a signal just before the read begins is noticed only when the read ends
    _, words = process.communicate(timeout=60)
    assert process.returncode == 130
    assert words == "Error: interrupted; nothing more was written\n"


def test_help_and_version_load_neither_numba_nor_numpy(here):
    code = (
        "import sys; from nce_train.cli.eval import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'numba', 'numpy'} & set(sys.modules)"
    )
    for argument in ("--help", "--version"):
        done = subprocess.run(
            [sys.executable, "-c", code, argument],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "nce-eval, version " in done.stdout or "--restrict-vocab" in done.stdout
