"""Importing the package is light, and its names are there when they are asked for."""

import subprocess
import sys

import pytest

import nce_train


def test_importing_compiles_nothing():
    code = (
        "import sys, nce_train\n"
        "assert 'train' in dir(nce_train)\n"
        "assert not {'numba', 'numpy'} & set(sys.modules)\n"
        "nce_train.Embeddings, nce_train.evaluate, nce_train.__version__\n"
        "assert 'numba' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = nce_train.trian
