"""Delay that a node adds at half its capacity: from a publisher's send to the viewer's receipt, on one clock.

python -m benchmarks.delay [--producers 20] [--viewers 10] [--packets-per-frame 12] [--cpu 50] [--seconds 10]

Every packet carries the time at which its publisher began to make its frame; a part of the viewers reads it, spread
over the order in which the node serves them. The rest is counted in the kernel. Publishers and viewers share one
process, whose own delay is measured meanwhile by frames that go past the node: subtract it. The frame rate is raised
until the node uses the wanted part of a core. `node_waited_percent` is how long it was ready and got no processor:
where others work on the same machine, it is their delay that is seen here.
"""

import asyncio
import json
import statistics
import struct
import time
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar
from uuid import uuid4

import aiohttp
import click
import uvloop

from benchmarks.load import Answer, Client, FrameSource, reporting
from benchmarks.nodes import NodeProcess, node
from foundation.tasks import TaskScope
from media.peer import RemotePeer

STAMP = struct.Struct("!q")
STAMP_AT = 17
"""Behind the RTP header and VP8's descriptor and first byte, which `FrameSource` writes."""

SAMPLED = 10
"""Viewers in all: each reads some thousand packets a second, and this process must have time to spare."""

FRAMES_FIRST_GUESS = 10.0
TRIALS = 3
TRIAL_SECONDS = 3.0
SETTLE_SECONDS = 0.5


_Closed = TypeVar("_Closed", bound=Client)


class StampedSource(FrameSource):
    """Frames whose packets say when they were made."""

    def send_frame(self) -> None:
        self._filler = STAMP.pack(time.monotonic_ns()) + self._filler[STAMP.size :]
        super().send_frame()


class Sink(Client):
    """A client which notes how old packets are when they arrive."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.delays_ms: list[float] = []

    def rtp_received(self, packets: list[bytes], now: float) -> None:
        super().rtp_received(packets, now)
        arrived = time.monotonic_ns()
        self.delays_ms += [(arrived - STAMP.unpack_from(packet, STAMP_AT)[0]) / 1e6 for packet in packets]


@click.command()
@click.option("--producers", default=20, show_default=True)
@click.option("--viewers", default=10, show_default=True, help="Of each producer.")
@click.option("--packets-per-frame", default=12, show_default=True)
@click.option("--bytes", "packet_bytes", default=1200, show_default=True, help="RTP packet, without SRTP's tag.")
@click.option("--cpu", default=50.0, show_default=True, help="Percent of a core that the node is to use.")
@click.option("--seconds", default=10.0, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(
    producers: int, viewers: int, packets_per_frame: int, packet_bytes: int, cpu: float, seconds: float, as_json: bool
) -> None:
    """Prints p50 and p99 of the delay by way of the node and past it, in milliseconds, and the node's load."""
    result = uvloop.run(measure(producers, viewers, packets_per_frame, packet_bytes, cpu, seconds))
    if as_json:
        click.echo(json.dumps(result))
        return
    for name, value in result.items():
        click.echo(f"{name:32} {value}")


async def measure(
    producers: int, viewers: int, per_frame: int, packet_bytes: int, percent: float, seconds: float
) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(node("--max-consumers", str(producers * (viewers + 1))))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        sources, audience = [], []
        for number in range(producers):
            places = [at - number * viewers for at in sampled(producers * viewers)]
            source, members = await produced(loop, http, server, stack, viewers, places, per_frame, packet_bytes)
            sources.append(source)
            audience += members
        beside, past = await direct(loop, stack, per_frame, packet_bytes)
        sinks = [viewer for viewer in audience if isinstance(viewer, Sink)]
        await stack.enter_async_context(reporting(audience))
        for _ in range(TRIALS):
            load = await run(server, [*sources, beside], TRIAL_SECONDS)
            for source in (*sources, beside):
                source.frames_per_second *= percent / load
        for sink in (*sinks, past):
            sink.delays_ms.clear()
        before, waited = server.cpu_seconds(), waited_seconds(server)
        arrived = sum(viewer.arrived() for viewer in audience)
        load = await run(server, [*sources, beside], seconds)
        cpu, waited = server.cpu_seconds() - before, waited_seconds(server) - waited
        arrived = sum(viewer.arrived() for viewer in audience) - arrived
        counters = (await (await http.get(f"{server.url}/api/v1/node")).json())["counters"]
    delays = [delay for sink in sinks for delay in sink.delays_ms]
    return {
        "frames_per_second": round(sources[0].frames_per_second, 1),
        "packets_out_per_second": round(arrived / seconds),
        "node_cpu_percent": round(load, 1),
        "node_waited_percent": round(100 * waited / seconds, 1),
        "us_per_packet": round(1e6 * cpu / arrived, 2),
        "windows_opened": counters.get("port_windows_opened", 0),
        **{f"ms_{name}": value for name, value in cuts(delays).items()},
        **{f"ms_past_the_node_{name}": value for name, value in cuts(past.delays_ms).items()},
    }


async def produced(
    loop: asyncio.AbstractEventLoop,
    http: aiohttp.ClientSession,
    server: NodeProcess,
    stack: AsyncExitStack,
    viewers: int,
    places: Collection[int],
    per_frame: int,
    packet_bytes: int,
) -> tuple[StampedSource, list[Client]]:
    """One publisher and its viewers, of which those at the given places are sinks."""
    publisher = await stack.enter_async_context(closing(Client(loop)))
    stream = uuid4()
    answer = await publisher.post(http, f"{server.url}/whip/{stream}", "sendonly")
    publisher.dial(answer)
    await publisher.connected
    source = StampedSource(publisher, per_frame, packet_bytes, FRAMES_FIRST_GUESS)
    url = f"{server.url}/whep/{stream}"
    members: list[Client] = []
    for place in range(viewers):
        viewer = await stack.enter_async_context(closing(Sink(loop) if place in places else Client(loop)))
        viewer.dial(await viewer.post(http, url, "recvonly"))
        await viewer.connected
        members.append(viewer)
    source.send_frame()
    for viewer in members:
        await viewer.first_keyframe
        if not isinstance(viewer, Sink):
            viewer.count_in_kernel()
    return source, members


def sampled(viewers: int) -> set[int]:
    """Which of all viewers are sinks: in the middle of parts of equal size, counted so that no rhythm is met."""
    count = min(viewers, SAMPLED)
    return {int((index + index / count) * viewers / count) % viewers for index in range(count)}


async def direct(
    loop: asyncio.AbstractEventLoop, stack: AsyncExitStack, per_frame: int, packet_bytes: int
) -> tuple[StampedSource, Sink]:
    """A publisher whose frames go straight to a sink of this process."""
    publisher = await stack.enter_async_context(closing(Client(loop)))
    sink = await stack.enter_async_context(closing(Sink(loop)))
    offered = RemotePeer(publisher.ufrag, publisher.pwd, (("sha-256", publisher.endpoint.fingerprint),), "actpass")
    accepted = sink.endpoint.accept(offered, sink)
    address = sink.endpoint.port.local
    publisher.dial(Answer(accepted.local_ufrag, accepted.local_pwd, sink.endpoint.fingerprint, address, ""))
    await publisher.connected
    await sink.connected
    return StampedSource(publisher, per_frame, packet_bytes, FRAMES_FIRST_GUESS), sink


async def run(server: NodeProcess, sources: list[StampedSource], seconds: float) -> float:
    """Sends frames, each source's at another time; the node's load in percent of a core."""
    scope = TaskScope("sources", len(sources))
    before, started = server.cpu_seconds(), time.monotonic()
    try:
        for index, source in enumerate(sources):
            scope.spawn(_after(index / len(sources) / source.frames_per_second, source, seconds), "frames")
        await asyncio.sleep(seconds)
        load = 100 * (server.cpu_seconds() - before) / (time.monotonic() - started)
        await asyncio.sleep(SETTLE_SECONDS)
    finally:
        await scope.close()
    return load


def waited_seconds(server: NodeProcess) -> float:
    """How long its first thread was ready to run and did not (`/proc/PID/schedstat`, second field)."""
    with open(f"/proc/{server.process.pid}/schedstat") as stat:
        return int(stat.read().split()[1]) / 1e9


async def _after(pause: float, source: StampedSource, seconds: float) -> None:
    await asyncio.sleep(pause)
    await source.run(seconds - pause)


@asynccontextmanager
async def closing(client: _Closed) -> AsyncIterator[_Closed]:
    try:
        yield client
    finally:
        await client.close()


def cuts(delays: list[float]) -> dict[str, float]:
    percentiles = statistics.quantiles(delays, n=100)
    return {"p50": round(percentiles[49], 2), "p99": round(percentiles[98], 2)}


if __name__ == "__main__":
    main()
