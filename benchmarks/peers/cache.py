"""Where other servers are installed: outside of the checkout, and kept for the next run."""

import os
from pathlib import Path


def cache_directory(name: str) -> Path:
    """`$XDG_CACHE_HOME/swarmd-bench/NAME`, made if it is missing."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(base) / "swarmd-bench" / name
    directory.mkdir(parents=True, exist_ok=True)
    return directory
