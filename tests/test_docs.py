"""The pages of documentation: their links lead somewhere, and the files that they name are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / name
    for name in ("README.md", "CHANGELOG.md", "tests/README.md", "benchmarks/README.md", "benchmarks/STUDY.md")
] + sorted((ROOT / "docs").glob("*.md"))

LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
PATH = re.compile(r"`((?:nce_train|cli|tests|benchmarks|docs|configs|data|examples)/[\w./-]*)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def text_of(page):
    """A page without its code blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors_of(page):
    """The anchors of a page's headings, as GitHub makes them."""
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text_of(page))}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target, anchor in LINK.findall(text_of(page)):
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{target} is not there"
        assert not anchor or anchor in anchors_of(file), f"{target} has no heading {anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_files_are_there(page):
    missing = [path for path in PATH.findall(text_of(page)) if not (ROOT / path).exists()]
    assert not missing
