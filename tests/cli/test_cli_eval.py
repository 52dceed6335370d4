"""nce-eval as a real process: its tables, its JSON and its exit codes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from command_case import call_command, command, run_command

from nce_train.embeddings import Embeddings
from nce_train.embeddings.subwords import SubWords
from nce_train.text.ngrams import ngram_buckets

CAPITALS = [("athens", "greece"), ("oslo", "norway"), ("lima", "peru")]


@pytest.fixture
def here(tmp_path):
    """A model, an analogy set that it answers correctly, and a similarity set."""
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
    return run_command("eval", *arguments, cwd=here, text=True, **options)


def counts(correct, asked, questions, interval):
    """The result of a set on which both measures agree."""
    accuracy = correct / asked if asked else None
    return {
        "correct": correct,
        "asked": asked,
        "questions": questions,
        "accuracy": accuracy,
        "coverage": asked / questions,
        "interval": interval,
        "cosmul": {"correct": correct, "accuracy": accuracy, "interval": interval},
    }


def test_json(here):
    done = run(here, "model.txt", "capitals.txt", "pairs.tsv", "--json")
    assert done.returncode == 0 and done.stderr == ""
    report = json.loads(done.stdout)
    correlation = report["similarity"]["pairs"]["spearman"]
    assert abs(correlation) == pytest.approx(1)
    known = {
        "words": 6,
        "spearman": correlation,
        "pairs": 2,
        "of": 3,
        "coverage": 2 / 3,
        "interval": [correlation, correlation],
    }
    every = counts(2, 2, 3, [1.0, 1.0])
    assert report == {
        "model": "model.txt",
        "vocabulary": 6,
        "dim": 8,
        "analogies": {
            "capitals": {
                "words": 6,
                **every,
                "sections": {"first": counts(2, 2, 2, [1.0, 1.0]), "second": counts(0, 0, 1, None)},
                "whole_vocabulary": {"words": 6, **every},
            }
        },
        "similarity": {"pairs": {**known, "restricted_vocabulary": known}},
        "bootstrap": {"level": 0.95, "resamples": 10_000, "seed": 0},
    }


def test_the_table_shows_sections_coverage_and_intervals_of_both_vocabularies(here):
    done = run(here, "model.txt", "--analogies", "capitals.txt", "--similarity", "pairs.tsv", "--restrict-vocab", "4")
    assert done.returncode == 0 and done.stderr == ""
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["model.txt:", "6", "words,", "dim", "8"]
    assert ["first", "1", "2", "50.0%", "100.0%", "100.0%"] in lines
    assert ["second", "0", "1", "0.0%", "–", "–"] in lines
    assert ["all", "1", "3", "33.3%", "100.0%", "100.0%"] in lines
    assert ["95%", "interval", "100.0–100.0", "100.0–100.0"] in lines
    assert ["all,", "among", "6", "words", "2", "3", "66.7%", "100.0%", "100.0%"] in lines
    assert [lines[-4][0], *lines[-4][3:]] == ["pairs", "2", "3", "66.7%"]
    assert lines[-3] == ["pairs,", "first", "4", "words", "–", "–", "1", "3", "33.3%"]
    assert lines[-1][:5] == ["95%", "intervals", "from", "10,000", "resamples"]


@pytest.fixture
def other(here):
    """A second model with random vectors, without Lima and Peru."""
    words = [word for pair in CAPITALS[:2] for word in pair] + ["x", "y"]
    Embeddings(words, np.random.default_rng(9).standard_normal((6, 8))).save(here / "other.txt")
    return here


def test_models_side_by_side_as_json(other):
    done = run(
        other, "model.txt", "capitals.txt", "pairs.tsv", "--json", "--compare", "other.txt", "--compare", "model.txt"
    )
    assert done.returncode == 0 and done.stderr == ""
    first, second = json.loads(done.stdout)["comparison"]
    assert (first["model"], second["model"]) == ("other.txt", "model.txt")
    assert first["analogies"]["capitals"]["asked"] == 1
    paired = first["paired"]["analogies"]["capitals"]
    assert (paired["asked"], paired["questions"]) == (1, 3)
    assert paired["accuracy"][0] == 1 and paired["p"] == 1
    assert first["paired"]["similarity"]["pairs"]["pairs"] == 1
    assert first["paired"]["similarity"]["pairs"]["p"] is None
    assert second["paired"]["similarity"]["pairs"]["difference"] == 0


def test_models_side_by_side_as_a_table(other):
    done = run(other, "model.txt", "capitals.txt", "pairs.tsv", "--compare", "other.txt", "--restrict-vocab", "4")
    assert done.returncode == 0 and done.stderr == ""
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0][:2] == ["A", "model.txt:"] and lines[1][:2] == ["B", "other.txt:"]
    assert ["second", "–", "–"] in lines
    assert ["pairs", "of", "3", "2", "1"] in lines
    assert ["A", "against", "B,", "shared", "items", "asked", "A", "B", "A", "-", "B", "95%", "interval", "p"] in lines
    assert ["capitals", "1"] in lines and ["capitals,", "all", "words", "1"] in lines
    assert ["pairs", "1", "–", "–", "–", "–", "–"] in lines
    assert max(map(len, done.stdout.splitlines()[:-1])) <= 100


def test_bats_msr_and_a_named_column(here):
    (here / "bats").mkdir()
    (here / "bats" / "capitals.txt").write_text("athens\thellas/greece\noslo\tnorway\nlima\tperu\n")
    (here / "msr.questions").write_text("athens greece oslo\n")
    (here / "msr.answers").write_text("NN norway\n")
    (here / "two.csv").write_text("w1,w2,x,y\noslo,norway,9,1\nlima,athens,2,5\n")
    done = run(here, "model.txt", "bats", "msr.questions", "two.csv:y", "two.csv:x", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    bats = report["analogies"]["bats"]
    assert (bats["questions"], bats["asked"], bats["correct"]) == (6, 4, 4)
    assert list(bats["sections"]) == ["capitals"]
    assert report["analogies"]["msr"]["sections"] == {"NN": counts(1, 1, 1, [1.0, 1.0])}
    assert report["similarity"]["two:y"]["spearman"] == -report["similarity"]["two:x"]["spearman"]


def test_without_a_set_the_project_s_own_is_used(here):
    done = run(here, "model.txt", "--json")
    assert done.returncode == 0, done.stderr
    (name,) = json.loads(done.stdout)["analogies"]
    assert name == "analogies"


def test_text_that_is_not_utf_8_is_shown_escaped(here):
    (here / "set.txt").write_bytes(b": f\xe9minin\noslo norway lima peru\n")  # not UTF-8
    done = run(here, "model.txt", "set.txt", env={**os.environ, "PYTHONIOENCODING": "utf-8"})
    assert done.returncode == 0, done.stderr
    assert "f\\xe9minin" in done.stdout


def test_an_option_sets_the_kind_of_a_set(here):
    done = run(here, "model.txt", "--analogies", "pairs.tsv")
    assert done.returncode == 2
    assert done.stderr == (
        "Error: pairs.tsv: an analogy has four words; where a line has three, the fourth, after a tag, should be in "
        "pairs.answers beside it, which is missing\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["model.txt", "--compare", "absent.nce"], "absent.nce: no such file; check the path"),
        (["model.txt", "--heldout", "set.txt", "--compare", "model.txt"], "model.txt"),
        (["model.txt", "empty"], "no file of word pairs in this directory"),
        (["model.txt", "pairs.tsv:score"], "pairs.tsv: there is no column 'score'; it has no header"),
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
    (here / "empty").mkdir()
    (here / "other" / "capitals.txt").write_text("a b c d\n")
    done = call_command("eval", *arguments, cwd=here)
    assert done.returncode == 2
    assert done.stdout == ""
    assert sentence in done.stderr


def test_a_set_given_twice_is_used_once(here):
    done = run(here, "model.txt", "capitals.txt", "capitals.txt", "--json")
    assert json.loads(done.stdout)["analogies"]["capitals"]["questions"] == 3


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_no_space_for_the_result_exits_with_1(here):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command("eval", "model.txt", "capitals.txt"),
            cwd=here,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "Error: standard output: it could not be written (No space left on device); fix this\n"


def test_a_closed_pipe_ends_without_a_message(here):
    (here / "long.txt").write_text("".join(f": section {i}\na b c d\n" for i in range(3000)))
    process = subprocess.Popen(
        command("eval", "model.txt", "long.txt"),
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
        command("eval", "model.txt", "--analogies", "waits.txt"),
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


@pytest.mark.skipif(os.name != "posix", reason="terminals as POSIX has them")
def test_a_terminal_shows_a_bar_for_each_set(here):
    """Here the bar appears at once, not after a second."""
    code = (
        "import sys; from nce_train.api import progress_bar; from nce_train.cli.eval import main\n"
        "shown = dict(delay=0, mininterval=0, ncols=70, nrows=40)\n"
        "bar = progress_bar._bar_class()\n"
        "progress_bar._bar_class = lambda: lambda **options: bar(**{**options, **shown})\n"
        "main(sys.argv[1:])"
    )
    terminal, end = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", code, "model.txt", "capitals.txt", "--restrict-vocab", "4", "--compare", "model.txt"],
        cwd=here,
        stdout=subprocess.DEVNULL,
        stderr=end,
    ) as process:
        os.close(end)
        shown = b""
        with contextlib.suppress(OSError):  # at the end of a terminal
            while piece := os.read(terminal, 4096):
                shown += piece
    os.close(terminal)
    assert process.returncode == 0, shown.decode()
    assert shown.count(b"capitals: 100%") >= 4  # among frequent words and all, twice


def test_words_of_any_case(here):
    """As given or else in lower case, `OSLO` is not found; a noisy twin in another case is no answer."""
    Embeddings.load(here / "model.txt").save(here / "lower.txt")
    text = (here / "model.txt").read_text().replace("athens ", "ATHENS ").replace("oslo ", "OSLO ")
    (here / "model.txt").write_text(text.replace("norway ", "Norway "))
    done = run(here, "model.txt", "capitals.txt", "pairs.tsv", "--fold-case", "--json")
    report = json.loads(done.stdout)
    plain = json.loads(run(here, "lower.txt", "capitals.txt", "pairs.tsv", "--json").stdout)
    assert done.returncode == 0 and report.pop("fold_case") is True
    assert report == {**plain, "model": "model.txt"}
    done = run(here, "model.txt", "capitals.txt", "--fold-case")
    assert "words compared in any case, as gensim does by default\n95% intervals" in done.stdout


@pytest.mark.parametrize(
    "arguments", [("w2v.kv", "capitals.txt"), ("model.txt", "w2v.kv"), ("model.txt", "--compare", "w2v.kv")]
)
def test_a_pickle_is_named(here, arguments):
    (here / "w2v.kv").write_bytes(b"\x80\x04\x95" + bytes(40))
    done = run(here, *arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("Error: w2v.kv: this is a pickle of Python objects, such as gensim's save() ")


@pytest.fixture
def with_subwords(here):
    """The model with n-grams of its words, and a set with words that it does not know."""
    model = Embeddings.load(here / "model.txt")
    _, found = ngram_buckets(model.index_to_key, 3, 4, 10_000)
    rows = np.unique(found).astype(np.int32)
    ngrams = np.random.default_rng(6).standard_normal((len(rows), 8)).astype(np.float32)
    Embeddings(model.index_to_key, model.vectors, subwords=SubWords(3, 4, 10_000, rows, ngrams)).save(here / "m.npy")
    (here / "more.txt").write_text("athens greece oslo norway\nathenian greece limas peru\nathens greece zzzz peru\n")
    (here / "more.tsv").write_text("oslo\tnorway\t9\nlima\tathenian\t2.5\noslo\tperuvian\t1\nlima\tzzzz\t1\n")
    return here


def test_figures_with_unknown_words(with_subwords):
    done = run(with_subwords, "m.npy", "more.txt", "more.tsv", "--oov")
    assert done.returncode == 0 and done.stderr == ""
    lines = [line.split() for line in done.stdout.splitlines()]
    (asked,) = [line for line in lines if line[:4] == ["all,", "unknown", "words", "composed"]]
    assert asked[4:7] == ["2", "3", "66.7%"]
    (pairs,) = [line for line in lines if line[:4] == ["more,", "unknown", "words", "composed"]]
    assert pairs[-3:] == ["3", "4", "75.0%"]
    done = run(with_subwords, "m.npy", "more.txt", "more.tsv", "--oov", "--json")
    report = json.loads(done.stdout)
    assert report["analogies"]["more"]["asked"] == 1 and report["analogies"]["more"]["oov"]["asked"] == 2
    assert report["similarity"]["more"]["pairs"] == 1 and report["similarity"]["more"]["oov"]["pairs"] == 3


def test_figures_with_unknown_words_side_by_side(with_subwords):
    done = run(with_subwords, "m.npy", "more.txt", "more.tsv", "--oov", "--compare", "m.npy")
    assert done.returncode == 0
    lines = [line.split() for line in done.stdout.splitlines()]
    place = lines.index(["all,", "unknown", "words", "composed,", "among", "words", "6", "6"])
    assert lines[place + 1] == ["asked", "2", "2"]
    (place,) = [n for n, line in enumerate(lines) if line[:4] == ["more,", "unknown", "words", "composed"]]
    assert lines[place + 2] == ["pairs", "of", "4", "3", "3"]


def test_unknown_words_need_subwords(here):
    done = run(here, "model.txt", "capitals.txt", "--oov")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "Error: model.txt: it has no sub-words, so that unknown words have no vectors; leave --oov (oov=True) out\n"
    )
