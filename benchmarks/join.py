"""Time from `POST /whep` to the first packet of a keyframe at the viewer: at a carrier, and at a node that is none yet.

    python -m benchmarks.join [--tries 50]

The publisher answers a keyframe request with the next frame, as encoders do, 30 times a second. Tries come one after
the other, 1.1 s apart: a node asks a publisher for at most one keyframe a second, so closer tries would measure that
rule instead of the path. Before each try at a stranger the benchmark waits until the node has let go of the stream.
"""

import asyncio
import json
import statistics
import time

import aiohttp
import click
import uvloop

from benchmarks.load import Client, FrameSource
from benchmarks.nodes import NodeProcess, node

GAP_SECONDS = 1.1
LET_GO_SECONDS_MAX = 30


@click.command()
@click.option("--tries", default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(tries: int, as_json: bool) -> None:
    """Prints p50, p95 and the worst of both ways, in milliseconds."""
    result = uvloop.run(measure(tries))
    if as_json:
        click.echo(json.dumps(result))
        return
    for way, times in result.items():
        click.echo(f"{way:12} p50 {times['p50']:6.1f} ms   p95 {times['p95']:6.1f} ms   max {times['max']:6.1f} ms")


async def measure(tries: int) -> dict[str, dict[str, float]]:
    async with (
        node() as owner,
        node("--join", owner.authority) as stranger,
        aiohttp.ClientSession() as http,
    ):
        publisher = Client(asyncio.get_running_loop())
        publisher.dial(await publisher.post(http, f"{owner.url}/whip", "sendonly"))
        await publisher.connected
        source = FrameSource(publisher, 12, 1200, 30)
        frames = asyncio.get_running_loop().create_task(source.run(3600))
        listing = await (await http.get(f"{owner.url}/api/v1/producers")).json()
        path = f"/whep/{listing['producers'][0]['id']}"
        try:
            carrier = [await one_try(http, owner.url + path) for _ in range(tries)]
            relayed = []
            for _ in range(tries):
                await let_go(http, stranger)
                relayed.append(await one_try(http, stranger.url + path))
        finally:
            frames.cancel()
            await asyncio.wait([frames])
            await publisher.close()
    return {"carrier": summary(carrier), "stranger": summary(relayed)}


async def one_try(http: aiohttp.ClientSession, url: str) -> float:
    """Milliseconds from the POST to the first packet of a keyframe."""
    await asyncio.sleep(GAP_SECONDS)
    viewer = Client(asyncio.get_running_loop())
    started = time.monotonic()
    try:
        async with asyncio.timeout(10):
            answer = await viewer.post(http, url, "recvonly")
            viewer.dial(answer)
            await viewer.first_keyframe
        elapsed = 1000 * (time.monotonic() - started)
        async with http.delete(answer.session) as response:
            assert response.status == 200
        return elapsed
    finally:
        await viewer.close()


async def let_go(http: aiohttp.ClientSession, relay: NodeProcess) -> None:
    async with asyncio.timeout(LET_GO_SECONDS_MAX):
        while (await (await http.get(f"{relay.url}/api/v1/producers")).json())["producers"]:
            await asyncio.sleep(0.2)


def summary(times: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(times, n=20)
    return {"p50": statistics.median(times), "p95": cuts[18], "max": max(times)}


if __name__ == "__main__":
    main()
