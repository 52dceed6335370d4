"""`nce-train --init` and `--continue` as real processes."""

import pytest
import yaml
from command_case import call_command, run_training


def text(prefix):
    return "\n".join(" ".join(f"{prefix}{(i * 7 + j * j) % 40}" for j in range(30)) for i in range(60)) + "\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two texts, and a model of the first."""
    folder = tmp_path_factory.mktemp("texts")
    (folder / "old.txt").write_text(text("w"))
    (folder / "new.txt").write_text(text("w") + text("n"))
    code, _, err = run_training("old.txt", "--dim", 20, "--window", 3, "--epochs", 1, cwd=folder)
    assert code == 0, err
    return folder


def test_a_model_is_trained_further_on_a_new_text(folder):
    code, out, err = run_training("new.txt", "--continue", "old.nce", "-o", "newer.nce", cwd=folder)
    assert (code, out) == (0, "newer.nce\n"), err
    assert "All 40 words of old.nce keep what they have learnt, and 40 are new." in err
    code, out, err = run_training("new.txt", "--continue", "old.nce", "--dry-run", cwd=folder)
    assert code == 0, err
    assert "80 words" in out


def test_the_printed_settings_are_those_of_the_run(folder):
    for switch in ("--init", "--continue"):
        code, out, err = run_training(switch, "old.nce", "--print-config", "--epochs", 9, cwd=folder)
        assert code == 0, err
        printed = yaml.safe_load(out)
        assert (printed["dim"], printed["epochs"]) == (20, 9)
        assert printed["window"] == (3 if switch == "--continue" else 5)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--init", "gone.vec"], "gone.vec"),
        (["--init", "new.txt"], "new.txt: neither a model directory nor a vectors file"),
        (["--continue", "old.nce", "--dim", 30], "--dim cannot be 30: old.nce has vectors of 20 numbers"),
        (["--continue", "old.nce", "-o", "old.nce"], "holds a finished model: give --overwrite to replace it"),
        (["--continue", "old.nce", "--init", "old.nce"], "give one of them"),
    ],
)
def test_what_does_not_fit_is_one_sentence(folder, arguments, sentence):
    done = call_command("train", "new.txt", *arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
