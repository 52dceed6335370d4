"""nce-query as a real process: answers, JSON, batches, unknown words, exit codes, and its prompt on a terminal."""

import json
import os
import re
import select
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from command_case import command, run_command

from nce_train.cli import _questions
from nce_train.cli.query import main
from nce_train.embeddings import Embeddings
from nce_train.embeddings.subwords import SubWords
from nce_train.text.ngrams import ngram_buckets

WORDS = ["athens", "greece", "oslo", "norway", "lima", "peru", "new york", "-dash", "bad\x1bword", "f\udce9minin"]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A model with the same offset between each capital and its country."""
    directory = tmp_path_factory.mktemp("query")
    rng = np.random.default_rng(4)
    role = rng.standard_normal((2, 8))
    lands = rng.standard_normal((3, 8))
    vectors = (lands[:, None] + role).reshape(6, 8)
    Embeddings(WORDS, np.concatenate([vectors, 0.5 * rng.standard_normal((4, 8))])).save(directory / "model.txt")
    return directory


@pytest.fixture(scope="module")
def model(here):
    return Embeddings.load(here / "model.txt")


def run(here, *arguments, given=""):
    return run_command("query", *arguments, cwd=here, input=given.encode("utf-8", "surrogateescape"))


def lines_of(answers):
    return [f"{value:7.4f}  {word}" for word, value in answers]


def test_the_neighbours_of_a_word(here, model):
    done = run(here, "model.txt", "neighbours", "oslo", "--top", "3")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().splitlines() == lines_of(model.most_similar("oslo", topn=3))


def test_the_neighbours_of_several_words_among_the_first(here, model):
    done = run(here, "model.txt", "--top", "2", "--restrict-vocab", "4", "neighbours", "oslo", "lima")
    assert (done.returncode, done.stderr) == (0, b"")
    expected = []
    for word in ("oslo", "lima"):
        expected += [word, *("  " + line for line in lines_of(model.most_similar(word, topn=2, restrict_vocab=4)))]
    assert done.stdout.decode().splitlines() == expected


def test_analogies_by_sum_and_by_product(here, model):
    done = run(here, "model.txt", "analogy", "athens", "greece", "oslo")
    assert (done.returncode, done.stderr) == (0, b"")
    question = {"positive": ["greece", "oslo"], "negative": ["athens"]}
    shown = done.stdout.decode().splitlines()
    assert shown[:2] == lines_of(model.most_similar(**question, topn=2)) and shown[0].endswith("  norway")
    done = run(here, "model.txt", "analogy", "athens", "greece", "oslo", "--method", "3cosmul", "--json", "--top", "1")
    ((word, score),) = model.most_similar_cosmul(**question, topn=1)
    assert json.loads(done.stdout) == {
        "words": [{"asked": word, "word": word} for word in ("athens", "greece", "oslo")],
        "method": "3cosmul",
        "answers": [{"word": word, "score": pytest.approx(score)}],
    }


def test_similarity_and_the_odd_one_out(here, model):
    done = run(here, "model.txt", "similarity", "oslo", "lima")
    assert done.stdout.decode() == f"{model.similarity('oslo', 'lima'):.4f}\n"
    words = ["oslo", "norway", "lima", "new york"]
    done = run(here, "model.txt", "odd-one-out", *words)
    assert done.stdout.decode() == model.doesnt_match(words) + "\n"


def test_json_of_neighbours(here, model):
    done = run(here, "model.txt", "neighbours", "Oslo", "osol", "lima", "--top", "2", "--json")
    assert done.returncode == 2
    nearest = {
        word: [{"word": other, "similarity": pytest.approx(value)} for other, value in model.most_similar(word, topn=2)]
        for word in ("oslo", "lima")
    }
    assert json.loads(done.stdout) == {
        "neighbours": [
            {"asked": "Oslo", "word": "oslo", "nearest": nearest["oslo"]},
            {"asked": "lima", "word": "lima", "nearest": nearest["lima"]},
        ],
        "unknown": [{"asked": "osol", "spellings": ["oslo"]}],
    }
    assert done.stderr.decode().splitlines() == [
        "Note: 'Oslo' is not in the vocabulary; answered for 'oslo'",
        "Error: 'osol' is not in the vocabulary; nearest spellings: oslo",
    ]
    done = run(here, "model.txt", "neighbours", "xxyyzz", "--json")
    assert json.loads(done.stdout) == {"neighbours": [], "unknown": [{"asked": "xxyyzz", "spellings": []}]}


def test_words_with_blanks_dashes_escapes_and_bytes(here):
    done = run(here, "model.txt", "neighbours", "--top", "1", "--", "new york", "%_new%20york", "-dash", "f\udce9minin")
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.decode().splitlines() if not line.startswith(" ")] == [
        "new york",
        "%_new%20york",
        "-dash",
        "%_f%E9minin",
    ]


def test_a_word_that_is_not_utf_8_is_printed_in_a_form_that_can_be_given(here):
    shown = run(here, "model.txt", "neighbours", "oslo").stdout.decode()
    assert " %_f%E9minin\n" in shown
    done = run(here, "model.txt", "similarity", "%_f%E9minin", "f\udce9minin")
    assert (done.returncode, done.stdout) == (0, b"1.0000\n")


def test_control_characters_are_not_sent_to_a_terminal(here):
    done = run(here, "model.txt", "neighbours", "oslo")
    assert b"\x1b" not in done.stdout and rb"bad\x1bword" in done.stdout


def test_thousands_of_words_from_standard_input(here, model):
    asked = [WORDS[number % 6] for number in range(5_000)]
    asked[17:17] = ["osol", "", "ATHENS", "f\udce9minin"]
    done = run(here, "model.txt", "neighbours", "-", "--top", "2", given="\r\n".join(asked))
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        "Note: 'ATHENS' is not in the vocabulary; answered for 'athens'",
        "Error: 'osol' is not in the vocabulary; nearest spellings: oslo",
    ]
    lines = done.stdout.decode().splitlines()
    answered = ["%_f%E9minin" if word == "f\udce9minin" else word for word in asked if word not in ("", "osol")]
    assert lines[::3] == answered
    assert lines[-2:] == ["  " + line for line in lines_of(model.most_similar(asked[-1], topn=2))]
    done = run(here, "model.txt", "neighbours", "-", "--top", "2", "--json", given="\n".join(asked))
    found = json.loads(done.stdout)
    assert len(found["neighbours"]) == 5_002 and [word["asked"] for word in found["unknown"]] == ["osol"]
    assert found["neighbours"][18]["word"] == "f\udce9minin"


@pytest.fixture(scope="module")
def with_subwords(here):
    """A model whose n-grams are those of its words."""
    words = ["oslo", "norway", "lima", "tokyo"]
    _, found = ngram_buckets(words, 3, 4, 100_000)
    rows = np.unique(found).astype(np.int32)
    numbers = np.random.default_rng(3).standard_normal((len(rows) + 4, 5)).astype(np.float32)
    model = Embeddings(words, numbers[:4], subwords=SubWords(3, 4, 100_000, rows, numbers[4:]))
    model.save(here / "subwords.npy")
    return model


NOTE = "Note: 'TOKIO' is not in the vocabulary; its vector is composed of its 3 known n-grams; nearest spellings: tokyo"
TOKIO = {"asked": "TOKIO", "word": "tokio", "composed": True, "known_ngrams": 3, "spellings": ["tokyo"]}


def test_an_unknown_word_is_answered_by_its_composed_vector(here, with_subwords):
    done = run(here, "subwords.npy", "neighbours", "TOKIO", "--top", "2")
    assert done.returncode == 0
    assert done.stderr.decode().splitlines() == [NOTE]
    assert done.stdout.decode().splitlines() == lines_of(with_subwords.most_similar("tokio", topn=2))
    done = run(here, "subwords.npy", "similarity", "oslo", "tokio")
    assert done.stdout.decode() == f"{with_subwords.similarity('oslo', 'tokio'):.4f}\n"
    assert done.stderr.startswith(b"Note: 'tokio' is not in the vocabulary; its vector is composed")


def test_json_says_which_vectors_are_composed(here, with_subwords):
    done = run(here, "subwords.npy", "neighbours", "TOKIO", "Oslo", "xxyyzz", "--top", "1", "--json")
    assert done.returncode == 2
    nearest = [
        [{"word": w, "similarity": s}]
        for word in ("tokio", "oslo")
        for w, s in with_subwords.most_similar(word, topn=1)
    ]
    assert json.loads(done.stdout) == {
        "neighbours": [{**TOKIO, "nearest": nearest[0]}, {"asked": "Oslo", "word": "oslo", "nearest": nearest[1]}],
        "unknown": [{"asked": "xxyyzz", "spellings": []}],
    }
    assert done.stderr.decode().splitlines() == [
        "Note: 'Oslo' is not in the vocabulary; answered for 'oslo'",
        NOTE,
        "Error: 'xxyyzz' is not in the vocabulary, nor any word spelled like it",
    ]
    for question, words in (("analogy", ["oslo", "norway", "TOKIO"]), ("odd-one-out", ["oslo", "TOKIO", "lima"])):
        done = run(here, "subwords.npy", question, *words, "--json")
        assert done.returncode == 0
        known = [{"asked": word, "word": word} for word in words if word != "TOKIO"]
        pairs = json.loads(done.stdout)["words"]
        assert [pair for pair in pairs if "composed" not in pair] == known
        assert [pair for pair in pairs if "composed" in pair] == [TOKIO]


def test_many_composed_words_are_counted(here, with_subwords):
    words = "".join(f"oslo{number}\n" for number in range(12)) + "xxyyzz\n"
    done = run(here, "subwords.npy", "neighbours", "-", "--top", "1", "--json", given=words)
    errors = done.stderr.decode().splitlines()
    assert errors[0].startswith("Note: 'oslo0' is not in the vocabulary; its vector is composed of its 5 known n-grams")
    assert errors[10] == (
        "Note: 12 words are not in the vocabulary, the first 10 named above; their vectors are composed of their known "
        "n-grams"
    )
    assert errors[11:] == ["Error: 'xxyyzz' is not in the vocabulary"]
    spellings = [answer["spellings"] for answer in json.loads(done.stdout)["neighbours"]]
    assert spellings == [["oslo"]] * 10 + [None] * 2


def test_spellings_of_unknown_words_are_searched_ten_times_in_all(here, with_subwords, monkeypatch):
    monkeypatch.setattr(_questions, "_WORDS_AT_ONCE", 3)
    monkeypatch.chdir(here)
    words = [word for number in range(7) for word in (f"oslo{number}", f"{number}xxyyzz")]
    done = CliRunner().invoke(main, ["subwords.npy", "neighbours", *words, "--json"])
    answer = json.loads(done.stdout)
    spellings = [one["spellings"] for one in (*answer["neighbours"], *answer["unknown"])]
    assert spellings == [["oslo"]] * 5 + [None] * 2 + [[]] * 5 + [None] * 2


def test_many_unknown_words_are_counted(here):
    given = "".join(f"unheard{number}\n" for number in range(5_000)) + "oslo\n"
    done = run(here, "model.txt", "neighbours", "-", given=given)
    assert done.returncode == 2 and done.stdout.startswith(b"oslo\n")
    errors = done.stderr.decode().splitlines()
    assert len(errors) == 11
    assert errors[0] == "Error: 'unheard0' is not in the vocabulary, nor any word spelled like it"
    assert errors[-1].startswith("Error: 5,000 of 5,001 words are not in the vocabulary, the first 10 named above")


def test_an_index_is_built_once_and_used(here, model):
    arguments = ["model.txt", "neighbours", "oslo", "--index", "v.usearch"]
    built, used = run(here, *arguments), run(here, *arguments)
    assert (built.returncode, used.returncode) == (0, 0)
    assert built.stderr == b"v.usearch: an index of 10 words was built\n" and used.stderr == b""
    assert built.stdout == used.stdout
    assert built.stdout.decode().splitlines()[:3] == lines_of(model.most_similar("oslo", topn=3))
    done = run(here, "model.txt", "--index", "v.usearch", given="oslo --restrict-vocab 3\noslo --top 1\n")
    assert done.returncode == 2 and len(done.stdout.splitlines()) == 2
    assert done.stderr == b"Error: restrict_vocab is 3, but an index searches all words; leave one of them out\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Missing argument 'MODEL'"),
        (["absent.nce", "neighbours", "a"], "absent.nce: no such file; check the path"),
        (["model.txt", "neighbors", "a"], "'neighbors' is not one of 'neighbours', 'analogy'"),
        (["model.txt", "neighbours"], "neighbours takes at least 1 word, 0 given: neighbours WORD..."),
        (["model.txt", "analogy", "oslo", "lima"], "analogy takes 3 words, 2 given: analogy A B C"),
        (["model.txt", "similarity", "a", "b", "c"], "similarity takes 2 words, 3 given"),
        (["model.txt", "odd-one-out", "oslo", "lima"], "odd-one-out takes at least 3 words, 2 given"),
        (
            ["model.txt", "analogy", "oslo", "norwya", "lima"],
            "'norwya' is not in the vocabulary; nearest spellings: norw",
        ),
        (["model.txt", "odd-one-out", "oslo", "xxyyzz", "lima"], "'xxyyzz' is not in the vocabulary, nor any"),
        (["model.txt", "neighbours", "oslo", "--top", "0"], "--top"),
        (["model.txt", "neighbours", "oslo", "--restrict-vocab", "-1"], "--restrict-vocab"),
        (["model.txt", "neighbours", "-dash"], "No such option"),
        (["model.txt", "neighbours", "-"], "standard input is empty; give it a word a line"),
        (["model.txt", "similarity", "oslo", "lima", "--index", "v"], "--index is for neighbours among all words"),
        (["model.txt", "neighbours", "oslo", "--index", "model.txt"], "model.txt: not an index that nce-train wrote"),
        (["model.txt", "neighbours", "oslo", "--index", "no/v"], "no/v: no index is there, and none can be written"),
    ],
)
def test_wrong_usage_and_bad_input_exit_with_2(here, arguments, sentence, monkeypatch):
    monkeypatch.chdir(here)
    handler = signal.getsignal(signal.SIGTERM)
    done = CliRunner().invoke(main, arguments)
    signal.signal(signal.SIGTERM, handler)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert sentence in done.stderr and isinstance(done.exception, SystemExit)


def test_a_closed_pipe_ends_without_a_message(here):
    given = here / "many.txt"
    given.write_text("oslo\n" * 20_000)
    with open(given) as words:
        process = subprocess.Popen(
            command("query", "model.txt", "neighbours", "-"),
            cwd=here,
            stdin=words,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        process.stderr.close()
        assert process.wait(60) == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_no_space_for_the_answers_exits_with_1(here):
    for arguments, given in ((["neighbours", "oslo"], ""), ([], "oslo\nlima\n")):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                command("query", "model.txt", *arguments),
                cwd=here,
                input=given.encode(),
                stdout=full,
                stderr=subprocess.PIPE,
                timeout=60,
                check=False,
            )
        assert done.returncode == 1
        assert done.stderr.startswith(b"Error: standard output: it could not be written (No space left")


def test_questions_from_a_pipe(here, model):
    given = (
        'oslo --top 1\n\nanalogy athens greece oslo\nsimilarity oslo\n"new york"\nnonsense at all\nhelp\nquit\nlima\n'
    )
    done = run(here, "model.txt", "--top", "2", given=given)
    assert done.returncode == 2
    (near,) = lines_of(model.most_similar("oslo", topn=1))
    lines = done.stdout.decode().splitlines()
    assert lines[:3] == ["oslo", f"  {near}", "analogy athens greece oslo"]
    assert lines[5] == "new york" and "lima" not in lines
    assert any(line.startswith("odd-one-out A B C...") for line in lines)
    assert done.stderr.decode().splitlines() == [
        "Error: similarity takes 2 words, 1 given: similarity A B",
        "Error: no question 'nonsense'; help shows them",
    ]


def test_json_from_a_pipe_is_an_object_a_line(here):
    done = run(here, "model.txt", "--json", given="oslo lima\nneighbours oslo lima\nsimilarity oslo lima\n")
    first, second = map(json.loads, done.stdout.splitlines())
    assert [answer["word"] for answer in first["neighbours"]] == ["oslo", "lima"]
    assert set(second) == {"words", "similarity"}


def test_a_bad_line_does_not_end_the_prompt(here):
    lines = [
        '"',
        '""',
        "don't",
        '5"',
        "--top",
        "--top x oslo",
        "--",
        "-",
        "analogy",
        "neighbours",
        "\udce9\udcff",
        "\0",
    ]
    lines.append("a" * 70_000)
    done = run(here, "model.txt", given="".join(f"{line}\nsimilarity oslo lima\n" for line in lines))
    assert done.returncode == 2
    assert done.stdout.count(b"similarity oslo lima\n") == len(lines)
    errors = done.stderr.decode().splitlines()
    assert len(errors) == len(lines) and all(line.startswith("Error: ") for line in errors)


def test_an_empty_standard_input_is_no_error(here):
    done = run(here, "model.txt")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


class Terminal:
    """A command on a pseudo-terminal."""

    def __init__(self, here, *arguments, **environment):
        import pty

        self.handle, inner = pty.openpty()
        self.process = subprocess.Popen(
            command("query", *arguments),
            cwd=here,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm", **environment},
            preexec_fn=lambda: _own_terminal(),
        )
        os.close(inner)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.process.kill()
        self.process.wait()
        os.close(self.handle)

    def type(self, keys, until):
        """Type keys, and return what is shown up to a pattern."""
        os.write(self.handle, keys.encode())
        return self.read(until)

    def wait_until_idle(self):
        """Wait until it waits for keys: Python handles a signal just before that only at the next key."""
        quiet = 0
        while quiet < 10:
            time.sleep(0.02)
            stat = Path(f"/proc/{self.process.pid}/stat")
            asleep = not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "S"
            quiet = quiet + 1 if asleep else 0

    def read(self, until, timeout=100):
        shown, end = "", time.monotonic() + timeout
        while not re.search(until, shown):
            ready, _, _ = select.select([self.handle], [], [], max(0, end - time.monotonic()))
            assert ready, f"{until!r} never came: {shown!r}"
            try:
                shown += os.read(self.handle, 4096).decode()
            except OSError:  # the other end was closed
                pytest.fail(f"{until!r} never came: {shown!r}")
        return shown


def _own_terminal():
    import fcntl
    import termios

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # jobs in the background ignore it
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


@pytest.mark.skipif(os.name != "posix", reason="terminals as POSIX has them")
def test_the_prompt_completes_and_remembers(here, state):
    with Terminal(here, "model.txt", "--top", "1", XDG_STATE_HOME=str(state)) as terminal:
        terminal.read("model.txt: 10 words, dim 8; help shows the questions, Ctrl-D ends\r\n.*> ")
        assert "athens" in terminal.type("ath\t", "athens ")
        terminal.type("\r", r"\d\.\d{4}  .*\r\n.*> ")
        terminal.type("simil\tosl\tlim\t", "similarity oslo lima ")
        terminal.type("\r", r"\d\.\d{4}\r\n.*> ")
        # a row of words, the most frequent first, where the alphabet would have norway and greece the other way round
        shown = terminal.type("odd-one-out \t\t", r"athens  greece  .*\r\n.*> odd-one-out ")
        assert "athens  greece  oslo  norway  lima  peru  -dash" in shown and "new york" not in shown
        terminal.wait_until_idle()
        terminal.type("\x03", r"\r\n.*> $")  # Ctrl-C clears the line
        terminal.type("olso\r", "nearest spellings: oslo\r\n.*> ")
        os.write(terminal.handle, b"\x04")
        assert terminal.process.wait(100) == 0
    history = state / "nce-train" / "query_history"
    assert history.read_text() == "athens \nsimilarity oslo lima \nolso\n"
    assert (state / "nce-train").stat().st_mode & 0o777 == 0o700
    with Terminal(here, "model.txt", XDG_STATE_HOME=str(state)) as terminal:
        terminal.read("> ")
        terminal.type("\x1b[A\x1b[A", "similarity oslo lima ")  # twice the key up
        terminal.type("\r", r"\d\.\d{4}\r\n.*> ")
        terminal.wait_until_idle()
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.process.wait(100) == 143
    assert history.read_text().count("similarity oslo lima \n") == 2


@pytest.mark.skipif(os.name != "posix", reason="terminals as POSIX has them")
def test_a_history_that_cannot_be_written_is_reported(here, tmp_path):
    (tmp_path / "state").write_text("a file")
    with Terminal(here, "model.txt", XDG_STATE_HOME=str(tmp_path / "state")) as terminal:
        terminal.read("the history cannot be read .*\r\n.*> ")
        terminal.type("similarity oslo lima\r", r"\d\.\d{4}\r\n.*> ")
        terminal.type("quit\r", "the history cannot be written")
        assert terminal.process.wait(100) == 0


@pytest.mark.skipif(os.name != "posix", reason="terminals as POSIX has them")
def test_answers_go_to_a_file_and_the_prompt_to_the_terminal(here, tmp_path):
    import pty

    handle, inner = pty.openpty()
    with open(tmp_path / "answers.txt", "wb") as answers:
        process = subprocess.Popen(command("query", "model.txt"), cwd=here, stdin=inner, stdout=answers, stderr=inner)
    os.close(inner)
    os.write(handle, b"similarity oslo lima\n\x04")
    assert process.wait(100) == 0
    os.close(handle)
    assert re.fullmatch(r"-?\d\.\d{4}\n", (tmp_path / "answers.txt").read_text())


def test_a_word_twice_is_a_warning(tmp_path):
    (tmp_path / "v.vec").write_text("4 2\nthe 1 0\nof 0 1\nthe 0 2\nand 1 1\n")
    done = run(tmp_path, "v.vec", "neighbours", "the", "--top", "1")
    assert (done.returncode, done.stdout) == (0, b" 0.7071  and\n")
    assert done.stderr.decode().splitlines() == [
        "Warning: v.vec, line 4: the word 'the' stands at v.vec, line 2 already; the first row of a word counts, and 1 "
        "further row is left out."
    ]
