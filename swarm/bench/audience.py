"""Many viewers of one stream: joining, and waiting until nothing more arrives."""

import asyncio
from collections.abc import Sequence

import aiohttp

from foundation import process_limits as limits
from foundation.errors import RemoteError
from foundation.tasks import TaskScope
from swarm.bench.load import Client

_quiet_seconds = 0.2
"""Without a packet: the node has sent what it had, frames are at most 40 ms apart."""


async def connected(client: Client, http: aiohttp.ClientSession, url: str, direction: str) -> Client:
    """The client, once it is connected to a WHIP (`sendonly`) or WHEP (`recvonly`) URL. Raises `RemoteError`."""
    try:
        client.dial(await client.post(http, url, direction))
        await client.connected
    except (aiohttp.ClientError, OSError) as exc:
        raise RemoteError(f"a client did not connect to {url}: {exc}") from exc
    return client


async def join(http: aiohttp.ClientSession, url: str, viewers: int) -> list[Client]:
    """Connects viewers to a WHEP URL, a few at a time; all or none. Raises `RemoteError`."""
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(limits.bench_joins_at_once_max)
    audience = [Client(loop) for _ in range(viewers)]

    async def one(viewer: Client) -> None:
        async with gate:
            await connected(viewer, http, url, "recvonly")

    scope = TaskScope("joins", max(1, viewers))
    try:
        joins = [scope.spawn(one(viewer), "join") for viewer in audience]
        await asyncio.gather(*(task for task in joins if task is not None))
    except BaseException:
        await scope.close()
        for viewer in audience:
            await viewer.close()
        raise
    return audience


async def drained(audience: Sequence[Client]) -> int:
    """How many packets all viewers got, once none has come for a while."""
    last = -1
    while (now := sum(viewer.arrived() for viewer in audience)) != last:
        last = now
        await asyncio.sleep(_quiet_seconds)
    return last
