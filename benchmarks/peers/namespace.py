"""A network namespace with one address that is not loopback's, made for a benchmark and removed after it.

libnice takes no notice of loopback, so a server that uses it needs another interface. Nothing in the namespace leads
out of it: packets from its address to its address never leave the kernel.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

ADDRESS = "10.203.0.1"
"""Of the pair's end; the namespace has no route elsewhere, so it may be anything."""

_SETUP = (
    ("link", "set", "lo", "up"),
    ("link", "add", "near", "type", "veth", "peer", "name", "far"),
    ("address", "add", f"{ADDRESS}/24", "dev", "near"),
    ("link", "set", "near", "up"),
    ("link", "set", "far", "up"),
)


def inside() -> bool:
    """Whether this process was started by `run_inside`."""
    return os.environ.get("SWARMD_BENCH_NAMESPACE") is not None


def run_inside(arguments: Sequence[str]) -> int:
    """Runs `python -m ...` in a namespace of its own; returns its exit status. Needs root."""
    with _namespace() as name:
        command = ["ip", "netns", "exec", name, sys.executable, "-m", *arguments]
        return subprocess.run(command, env={**os.environ, "SWARMD_BENCH_NAMESPACE": name}, check=False).returncode


@contextmanager
def _namespace() -> Iterator[str]:
    name = f"swarmd-bench-{secrets.token_hex(3)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        for step in _SETUP:
            subprocess.run(["ip", "-n", name, *step], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)
