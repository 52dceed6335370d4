import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # the twin is read as a module of its own
