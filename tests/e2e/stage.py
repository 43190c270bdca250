"""A running session that attacks must not disturb: a test picture published on one node, watched through another."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from benchmarks.nodes import NodeProcess, node
from foundation.tasks import TaskScope
from swarm.client.testpicture import TestPicture, read_counter
from swarm.client.whep import WhepPlayer
from swarm.client.whip import WhipPublisher

WAIT_SECONDS = 40
FRAMES_MORE = 15
_poll_seconds = 0.05


class Viewer:
    """Reads the picture counters of a player all the time."""

    def __init__(self, track: MediaStreamTrack) -> None:
        self.counters: list[int] = []
        self._arrived = asyncio.Event()
        self._track = track

    async def read(self) -> None:
        while True:
            try:
                counter = read_counter(await self._track.recv())
            except MediaStreamError:
                return
            if counter is not None:
                self.counters.append(counter)
                self._arrived.set()

    async def goes_on(self, more: int = FRAMES_MORE) -> None:
        """So many more pictures arrive, and none was missing since the first one."""
        wanted = len(self.counters) + more
        async with asyncio.timeout(WAIT_SECONDS):
            while len(self.counters) < wanted:
                self._arrived.clear()
                await self._arrived.wait()
        assert self.counters == list(range(self.counters[0], self.counters[0] + len(self.counters)))


class Stage:
    """Two nodes, the stream's owner and a relay that has the viewer."""

    def __init__(
        self, owner: NodeProcess, relay: NodeProcess, producer: UUID, player: WhepPlayer, http: aiohttp.ClientSession
    ) -> None:
        self.owner, self.relay = owner, relay
        self.producer = producer
        self.player = player
        self.http = http
        assert player.video is not None
        self.viewer = Viewer(player.video)

    @property
    def nodes(self) -> tuple[NodeProcess, NodeProcess]:
        return self.owner, self.relay

    async def counters(self, which: NodeProcess) -> dict[str, int]:
        async with self.http.get(f"{which.url}/api/v1/node") as response:
            assert response.status == 200
            counters: dict[str, int] = (await response.json())["counters"]
            return counters

    async def until_counted(self, which: NodeProcess, condition: Callable[[dict[str, int]], Any]) -> dict[str, int]:
        """The node's counters, once they are as they should be."""
        counters: dict[str, int] = {}
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while not condition(counters := await self.counters(which)):
                    await asyncio.sleep(_poll_seconds)
        except TimeoutError:
            raise AssertionError(f"the counters stay at {counters}") from None
        return counters

    async def lives(self) -> None:
        """Both nodes answer."""
        for each in self.nodes:
            async with self.http.get(f"{each.url}/livez") as response:
                assert response.status == 200

    async def goes_on(self) -> None:
        """Both nodes answer, and the viewer has missed no picture."""
        await self.lives()
        await self.viewer.goes_on()


async def until_found(http: aiohttp.ClientSession, url: str) -> None:
    """A publisher is connected a moment before its stream is known everywhere."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            async with http.get(url) as response:
                if response.status == 200:
                    return
            await asyncio.sleep(_poll_seconds)


@asynccontextmanager
async def running_session(capfd: pytest.CaptureFixture[str]) -> AsyncIterator[Stage]:
    """The session runs before the block begins, and after it ended; then the nodes have written nothing to stderr."""
    picture = TestPicture(320, 180, 15)
    async with (
        node() as owner,
        node("--join", owner.authority) as relay,
        aiohttp.ClientSession() as http,
    ):
        publisher, signalling = WhipPublisher.to_url(f"{owner.url}/whip", video=picture)
        async with publisher:
            producer = signalling.producer_id
            assert producer is not None
            await until_found(http, f"{relay.url}/api/v1/producers/{producer}")
            async with WhepPlayer.of_url(f"{relay.url}/whep/{producer}", audio=False) as player:
                stage = Stage(owner, relay, producer, player, http)
                scope = TaskScope("stage", 1)
                scope.spawn(stage.viewer.read(), "viewer")
                try:
                    await stage.goes_on()
                    yield stage
                    await stage.goes_on()
                finally:
                    await scope.close()
    picture.stop()
    complaints = capfd.readouterr().err
    assert complaints == ""
