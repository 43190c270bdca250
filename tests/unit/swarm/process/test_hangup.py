"""SIGHUP while the block runs, and not after."""

import asyncio
import os
import signal

from swarm.process.hangup import on_hangup


async def test_every_hangup_calls() -> None:
    calls: asyncio.Queue[None] = asyncio.Queue(2)
    with on_hangup(lambda: calls.put_nowait(None)):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGHUP)
            async with asyncio.timeout(5):
                await calls.get()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
