"""Declares a command: its `--help` and `--version`, and one sentence on stderr for each failure and warning."""

import contextlib
import errno
import functools
import os
import re
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Any, NoReturn, ParamSpec, TextIO, TypeVar

import click

from nce_train.cli._signals import Ended, exit_at_once, ignore_signals, raise_on_signals
from nce_train.cli._usage import Command
from nce_train.errors import InputError, NceTrainError, NceTrainWarning, RunError
from nce_train.names import OWN_BYTES

_ABSOLUTE_PATH = re.compile(r"(?:^|[\s'\"(:])/")

P = ParamSpec("P")
T = TypeVar("T")


def command(name: str, help: str, cls: type[Command] = Command) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function the command `name`. Its help text is no docstring, which `python -OO` removes.

    Exit codes: that of an `NceTrainError`; 1 for errors of the operating system and for memory; 130 after Ctrl-C, 143
    after SIGTERM, and so on; click's 2 for wrong usage.
    """

    def declare(function: Callable[..., Any]) -> click.Command:
        version = click.version_option(package_name="nce-train", prog_name=name, help="Show the version.")
        settings = {"help_option_names": ["-h", "--help"]}
        return click.command(name, cls, help=help, context_settings=settings)(version(handle_failures(function)))

    return declare


def handle_failures(function: Callable[P, T]) -> Callable[P, T]:
    """Print a failure as one sentence and exit; any other exception is a fault of the program, and passes."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        # A word that the terminal's encoding does not have must not end the command.
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors=OWN_BYTES)
        raise_on_signals()
        warnings.showwarning = _show_warning
        try:
            return function(*args, **kwargs)
        except NceTrainError as error:
            _refuse_directory_that_is_gone(str(error))
            _fail(str(error), error.exit_code)
        except KeyboardInterrupt as interrupt:
            end = interrupt if isinstance(interrupt, Ended) else Ended(signal.SIGINT, *interrupt.args)
            exit_at_once(end.sentence, end.exit_code)
        except BrokenPipeError:
            raise  # the reader of standard output has ended: click exits with code 1 and no message
        except OSError as error:
            place = f"{os.fsdecode(error.filename)}: " if error.filename else ""
            _refuse_directory_that_is_gone(place)
            _fail(f"{place}{error.strerror or error}; fix this and try again", 1)
        except RuntimeError as error:  # Python raises it for any reason of the system
            if "start new thread" not in str(error):
                raise
            _fail("no further thread can be started: memory or a limit of processes is reached; free some", 1)
        except ImportError as error:
            if "failed to map segment" not in str(error):  # as the system's loader says it
                raise
            _fail("there is not enough memory to load the program's libraries; free some, or raise the limit", 1)
        except MemoryError as error:
            detail = f" ({error})" if str(error) else ""
            _fail(f"there is not enough memory{detail}; free some or ask for less", 1)
        finally:
            ignore_signals()

    return run


def print_result(text: str, end: str = "\n") -> None:
    """Write to standard output.

    Raises
    ------
    RunError
        When it cannot be written.
    """
    try:
        click.echo(text + end, nl=False)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise RunError(f"standard output: it could not be written ({error.strerror}); fix this") from error


def print_last_result(text: object) -> None:
    """Write the name of what is complete to standard output; no signal disturbs that any more.

    Raises
    ------
    RunError
        When it cannot be written. That its reader has ended, or its terminal is gone, is no failure.
    """
    ignore_signals()
    try:
        click.echo(text)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python reports it once more at its end
    except OSError as error:
        if error.errno == errno.EIO:  # the terminal is gone
            return
        raise RunError(f"{text} is complete, but standard output could not be written ({error.strerror})") from error


def print_warning(sentence: object) -> None:
    """Write a warning to standard error, if that is still open."""
    with contextlib.suppress(OSError):
        click.echo(f"Warning: {sentence}", err=True)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
    *,
    show_other: Callable[..., None] = warnings.showwarning,
) -> None:
    """Print a warning of nce-train as a sentence, without the line of code that raised it."""
    if issubclass(category, NceTrainWarning):
        print_warning(message)
    else:
        show_other(message, category, filename, lineno, file, line)


def _fail(sentence: str, exit_code: int) -> NoReturn:
    click.echo(f"Error: {sentence}", err=True)
    raise click.exceptions.Exit(exit_code) from None


def _refuse_directory_that_is_gone(failure: str) -> None:
    """Name the cause of a failure at a path that begins at a current directory which was removed."""
    try:
        os.getcwd()
    except OSError:
        if not _ABSOLUTE_PATH.search(failure):
            sentence = "the current directory is gone: change to one that exists, or give every path from the root"
            _fail(sentence, InputError.exit_code)
