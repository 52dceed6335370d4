"""What all commands share: how they are declared, and how failures and warnings become one sentence each."""

import contextlib
import functools
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any, NoReturn, ParamSpec, TextIO, TypeVar

import click

from nce_train.errors import NceTrainError, NceTrainWarning, RunError

INTERRUPTED = 130
TERMINATED = 143

P = ParamSpec("P")
T = TypeVar("T")


def command(name: str, cls: type[click.Command] = click.Command) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function the command `name`, with `--help`, `--version` and one sentence for every failure.

    Its docstring is the help text. Exit codes: an `NceTrainError`'s own; 1 for errors of the operating system
    and for memory; 130 after Ctrl-C; click's 2 for wrong usage.
    """

    def declare(function: Callable[..., Any]) -> click.Command:
        version = click.option(
            "--version",
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_version,
            help="Show the version.",
        )
        settings = {"help_option_names": ["-h", "--help"]}
        return click.command(name, cls, context_settings=settings)(version(with_failures_told(function)))

    return declare


def with_failures_told(function: Callable[P, T]) -> Callable[P, T]:
    """Tell a person what failed, on stderr, and exit; other exceptions are faults of ours and pass."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        # A word that the terminal's encoding cannot show must not end the command.
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="backslashreplace")
        _raise_on_sigterm()
        warnings.showwarning = _show_warning
        try:
            return function(*args, **kwargs)
        except NceTrainError as error:
            _fail(str(error), error.exit_code)
        except Terminated as interrupt:
            _fail_at_once(str(interrupt) or "terminated; nothing more was written", TERMINATED)
        except KeyboardInterrupt as interrupt:
            _fail_at_once(str(interrupt) or "interrupted; nothing more was written", INTERRUPTED)
        except BrokenPipeError:
            raise  # the reader of our output has gone, at which click ends quietly with exit code 1
        except OSError as error:
            place = f"{os.fsdecode(error.filename)}: " if error.filename else ""
            _fail(f"{place}{error.strerror or error}; mend this and try again", 1)
        except RuntimeError as error:  # which Python raises here, whatever the system's reason
            if "start new thread" not in str(error):
                raise
            _fail("no further thread can be started: memory or a limit of processes is reached; free some", 1)
        except MemoryError as error:
            detail = f" ({error})" if str(error) else ""
            _fail(f"there is not enough memory{detail}; free some or ask for less", 1)

    return run


class Terminated(KeyboardInterrupt):
    """SIGTERM came: everything is tidied up as after Ctrl-C."""


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
        raise RunError(f"standard output: it could not be written ({error.strerror}); mend this") from error


def end_with(text: object) -> None:
    """Print what ends a command that has done its work: from now on there is nothing for Ctrl-C to interrupt.

    Python takes some milliseconds more to end, in which it would show a traceback or die of the signal.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    click.echo(text)


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
    others: Callable[..., None] = warnings.showwarning,
) -> None:
    """Tell a warning of ours as a sentence, without the line of code that gave it."""
    if not issubclass(category, NceTrainWarning):
        others(message, category, filename, lineno, file, line)
        return
    with contextlib.suppress(OSError):  # stderr has gone: a warning must not end a command
        click.echo(f"Warning: {message}", err=True)


def _fail(sentence: str, exit_code: int) -> NoReturn:
    click.echo(f"Error: {sentence}", err=True)
    raise click.exceptions.Exit(exit_code) from None


def _fail_at_once(sentence: str, exit_code: int) -> NoReturn:
    """As `_fail`, but do not wait for threads, of which one may be compiling, nor for a further Ctrl-C."""
    with contextlib.suppress(OSError):
        click.echo(f"Error: {sentence}", err=True)
        sys.stdout.flush()
    os._exit(exit_code)


def _show_version(context: click.Context, option: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        import nce_train

        click.echo(f"{context.command.name}, version {nce_train.__version__}")
        context.exit()
