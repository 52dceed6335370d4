"""The rules of the house: what each room imports, no circles, and no file that is too long to read in one sitting."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EVERYTHING = {
    "nce",
    "torch",
    "jax",
    "text",
    "kernel",
    "training",
    "runs",
    "embeddings",
    "evaluation",
    "report",
    "cluster",
    "api",
}

# Which rooms each room may import; the same table, with the reasons, is in docs/architecture.md.
MAY_IMPORT = {
    "nce": set(),
    "torch": {"nce"},
    "jax": {"nce"},
    "text": set(),
    "kernel": set(),
    "training": {"kernel", "nce", "text"},
    "runs": {"training", "kernel", "text"},
    "embeddings": {"text.vocabulary", "text.ngrams"},
    "evaluation": {"embeddings", "nce", "text"},
    "report": {"evaluation", "embeddings", "training.readings"},
    "cluster": {"runs", "training", "kernel", "text", "evaluation"},
    "api": EVERYTHING,
    "gensim": {"embeddings", "runs", "training", "kernel", "text", "evaluation"},
    "cli": EVERYTHING,
    "configs": set(),
}
# Modules at the top of the package, which every room may import; they import each other only.
HELPERS = {
    "arguments",
    "compiled",
    "control_groups",
    "decompression",
    "errors",
    "file_kinds",
    "files",
    "flat_yaml",
    "folding",
    "foreign_files",
    "mapped_files",
    "memory",
    "model_files",
    "names",
    "npy_file",
    "zip_archive",
}
MOST_LINES = 500


def modules():
    """Each module's dotted name under `nce_train` and its file."""
    found = {
        ".".join(path.relative_to(ROOT / "nce_train").with_suffix("").parts): path
        for path in (ROOT / "nce_train").rglob("*.py")
    }
    found |= {f"cli.{path.stem}": path for path in (ROOT / "cli").glob("*.py")}
    return {name.removesuffix(".__init__"): path for name, path in found.items() if name != "__init__"}


MODULES = modules()


def imports_of(path):
    """The modules of the package that a file imports, wherever in it, with the lines."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            assert node.level == 0, f"{path}, line {node.lineno}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            if package == "nce_train" and rest:
                yield rest if rest in MODULES else rest.rpartition(".")[0], node.lineno


def is_allowed(importer, imported):
    room, other = importer.partition(".")[0], imported.partition(".")[0]
    if not imported or other == room or other in HELPERS:  # the package's own names, such as __version__
        return True
    if room in HELPERS:
        return False
    return any(imported == part or imported.startswith(f"{part}.") for part in MAY_IMPORT[room])


@pytest.mark.parametrize("importer", sorted(MODULES))
def test_a_module_imports_what_its_room_may_import(importer):
    for imported, line in imports_of(MODULES[importer]):
        assert is_allowed(importer, imported), (
            f"{MODULES[importer].relative_to(ROOT)}, line {line}: {importer.partition('.')[0]} may not import "
            f"nce_train.{imported}; see docs/architecture.md for what each room may import."
        )


def test_there_are_no_circles():
    graph = {name: {imported for imported, _ in imports_of(path)} & MODULES.keys() for name, path in MODULES.items()}
    done, path = set(), []

    def visit(name):
        if name in path:
            circle = " → ".join([*path[path.index(name) :], name])
            pytest.fail(f"These modules import each other in a circle: {circle}.")
        if name not in done:
            path.append(name)
            for imported in sorted(graph[name]):
                visit(imported)
            path.pop()
            done.add(name)

    for name in sorted(graph):
        visit(name)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_file_is_read_in_one_sitting(name):
    lines = len(MODULES[name].read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES, f"{MODULES[name].relative_to(ROOT)} has {lines} lines: split it by what it tells."


def test_every_room_is_in_the_table():
    rooms = {name.partition(".")[0] for name in MODULES} - HELPERS
    assert rooms <= MAY_IMPORT.keys()


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("text.corpus", "errors", True),
        ("text.corpus", "training.settings", False),
        ("embeddings.embeddings", "text.vocabulary", True),
        ("embeddings.embeddings", "text.corpus", False),
        ("files", "text.sources", False),
        ("runs.run", "cluster.cluster", False),
    ],
)
def test_the_rules_can_be_broken(importer, imported, allowed):
    assert is_allowed(importer, imported) == allowed
