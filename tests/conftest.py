"""What tests of several rooms share: gensim, where it is installed, and a Ctrl-C that is not ignored."""

import signal
import sys

import pytest

# A shell starts background commands with SIGINT ignored, and what is ignored stays so in the commands that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REASON = "needs gensim; pip install gensim"
if sys.version_info >= (3, 14):
    REASON = "needs gensim, which has no wheel for Python 3.14"


@pytest.fixture(scope="session")
def gensim():
    """The package gensim. The test is skipped where it is not installed."""
    return pytest.importorskip("gensim", reason=REASON)
