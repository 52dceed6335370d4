"""How a command ends when the system refuses it something."""

import click
import pytest

from nce_train.cli._common import with_failures_told


def test_a_command_that_gets_no_thread_says_so(capsys):
    def start():
        raise RuntimeError("can't start new thread")

    with pytest.raises(click.exceptions.Exit) as ended:
        with_failures_told(start)()
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err.startswith("Error: no further thread can be started: memory or a limit of")
