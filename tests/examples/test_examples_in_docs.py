"""The programs in the pages about the losses run from top to bottom."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["frameworks.md", "which_loss.md"])
def test_the_programs_of_a_page(page, tmp_path):
    for package in ("torch", "jax") if page == "frameworks.md" else ():
        pytest.importorskip(package, reason=f"needs {package}: pip install 'nce-train[{package}]'")
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert blocks
    program = tmp_path / "program.py"
    # without a guard of `__main__`, as one types at a prompt, workers can only be forked
    program.write_text("\n".join(["import multiprocessing", "multiprocessing.set_start_method('fork')", *blocks]))
    subprocess.run([sys.executable, str(program)], timeout=100, check=True)
