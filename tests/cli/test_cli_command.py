"""How a command ends when the operating system refuses something."""

import click
import pytest

from nce_train.cli._command import handle_failures


def test_a_missing_thread_is_one_sentence(capsys):
    def start():
        raise RuntimeError("can't start new thread")

    with pytest.raises(click.exceptions.Exit) as ended:
        handle_failures(start)()
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err.startswith("Error: no further thread can be started: memory or a limit of")
