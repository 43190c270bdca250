"""aiortc's own way of relaying as one of the servers that are compared: see `benchmarks.peers.aiortc_server`."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from swarm.bench.nodes import cpu_seconds

START_SECONDS_MAX = 20.0
STOP_SECONDS_MAX = 10.0


class Aiortc:
    """A WHIP and a WHEP endpoint on loopback."""

    name = "aiortc"

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process = process
        self._url = url

    @property
    def whip_url(self) -> str:
        return f"{self._url}/whip"

    async def whep_url(self) -> str:
        return f"{self._url}/whep"

    def cpu_seconds(self) -> float:
        return cpu_seconds(self._process.pid)


@asynccontextmanager
async def aiortc(_viewers: int) -> AsyncIterator[Aiortc]:
    """A running server; ended, and awaited, when the block is left."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.peers.aiortc_server"), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS_MAX)
        yield Aiortc(process, line.decode().strip())
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS_MAX)
            except TimeoutError:
                process.kill()
                await process.wait()
