"""CPU of a node per forwarded SRTP packet: one publisher, raw viewers, the node process measured through `/proc`.

python -m benchmarks.forward [--viewers 100] [--packets-per-frame 12] [--frames 30] [--bytes 1200] [--seconds 10]
"""

import asyncio
import json
import time

import aiohttp
import click
import uvloop

from benchmarks.load import Client, FrameSource
from benchmarks.nodes import NodeProcess, node
from swarm.bench.audience import drained, join


@click.command()
@click.option("--viewers", default=100, show_default=True)
@click.option("--packets-per-frame", default=12, show_default=True)
@click.option("--frames", default=30, show_default=True, help="Per second.")
@click.option("--bytes", "packet_bytes", default=1200, show_default=True, help="RTP packet, without SRTP's tag.")
@click.option("--seconds", default=10.0, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(viewers: int, packets_per_frame: int, frames: int, packet_bytes: int, seconds: float, as_json: bool) -> None:
    """Prints the node's CPU time per packet it sent, and what arrived."""
    result = uvloop.run(measure(viewers, packets_per_frame, frames, packet_bytes, seconds))
    if as_json:
        click.echo(json.dumps(result))
        return
    for name, value in result.items():
        click.echo(f"{name:32} {value}")


async def measure(viewers: int, per_frame: int, frames: int, packet_bytes: int, seconds: float) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    async with node("--max-consumers", str(viewers + 1)) as server, aiohttp.ClientSession() as http:
        publisher = Client(loop)
        answer = await publisher.post(http, f"{server.url}/whip", "sendonly")
        publisher.dial(answer)
        await publisher.connected
        source = FrameSource(publisher, per_frame, packet_bytes, frames)
        source.send_frame()
        audience, join_cpu = await join_measured(http, server, viewers)
        before = server.cpu_seconds()
        arrived = sum(viewer.packets for viewer in audience)
        frames_before = source.frames
        started = time.monotonic()
        await source.run(seconds)
        elapsed = time.monotonic() - started
        await drained(audience)
        cpu = server.cpu_seconds() - before
        received = sum(viewer.packets for viewer in audience) - arrived
        for client in [publisher, *audience]:
            await client.close()
    sent = (source.frames - frames_before) * per_frame * viewers
    return {
        "viewers": viewers,
        "packets_per_second_in": source.packets_per_second,
        "packets_out_expected": sent,
        "packets_out_received": received,
        "lost_percent": round(100 * (1 - received / sent), 3),
        "node_cpu_seconds": round(cpu, 2),
        "node_cpu_percent": round(100 * cpu / elapsed, 1),
        "us_per_packet": round(1e6 * cpu / received, 2) if received else float("nan"),
        "join_cpu_ms": round(1000 * join_cpu / viewers, 2),
    }


async def join_measured(http: aiohttp.ClientSession, server: NodeProcess, viewers: int) -> tuple[list[Client], float]:
    """Connects all viewers; also gives the node's CPU seconds for it."""
    listing = await (await http.get(f"{server.url}/api/v1/producers")).json()
    before = server.cpu_seconds()
    audience = await join(http, f"{server.url}/whep/{listing['producers'][0]['id']}", viewers)
    return audience, server.cpu_seconds() - before


if __name__ == "__main__":
    main()
