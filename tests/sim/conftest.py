"""Makes `tests.sim.virtual` and its neighbours importable from any test."""

import sys
from pathlib import Path

_root = str(Path(__file__).parents[2])
if _root not in sys.path:
    sys.path.append(_root)
