"""What tests of several rooms share: gensim, where it is installed."""

import sys

import pytest

REASON = "needs gensim; pip install gensim"
if sys.version_info >= (3, 14):
    REASON = "needs gensim, which has no wheel for Python 3.14"


@pytest.fixture(scope="session")
def gensim():
    """The package gensim. The test is skipped where it is not installed."""
    return pytest.importorskip("gensim", reason=REASON)
