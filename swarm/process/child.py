"""Child processes that run a module of ours, and end when we do."""

import asyncio
import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
"""prctl(2), Linux: the signal a process gets when its parent dies, however that happens."""

_libc = ctypes.CDLL(None)


async def start_child(
    module: str, *arguments: str, stdin: int = asyncio.subprocess.DEVNULL, stderr: int | None = None
) -> asyncio.subprocess.Process:
    """Starts `python -m MODULE ARGUMENTS`, with a pipe for its stdout. Raises `OSError`.

    Its arguments say everything: what `SWARMD_*` sets for the whole does not reach it.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SWARMD_")}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        module,
        *arguments,
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
        env=environment,
        # Ctrl-C in a terminal reaches the whole group: children are to end when we say so.
        start_new_session=True,
        preexec_fn=_end_with_parent,
    )


def _end_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
