"""A node of ours as one of the servers that are compared."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from swarm.bench.load import Client
from swarm.bench.nodes import NodeProcess, node

PRODUCER_SECONDS_MAX = 5.0


class Swarmd:
    """WHIP and WHEP on loopback."""

    name = "swarmd"
    host = "127.0.0.1"

    def __init__(self, process: NodeProcess, http: aiohttp.ClientSession) -> None:
        self._process = process
        self._http = http
        self._producer = ""

    @property
    def whip_url(self) -> str:
        return f"{self._process.url}/whip"

    async def whep_url(self) -> str:
        """Of the one producer; waits until there is one."""
        async with asyncio.timeout(PRODUCER_SECONDS_MAX):
            while not self._producer:
                listing = await (await self._http.get(f"{self._process.url}/api/v1/producers")).json()
                self._producer = next((each["id"] for each in listing["producers"]), "")
        return f"{self._process.url}/whep/{self._producer}"

    async def publish(self, client: Client) -> None:
        client.dial(await client.post(self._http, self.whip_url, "sendonly"))
        await client.connected

    async def view(self, client: Client) -> None:
        client.dial(await client.post(self._http, await self.whep_url(), "recvonly"))
        await client.connected

    def cpu_seconds(self) -> float:
        return self._process.cpu_seconds()


@asynccontextmanager
async def swarmd(viewers: int) -> AsyncIterator[Swarmd]:
    """A node that has room for so many viewers."""
    async with node("--max-consumers", str(viewers + 1)) as process, aiohttp.ClientSession() as http:
        yield Swarmd(process, http)
