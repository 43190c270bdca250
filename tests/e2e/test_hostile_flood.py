"""Strangers flood a node with datagrams while many sessions are set up and run: nobody is disturbed, nothing grows.

`FLOOD_SESSIONS=200 FLOOD_PER_SECOND=10000 FLOOD_SECONDS=20` is the whole of it.
"""

import asyncio
import os
import random
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle
from uuid import UUID

import aiohttp
import pytest

from benchmarks.nodes import NodeProcess, node
from foundation.tasks import TaskScope
from tests.e2e import strange_datagrams as strange
from tests.raw_client import RawClient, attribute, raw_client

SESSIONS = int(os.environ.get("FLOOD_SESSIONS", "40"))
PER_SECOND = int(os.environ.get("FLOOD_PER_SECOND", "2000"))
SECONDS = float(os.environ.get("FLOOD_SECONDS", "3"))
GROWTH_MEGABYTES_MAX = 15
"""Between two equal floods: a hundredth of what it would be if each datagram left 1 KB behind at the full rate."""

_slice_seconds = 0.02
_at_once = 10
_sdp = {"Content-Type": "application/sdp"}


def short_ones(rng: random.Random) -> Iterator[bytes]:
    """Every length to 64 with every first byte, and the empty one; a ping of the DHT is answered, and so left out."""
    yield b""
    for length in range(1, 65):
        for first in range(256):
            yield bytes([first]) + rng.randbytes(length - 1)


class Flood:
    """Sends from one stranger's socket, and counts what comes back."""

    def __init__(self, target: NodeProcess, usernames: list[str]) -> None:
        host, _, port = target.authority.rpartition(":")
        self._target = host, int(port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        rng = random.Random(5)
        forged = [*strange.dtls_and_srtp(), *(strange.check(name, "a guess of 24 characters") for name in usernames)]
        datagrams = [*short_ones(rng), *forged * 10, *(rng.randbytes(1200) for _ in range(200))]
        rng.shuffle(datagrams)
        self._datagrams = cycle(datagrams)
        self.sent = self.heard_bytes = 0

    async def run(self) -> None:
        began = time.monotonic()
        while True:
            due = (time.monotonic() - began) * PER_SECOND - self.sent
            for _ in range(int(min(due, PER_SECOND))):
                self._socket.sendto(next(self._datagrams), self._target)
                self.sent += 1
            self.listen()
            await asyncio.sleep(_slice_seconds)

    def listen(self) -> None:
        while True:
            try:
                self.heard_bytes += len(self._socket.recv(2000))
            except BlockingIOError:
                return

    def close(self) -> None:
        self._socket.close()


@asynccontextmanager
async def flooded(target: NodeProcess, usernames: list[str]) -> AsyncIterator[Flood]:
    flood, scope = Flood(target, usernames), TaskScope("flood", 1)
    scope.spawn(flood.run(), "flood")
    try:
        yield flood
        async with asyncio.timeout(SECONDS + 30):
            while flood.sent < SECONDS * PER_SECOND:
                await asyncio.sleep(_slice_seconds)
    finally:
        await scope.close()
        flood.listen()
        flood.close()


async def joined(client: RawClient, http: aiohttp.ClientSession, url: str, direction: str) -> str:
    """A session that is set up; gives the user name of its checks, and raises when it cannot be."""
    async with http.post(url, data=client.offer(direction), headers=_sdp) as response:
        assert response.status == 201, await response.text()
        answer = await response.text()
        await client.connect(answer)
        client.producer_id = response.headers["Swarm-Producer-Id"]  # type: ignore[attr-defined]
    return f"{attribute(answer, 'ice-ufrag')}:{client.ufrag}"


async def crowd(stack: AsyncExitStack, http: aiohttp.ClientSession, url: str) -> tuple[list[RawClient], list[str]]:
    gate, usernames = asyncio.Semaphore(_at_once), []
    viewers = [await stack.enter_async_context(raw_client()) for _ in range(SESSIONS)]

    async def join(viewer: RawClient) -> None:
        async with gate:
            usernames.append(await joined(viewer, http, url, "recvonly"))

    async with asyncio.TaskGroup() as group:
        for viewer in viewers:
            group.create_task(join(viewer))
    return viewers, usernames


async def everybody_gets(publisher: RawClient, viewers: list[RawClient], turn: int) -> None:
    """The next pictures reach all, once and in order; whatever else came before was the publisher's too."""
    former = {b"\x10\x00keyframe", *(b"\x10\x00picture %02d of %d" % (number, turn - 1) for number in range(20))}
    sent = [b"\x10\x00picture %02d of %d" % (number, turn) for number in range(20)]
    for payload in sent:
        publisher.send(publisher.rtp(payload))
        await asyncio.sleep(_slice_seconds)
    for viewer in viewers:
        async with asyncio.timeout(60):
            while not any(packet.endswith(sent[-1]) for packet in viewer.packets):
                await viewer.until_packets(len(viewer.packets) + 1)
        payloads = [packet[12:] for packet in viewer.packets]
        viewer.packets.clear()
        assert [payload for payload in payloads if payload not in former] == sent


async def counters(http: aiohttp.ClientSession, target: NodeProcess) -> dict[str, int]:
    async with http.get(f"{target.url}/api/v1/node") as response:
        found: dict[str, int] = (await response.json())["counters"]
        return found


@pytest.mark.timeout(600)
async def test_a_flood_during_set_ups_and_sessions_disturbs_none_and_leaves_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with AsyncExitStack() as stack:
        target = await stack.enter_async_context(node("--max-consumers", str(4 * SESSIONS)))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        publisher = await stack.enter_async_context(raw_client())
        await joined(publisher, http, f"{target.url}/whip", "sendonly")
        url = f"{target.url}/whep/{UUID(publisher.producer_id)}"  # type: ignore[attr-defined]
        running, usernames = await crowd(stack, http, url)
        publisher.send(publisher.rtp())
        await asyncio.gather(*(viewer.until_packets(1) for viewer in running))
        sizes = []
        for turn in range(3):
            async with flooded(target, usernames) as flood, AsyncExitStack() as passing:
                newcomers, _ = await crowd(passing, http, url)
                publisher.send(publisher.rtp())
                await asyncio.gather(*(viewer.until_packets(1) for viewer in newcomers))
                await everybody_gets(publisher, running + newcomers, turn)
                assert flood.heard_bytes == 0
            sizes.append(target.resident_megabytes())
        assert not any(client.gone.is_set() for client in [publisher, *running])
        after = await counters(http, target)
        assert after["dropped_handler_failures"] == 0
        assert min(after["dropped_dtls_unvalidated"], after["dropped_srtp_unvalidated"]) > 100
        assert after["dropped_stun_unauthenticated"] + after["dropped_stun_unknown_user"] > 0
        assert sizes[2] - sizes[1] < GROWTH_MEGABYTES_MAX, sizes
    with capfd.disabled():
        print(f"{SESSIONS} sessions, and 3 times as many new: {PER_SECOND} datagrams/s; resident MB {sizes}")
    assert capfd.readouterr().err == ""
