"""Commands in processes of their own, as a person runs them; and in this process, for the many ways to be refused."""

import contextlib
import importlib
import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner


def command(name, *arguments):
    """The words that start `nce-NAME` with arguments."""
    return [sys.executable, "-m", f"nce_train.cli.{name}", *map(str, arguments)]


def run_command(name, *arguments, **options):
    """Run `nce-NAME` to its end; the options are those of `subprocess.run`."""
    return subprocess.run(command(name, *arguments), capture_output=True, timeout=120, check=False, **options)


def call_command(name, *arguments, cwd):
    """Run `nce-NAME` in this process, which saves the second that a new one takes; anything but an exit is raised."""
    main = importlib.import_module(f"nce_train.cli.{name}").main
    environment = {"XDG_CACHE_HOME": str(Path(cwd) / "cache")}
    with contextlib.chdir(cwd):
        done = CliRunner(env=environment, catch_exceptions=False).invoke(main, list(map(str, arguments)))
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


def run_training(*arguments, cwd, given=None):
    """Run `nce-train` with a cache of its own; returns exit code, stdout and stderr."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(Path(cwd) / "cache")}
    done = run_command("train", *arguments, cwd=cwd, input=given, env=environment)
    return done.returncode, done.stdout.decode(), done.stderr.decode()
