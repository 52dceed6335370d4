"""Arguments and options that several commands have, and the kinds of options that they are made of."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from nce_train.cli._usage import InputName, OutputDirectory, OutputFile, WholeNumberFrom

F = TypeVar("F", bound=Callable[..., Any])
Declare = Callable[[F], F]

FILE = InputName()
OUT_FILE = OutputFile()
OUT_DIRECTORY = OutputDirectory()

model_argument = click.argument("model", metavar="MODEL", type=FILE)
corpus_argument = click.argument("corpus", metavar="CORPUS...", nargs=-1, required=True, type=FILE)


def file_option(*names: str, metavar: str = "FILE", type: click.ParamType = FILE, **options: Any) -> Declare[Any]:
    """An option that takes a path: by default of something to read."""
    return click.option(*names, metavar=metavar, type=type, **options)


def number_option(name: str, *, help: str, default: int | None = None, least: int = 1) -> Declare[Any]:
    """An option that takes a whole number of at least `least`."""
    number = WholeNumberFrom(min=least)
    return click.option(name, metavar="N", type=number, default=default, show_default=default is not None, help=help)


def choice_option(name: str, words: list[str], *, help: str) -> Declare[Any]:
    """An option that takes one of several words; the first is the default."""
    return click.option(name, type=click.Choice(words), default=words[0], show_default=True, help=help)


def reading_options(function: F) -> F:
    """Declare how a corpus is read: `tokens`, `lowercase`, `normalize`, `threads`; and `quiet`."""
    for declare in (
        click.option("--quiet", is_flag=True, help="Show only errors."),
        number_option("--threads", help="Threads; by default all CPUs this process may use."),
        choice_option("--normalize", ["none", "nfc"], help="Bring words into Unicode's composed form (NFC)."),
        click.option("--lowercase", is_flag=True, help="Convert words to lower case."),
        choice_option(
            "--tokens",
            ["whitespace", "words"],
            help="What a token is: text between white space, or a word of letters and digits.",
        ),
    ):
        function = declare(function)
    return function
