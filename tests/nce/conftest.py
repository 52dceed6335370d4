import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for what tests share


@pytest.fixture(params=["torch", "jax"])
def framework(request):
    """PyTorch and JAX in turn; the test is skipped where one is not installed."""
    from frameworks_case import FRAMEWORKS

    return FRAMEWORKS[request.param]()
