"""All links of a node, on endpoints that are joined in memory: one link for each pair, whoever dials."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from time import time
from typing import Any, cast
from uuid import UUID

import pytest

from foundation import limits
from foundation.address import Address
from foundation.errors import LocalError
from foundation.identity import NodeId, NodeKey, swarm_id
from media.pipe import PipeTransport
from media.sfu import Sfu
from swarm import links as links_module
from swarm.greeting import dial_ufrag
from swarm.links import Links
from swarm.messages import Leave, Message
from swarm.record import NodeRecord, format_fingerprint

SECRET = b"k" * 32
SWARM = swarm_id("test", SECRET)
HI = Leave(1, UUID(int=1))


class FakeRtp:
    """Media of a link, which plays no part here."""

    producers: tuple[()] = ()

    def keep_early(self) -> None: ...

    def bind(self, transport: object) -> None: ...

    def transport_connected(self) -> None: ...

    def transport_closed(self, reason: str) -> None: ...


def _later(turns: int, call: Callable[..., object], *arguments: object) -> None:
    """Calls after so many turns of the loop: what a network's delay is here."""
    loop = asyncio.get_running_loop()
    if turns <= 1:
        loop.call_soon(call, *arguments)
    else:
        loop.call_soon(_later, turns - 1, call, *arguments)


class FakeTransport:
    """One end of a link; messages take `turns` turns of the loop."""

    def __init__(self, remote: Address, fingerprint: str, turns: int = 1) -> None:
        self.turns = turns
        self.remote = remote
        self.remote_fingerprint = fingerprint
        self.rtt_seconds = 0.001
        self.handler: Any = None
        self.other: FakeTransport | None = None
        self.closed = False
        self.early: list[bytes] | None = []

    def send_control(self, data: bytes) -> None:
        if self.other is None or self.closed:
            raise LocalError("not connected")
        _later(self.turns, self.other._receive, data)

    def close(self, reason: str = "closed") -> None:
        if not self.closed:
            self.closed = True
            self.handler.transport_closed(reason)
            if self.other is not None:
                _later(self.turns, self.other.close, "the peer closed it")

    def connect(self, other: "FakeTransport") -> None:
        self.other, other.other = other, self
        if not self.closed:
            other._connected()
            _later(self.turns, self._connected)

    def _connected(self) -> None:
        if not self.closed:
            early, self.early = self.early, None
            self.handler.transport_connected()
            for data in early or ():
                self._receive(data)

    def set_busy(self, *states: bool) -> None: ...

    def _receive(self, data: bytes) -> None:
        if self.early is not None:
            self.early.append(data)
        elif not self.closed:
            try:
                self.handler.control_received(data)
            except Exception as exc:  # as the real one: whatever a handler raises ends its transport
                self.close(str(exc))


class FakeEndpoint:
    def __init__(self, net: "FakeNet", address: Address, fingerprint: str) -> None:
        self.net, self.address, self.fingerprint = net, address, fingerprint
        self.listening: tuple[str, Callable[[str], str | None], Callable[..., Any]] | None = None

    def listen(self, ufrag: str, password_of: Callable[[str], str | None], on_dialed: Callable[..., Any]) -> None:
        self.listening = ufrag, password_of, on_dialed

    def dial(
        self, address: Address, *, local_ufrag: str, remote_ufrag: str, password: str, fingerprint: str, handler: Any
    ) -> FakeTransport:
        ours = FakeTransport(address, fingerprint, self.net.turns())
        ours.handler = handler
        target = self.net.endpoints.get(address)
        self.net.dials += 1
        if target is not None:
            _later(self.net.turns(), target.dialed, self, ours, local_ufrag, remote_ufrag, password)
        return ours

    def dialed(self, dialer: "FakeEndpoint", ours: FakeTransport, local: str, remote: str, password: str) -> None:
        assert self.listening is not None
        ufrag, password_of, on_dialed = self.listening
        if remote != ufrag or password_of(local) != password or ours.remote_fingerprint != self.fingerprint:
            return
        theirs = FakeTransport(dialer.address, dialer.fingerprint, self.net.turns())
        theirs.handler = on_dialed(local, dialer.address, theirs)
        if theirs.handler is not None:
            _later(self.net.turns(), ours.connect, theirs)


class FakeSfu:
    def __init__(self, endpoint: FakeEndpoint) -> None:
        self.endpoint = endpoint

    def pipe(self) -> PipeTransport:
        return PipeTransport(cast(Any, FakeRtp()))


class Peer:
    """A node that has links and nothing else, and remembers what they told it."""

    def __init__(self, net: "FakeNet", seed: int, run: int, swarm_key: bytes | None) -> None:
        key = NodeKey.from_seed(bytes([seed]) * 32)
        address = ("127.0.0.1", 7000 + seed)
        fingerprint = bytes([seed, run]) * 16
        swarm = swarm_id("test", swarm_key)
        record = NodeRecord(
            swarm, key.public, (address,), fingerprint, f"http://n{seed}", sequence=run, expires=float(int(time()) + 60)
        )
        self.record = replace(record, encoded=record.encode(key))
        self.key = key
        self.told: list[tuple[str, NodeId]] = []
        self.messages: list[tuple[NodeId, Message]] = []
        endpoint = net.endpoints[address] = FakeEndpoint(net, address, format_fingerprint(fingerprint))
        self.links = Links(self.record, cast(Sfu, FakeSfu(endpoint)), swarm_key)
        self.links.on_up = lambda record: self.told.append(("up", record.node))
        self.links.on_down = lambda node: self.told.append(("down", node))
        self.links.on_message = lambda node, message: self.messages.append((node, message))

    @property
    def node(self) -> NodeId:
        return self.record.node

    def linked(self, other: "Peer") -> bool:
        """Whether both ends hold the two ends of one and the same transport."""
        mine, theirs = self.links.get(other.node), other.links.get(self.node)
        if mine is None or theirs is None:
            return False
        return cast(Any, mine.pipe.transport).other is theirs.pipe.transport


class FakeNet:
    def __init__(self, seed: int | None = None) -> None:
        self._rng = None if seed is None else random.Random(seed)
        self.endpoints: dict[Address, FakeEndpoint] = {}
        self.peers: list[Peer] = []
        self.dials = 0

    def turns(self) -> int:
        return 1 if self._rng is None else self._rng.randint(1, 8)

    def add(self, seed: int, run: int = 1, swarm_key: bytes | None = SECRET) -> Peer:
        self.peers.append(Peer(self, seed, run, swarm_key))
        return self.peers[-1]


@asynccontextmanager
async def _net(seed: int | None = None) -> AsyncIterator[FakeNet]:
    net = FakeNet(seed)
    yield net
    for peer in net.peers:
        await peer.links.close()


@pytest.fixture
async def net(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeNet]:
    monkeypatch.setattr(limits, "link_dial_seconds_max", 0.05)
    monkeypatch.setattr(limits, "link_greeting_seconds_max", 0.05)
    async with _net() as net:
        yield net


async def _turns(count: int = 50) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_dialed_link_is_up_at_both_ends(net: FakeNet) -> None:
    a, b = net.add(1), net.add(2)
    assert await a.links.connect(b.record.contact) == b.record
    await _turns()
    assert a.linked(b)
    assert a.told == [("up", b.node)]
    assert b.told == [("up", a.node)]


async def test_messages_go_both_ways(net: FakeNet) -> None:
    a, b = net.add(1), net.add(2)
    await a.links.connect(b.record.contact)
    a.links.send(b.node, HI)
    await _turns()
    b.links.send(a.node, HI)
    await _turns()
    assert b.messages == [(a.node, HI)]
    assert a.messages == [(b.node, HI)]


async def test_many_who_want_a_link_share_one_dial(net: FakeNet) -> None:
    a, b = net.add(1), net.add(2)
    records = await asyncio.gather(*(a.links.connect(b.record.contact) for _ in range(20)))
    assert records == [b.record] * 20
    assert await a.links.connect(b.record.contact) == b.record
    assert net.dials == 1


@pytest.mark.parametrize("seed", range(60))
async def test_two_nodes_that_dial_each_other_keep_one_link(seed: int) -> None:
    async with _net(seed) as net:
        a, b = net.add(1), net.add(2)

        async def later() -> NodeRecord | None:
            await _turns(seed % 20)
            return await b.links.connect(a.record.contact)

        assert [*await asyncio.gather(a.links.connect(b.record.contact), later())] == [b.record, a.record]
        await _turns(100)
        assert a.linked(b)
        a.links.send(b.node, HI)
        await _turns()
        assert b.messages == [(a.node, HI)]


async def test_a_silent_address_ends_the_wait_and_the_next_one_is_tried(net: FakeNet) -> None:
    a, b = net.add(1), net.add(2)
    dead = replace(b.record.contact, addresses=(("127.0.0.1", 1),))
    assert await a.links.connect(dead) is None
    both = replace(b.record.contact, addresses=(("127.0.0.1", 1), *b.record.addresses))
    assert await a.links.connect(both) == b.record


async def test_a_node_has_no_link_to_itself(net: FakeNet) -> None:
    a = net.add(1)
    assert await a.links.connect(a.record.contact) is None
    assert net.dials == 0


async def test_a_node_of_another_swarm_gets_no_link(net: FakeNet) -> None:
    a, stranger = net.add(1), net.add(2, swarm_key=None)
    assert await stranger.links.connect(a.record.contact) is None
    assert await a.links.connect(stranger.record.contact) is None
    assert a.told == stranger.told == []


async def test_an_impostor_at_the_address_is_not_taken_for_the_node(net: FakeNet) -> None:
    a, b, impostor = net.add(1), net.add(2), net.add(3)
    contact = replace(b.record.contact, addresses=impostor.record.addresses)
    assert await a.links.connect(contact) is None
    assert a.links.get(b.node) is None


async def test_a_node_that_was_started_anew_replaces_its_link(net: FakeNet) -> None:
    a, b = net.add(1), net.add(2)
    await a.links.connect(b.record.contact)
    await _turns()
    await asyncio.sleep(2 * limits.link_dial_seconds_max)
    again = net.add(2, run=2)
    assert await again.links.connect(a.record.contact) == a.record
    await _turns()
    assert a.linked(again)
    assert a.told == [("up", b.node), ("down", b.node), ("up", b.node)]


async def test_a_closed_link_is_told_and_can_be_dialed_again(net: FakeNet) -> None:
    a, b = net.add(1), net.add(2)
    await a.links.connect(b.record.contact)
    await _turns()
    link = a.links.get(b.node)
    assert link is not None
    link.close("a test")
    await _turns()
    assert a.told[-1] == ("down", b.node)
    assert b.told[-1] == ("down", a.node)
    assert await a.links.connect(b.record.contact) == b.record


async def test_a_message_without_a_link_is_counted(net: FakeNet) -> None:
    a, b = net.add(1), net.add(2)
    a.links.send(b.node, HI)
    assert a.links.counters["link_message_unsent"] == 1


async def test_a_renewed_record_reaches_every_peer(net: FakeNet) -> None:
    a, b = net.add(1), net.add(2)
    await a.links.connect(b.record.contact)
    await _turns()
    newer = replace(a.record, sequence=2, encoded=b"")
    a.links.renew(replace(newer, encoded=newer.encode(a.key)))
    await _turns()
    link = b.links.get(a.node)
    assert link is not None
    assert link.record == newer
    assert b.told == [("up", a.node), ("up", a.node)]


async def test_a_link_that_nobody_needs_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links_module, "_sweep_seconds", 0.0)
    monkeypatch.setattr(limits, "link_idle_seconds", 0.0)
    async with _net() as net:
        a, b = net.add(1), net.add(2)
        needed = True
        a.links.wanted = lambda node: needed
        await a.links.connect(b.record.contact)
        await _turns()
        assert a.linked(b)
        needed = False
        await _turns()
        assert a.links.get(b.node) is None
        assert b.links.get(a.node) is None


async def test_the_end_that_was_dialed_leaves_it_to_the_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links_module, "_sweep_seconds", 0.0)
    monkeypatch.setattr(limits, "link_idle_seconds", 0.0)
    async with _net() as net:
        a, b = net.add(1), net.add(2)
        a.links.wanted, b.links.wanted = (lambda node: True), (lambda node: False)
        await a.links.connect(b.record.contact)
        await _turns()
        await _turns()
        assert a.linked(b)


async def test_a_link_that_never_greets_is_closed(net: FakeNet) -> None:
    a, b = net.add(1), net.add(2)
    endpoint = net.endpoints[a.record.addresses[0]]
    silent = FakeTransport(b.record.addresses[0], format_fingerprint(b.record.fingerprint))
    assert endpoint.listening is not None
    silent.handler = endpoint.listening[2](dial_ufrag(b.node, SECRET, bytes(6)), b.record.addresses[0], silent)
    await asyncio.sleep(2 * limits.link_greeting_seconds_max)
    await _turns()
    assert silent.closed
    assert a.told == []


async def test_links_that_do_not_greet_are_bounded(net: FakeNet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "links_unverified_max", 3)
    a, b = net.add(1), net.add(2)
    endpoint = net.endpoints[a.record.addresses[0]]
    assert endpoint.listening is not None
    _, password_of, on_dialed = endpoint.listening
    for number in range(3):
        ufrag = dial_ufrag(b.node, SECRET, bytes([number]) * 6)
        assert password_of(ufrag) is not None
        silent = FakeTransport(b.record.addresses[0], "")
        silent.handler = on_dialed(ufrag, b.record.addresses[0], silent)
    assert password_of(dial_ufrag(b.node, SECRET, b"\xff" * 6)) is None


async def test_closing_ends_every_link(net: FakeNet) -> None:
    a, b, c = net.add(1), net.add(2), net.add(3)
    await a.links.connect(b.record.contact)
    await c.links.connect(a.record.contact)
    await _turns()
    await a.links.close()
    await _turns()
    assert b.links.get(a.node) is None
    assert c.links.get(a.node) is None


async def test_peers_are_described_for_people(net: FakeNet) -> None:
    a, b = net.add(1), net.add(2)
    await a.links.connect(b.record.contact)
    [peer] = a.links.describe()
    assert peer == {"id": b.node.hex(), "address": "127.0.0.1:7002", "url": "http://n2", "rtt_ms": 1.0}
