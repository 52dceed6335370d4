"""`--help` and `--version` of all commands: they answer without loading what only the work needs."""

import subprocess
import sys

import pytest

SLOW = {"numba", "numpy", "tqdm", "plotly", "matplotlib"}
SHOWN = {
    "train": "--window",
    "eval": "--restrict-vocab",
    "export": "--postprocess",
    "query": "--index",
    "report": "--compare",
    "vocab": "--min-count",
    "phrases": "--threshold",
}


@pytest.mark.parametrize("name", SHOWN)
def test_help_and_version_load_no_slow_module(name):
    code = (
        "import sys\n"
        f"from nce_train.cli.{name} import main\n"
        "for option in ('--help', '--version'):\n"
        "    main([option], standalone_mode=False)\n"
        f"assert not {SLOW} & set(sys.modules), {SLOW} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert SHOWN[name] in done.stdout
    assert f"nce-{name}, version " in done.stdout
