"""`nce-train`: train word embeddings on text."""

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from nce_train.cli._common import command, end_with
from nce_train.errors import InputError
from nce_train.training.settings import Settings
from nce_train.training.settings_files import allowed_words, load_settings, preset_names, read_config, yaml_word

_GROUPS = {  # headings of --help, by the first setting under them
    "tokens": "Text",
    "dim": "Model",
    "num_sampled": "Noise",
    "input_init": "Start",
    "epochs": "Optimisation",
    "log_every": "Readings, checkpoints, held-out text",
}


class _HelpInGroups(click.Command):
    """Lists the settings under headings, in the order in which they are defined."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        heading_of, heading = {}, ""
        for name in Settings.model_fields:
            heading = _GROUPS.get(name, heading)
            heading_of[name] = f"Settings: {heading}"
        for option in self.get_params(context):
            record = option.get_help_record(context)
            if record is not None:
                sections.setdefault(heading_of.get(option.name or "", "Options"), []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def _setting_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Declare an option for each setting; what is not given stays None."""
    for name, field in reversed(Settings.model_fields.items()):
        option = "--" + name.replace("_", "-")
        default = "off" if field.default in (None, []) else yaml_word(field.default)
        text = f"{field.description}  [default: {default}]"
        words = allowed_words(name)
        if field.annotation is bool:
            declare = click.option(f"{option}/--no-{option[2:]}", name, default=None, help=text)
        elif words:
            declare = click.option(option, name, type=click.Choice(words), help=text)
        elif isinstance(field.default, list):
            declare = click.option(option, name, metavar=_metavar(name), multiple=True, help=text)
        else:
            declare = click.option(option, name, type=_type_of(name), metavar=_metavar(name), help=text)
        function = declare(function)
    return function


def _type_of(name: str) -> click.ParamType:
    if name in ("max_vocab", "threads", "log_every_steps", "max_steps", "patience"):
        return click.STRING if name == "threads" else click.INT
    default = Settings.model_fields[name].default
    if isinstance(default, float) and name != "log_every":
        return click.FLOAT
    return click.INT if isinstance(default, int) else click.STRING


def _metavar(name: str) -> str:
    return {
        "vocab": "FILE",
        "heldout": "FILE",
        "eval_set": "FILE",
        "unknown": "WORD",
        "lr": "NUMBER|auto",
        "threads": "N|auto",
        "log_every": "DURATION",
        "checkpoint_every": "DURATION|TOKENS",
        "eval_every": "DURATION|TOKENS|EPOCHS",
        "input_init": "zero|uniform(A)|…",
        "output_init": "zero|uniform(A)|…",
    }.get(name, "NUMBER" if _type_of(name) is click.FLOAT else "N")


def _list_presets(context: click.Context, option: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        for name in preset_names():
            click.echo(name)
        context.exit()


@command("nce-train", cls=_HelpInGroups)
@click.argument("corpus", nargs=-1, required=False, metavar="CORPUS…")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="The model directory to write.")
@click.option("--config", metavar="FILE|PRESET", help="Settings from a YAML file or a preset; options win over it.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Go on with the interrupted run that was writing this model directory.",
)
@click.option(
    "--init",
    metavar="VECTORS",
    help="Words that have a vector in this file or model directory start with it; --dim is that of the vectors.",
)
@click.option(
    "--continue",
    "continue_from",
    metavar="MODEL",
    help="Train this model further, on a new text: its words stay, the text's are added. Settings are the model's; "
    "--lr starts where it would be, had it fallen over both texts.",
)
@click.option("--overwrite", is_flag=True, help="Replace a model that is in the way.")
@click.option("--keep-checkpoint", is_flag=True, help="Keep the state at the end, so that epochs can be added.")
@click.option("--no-cache", is_flag=True, help="Read the text anew, and leave no copy of its ids for later runs.")
@click.option("--dry-run", is_flag=True, help="Say what the run would take, and stop.")
@click.option("--print-config", is_flag=True, help="Print the settings as YAML, and stop.")
@click.option(
    "--list-presets",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_presets,
    help="List the packaged presets, and stop.",
)
@click.option("--quiet", is_flag=True, help="No progress, only warnings and errors.")
@click.option(
    "--log-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Append plain lines here.",
)
@click.option(
    "--tensorboard",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write scalars, and at the end the projector's files, here for TensorBoard.",
)
@click.option(
    "--cluster",
    metavar="ADDRESS|local:N",
    help="Read and train on the workers of this Dask scheduler (tcp://HOST:8786), or on N processes of this machine; "
    "the model is that of --deterministic.",
)
@_setting_options
def main(
    corpus: tuple[str, ...],
    output: Path | None,
    config: str | None,
    resume: Path | None,
    init: str | None,
    continue_from: str | None,
    overwrite: bool,
    keep_checkpoint: bool,
    no_cache: bool,
    dry_run: bool,
    print_config: bool,
    quiet: bool,
    log_file: Path | None,
    tensorboard: Path | None,
    cluster: str | None,
    **settings: Any,
) -> None:
    """Train word embeddings on text.

    CORPUS is one or more text files (plain, .gz, .bz2, .xz, .zst), directories of them, or - for standard input.
    The model directory is named after the first corpus unless -o says otherwise.

    \b
    nce-train corpus.txt --dim 128
    nce-train logs/ notes.txt.gz -o model.nce --config quality --epochs 3
    zcat *.gz | nce-train - -o model.nce
    nce-train --resume model.nce
    nce-train new.txt --continue model.nce -o newer.nce
    """
    given = {name: _typed(name, value) for name, value in settings.items() if value not in (None, ())}
    if continue_from is None:
        load_settings(config, given)  # a wrong one is told first
    if print_config:
        from nce_train.api.start import settings_and_start

        click.echo(settings_and_start(config, given, init, continue_from)[0].to_yaml(), nl=False)
        return
    if resume is not None and dry_run:
        raise click.UsageError("--resume goes on with a run: it cannot be a --dry-run.")
    if not corpus and resume is None:
        raise click.UsageError("Name a text to train on: nce-train CORPUS…, or - for standard input.")

    from nce_train.api import estimate, train_or_resume
    from nce_train.api.progress import ProgressDisplay
    from nce_train.files import is_same_file
    from nce_train.runs.model_directory import default_output

    if output is None and not dry_run and resume is None:
        if corpus[0] == "-":
            raise click.UsageError("Standard input has no name to name the output after: give -o DIR.")
        output = default_output(corpus[0])
    is_new_log = log_file is not None and not os.path.exists(log_file)
    try:
        display = ProgressDisplay(quiet, log_file)
    except OSError as error:
        raise InputError(f"The log file {log_file} cannot be written: {error.strerror}.") from None
    with display:
        for what, path in [] if log_file is None else _files_read(corpus, config, given, init, resume):
            if path is not None and is_same_file(path, log_file):
                if is_new_log:
                    log_file.unlink()
                raise InputError(f"{log_file}: this file is read as {what}; name another one for the log.")
        if dry_run:
            start = {"init": init, "continue_from": continue_from}
            _show_estimate(estimate(list(corpus), config, given, display, cache=not no_cache, cluster=cluster, **start))
            return
        train_or_resume(
            list(corpus) or None,
            output,
            config,
            given,
            display,
            resume=resume,
            init=init,
            continue_from=continue_from,
            overwrite=overwrite,
            keep_checkpoint=keep_checkpoint,
            cache=not no_cache,
            tensorboard=tensorboard,
            cluster=cluster,
        )
    end_with(output or resume)


def _typed(name: str, value: Any) -> Any:
    if name in ("threads", "round_tokens") and value != "auto":
        try:
            return int(value)
        except ValueError:
            raise InputError(f"Setting {name} cannot be {value}: it should be a whole number or auto.") from None
    return value


def _files_read(
    corpus: tuple[str, ...], config: str | None, given: dict[str, Any], init: str | None, resume: Path | None
) -> list[tuple[str, str | None]]:
    """What a run reads, each with its path; of a run that goes on, what its record tells as well."""
    from nce_train.model_files import CHECKPOINT
    from nce_train.runs.record import read_record
    from nce_train.text.sources import list_sources

    settings = {**({} if config is None else read_config(config)), **given}
    paths = [source.path for source in list_sources(list(corpus)).sources] if corpus else []
    if resume is not None:
        with contextlib.suppress(InputError):  # told when the run is to go on
            record = read_record(resume / CHECKPOINT)
            paths += [source["path"] for source in record.sources]
            settings = {**record.config, "heldout": record.heldout["path"], **settings}
    read = [("corpus", path) for path in paths]
    read += [("held-out text", settings.get("heldout")), ("vocabulary", settings.get("vocab")), ("vectors", init)]
    return read + [("evaluation set", path) for path in settings.get("eval_set", ())]


def _show_estimate(estimate: Any) -> None:
    from nce_train.api.progress import shown_duration

    time_needed = f"about {shown_duration(estimate.seconds)}"
    rows = [
        ("vocabulary", f"{estimate.vocabulary:,} words"),
        ("tokens an epoch", f"{estimate.tokens:,}"),
        ("pairs in all", f"{estimate.pairs:,}"),
        ("memory", f"at most {estimate.memory_bytes / 2**20:,.0f} MiB"),
        ("disk", f"at most {estimate.disk_bytes / 2**20:,.0f} MiB"),
        ("speed in a trial", f"{estimate.tokens_per_second:,.0f} tokens/s"),
        ("training time", time_needed),
    ]
    if estimate.on_cluster is not None:
        rows += [
            ("memory a worker", f"{estimate.on_cluster.worker_memory_bytes / 2**20:,.0f} MiB"),
            ("transfer", estimate.on_cluster.transfer),
            ("speedup", estimate.on_cluster.speedup),
        ]
    for name, text in rows:
        click.echo(f"{name:<17} {text}")


if __name__ == "__main__":
    sys.exit(main())
