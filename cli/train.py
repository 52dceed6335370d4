"""nce-train: train word embeddings on text, resume an interrupted run, or estimate one."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nce_train.cli._command import command, print_last_result
from nce_train.cli._options import FILE, OUT_DIRECTORY, OUT_FILE, file_option
from nce_train.cli._setting_options import CommandWithSettings, setting_options
from nce_train.cli._usage import Address
from nce_train.training.settings_files import load_settings, preset_names

if TYPE_CHECKING:
    from nce_train.runs.estimate import Estimate


def _list_presets(context: click.Context, option: click.Parameter, given: bool) -> None:
    if given and not context.resilient_parsing:
        for name in preset_names():
            click.echo(name)
        context.exit()


_HELP = """Train word embeddings on text.

CORPUS is one or more text files (plain, .gz, .bz2, .xz, .zst, .zip of one file), directories of them, or - for
standard input.
Without -o, the model directory is named after the first corpus.

\b
nce-train corpus.txt --dim 128
nce-train logs/ notes.txt.gz -o model.nce --config quality --epochs 3
zcat *.gz | nce-train - -o model.nce
nce-train --resume model.nce
nce-train new.txt --continue model.nce -o newer.nce
"""


@command("nce-train", _HELP, cls=CommandWithSettings)
@click.argument("corpus", nargs=-1, required=False, metavar="CORPUS…", type=FILE)
@file_option("-o", "--output", metavar="DIR", type=OUT_DIRECTORY, help="The model directory to write.")
@file_option("--config", metavar="FILE|PRESET", help="Settings from a YAML file or a preset; options override it.")
@file_option("--resume", metavar="DIR", help="Continue the interrupted run that was writing this model directory.")
@file_option(
    "--init",
    metavar="VECTORS",
    help="Start the words that are in this file or model directory with their vectors, which also set --dim.",
)
@file_option(
    "--continue",
    "continue_from",
    metavar="MODEL",
    help="Train this model further, with its settings, on a new text. Its words stay, and those of the text are added.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing model.")
@click.option("--keep-checkpoint", is_flag=True, help="Keep the checkpoint at the end, so that epochs can be added.")
@click.option("--no-cache", is_flag=True, help="Neither use nor store a copy of the token ids for other runs.")
@click.option("--dry-run", is_flag=True, help="Show what the run would take, and stop.")
@click.option("--print-config", is_flag=True, help="Print the settings as YAML, and stop.")
@click.option(
    "--list-presets",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_presets,
    help="List the packaged presets, and stop.",
)
@click.option("--quiet", is_flag=True, help="Show only warnings and errors.")
@file_option("--log-file", type=OUT_FILE, help="Append the lines of progress to this file.")
@file_option(
    "--tensorboard",
    metavar="DIR",
    type=OUT_DIRECTORY,
    help="Write readings and the final embeddings here, for TensorBoard.",
)
@file_option(
    "--cluster",
    metavar="ADDRESS|local:N",
    type=Address(),
    help="Train with a Dask scheduler (tcp://HOST:8786) or N local processes; same model as --deterministic.",
)
@setting_options
def main(
    corpus: tuple[str, ...],
    output: Path | str | None,
    config: str | None,
    resume: str | None,
    init: str | None,
    continue_from: str | None,
    overwrite: bool,
    keep_checkpoint: bool,
    no_cache: bool,
    dry_run: bool,
    print_config: bool,
    quiet: bool,
    log_file: str | None,
    tensorboard: str | None,
    cluster: str | None,
    **settings: Any,
) -> None:
    given = {name: value for name, value in settings.items() if value not in (None, ())}
    if resume is None and continue_from is None:
        load_settings(config, given)  # refuses a wrong setting before the slow imports
    if print_config:
        from nce_train.api.start import settings_and_start

        click.echo(settings_and_start(config, given, init, continue_from)[0].to_yaml(), nl=False)
        return
    if resume is not None and dry_run:
        raise click.UsageError("--resume continues a run: it cannot be a --dry-run.")
    if not corpus and resume is None:
        raise click.UsageError("Name a text to train on: nce-train CORPUS…, or - for standard input.")

    from nce_train.api import estimate, train_or_resume
    from nce_train.api.progress import open_display

    if output is None and not dry_run and resume is None:
        from nce_train.runs.model_directory import default_output

        output = default_output(corpus[0])
    with open_display(quiet, log_file, list(corpus) or None, config, given, init, resume) as display:
        if dry_run:
            start = {"init": init, "continue_from": continue_from}
            _print_estimate(
                estimate(list(corpus), config, given, display, cache=not no_cache, cluster=cluster, **start)
            )
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
    print_last_result(output or resume)


def _print_estimate(estimate: "Estimate") -> None:
    from nce_train.api.progress import format_duration

    text = estimate.text
    rows = [
        ("vocabulary", _words(estimate.vocabulary, text.distinct_words)),
        ("tokens an epoch", _tokens(estimate.tokens, text.tokens)),
        ("pairs in all", f"{estimate.pairs:,}"),
        ("memory", f"at most {estimate.memory_bytes / 2**20:,.0f} MiB"),
        ("disk", f"at most {estimate.disk_bytes / 2**20:,.0f} MiB"),
        ("speed in a trial", f"{estimate.tokens_per_second:,.0f} tokens/s"),
        ("training time", f"about {format_duration(estimate.seconds)}"),
    ]
    if estimate.ngrams:
        rows.insert(1, ("n-grams", f"{estimate.ngrams:,}"))
    if estimate.on_cluster is not None:
        rows += [
            ("memory a worker", f"{estimate.on_cluster.worker_memory_bytes / 2**20:,.0f} MiB"),
            ("transfer", estimate.on_cluster.transfer),
            ("speedup", estimate.on_cluster.speedup),
        ]
    for name, text in rows:
        click.echo(f"{name:<17} {text}")


def _words(kept: int, distinct: int | None) -> str:
    return f"{kept:,} words" + (f" of {distinct:,}" if distinct is not None and distinct > kept else "")


def _tokens(kept: int, in_text: int) -> str:
    return f"{kept:,}" + (f" of {in_text:,} ({min(kept / in_text, 0.99):.0%})" if in_text > kept else "")


if __name__ == "__main__":
    main()
