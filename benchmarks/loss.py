"""What two lossy hops leave of a stream: publisher -> owner -> relay -> viewer, both ways of both hops impaired.

    python -m benchmarks.loss [--loss 5] [--reordering 2] [--rtt 50] [--seconds 20]

Every packet carries its number and the time when it was sent. Counted are the packets sent between the moment when the
viewer has the stream for a second and the end; the publisher sends on for two seconds, so that the last ones can be
repaired as well. The last way, from the relay to the viewer, is clean unless `--last-hop` is given.
"""

import asyncio
import json
import statistics
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp
import click
import uvloop

from benchmarks.impairment import REORDERED_SECONDS, Conditions, Impairment, impaired_node
from benchmarks.load import Answer
from benchmarks.nodes import NodeProcess, node
from benchmarks.numbered import NumberedPublisher, NumberedViewer, Repair, running
from foundation.errors import RemoteError

IN_TIME_SECONDS = 0.3
SETTLE_SECONDS = 1.0
DRAIN_SECONDS = 2.0
JOIN_SECONDS_MAX = 30
RETRY_SECONDS = 1.0
SHARE_WANTED = 0.999

COUNTERS = (
    "nacks_sent",
    "packets_repaired",
    "rtx_unneeded",
    "nacks_received",
    "packets_retransmitted",
    "nacks_unknown",
    "nacks_too_soon",
    "nacks_too_late",
    "nacks_over_budget",
    "packets_unprotected",
    "rtp_refused",
    "dropped_srtp_refused",
    "dropped_srtp_replayed",
    "keyframe_requests_sent",
)


@dataclass(frozen=True, slots=True)
class Scenario:
    conditions: Conditions
    seconds: float
    repair: Repair = "rtx"
    last_hop: bool = False
    packets_per_frame: int = 12
    frames_per_second: float = 30
    seed: int = 1


@click.command()
@click.option("--loss", default=5.0, show_default=True, help="Percent of the datagrams, each way of each hop.")
@click.option("--reordering", default=2.0, show_default=True, help="Percent of them that come 2 to 20 ms late.")
@click.option("--overtaking", is_flag=True, help="Instead, what is reordered takes no time (as netem does it).")
@click.option("--duplication", default=0.0, show_default=True, help="Percent; SRTP drops these as replays.")
@click.option("--rtt", default=50.0, show_default=True, help="Milliseconds, of each hop.")
@click.option("--seconds", default=20.0, show_default=True)
@click.option(
    "--repair", type=click.Choice(["rtx", "plain"]), default="rtx", show_default=True, help="Of both clients."
)
@click.option("--last-hop", is_flag=True, help="The way to the viewer is as bad, and it asks for what it misses.")
@click.option("--packets-per-frame", default=12, show_default=True)
@click.option("--frames", default=30.0, show_default=True, help="Per second.")
@click.option("--seed", default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(
    loss: float,
    reordering: float,
    overtaking: bool,
    duplication: float,
    rtt: float,
    seconds: float,
    repair: Repair,
    last_hop: bool,
    packets_per_frame: int,
    frames: float,
    seed: int,
    as_json: bool,
) -> None:
    """Prints the share delivered, in 300 ms and at all, duplicates, decryption failures and delays."""
    one_way = rtt / 2000
    reordered = (-one_way, -one_way) if overtaking else REORDERED_SECONDS
    conditions = Conditions(loss / 100, reordering / 100, duplication / 100, one_way, reordered)
    scenario = Scenario(conditions, seconds, repair, last_hop, packets_per_frame, frames, seed)
    result = uvloop.run(measure(scenario))
    if as_json:
        click.echo(json.dumps(result))
        return
    for name, value in result.items():
        click.echo(f"{name:26} {value}")


async def measure(scenario: Scenario) -> dict[str, Any]:
    """Runs the scenario; the figures by name."""
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        owner, first = await stack.enter_async_context(impaired_node(scenario.conditions, seed=scenario.seed))
        relay, hops = await _relay(stack, scenario, owner, first)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        publisher = NumberedPublisher(
            loop,
            scenario.repair,
            packets_per_frame=scenario.packets_per_frame,
            frames_per_second=scenario.frames_per_second,
        )
        stack.push_async_callback(publisher.close)
        viewer = NumberedViewer(loop, scenario.repair, nacking=scenario.last_hop)
        stack.push_async_callback(viewer.close)
        begin, end = await _run(scenario, http, owner, relay, publisher, viewer)
        nodes = [await _described(http, each) for each in (owner, relay)]
        return {
            **_figures(viewer, begin, end),
            "decryption_failures": _refused(nodes)
            + sum(each.endpoint.drops.srtp_refused for each in (publisher, viewer)),
            "relay_role": await _role(http, relay),
            "publisher_rtx": publisher.agreed_rtx,
            "publisher_retransmitted": publisher.retransmitted,
            "overflowed": sum(hop.overflowed() for hop in hops),
            "impaired": {f"hop {at}": _shown(hop) for at, hop in enumerate(hops, 1)},
            "owner": _counters(nodes[0]),
            "relay": _counters(nodes[1]),
        }


async def _relay(
    stack: AsyncExitStack, scenario: Scenario, owner: NodeProcess, first: Impairment
) -> tuple[NodeProcess, list[Impairment]]:
    """The second node, and whatever impairs; both hops lead through the owner's relay, in flows of their own."""
    if not scenario.last_hop:
        return await stack.enter_async_context(node("--join", owner.authority)), [first]
    relay, last = await stack.enter_async_context(
        impaired_node(scenario.conditions, "--join", owner.authority, seed=scenario.seed + 1)
    )
    return relay, [first, last]


async def _run(
    scenario: Scenario,
    http: aiohttp.ClientSession,
    owner: NodeProcess,
    relay: NodeProcess,
    publisher: NumberedPublisher,
    viewer: NumberedViewer,
) -> tuple[int, int]:
    """Publishes and views; the first number that counts, and the end."""
    async with asyncio.timeout(JOIN_SECONDS_MAX):
        publisher.dial(await publisher.post(http, f"{owner.url}/whip", "sendonly"))
        await publisher.connected
    async with running(publisher, viewer):
        async with asyncio.timeout(JOIN_SECONDS_MAX):
            listing = await (await http.get(f"{owner.url}/api/v1/producers")).json()
            url = f"{relay.url}/whep/{listing['producers'][0]['id']}"
            viewer.dial(await _asked(viewer, http, url))
            await viewer.first_keyframe
        await asyncio.sleep(SETTLE_SECONDS)
        begin = publisher.number
        await asyncio.sleep(scenario.seconds)
        end = publisher.number
        await asyncio.sleep(DRAIN_SECONDS)
    return begin, end


async def _asked(viewer: NumberedViewer, http: aiohttp.ClientSession, url: str) -> Answer:
    """Tries again as players do: the look-up of a lease may lose its datagrams too."""
    while True:
        try:
            return await viewer.post(http, url, "recvonly")
        except RemoteError:
            await asyncio.sleep(RETRY_SECONDS)


def _figures(viewer: NumberedViewer, begin: int, end: int) -> dict[str, Any]:
    received = viewer.received
    latencies = [received.latencies[number] for number in range(begin, end) if number in received.latencies]
    in_time = sum(latency <= IN_TIME_SECONDS for latency in latencies)
    cuts = statistics.quantiles(latencies, n=1000)
    return {
        "sent": end - begin,
        "in_time_percent": round(100 * in_time / (end - begin), 4),
        "delivered_percent": round(100 * len(latencies) / (end - begin), 4),
        "lost": end - begin - len(latencies),
        "late": len(latencies) - in_time,
        "duplicates": received.duplicates,
        "garbled": received.garbled,
        "p50_ms": round(1000 * cuts[499], 1),
        "p99_ms": round(1000 * cuts[989], 1),
        "p999_ms": round(1000 * cuts[998], 1),
        "max_ms": round(1000 * max(latencies), 1),
        "viewer_rtx_unneeded": received.rtx_unneeded,
    }


async def _described(http: aiohttp.ClientSession, each: NodeProcess) -> dict[str, Any]:
    shown: dict[str, Any] = await (await http.get(f"{each.url}/api/v1/node")).json()
    return shown


async def _role(http: aiohttp.ClientSession, relay: NodeProcess) -> str:
    """What the second node is to the stream: `relay`, or nothing was shown."""
    listing = (await (await http.get(f"{relay.url}/api/v1/producers")).json())["producers"]
    return str(listing[0]["role"]) if listing else "none"


def _refused(nodes: list[dict[str, Any]]) -> int:
    return sum(each["counters"]["dropped_srtp_refused"] for each in nodes)


def _refused_by(client: NumberedPublisher | NumberedViewer) -> int:
    return client.endpoint.drops.srtp_refused


def _counters(shown: dict[str, Any]) -> dict[str, int]:
    return {name: shown["counters"][name] for name in COUNTERS if shown["counters"].get(name)}


def _shown(hop: Impairment) -> str:
    tally = hop.tally
    return f"{tally.passed} passed, {tally.lost} lost, {tally.reordered} reordered, {tally.duplicated} duplicated"


if __name__ == "__main__":
    main()
