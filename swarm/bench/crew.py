"""The bench's end of a load process (`swarm.bench.crew_process`)."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from foundation.errors import RemoteError
from swarm.bench.nodes import cpu_seconds, end
from swarm.process.child import start_child


class Crew:
    """A running load process: one `call` at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    def cpu_seconds(self) -> float:
        """Raises `RemoteError` when it has ended."""
        try:
            return cpu_seconds(self._process.pid)
        except OSError:
            raise RemoteError("a load process has ended") from None

    async def call(self, do: str, **given: Any) -> dict[str, Any]:
        """Has it do something, and waits until it is done. Raises `RemoteError` with its reason when it is not."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **given}).encode() + b"\n")
            await self._process.stdin.drain()
        except ConnectionError:
            raise RemoteError(f"a load process has ended before {do!r}") from None
        line = await self._process.stdout.readline()
        if not line:
            raise RemoteError(f"a load process ended during {do!r}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RemoteError(str(answer["error"]))
        return answer


@asynccontextmanager
async def crew() -> AsyncIterator[Crew]:
    """A load process; ended when the block is left."""
    process = await start_child("swarm.bench.crew_process", stdin=asyncio.subprocess.PIPE)
    try:
        yield Crew(process)
    finally:
        await end(process)
