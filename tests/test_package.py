"""The package as a whole: what importing it loads, and what it depends on."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import nce_train

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIREMENTS = {
    group: [requirement for requirement in map(Requirement, lines) if requirement.name != PROJECT["name"]]
    for group, lines in {"core": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}.items()
}


def test_importing_compiles_nothing():
    code = (
        "import sys, nce_train\n"
        "assert 'train' in dir(nce_train)\n"
        "assert not {'numba', 'numpy'} & set(sys.modules)\n"
        "nce_train.Embeddings, nce_train.evaluate, nce_train.api.report, nce_train.__version__\n"
        "assert 'numba' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_nothing_imports_a_framework_that_the_caller_has_not_imported():
    code = (
        "import sys, numpy as np, nce_train\n"
        "from nce_train import nce\n"
        "nce.nce_loss(np.zeros((9, 2)), np.zeros(9), [[1]], np.ones((1, 2)), 3, 9, seed=1)\n"
        "nce.softmax_loss(np.zeros((9, 2)), np.zeros(9), [[1]], np.ones((1, 2)))\n"
        "assert 'torch' in dir(nce_train) and 'jax' in dir(nce_train)\n"
        "assert not {'torch', 'jax'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("framework", "title"), [("torch", "PyTorch"), ("jax", "JAX")])
def test_a_missing_framework_is_named_with_its_extra(framework, title):
    code = f"import sys; sys.modules[{framework!r}] = None; import nce_train; nce_train.{framework}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    expected = f"ImportError: nce_train.{framework} needs {title}: pip install 'nce-train[{framework}]'"
    assert done.stderr.strip().splitlines()[-1] == expected
    assert framework in PROJECT["optional-dependencies"]
    assert framework not in {requirement.name for group in ("core", "dev") for requirement in REQUIREMENTS[group]}


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = nce_train.trian


def test_gensim_is_not_required_where_it_has_no_wheel():
    found = {group: it for group, its in REQUIREMENTS.items() for it in its if it.name == "gensim"}
    assert found.keys() == {"bench", "dev"}
    for group, requirement in found.items():
        assert requirement.marker is not None, group
        required = {
            python: requirement.marker.evaluate({"python_version": python})
            for python in ("3.11", "3.12", "3.13", "3.14", "3.15")
        }
        assert required == {"3.11": True, "3.12": True, "3.13": True, "3.14": False, "3.15": False}, group


def dependency_table():
    """The names in the first column of the table whose first head is `dependency`, in README.md or docs/."""
    names = set()
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        inside = False
        for line in page.read_text(encoding="utf-8").splitlines():
            first = line.split("|")[1].strip().lower() if line.startswith("|") else ""
            inside = first == "dependency" or (inside and first != "")
            if inside:
                names.update(re.split(r"[\s,`\[\]()]+", first))
    return names


@pytest.mark.parametrize("group", REQUIREMENTS)
def test_every_dependency_has_a_lower_bound_and_is_explained(group):
    explained = dependency_table()
    for requirement in REQUIREMENTS[group]:
        assert requirement.name.lower() in explained, requirement.name
        assert ">=" in str(requirement.specifier), requirement.name
