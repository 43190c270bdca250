"""Under load, and under attack, no container of a running node outgrows its bound; and none is without one."""

import asyncio
import importlib
import inspect
import random
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import aiohttp
import pytest

from foundation.address import split_host_port
from media import rtcp
from swarm.node import Node
from tests.e2e import strange_datagrams as strange
from tests.raw_client import RawClient
from tests.unit.bounds import BOUNDED, BY_CONSTRUCTION, BY_OWNER
from tests.unit.swarm.nodes import config, publishing, until_known, viewing
from tests.unit.walking import longest, written

STREAMS = 3
VIEWERS_EACH = 3
PACKETS = 100
SEEN_AT_LEAST = 140
NAMED = {*BOUNDED, *BY_CONSTRUCTION, *BY_OWNER}
_batch = 50


@asynccontextmanager
async def loaded(stack: AsyncExitStack) -> AsyncIterator[tuple[list[Node], list[RawClient], list[RawClient]]]:
    """Three nodes that carry all streams, whose first has room for relays alone; publishers, and viewers at each."""
    first = await stack.enter_async_context(Node(config(max_consumers=2 * STREAMS)))
    nodes = [first] + [await stack.enter_async_context(Node(config(first))) for _ in range(2)]
    publishers, viewers = [], []
    for _ in range(STREAMS):
        producer, publisher = await stack.enter_async_context(publishing(first))
        publishers.append(publisher)
        for node in nodes[1:]:
            await until_known(node, producer)
            for _ in range(VIEWERS_EACH):
                viewers.append(await stack.enter_async_context(viewing(node, producer)))
    yield nodes, publishers, viewers


async def flow(publishers: list[RawClient], viewers: list[RawClient]) -> None:
    """Every viewer gets packets, misses some, and says so."""
    wanted = {id(viewer): len(viewer.packets) for viewer in viewers}
    for number in range(PACKETS):
        for publisher in publishers:
            publisher.send(publisher.rtp())
            if number % 7 == 3:
                publisher.sequence_number += 2
        if number % 10 == 0:
            await asyncio.sleep(0)
    for viewer in viewers:
        await viewer.until_packets(wanted[id(viewer)] + 1)
        ssrc = int.from_bytes(viewer.packets[-1][8:12], "big")
        highest = int.from_bytes(viewer.packets[-1][2:4], "big")
        viewer.send(
            rtcp.generic_nack(viewer.ssrc, ssrc, [(highest - back) & 0xFFFF for back in range(1, 60, 2)]), rtcp=True
        )


async def attack(nodes: list[Node], client: RawClient) -> None:
    """Strangers, and a client of the node, send what they like."""
    rng = random.Random(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for node in nodes:
            target = split_host_port(node.address)
            datagrams = (
                *strange.noise(rng),
                *strange.stun("nobody:here", "a password of 24 letters", node.id),
                *strange.dtls_and_srtp(),
                *strange.directory(),
                *(strange.dht() for _ in range(100)),
            )
            for number, data in enumerate(datagrams):
                stranger.sendto(data, target)
                if number % _batch == 0:
                    await asyncio.sleep(0)
    for _ in range(200):
        client.send(b"\x80\xc9" + rng.randbytes(30), rtcp=True)


PATHS = "/api/v1/node", "/api/v1/producers", f"/api/v1/producers/{UUID(int=1)}", "/livez", "/whep/rubbish"


async def ask(http: aiohttp.ClientSession, nodes: list[Node]) -> None:
    for node in nodes:
        for path in (
            "/api/v1/node",
            "/api/v1/producers",
            f"/api/v1/producers/{UUID(int=1)}",
            "/livez",
            "/whep/rubbish",
        ):
            async with http.get(node.url + path):
                pass


async def test_no_container_outgrows_its_bound_and_none_has_none() -> None:
    seen: dict[str, int] = {}

    def look() -> None:
        for name, length in longest().items():
            seen[name] = max(length, seen.get(name, 0))

    async with (
        AsyncExitStack() as stack,
        loaded(stack) as (nodes, publishers, viewers),
        aiohttp.ClientSession() as http,
    ):
        await flow(publishers, viewers)
        look()
        await attack(nodes, viewers[0])
        look()
        await ask(http, nodes)
        await flow(publishers, viewers)
        look()
    assert {name: length for name, length in seen.items() if length > BOUNDED.get(name, length)} == {}
    assert seen.keys() - NAMED == set(), "say in tests/unit/bounds.py what bounds them"
    assert len(seen) > SEEN_AT_LEAST, "too little was going on for this test to say anything"


def test_whatever_the_source_says_it_keeps_has_a_bound_too() -> None:
    """Also what is seldom alive: a test of a running node does not meet everything."""
    assert set(written()) - NAMED == set(), "say in tests/unit/bounds.py what bounds them"


@pytest.mark.parametrize("name", sorted(NAMED))
def test_every_name_in_the_lists_is_that_of_an_attribute(name: str) -> None:
    """Or the lists would go on to promise something of what is no more."""
    module, _, path = name.rstrip("[]").partition(":")
    owner, attribute = path.rsplit(".", 1)
    kind = getattr(importlib.import_module(module), owner)
    assert any(attribute in inspect.getsource(base) for base in kind.__mro__ if base is not object)


def test_a_container_that_nobody_has_named_is_found() -> None:
    class Careless:
        def __init__(self) -> None:
            self.heard: dict[str, list[int]] = {"a": [1, 2, 3]}

    Careless.__module__, Careless.__qualname__ = "swarm.careless", "Careless"
    careless = Careless()
    found = longest()
    assert found["swarm.careless:Careless.heard"] == len(careless.heard)
    assert found["swarm.careless:Careless.heard[]"] == 3
