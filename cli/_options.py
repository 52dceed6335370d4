"""Options that several commands have: those of reading a corpus."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

corpus_argument = click.argument(
    "corpus", metavar="CORPUS...", nargs=-1, required=True, type=click.Path(readable=False)
)


def reading_options(function: F) -> F:
    """Declare how a corpus is read: `tokens`, `lowercase`, `threads`; and `quiet`."""
    for option in (
        click.option("--quiet", is_flag=True, help="Say nothing but errors."),
        click.option("--threads", metavar="N", type=click.IntRange(min=1), help="Default: the CPUs it may use."),
        click.option("--lowercase", is_flag=True, help="Lower-case every word."),
        click.option(
            "--tokens",
            type=click.Choice(["whitespace", "words"]),
            default="whitespace",
            show_default=True,
            help="What lies between white space, or the runs of letters and digits.",
        ),
    ):
        function = option(function)
    return function
