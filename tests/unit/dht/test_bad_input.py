"""The real protocol over real UDP, in asyncio's loop and in uvloop, against everything a member may send."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import msgpack
import pytest
import uvloop

from dht.directory import Directory
from dht.envelope import Envelope
from dht.lease import producer_key
from dht.messages import Request, build_answer, build_request, parse, parse_present
from dht.peer import Peer, pack_address
from foundation.address import Address
from foundation.identity import node_id, swarm_id
from tests.unit.dht.samples import PRODUCER, SECRET, SWARM, announcement, lease, node_key

EXTREMES: list[Any] = [
    *(None, True, False, -1, 0, 1, 2, 4, 255, 2**31, 2**63, 2**64 - 1, -(2**63), 1.5, float("nan"), float("inf")),
    *("", "ping", "x" * 300, "\0", "\ud7ff", b"", bytes(4), bytes(19), bytes(20), bytes(21), bytes(64), bytes(600)),
    *([], [[]] * 20, [b"\xc0\0\2\1", 0], [b"\xc0\0\2\1", 65536], ["localhost", 80], [bytes(16), 1], {}, {"a": {1: []}}),
]
ME = node_key(2)
MY_ID = node_id(SWARM, ME.public)
NONCE = b"n" * 16


class Wire(asyncio.DatagramProtocol):
    """A socket, for the node under test and for its enemy."""

    def __init__(self) -> None:
        self.take: Callable[[bytes, Address], None] = lambda data, address: None
        self.heard: list[tuple[bytes, Address]] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.address: Address = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, address: Address) -> None:
        self.heard.append((data, address))
        self.take(data, address)


class Duel:
    """A directory, and a member of its swarm that means no good."""

    def __init__(self, node: Wire, enemy: Wire, directory: Directory) -> None:
        self.node, self.enemy, self.directory = node, enemy, directory
        self.envelope = Envelope(SWARM, [SECRET])

    def seal(self, message: Any, shift_ms: int = 0) -> bytes:
        body = message if isinstance(message, bytes) else msgpack.packb(message)
        return self.envelope.seal(body, int(time.time() * 1000) + shift_ms)

    async def say(self, datagrams: list[bytes]) -> None:
        """Sends them few at a time, and waits until the node has read them all."""
        for number in range(0, len(datagrams), 20):
            before = len(self.node.heard)
            some = datagrams[number : number + 20]
            for datagram in some:
                self.enemy.transport.sendto(datagram, self.node.address)
            async with asyncio.timeout(10):
                while len(self.node.heard) < before + len(some):
                    await asyncio.sleep(0)

    async def lives(self) -> None:
        """The node answers a good ping."""
        message_id = random.randbytes(8)
        await self.say([self.seal(build_request(message_id, MY_ID, "ping", NONCE, pack_address(self.node.address)))])
        async with asyncio.timeout(10):
            while not (answers := [said for said in self.said() if said.id == message_id]):
                await asyncio.sleep(0)
        assert parse_present(answers[0].result).observed == self.enemy.address

    def said(self) -> list[Any]:
        return [parse(Envelope(SWARM, [SECRET]).open(data, int(time.time() * 1000))) for data, _ in self.enemy.heard]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def duel(request: pytest.FixtureRequest) -> Callable[[Callable[[Duel], Awaitable[None]]], None]:
    """Runs a story against a node; no callback and no task of it may have failed."""

    async def run(story: Callable[[Duel], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        wires = [(await loop.create_datagram_endpoint(Wire, ("127.0.0.1", 0)))[1] for _ in range(2)]
        directory = Directory(
            node_key(1), SWARM, wires[0].transport.sendto, loop=loop, wall_clock=time.time,
            rng=random.SystemRandom(), swarm_key=SECRET,
        )  # fmt: skip
        wires[0].take = directory.datagram_received
        try:
            await story(Duel(wires[0], wires[1], directory))
        finally:
            await directory.close()
            for wire in wires:
                wire.transport.close()
            await asyncio.sleep(0)

    def play(story: Callable[[Duel], Awaitable[None]]) -> None:
        failures: list[Any] = []
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.get_loop().set_exception_handler(lambda loop, context: failures.append(context))
            runner.run(run(story))
        assert failures == []

    return play


def requests() -> list[list[Any]]:
    """A good one of each method."""
    target = producer_key(SWARM, PRODUCER)
    arguments = [[NONCE, [b"\x7f\0\0\1", 7400]], [target, 8], [target, 20], [lease(2).record, 8], [b"what?"]]
    return [[0, b"12345678", MY_ID, b"", number, each] for number, each in enumerate(arguments)]


def spoiled(message: list[Any]) -> Iterator[list[Any]]:
    """The message with each of its fields, and each of its arguments, at each extreme, missing, and doubled."""
    for index in range(len(message)):
        for extreme in EXTREMES:
            yield [*message[:index], extreme, *message[index + 1 :]]
        yield [*message[:index], *message[index + 1 :]]
        yield [*message[:index], message[index], *message[index:]]
    for arguments in spoiled(message[-1]) if len(message) == 6 else ():
        yield [*message[:-1], arguments]


def test_every_field_of_every_request_at_every_extreme(duel: Any) -> None:
    async def story(duel: Duel) -> None:
        datagrams = [duel.seal(bad) for good in requests() for bad in spoiled(good)]
        assert len(datagrams) > 1000
        await duel.say(datagrams)
        await duel.lives()
        assert duel.directory.contacts <= 1
        assert duel.directory.stats()["leases"] <= 1

    duel(story)


def test_every_answer_at_every_extreme(duel: Any) -> None:
    """The node looks for a producer, and the one node it knows answers with nonsense."""

    async def story(duel: Duel) -> None:
        results = [*EXTREMES, *([extreme, []] for extreme in EXTREMES), *([[], extreme] for extreme in EXTREMES)]
        results += [[[], [[extreme, b"\x7f\0\0\1", 7400]]] for extreme in EXTREMES]
        results += [[[extreme], []] for extreme in EXTREMES]
        answered = 0

        def answer(data: bytes, address: Address) -> None:
            nonlocal answered
            message = parse(Envelope(SWARM, [SECRET]).open(data, int(time.time() * 1000)))
            if isinstance(message, Request):
                result = results[answered % len(results)]
                duel.enemy.transport.sendto(duel.seal([1, message.id, MY_ID, result]), address)
                answered += 1

        duel.enemy.take = answer
        overlay = duel.directory._overlay
        for number in range(len(results)):
            peer = Peer(MY_ID, duel.enemy.address)
            call = (
                overlay.find(peer, bytes(20), True, 20),
                overlay.store(peer, lease(2).record),
                overlay.ping(peer.address, peer.id),
                overlay.ask(peer, b"what?"),
            )[number % 4]
            async with asyncio.timeout(10):
                await asyncio.wait([call])
        assert answered >= len(results)
        duel.enemy.take = lambda data, address: None
        await duel.lives()
        assert duel.directory.contacts == 0

    duel(story)


def test_forged_replayed_expired_future_oversized_and_foreign_datagrams_get_no_answer(duel: Any) -> None:
    async def story(duel: Duel) -> None:
        good = requests()[1]
        whole = duel.seal(good)
        await duel.say([whole])
        bad = [whole, whole, duel.seal(good, 31_000), duel.seal(good, -31_000), whole + bytes(1300)]
        for other in (Envelope(SWARM), Envelope(SWARM, [b"x" * 32]), Envelope(swarm_id("other", SECRET), [SECRET])):
            bad.append(other.seal(msgpack.packb(good), int(time.time() * 1000)))
        for length in range(len(whole)):
            bad.append(whole[:length])
            bad.append(whole[:length] + bytes([whole[length] ^ 1]) + whole[length + 1 :])
        await duel.say([datagram for datagram in bad if datagram])
        await duel.lives()
        stats = duel.directory.stats()
        assert stats["datagrams_skewed"] >= 2
        answers = [said for said in duel.said() if said.id == b"12345678"]
        assert stats["requests_find_node"] == len(answers) == 1

    duel(story)


def test_forged_expired_future_and_oversized_records_are_not_stored(duel: Any) -> None:
    async def story(duel: Duel) -> None:
        now = int(time.time() * 1000)
        good = lease(2, issued_ms=now).record
        records = [lease(2, issued_ms=now - 46_000).record, lease(2, issued_ms=now + 60_000).record]
        records += [good[:index] + bytes([good[index] ^ 1]) + good[index + 1 :] for index in range(len(good))]
        records += [good + bytes(1), good[:-1], bytes(512), lease(3, issued_ms=now).record]
        bodies = [build_request(random.randbytes(8), MY_ID, "store", record, 0) for record in records]
        await duel.say([duel.seal(body) for body in bodies])
        await duel.lives()
        assert duel.directory.stats()["leases"] == 0
        await duel.say([duel.seal(build_request(b"12345678", MY_ID, "store", good, 0))])
        await duel.lives()
        assert duel.directory.stats()["leases"] == 1

    duel(story)


def test_a_node_among_enemies_still_announces_and_finds(duel: Any) -> None:
    async def story(duel: Duel) -> None:
        await duel.say([duel.seal(bad) for bad in spoiled(requests()[3])])
        assert await duel.directory.announce(announcement()) == 0
        found = await duel.directory.find(PRODUCER)
        assert found is not None
        assert found.owner == node_key(1).public

    duel(story)


def test_contacts_that_are_names_bad_ports_or_ids_are_never_asked(duel: Any) -> None:
    async def story(duel: Duel) -> None:
        named = [
            [bytes(20), "localhost", 80],
            [bytes(20), b"\x7f\0\0\1", 0],
            [bytes(20), b"\x7f\0\0\1", 99999],
            [bytes(20), b"\xe0\0\0\1", 80],
            [bytes(19), b"\x7f\0\0\1", 80],
            [bytes(20), bytes(16), 80],
        ]
        asked = {}

        def answer(data: bytes, address: Address) -> None:
            message = parse(Envelope(SWARM, [SECRET]).open(data, int(time.time() * 1000)))
            if isinstance(message, Request) and message.method == "find_node":
                body = build_answer(message.id, MY_ID, [[], [asked["contact"]]])
                duel.enemy.transport.sendto(duel.seal(body), address)

        duel.enemy.take = answer
        for contact in named:
            asked["contact"] = contact
            call = duel.directory._overlay.find(Peer(MY_ID, duel.enemy.address), bytes(20), False, 20)
            async with asyncio.timeout(10):
                await asyncio.wait([call])
            assert call.result() == (False, None)

    duel(story)
