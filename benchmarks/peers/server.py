"""What a comparison needs of a server, and a server with its publisher and its audience in place."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from media.srtp import AES_128_GCM, SrtpProfile
from swarm.bench.load import Client, FrameSource, reporting

JOINS_AT_ONCE = 8
FIRST_PACKETS_SECONDS_MAX = 20.0
DECRYPT_EVERY = 20
"""One viewer in so many decrypts what it gets; the others only take and count it, or let the kernel count."""

Receive = Literal["decrypt", "take", "kernel"]
RECEIVE: tuple[Receive, ...] = get_args(Receive)
"""What viewers do with RTP: decrypt it, take and count it, or let the kernel count it where it would be queued.

Measured at 18,000 packets/s to 100 viewers on loopback, the servers pay for the waking of receivers that decrypt, take
or only count: swarmd 5.1, 4.5, 4.3 µs per packet, mediasoup 6.5, 6.3, 6.1. And the load generator pays 6, 2 and 0, so
that only the last leaves a machine of two cores to the server at its highest load.
"""

DRAINED_SECONDS = 0.2


class Server(Protocol):
    """A server process; clients come in and are connected when `publish` and `view` return."""

    name: str
    host: str

    async def publish(self, client: Client) -> None: ...

    async def view(self, client: Client) -> None: ...

    def cpu_seconds(self) -> float: ...


@dataclass(slots=True)
class Stage:
    """A server that carries one stream to its audience."""

    server: Server
    source: FrameSource
    audience: list[Client]

    @property
    def cipher(self) -> str:
        """What both ends took, of the publisher and of the viewers."""
        clients = [self.source.client, *self.audience]
        names = {c.transport.srtp.profile.name for c in clients if c.transport and c.transport.srtp}
        return " and ".join(sorted(names))

    def arrived(self) -> int:
        return sum(viewer.arrived() for viewer in self.audience)

    async def drained(self) -> None:
        """Waits until nothing has arrived for a while."""
        last = -1
        while (now := self.arrived()) != last:
            last = now
            await asyncio.sleep(DRAINED_SECONDS)


@asynccontextmanager
async def stage(
    server: Server,
    viewers: int,
    packets_per_frame: int,
    packet_bytes: int,
    receive: Receive,
    make_source: Callable[[Client, int, int, float], FrameSource] = FrameSource,
    profiles: Sequence[SrtpProfile] = (AES_128_GCM,),
) -> AsyncIterator[Stage]:
    """Connects a publisher and viewers, a few at a time, and waits until the stream has reached all."""
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:

        def client() -> Client:
            made = Client(loop, server.host, profiles)
            stack.push_async_callback(made.close)
            return made

        publisher = client()
        await server.publish(publisher)
        source = make_source(publisher, packets_per_frame, packet_bytes, 5)
        source.send_frame()
        gate = asyncio.Semaphore(JOINS_AT_ONCE)

        async def join(viewer: Client) -> Client:
            async with gate:
                await server.view(viewer)
                return viewer

        audience = await asyncio.gather(*(join(client()) for _ in range(viewers)))
        await _reached(source, audience)
        for number, viewer in enumerate(audience):
            if number % DECRYPT_EVERY == 0 or receive == "decrypt":
                continue
            if receive == "take":
                viewer.count_unread()
            else:
                viewer.count_in_kernel()
        await stack.enter_async_context(reporting(audience))
        ready = Stage(server, source, list(audience))
        await ready.drained()
        yield ready


async def _reached(source: FrameSource, audience: Sequence[Client]) -> None:
    async with asyncio.timeout(FIRST_PACKETS_SECONDS_MAX):
        while not all(viewer.packets for viewer in audience):
            await source.run(1)
