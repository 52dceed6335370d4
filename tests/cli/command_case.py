"""Commands in processes of their own, as a person runs them."""

import os
import subprocess
import sys
from pathlib import Path


def command(name, *arguments):
    """The words that start `nce-NAME` with arguments."""
    return [sys.executable, "-m", f"nce_train.cli.{name}", *map(str, arguments)]


def run_command(name, *arguments, **options):
    """Run `nce-NAME` to its end; the options are those of `subprocess.run`."""
    return subprocess.run(command(name, *arguments), capture_output=True, timeout=120, check=False, **options)


def run_training(*arguments, cwd, given=None):
    """Run `nce-train` with a cache of its own; returns exit code, stdout and stderr."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(Path(cwd) / "cache")}
    done = run_command("train", *arguments, cwd=cwd, input=given, env=environment)
    return done.returncode, done.stdout.decode(), done.stderr.decode()
