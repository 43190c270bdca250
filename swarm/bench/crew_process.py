"""A load process: raw clients that do what lines of JSON on stdin tell them, one answer on stdout for each.

`{"do": "publish", "url"}`, `{"do": "send", "packets_per_frame", "packet_bytes", "frames_per_second", "seconds"}`,
`{"do": "join", "url", "viewers"}`, `{"do": "count_in_kernel"}` and `{"do": "arrived"}`. It ends with its stdin.
"""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import uvloop

from foundation import process_limits as limits
from foundation.errors import RemoteError
from swarm.bench.audience import connected, drained, join
from swarm.bench.load import Client, FrameSource, reporting

_packet_bytes_max = 1200
"""What browsers send: beyond, links with tunnels would cut packets in two."""

Answer = dict[str, Any]


class Crew:
    """The clients of one process: a publisher, an audience, or both."""

    def __init__(self, stack: AsyncExitStack, http: aiohttp.ClientSession) -> None:
        self._stack = stack
        self._http = http
        self._audience: list[Client] = []
        self._source: FrameSource | None = None

    async def do(self, do: str, **given: Any) -> Answer:
        """One command. Raises `RemoteError` when the node does not play along."""
        answer: Answer = await getattr(self, f"do_{do}")(**given)
        return answer

    async def do_publish(self, url: str) -> Answer:
        publisher = Client(asyncio.get_running_loop())
        self._stack.push_async_callback(publisher.close)
        await connected(publisher, self._http, url, "sendonly")
        self._source = FrameSource(publisher, 1, _packet_bytes_max, 1)
        return {}

    async def do_send(
        self, packets_per_frame: int, packet_bytes: int, frames_per_second: int, seconds: float
    ) -> Answer:
        """Sends frames by the clock; says how many packets, and how long it took."""
        source, loop = self._source, asyncio.get_running_loop()
        assert source is not None
        assert packet_bytes <= _packet_bytes_max
        source.packets_per_frame, source.packet_bytes = packets_per_frame, packet_bytes
        source.frames_per_second = frames_per_second
        before, started = source.frames, loop.time()
        await source.run(seconds)
        frames = source.frames - before
        # The last frame has its time too: 25 frames take a second, not 24 gaps between them.
        elapsed = max(frames / frames_per_second, loop.time() - started)
        return {"packets": frames * packets_per_frame, "seconds": elapsed}

    async def do_join(self, url: str, viewers: int) -> Answer:
        """Returns once all viewers are connected, with the seconds it took."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        joined = await join(self._http, url, viewers)
        elapsed = loop.time() - started
        self._audience += joined
        for viewer in joined:
            self._stack.push_async_callback(viewer.close)
        return {"seconds": elapsed}

    async def do_count_in_kernel(self) -> Answer:
        """From now on viewers report, and their packets are counted, by the kernel where it can do that.

        Each has to have got a packet before: its report names the stream.
        """
        await self._stack.enter_async_context(reporting(self._audience))
        try:
            for viewer in self._audience:
                viewer.count_in_kernel()
        except OSError:
            for viewer in self._audience:
                viewer.count_unread()
            return {"kernel": False}
        return {"kernel": True}

    async def do_arrived(self) -> Answer:
        """How many packets all viewers got, once none has come for a while."""
        return {"packets": await drained(self._audience)}


async def serve() -> None:
    """Answers what is asked on stdin until that ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limits.bench_reply_bytes_max)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with AsyncExitStack() as stack:
        crew = Crew(stack, await stack.enter_async_context(aiohttp.ClientSession()))
        while line := await reader.readline():
            try:
                answer = await crew.do(**json.loads(line))
            except RemoteError as exc:
                answer = {"error": str(exc)}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    uvloop.run(serve())
