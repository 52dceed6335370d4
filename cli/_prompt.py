"""The prompt of `nce-query`: one question a line, with history and completion where Python has readline.

Without a terminal it reads the same lines from standard input.
"""

import contextlib
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import click

from nce_train.cli._questions import QUESTIONS, AnswerPrinter, Options, check_number, question_options
from nce_train.cli._signals import Ended, raise_on_signals
from nce_train.errors import NceTrainError

_PROMPT = "> "
_HELP = """\
neighbours WORD...    the nearest words of each; the word neighbours can be left out before a single word
analogy A B C         A is to B as C is to ?
similarity A B        their cosine similarity
odd-one-out A B C...  the word that does not fit with the others
help                  this list
quit                  end, as Ctrl-D

Options: --top N, --restrict-vocab N, --method 3cosadd or 3cosmul. "new york" is one word.
Put -- before words that begin with a dash. Tab completes words, Ctrl-C clears the line."""
_QUIT = ("quit", "exit")
_COMPLETIONS = 50
_HISTORY_LINES = 1000


def run_prompt(title: str, words: Sequence[str], answers: AnswerPrinter, options: Options) -> bool:
    """Answer lines until the input ends; an error in a line is reported, and the next line is read.

    Parameters
    ----------
    title : str
        Shown first, on a terminal.
    words : sequence of str
        The vocabulary by decreasing frequency, for completion.
    answers : AnswerPrinter
    options : Options
        For lines without options of their own.

    Returns
    -------
    bool
        Whether all lines could be answered; always True on a terminal, where a person has seen the errors.
    """
    if sys.stdin is None:
        return True
    terminal = sys.stdin.isatty()
    sys.stdin.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
    if terminal:
        click.echo(f"{title}; help shows the questions, Ctrl-D ends", err=True)
    all_answered = True
    with _line_editing(words) if terminal and sys.stdout.isatty() else contextlib.nullcontext():
        while True:
            try:
                line = _read_line(terminal)
                if line is None or line.strip() in _QUIT:
                    break
                if line.strip():
                    all_answered &= _answer_line(line, answers, options, with_heading=not terminal)
            except Ended as end:
                if not terminal or end.number != signal.SIGINT:
                    raise
                raise_on_signals()  # the next Ctrl-C is another wish
                click.echo(err=True)
    return all_answered or terminal


def _read_line(terminal: bool) -> str | None:
    """The next line; None at the end."""
    if terminal and sys.stdout.isatty():
        try:
            return input(_PROMPT)
        except EOFError:
            click.echo()
            return None
    if terminal:  # standard output is redirected
        click.echo(_PROMPT, nl=False, err=True)
    return sys.stdin.readline() or None


def _answer_line(line: str, answers: AnswerPrinter, options: Options, with_heading: bool) -> bool:
    if line.strip() == "help":
        click.echo(_HELP)
        return True
    try:
        question, words, own_options = _parse(line, options)
        with_heading = with_heading or (question == "neighbours" and len(words) > 1)
        return answers.answer(question, words, own_options, with_heading)
    except NceTrainError as error:
        if error.exit_code != 2:
            raise
        click.echo(f"Error: {error}", err=True)
    except click.UsageError as error:
        click.echo(f"Error: {error.format_message()}", err=True)
    return False


def _parse(line: str, options: Options) -> tuple[str, list[str], Options]:
    """Parse a line like a command line; blanks belong to a word only between `"` at both of its ends."""
    parts = [quoted or part for quoted, part in re.findall(r'"([^"]+)"(?!\S)|(\S+)', line)]
    given = _line.make_context("", parts, default_map=dict(options)).params
    words = list(given.pop("words"))
    if words and words[0] in QUESTIONS:
        question = words.pop(0)
        check_number(question, words)
    elif len(words) == 1:
        question = "neighbours"
    else:
        raise click.UsageError(f"no question {words[0] if words else ''!r}; help shows them")
    return question, words, Options(**given)


@click.command(add_help_option=False)
@click.argument("words", nargs=-1)
@question_options
def _line(**_given: object) -> None:
    """A line of the prompt, declared as a command so that click parses and refuses options as on the command line."""


@contextlib.contextmanager
def _line_editing(words: Sequence[str]) -> Iterator[None]:
    """History and completion for `input`, where this Python has readline."""
    try:
        import readline
    except ImportError:
        yield
        return
    completer = _Completer(words, readline)
    readline.set_completer(completer.complete)
    readline.set_completer_delims(" \t\n")
    is_libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")
    if not is_libedit:
        readline.set_completion_display_matches_hook(completer.show)
    history = _history_file()
    readline.set_history_length(_HISTORY_LINES)
    try:
        history.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            readline.read_history_file(history)
    except OSError as error:
        click.echo(f"Note: {history}: the history cannot be read ({error.strerror})", err=True)
    try:
        yield
    finally:
        try:
            readline.write_history_file(history)
        except OSError as error:
            click.echo(f"Note: {history}: the history cannot be written ({error.strerror})", err=True)


def _history_file() -> Path:
    """The place that the XDG base directory specification names; it ignores a relative path."""
    base = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not base.is_absolute():
        base = Path.home() / ".local" / "state"
    return base / "nce-train" / "query_history"


class _Completer:
    """Completes question names at the beginning of a line, and words everywhere, the most frequent first.

    Parameters
    ----------
    words : sequence of str
    readline : module
    """

    def __init__(self, words: Sequence[str], readline: ModuleType) -> None:
        self._words = words
        self._readline = readline
        self._matches: list[str] = []

    def complete(self, text: str, state: int) -> str | None:
        """Return match number `state`; readline asks for 0, 1, … until it gets None."""
        if state == 0:
            self._matches = self._find(text)
        if state >= len(self._matches):
            return None
        return self._matches[state] + (" " if len(self._matches) == 1 else "")

    def show(self, _text: str, _sorted: Sequence[str], _longest: int) -> None:
        """Show the matches by frequency, where readline would sort them alphabetically."""
        click.echo("\n" + "  ".join(self._matches))
        click.echo(_PROMPT + self._readline.get_line_buffer(), nl=False)

    def _find(self, text: str) -> list[str]:
        matches = []
        if self._readline.get_begidx() == 0:
            matches = [name for name in (*QUESTIONS, "help") if name.startswith(text)]
        # Only words that can be typed without quotes.
        words = [word for word in self._words if word.startswith(text) and word.isprintable() and " " not in word]
        matches += words[:_COMPLETIONS]
        if len(words) > _COMPLETIONS:
            # readline inserts what all matches have in common: of all words, not only of those shown.
            matches += {min(words), max(words)} - set(matches)
        return matches
