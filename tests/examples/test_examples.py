"""The examples: each runs, and what it claims is asserted in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
NEEDED = {
    "language_model.py": ("torch", "full cross-entropy, as long"),
    "retrieval.py": ("torch", "hit rate at 10"),
    "skip_gram_jax.py": ("jax", "nearest to seven"),
}


def test_every_example_is_run():
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == sorted(NEEDED)


@pytest.mark.slow
@pytest.mark.parametrize("name", NEEDED)
def test_example(name):
    package, shown = NEEDED[name]
    pytest.importorskip(package, reason=f"needs {package}: pip install 'nce-train[{package}]'")
    run = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        capture_output=True,
        text=True,
        timeout=150,
        env={**os.environ, "PYTHONPATH": ""},
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert shown in run.stdout
