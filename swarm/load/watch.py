"""The shell around `LoadMeter`: reads the port's counters and the clocks once a second."""

import asyncio
import time
from collections.abc import Callable

from foundation import limits
from media.port import PortCounters
from swarm.load.meter import LoadMeter, Sample
from swarm.policy import Measured

_ticks_per_sample = 4
"""Timers whose lateness is measured: one a second would miss most of what blocks the loop for a moment."""


async def watch_load(
    meter: LoadMeter, port: PortCounters, copies: Callable[[], int], on_measured: Callable[[Measured, float], object]
) -> None:
    """Runs until it is cancelled, in the thread that forwards.

    CPU is this thread's and not the process's: an embedding program may decode in others, and forwarding has one core.
    """
    loop = asyncio.get_running_loop()
    lag = 0.0
    while True:
        now = loop.time()
        sample = Sample(port.sent, port.sent_bytes, port.send_blocked, time.thread_time(), lag, copies())
        on_measured(meter.sample(sample, now), now)
        lag = await _lag(loop)


async def _lag(loop: asyncio.AbstractEventLoop) -> float:
    """How late timers of the next second are, on average."""
    late = 0.0
    for _ in range(_ticks_per_sample):
        due = loop.time() + limits.load_sample_seconds / _ticks_per_sample
        await asyncio.sleep(due - loop.time())
        late += max(0.0, loop.time() - due)
    return late / _ticks_per_sample
