"""The options of `nce-train` that are settings: declared from `Settings`, and listed under headings by `--help`."""

from collections.abc import Callable
from typing import Any, get_args

import click

from nce_train.cli._options import FILE
from nce_train.cli._usage import Command, WholeNumber
from nce_train.training.settings import Settings
from nce_train.training.settings_files import allowed_words, yaml_word

_HEADINGS = {  # of --help, by the first setting under each
    "tokens": "Text",
    "model": "Model",
    "num_sampled": "Noise",
    "input_init": "Initial values",
    "epochs": "Optimisation",
    "log_every": "Readings, checkpoints, evaluation",
}
_METAVARS = {
    "vocab": "FILE",
    "heldout": "FILE",
    "eval_set": "FILE",
    "unknown": "WORD",
    "ngrams": "MIN-MAX|off|auto:MIN-MAX",
    "log_every": "DURATION",
    "checkpoint_every": "DURATION|TOKENS",
    "eval_every": "DURATION|TOKENS|EPOCHS",
    "input_init": "zero|uniform(A)|…",
    "output_init": "zero|uniform(A)|…",
}


class CommandWithSettings(Command):
    """A command whose `--help` lists the settings under headings, in the order in which they are defined."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        heading_of, heading = {}, ""
        for name in Settings.model_fields:
            heading = _HEADINGS.get(name, heading)
            heading_of[name] = f"Settings: {heading}"
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for option in self.get_params(context):
            record = option.get_help_record(context)
            if record is not None and isinstance(option, click.Option):
                sections.setdefault(heading_of.get(option.name or "", "Options"), []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


class _NumberOrAuto(WholeNumber):
    name = "number or auto"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Any:
        if value == "auto":
            return value
        try:
            return super().convert(value, param, context)
        except click.BadParameter:
            self.fail(f"{value!r} is not a whole number or auto", param, context)


def setting_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Declare an option for each setting. Its value is None, or (), when it is not given."""
    for name, field in reversed(Settings.model_fields.items()):
        option = "--" + name.replace("_", "-")
        default = "off" if field.default in (None, []) else yaml_word(field.default)
        text = f"{field.description}  [default: {default}]"
        if field.annotation is bool:
            declare = click.option(f"{option}/--no-{option[2:]}", name, default=None, help=text)
        elif words := allowed_words(name):
            declare = click.option(option, name, type=click.Choice(words), help=text)
        else:
            kind, metavar = _type_and_metavar(name)
            several = isinstance(field.default, list)
            declare = click.option(option, name, type=kind, metavar=metavar, multiple=several, help=text)
        function = declare(function)
    return function


def _type_and_metavar(name: str) -> tuple[click.ParamType, str]:
    """What click checks of a value, and how `--help` shows it. The settings check the rest."""
    field = Settings.model_fields[name]
    is_integer = int in (field.annotation, *get_args(field.annotation))
    metavar = _METAVARS.get(name, "N" if is_integer else "NUMBER")
    if metavar == "FILE":
        return FILE, metavar
    if field.default == "auto":
        return _NumberOrAuto() if is_integer else click.STRING, f"{metavar}|auto"
    return WholeNumber() if is_integer else click.STRING, metavar
