"""Declares a command: its `--help` and `--version`, and one sentence on stderr for each failure and warning."""

import contextlib
import functools
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any, NoReturn, ParamSpec, TextIO, TypeVar

import click

from nce_train.errors import InputError, NceTrainError, NceTrainWarning, RunError

INTERRUPTED = 130
TERMINATED = 143

_ABSOLUTE_PATH = re.compile(r"(?:^|[\s'\"(:])/")

P = ParamSpec("P")
T = TypeVar("T")


def command(name: str, cls: type[click.Command] = click.Command) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function the command `name`, whose docstring is the help text.

    Exit codes: that of an `NceTrainError`; 1 for errors of the operating system and for memory; 130 after Ctrl-C, 143
    after SIGTERM; click's 2 for wrong usage.
    """

    def declare(function: Callable[..., Any]) -> click.Command:
        version = click.version_option(package_name="nce-train", prog_name=name, help="Show the version.")
        settings = {"help_option_names": ["-h", "--help"]}
        return click.command(name, cls, context_settings=settings)(version(handle_failures(function)))

    return declare


def handle_failures(function: Callable[P, T]) -> Callable[P, T]:
    """Print a failure as one sentence and exit; any other exception is a fault of the program, and passes."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        # A word that the terminal's encoding does not have must not end the command.
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="backslashreplace")
        _raise_on_sigterm()
        warnings.showwarning = _show_warning
        try:
            return function(*args, **kwargs)
        except NceTrainError as error:
            _refuse_directory_that_is_gone(str(error))
            _fail(str(error), error.exit_code)
        except Terminated as interrupt:
            _fail_at_once(str(interrupt) or "terminated; nothing more was written", TERMINATED)
        except KeyboardInterrupt as interrupt:
            _fail_at_once(str(interrupt) or "interrupted; nothing more was written", INTERRUPTED)
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

    return run


class Terminated(KeyboardInterrupt):
    """SIGTERM was received; cleaning up is the same as after Ctrl-C."""


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
    """Write to standard output at the end of a command, and ignore Ctrl-C from then on.

    Python takes some milliseconds more to exit. Ctrl-C would then show a traceback.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    click.echo(text)


def print_warning(sentence: object) -> None:
    """Write a warning to standard error, if that is still open."""
    with contextlib.suppress(OSError):
        click.echo(f"Warning: {sentence}", err=True)


def _raise_on_sigterm() -> None:
    def stop(number: int, frame: Any) -> NoReturn:
        raise Terminated

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)


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


def _fail_at_once(sentence: str, exit_code: int) -> NoReturn:
    """As `_fail`, but without waiting for threads, one of which may be compiling, or for another Ctrl-C."""
    with contextlib.suppress(OSError):
        click.echo(f"Error: {sentence}", err=True)
        sys.stdout.flush()
    os._exit(exit_code)
