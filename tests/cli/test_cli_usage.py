"""Wrong usage is one sentence, and names of files are what a person means by them."""

import importlib
import os
import subprocess
import sys

import click
import pytest
from command_case import run_command

from nce_train.embeddings import Embeddings

COMMANDS = ("train", "eval", "export", "query", "report", "vocab", "phrases")
TEXT = b"the cat the dog\nthe cat\n"


def sentence(name, *arguments):
    """The sentence that a command refuses its arguments with, before it does anything."""
    main = importlib.import_module(f"nce_train.cli.{name}").main
    with pytest.raises(click.UsageError) as refused:
        main(list(arguments), standalone_mode=False)
    assert refused.value.ctx is None  # with a context click shows lines of usage around the sentence
    return refused.value.format_message()


def test_wrong_usage_is_one_line():
    done = run_command("vocab")
    assert done.returncode == 2
    assert done.stderr == b"Error: Missing argument 'CORPUS...' (see python -m nce_train.cli.vocab --help)\n"


@pytest.mark.parametrize(
    ("name", "arguments", "shown"),
    [
        *(
            ("train", ["corpus.txt", f"--{option}", ""], f"--{option}")
            for option in (
                *("output", "config", "resume", "init", "continue", "log-file", "tensorboard", "cluster"),
                *("vocab", "heldout", "eval-set"),
            )
        ),
        ("train", [""], "CORPUS"),
        ("eval", [""], "MODEL"),
        ("eval", ["m.txt", ""], "SET"),
        *(("eval", ["m.txt", f"--{o}", ""], f"--{o}") for o in ("analogies", "similarity", "heldout", "compare")),
        ("export", ["", "v.txt"], "MODEL"),
        ("export", ["m.txt", ""], "OUT"),
        ("query", [""], "MODEL"),
        ("query", ["m.txt", "--index", ""], "--index"),
        ("report", [""], "MODEL"),
        *(("report", ["m.txt", f"--{option}", ""], f"--{option}") for option in ("output", "set", "compare")),
        ("vocab", ["", "-o", "v.tsv"], "CORPUS"),
        ("vocab", ["corpus.txt", "-o", ""], "--output"),
        ("phrases", ["corpus.txt", "-o", ""], "--output"),
        ("phrases", ["corpus.txt", "-o", "o.txt", "--list", ""], "--list"),
    ],
)
def test_an_empty_name_is_refused(name, arguments, shown):
    assert sentence(name, *arguments) == f"{shown} is empty: give a name; is a variable unset?"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("train", ["corpus.txt", "-o", "-"]),
        ("train", ["corpus.txt", "--tensorboard", "-"]),
        ("query", ["m.txt", "--index", "-"]),
    ],
)
def test_standard_output_is_no_directory(name, arguments):
    assert "cannot be standard output (-): give a name, or ./- for one of this name" in sentence(name, *arguments)


def test_a_dash_is_standard_output(tmp_path):
    (tmp_path / "corpus.txt").write_bytes(TEXT)
    Embeddings(["a", "b"], [[1, 0], [0, 1]]).save(tmp_path / "model.txt")
    for name, arguments, result in (
        ("vocab", ["corpus.txt", "--min-count", "1", "-o", "-"], b"the\t3\ncat\t2\ndog\t1\n"),
        ("phrases", ["corpus.txt", "-o", "-"], TEXT),
        ("export", ["model.txt", "-", "--format", "glove"], b"a 1.0 0.0\nb 0.0 1.0\n"),
    ):
        done = run_command(name, *arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, result), done.stderr
        assert b"/dev/stdout: " in done.stderr
    assert not (tmp_path / "-").exists()


def test_a_report_on_standard_output(tmp_path):
    pytest.importorskip("plotly")
    Embeddings(["a", "b"], [[1, 0], [0, 1]]).save(tmp_path / "model.txt")
    done = run_command("report", "model.txt", "-o", "-", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"<!doctype html>")
    done = run_command("report", "model.txt", "-o", "-", "--png", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"pictures are written beside the page" in done.stderr


@pytest.mark.parametrize("name", ["train", "vocab", "eval"])
def test_a_file_that_was_taken_for_options_is_named(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-zorpus.txt").write_bytes(TEXT)
    (tmp_path / "-output.txt").write_bytes(TEXT)  # for nce-vocab the option -o and its value
    assert sentence(name, "-zorpus.txt").endswith(" (a file of that name: ./-zorpus.txt)")
    assert "(see " in sentence(name, "-zorpus")
    if name == "vocab":
        assert sentence(name, "-output.txt") == "Missing argument 'CORPUS...' (a file of that name: ./-output.txt)"
        assert "a file of" not in sentence(name, "--zopt", "--", "-zorpus.txt")


@pytest.mark.parametrize("number", ["1_0", "１２", " 12"])
def test_numbers_have_plain_digits(number):
    for name, arguments in (
        ("train", ["corpus.txt", "--dim"]),
        ("vocab", ["corpus.txt", "-o", "v.tsv", "--min-count"]),
        ("phrases", ["corpus.txt", "-o", "v.tsv", "--threshold"]),
    ):
        assert "in plain digits" in sentence(name, *arguments, number)


def test_help_without_docstrings():
    code = "import importlib\n" + "".join(
        f"importlib.import_module('nce_train.cli.{name}').main(['--help'], standalone_mode=False)\n"
        for name in COMMANDS
    )
    plain, stripped = (
        subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, timeout=60, check=True).stdout
        for flags in ([], ["-OO"])
    )
    assert stripped == plain
    assert plain.count(b"Usage: ") == len(COMMANDS)
    assert b"Count the words of CORPUS and write them to FILE" in plain


def test_without_the_compiler(tmp_path):
    (tmp_path / "corpus.txt").write_bytes(TEXT)
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = run_command("vocab", "corpus.txt", "-o", "v.tsv", cwd=tmp_path, env=environment)
    assert done.returncode == 2
    assert done.stderr.endswith(b"Error: nce-train needs Numba's compiler: unset NUMBA_DISABLE_JIT\n")
    assert b"Traceback" not in done.stderr
    code = "from nce_train import nce; nce.uniform_candidate_sampler([[0]], 1, 2, False, 9)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, timeout=60, check=False)
    assert done.stderr.endswith(b"InputError: nce-train needs Numba's compiler: unset NUMBA_DISABLE_JIT\n")


def test_a_notebook_without_ipywidgets_has_the_plain_bar():
    code = (
        "import sys, types\n"
        "kernel = types.SimpleNamespace(config={'IPKernelApp': {}})\n"
        "sys.modules['IPython'] = types.SimpleNamespace(get_ipython=lambda: kernel)\n"
        "sys.modules['ipykernel.zmqshell'] = kernel  # by this or by the shell's config tqdm knows a notebook\n"
        "sys.modules['ipywidgets'] = None\n"
        "from nce_train.api.progress_bar import ProgressBar\n"
        "with ProgressBar() as bar:\n"
        "    bar.show('reading', 1, 2)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "reading: " in done.stderr
    assert "Warning" not in done.stderr
