"""Wrong usage in one sentence: a command's class, and the kinds of values that are names of files.

Words of the command line go in; paths come out, or click's `UsageError` without the lines of usage around it.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import click

from nce_train.arguments import is_plain_number
from nce_train.cli._signals import exit_at_once

_GIVEN = "nce_train.given"  # in the context's `meta`: the words of the command line


class Command(click.Command):
    """A command whose usage errors are one sentence. It names a file whose name was taken for options."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run; end with one sentence when the help or the version cannot be written."""
        try:
            return super().main(*arguments, **options)
        except OSError as error:
            exit_at_once(f"standard output: it could not be written ({error.strerror}); fix this", 1)

    def parse_args(self, context: click.Context, words: list[str]) -> list[str]:
        """Parse; raise UsageError."""
        context.meta[_GIVEN] = list(words)
        with _in_one_sentence(context):
            return super().parse_args(context, words)

    def invoke(self, context: click.Context) -> Any:
        """Run; raise UsageError."""
        with _in_one_sentence(context):
            return super().invoke(context)


class InputName(click.Path):
    """The name of something to read. An empty one, as from an unset variable, is refused."""

    def __init__(self) -> None:
        super().__init__(readable=False)  # the library reports what cannot be read

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Any:
        """The name as it is; raise UsageError when it is empty."""
        if value == "":
            raise click.UsageError(f"{_shown(param)} is empty: give a name; is a variable unset?")
        return super().convert(value, param, context)


class OutputFile(InputName):
    """The name of a file to write; - is standard output."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Any:
        """The name; raise UsageError when it is empty."""
        return "/dev/stdout" if value == "-" else super().convert(value, param, context)


class OutputDirectory(InputName):
    """The name of a directory to write, or of a file that is read too: neither can be standard output."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Any:
        """The name; raise UsageError when it is empty or -."""
        if value == "-":
            raise click.UsageError(
                f"{_shown(param)} cannot be standard output (-): give a name, or ./- for one of this name"
            )
        return super().convert(value, param, context)


class _InPlainDigits(click.ParamType):
    """A number as other programs read it: not 1_000, which Python reads too."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Any:
        """The number; fail when it is none."""
        if isinstance(value, str) and not is_plain_number(value):
            self.fail(f"{value!r} is not a number in plain digits", param, context)
        return super().convert(value, param, context)


class Number(_InPlainDigits, click.types.FloatParamType):
    """Any number."""


class WholeNumber(_InPlainDigits, click.types.IntParamType):
    """A whole number."""


class WholeNumberFrom(_InPlainDigits, click.IntRange):
    """A whole number of at least `min`."""

    name = "integer"  # in messages, instead of click's "integer range"


class Address(InputName):
    """A name that is no file's. An empty one is refused."""

    def shell_complete(self, *_: Any) -> list[Any]:
        """Complete nothing."""
        return []


def _shown(param: click.Parameter | None) -> str:
    """A parameter as the user knows it: `--output`, `MODEL`."""
    if isinstance(param, click.Option):
        return max(param.opts, key=len)
    return "a name" if param is None else param.human_readable_name.strip("[].…")


@contextlib.contextmanager
def _in_one_sentence(context: click.Context) -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        sentence = error.format_message()
        if file := _taken_for_options(context.meta[_GIVEN]):
            sentence = f"{sentence.rstrip('.')} (a file of that name: ./{file})"
        elif isinstance(error, (click.NoSuchOption, click.MissingParameter)):
            sentence = f"{sentence.rstrip('.')} (see {context.command_path} --help)"
        raise click.UsageError(sentence) from None  # with its context click would show the usage around it


def _taken_for_options(words: Sequence[str]) -> str | None:
    """The first word that begins with a dash, before `--`, and is the name of a file."""
    before = words[: words.index("--")] if "--" in words else words
    return next((word for word in before if word.startswith("-") and word != "-" and os.path.lexists(word)), None)
