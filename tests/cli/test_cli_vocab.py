"""nce-vocab as a real process: its file, its messages and its exit codes."""

import pytest
from command_case import call_command, run_command

from nce_train.text.vocabulary import Vocabulary

TEXT = b"The cat, the dog\nthe cat\n"


def test_it_writes_words_and_counts(tmp_path):
    (tmp_path / "corpus.txt").write_bytes(TEXT)
    out = tmp_path / "vocab.tsv"
    done = run_command("vocab", tmp_path / "corpus.txt", "-o", out, "--min-count", 1)
    assert (done.returncode, done.stdout) == (0, b"")
    assert out.read_bytes() == b"the\t2\nThe\t1\ncat,\t1\ndog\t1\ncat\t1\n"
    warning, summary = done.stderr.decode().splitlines()
    assert warning == "Warning: 17% of the tokens end in punctuation; --tokens words would leave it out"
    assert summary == f"{out}: 5 words, 6 tokens, from 25 bytes"


def test_standard_input_and_all_options(tmp_path):
    out = tmp_path / "vocab.tsv"
    options = ["--tokens", "words", "--lowercase", "--normalize", "nfc", "--unknown", "UNK"]
    options += ["--min-count", 1, "--max-vocab", 3]
    text = TEXT + "CAFE\u0301 Caf\u00e9 caf\u00e9\u00ad café".encode()
    done = run_command("vocab", "-", "-o", out, *options, "--threads", 2, "--quiet", input=text)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert out.read_bytes() == "UNK\t3\ncaf\u00e9\t4\nthe\t3\n".encode()
    assert len(Vocabulary.load(out, unknown="UNK")) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.txt", "-o", "vocab.tsv"], "cannot read the corpus missing.txt: no such file"),
        (["corpus.txt", "-o", "none/vocab.tsv"], "there is no directory none"),
        (["corpus.txt", "-o", "corpus.txt"], "corpus.txt: this file is read as corpus; name another one to write"),
        ([".", "-o", "corpus.txt"], "corpus.txt: this file is read as corpus; name another one to write"),
        (["corpus.txt", "-o", "."], ".: this is a directory; name a file to write"),
        (["corpus.txt", "-o", "vocab.tsv"], "only 0 of 5 distinct words occur 5 times or more"),
        (["corpus.txt"], "Missing option '-o'"),
        (["corpus.txt", "-o", "vocab.tsv", "--max-vocab", "1"], "Invalid value for '--max-vocab'"),
    ],
)
def test_a_failure_is_a_sentence_and_exit_code_2(tmp_path, arguments, message):
    (tmp_path / "corpus.txt").write_bytes(TEXT)
    done = call_command("vocab", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.txt"]
    assert (tmp_path / "corpus.txt").read_bytes() == TEXT
