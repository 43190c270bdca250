"""CPU per viewer of a node beside aiortc's own way: `MediaRelay`, which decodes once and encodes for each viewer.

    python -m benchmarks.against_aiortc [--short] [--json]

A test picture of 1280x720 at 30 frames a second is encoded and published to one server after the other; the viewers
are the raw clients of `swarm.bench.load`, which decrypt all they get. aiortc gets so few that it keeps up, the node so
many that they are what it is busy with; each figure is the CPU of the whole process by its own viewers.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
import click

from benchmarks.peers.aiortc import aiortc
from benchmarks.peers.report import show_viewers
from benchmarks.peers.swarmd import swarmd
from swarm.bench.load import Client, reporting
from swarm.client.testpicture import TestPicture
from swarm.client.whip import WhipPublisher

RATIO_WANTED = 1 / 50
WARM_UP_SECONDS = 3.0
SECONDS_MAX = 600.0


class HttpServer(Protocol):
    """A server with a WHIP and a WHEP endpoint."""

    name: str

    @property
    def whip_url(self) -> str: ...

    async def whep_url(self) -> str: ...

    def cpu_seconds(self) -> float: ...


@dataclass(slots=True)
class Watched:
    """What one server did in one run."""

    viewers: int
    cpu_seconds: float
    seconds: float
    frames: int
    packets: int


class Viewer(Client):
    """Counts frames too, by RTP's marker."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.frames = 0

    def rtp_received(self, packets: list[bytes], now: float) -> None:
        self.frames += sum(packet[1] >> 7 for packet in packets)
        super().rtp_received(packets, now)


@click.command()
@click.option("--viewers", default=100, show_default=True, help="Of the node.")
@click.option("--aiortc-viewers", default=4, show_default=True)
@click.option("--size", default="1280x720", show_default=True, help="Of the picture.")
@click.option("--seconds", default=10.0, show_default=True, help="Of each of the interleaved runs.")
@click.option("--rounds", default=2, show_default=True)
@click.option("--short", is_flag=True, help="A quick look: one short round.")
@click.option("--json", "as_json", is_flag=True)
def main(viewers: int, aiortc_viewers: int, size: str, seconds: float, rounds: int, short: bool, as_json: bool) -> None:
    """Prints CPU per viewer of both servers and their ratio."""
    if short:
        seconds, rounds = 4.0, 1
    width, height = (int(side) for side in size.split("x"))
    result = asyncio.run(measure({swarmd: viewers, aiortc: aiortc_viewers}, width, height, seconds, rounds))
    show_viewers(result, as_json)


Start = Callable[[int], AbstractAsyncContextManager[HttpServer]]


async def measure(audiences: dict[Start, int], width: int, height: int, seconds: float, rounds: int) -> dict[str, Any]:
    runs: dict[str, list[Watched]] = {}
    async with asyncio.timeout(SECONDS_MAX):
        for _ in range(rounds):
            for start, viewers in audiences.items():
                name, watched = await run(start, TestPicture(width, height), viewers, seconds)
                runs.setdefault(name, []).append(watched)
    servers = {name: figures(watched) for name, watched in runs.items()}
    ratio = servers["swarmd"]["cpu_percent_per_viewer"] / servers["aiortc"]["cpu_percent_per_viewer"]
    return {"picture": f"{width}x{height}", **servers, "ratio": round(ratio, 4), "ratio_wanted": RATIO_WANTED}


async def run(start: Start, picture: TestPicture, viewers: int, seconds: float) -> tuple[str, Watched]:
    """One server from its start to its end."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(start(viewers))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        publisher, _ = WhipPublisher.to_url(server.whip_url, video=picture, video_codec="VP8")
        await stack.enter_async_context(publisher)
        url, audience = await server.whep_url(), []
        for _ in range(viewers):
            viewer = Viewer(asyncio.get_running_loop())
            stack.push_async_callback(viewer.close)
            viewer.dial(await viewer.post(http, url, "recvonly", setup="active"))
            await viewer.connected
            audience.append(viewer)
        await stack.enter_async_context(reporting(audience))
        await asyncio.sleep(WARM_UP_SECONDS)
        return server.name, await watch(server, audience, seconds)


async def watch(server: HttpServer, audience: list[Viewer], seconds: float) -> Watched:
    loop = asyncio.get_running_loop()

    def now() -> Watched:
        frames, packets = sum(each.frames for each in audience), sum(each.packets for each in audience)
        return Watched(len(audience), server.cpu_seconds(), loop.time(), frames, packets)

    before = now()
    await asyncio.sleep(seconds)
    after = now()
    if not all(each.packets for each in audience):
        raise RuntimeError(f"a viewer of {server.name} got nothing")
    return Watched(
        after.viewers,
        after.cpu_seconds - before.cpu_seconds,
        after.seconds - before.seconds,
        after.frames - before.frames,
        after.packets - before.packets,
    )


def figures(runs: list[Watched]) -> dict[str, float]:
    seconds, viewers = sum(run.seconds for run in runs), runs[0].viewers
    return {
        "viewers": viewers,
        "cpu_percent_per_viewer": round(100 * sum(run.cpu_seconds for run in runs) / seconds / viewers, 4),
        "frames_per_second": round(sum(run.frames for run in runs) / seconds / viewers, 1),
        "packets_per_second": round(sum(run.packets for run in runs) / seconds / viewers, 1),
    }


if __name__ == "__main__":
    main()
