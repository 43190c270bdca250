"""What machine this is, as far as measurements depend on it."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any


def describe_machine() -> dict[str, Any]:
    """Cores, processor and versions, as JSON can say it."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "swarmd": own_version(),
    }


def own_version() -> str:
    """Of the installed swarmd."""
    try:
        return version("swarmd")
    except PackageNotFoundError:
        return "unknown"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as info:
            return next((line.partition(":")[2].strip() for line in info if line.startswith("model name")), "unknown")
    except OSError:
        return "unknown"
