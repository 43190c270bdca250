"""The bad network: what it does to datagrams by the way, and that TCP and UDP go through."""

import asyncio
import random
from typing import cast

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.impairment import Conditions, Tally, Way, impaired_node, impairment

PACKETS = [number.to_bytes(2, "big") for number in range(1000)]


def sent(conditions: Conditions, gap_seconds: float = 0.001, seed: int = 1) -> tuple[list[tuple[float, int]], Tally]:
    """When which packet arrives, of a thousand sent one after the other."""
    tally = Tally()
    way = Way(conditions, random.Random(seed), tally)
    for number, packet in enumerate(PACKETS):
        way.put(packet, number * gap_seconds)
    arrived = []
    while (now := way.next_at()) is not None:
        arrived += [(now, int.from_bytes(data, "big")) for data in way.due(now)]
    return arrived, tally


def test_a_good_way_only_delays() -> None:
    arrived, tally = sent(Conditions(delay_seconds=0.025))
    assert arrived == [(pytest.approx(number * 0.001 + 0.025), number) for number in range(1000)]
    assert tally == Tally(passed=1000)


def test_packets_sent_at_once_stay_in_order() -> None:
    arrived, _ = sent(Conditions(delay_seconds=0.025), gap_seconds=0)
    assert [number for _, number in arrived] == list(range(1000))


def test_a_share_is_lost_and_counted() -> None:
    arrived, tally = sent(Conditions(loss=0.05))
    assert tally.lost + len(arrived) == 1000
    assert 20 < tally.lost < 80


def test_a_share_comes_late_and_nothing_else_does() -> None:
    arrived, tally = sent(Conditions(reordering=0.02, reordered_seconds=(0.005, 0.02)))
    late = [number for at, number in arrived if at > number * 0.001 + 0.001]
    assert len(late) == tally.reordered > 5
    assert [number for _, number in arrived] != sorted(number for _, number in arrived)


def test_what_overtakes_comes_before_what_was_sent_earlier() -> None:
    arrived, tally = sent(Conditions(reordering=0.02, delay_seconds=0.025, reordered_seconds=(-0.025, -0.025)))
    early = [number for at, number in arrived if at < number * 0.001 + 0.024]
    assert len(early) == tally.reordered > 5


def test_a_share_comes_twice() -> None:
    arrived, tally = sent(Conditions(duplication=0.1))
    assert len(arrived) == 1000 + tally.duplicated
    assert tally.duplicated > 50


@given(st.integers(0, 2**32), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
@settings(deadline=None, max_examples=30)
def test_the_same_seed_makes_the_same_network(seed: int, loss: float, reordering: float, duplication: float) -> None:
    conditions = Conditions(loss, reordering, duplication, 0.01)
    assert sent(conditions, seed=seed) == sent(conditions, seed=seed)


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(data, addr)


class Mailbox(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.received.put_nowait(data)


async def test_each_client_gets_its_own_answers_through_the_relay() -> None:
    loop = asyncio.get_running_loop()
    echo, _ = await loop.create_datagram_endpoint(Echo, ("127.0.0.1", 0))
    async with impairment(echo.get_extra_info("sockname"), Conditions(delay_seconds=0.001)) as relay:
        clients = [await loop.create_datagram_endpoint(Mailbox, remote_addr=relay.address) for _ in range(3)]
        for number, (transport, _) in enumerate(clients):
            transport.sendto(b"from %d" % number)
        answers = [await mailbox.received.get() for _, mailbox in clients]
        assert answers == [b"from 0", b"from 1", b"from 2"]
        assert relay.tally.passed == 6
        assert relay.overflowed() == 0
        for transport, _ in clients:
            transport.close()
    echo.close()


async def test_a_node_is_known_by_its_relays_address_and_serves_http_through_it() -> None:
    async with impaired_node(Conditions(loss=1.0)) as (server, relay), aiohttp.ClientSession() as http:
        assert server.authority == relay.authority
        async with http.get(f"{server.url}/api/v1/node") as response:
            assert (await response.json())["addresses"] == [relay.authority]
