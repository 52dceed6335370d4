"""The programs in the pages about the losses run from top to bottom."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["frameworks.md", "which_loss.md"])
def test_the_programs_of_a_page(page):
    for package in ("torch", "jax") if page == "frameworks.md" else ():
        pytest.importorskip(package, reason=f"needs {package}: pip install 'nce-train[{package}]'")
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert blocks
    names = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
