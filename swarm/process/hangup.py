"""SIGHUP as daemons take it: read again what may change while running."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def on_hangup(call: Callable[[], object]) -> Iterator[None]:
    """Calls `call` in the loop at every SIGHUP until the block is left. Main thread only."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, call)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
