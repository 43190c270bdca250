"""A directory behind a real UDP socket, and a member of its swarm that means no good."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgpack
import uvloop

from dht.directory import Directory
from dht.envelope import Envelope
from dht.messages import Request, build_request, parse, parse_present
from dht.peer import pack_address
from foundation.address import Address
from foundation.identity import node_id, swarm_id
from tests.unit.dht.samples import SECRET, SWARM, node_key

ME = node_key(2)
MY_ID = node_id(SWARM, ME.public)
NONCE = b"n" * 16
OPEN_SWARM = swarm_id("tests")

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

Story = Callable[["Duel"], Awaitable[None]]


class Wire(asyncio.DatagramProtocol):
    """A socket, for the node under test and for its enemy; the enemy remembers what it hears."""

    def __init__(self, remembers: bool) -> None:
        self.take: Callable[[bytes, Address], None] = lambda data, address: None
        self.count = 0
        self.heard: list[bytes] = []
        self._remembers = remembers

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.address: Address = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, address: Address) -> None:
        self.count += 1
        if self._remembers:
            self.heard.append(data)
        self.take(data, address)


class Duel:
    """A directory, and a member of its swarm that means no good."""

    def __init__(self, node: Wire, enemy: Wire, directory: Directory, envelope: Envelope) -> None:
        self.node, self.enemy, self.directory = node, enemy, directory
        self.envelope = envelope

    def seal(self, message: Any, shift_ms: int = 0) -> bytes:
        body = message if isinstance(message, bytes) else msgpack.packb(message)
        return self.envelope.seal(body, int(time.time() * 1000) + shift_ms)

    async def say(self, datagrams: list[bytes]) -> None:
        """Sends them few at a time, and waits until the node has read them all."""
        for number in range(0, len(datagrams), 20):
            before = self.node.count
            some = datagrams[number : number + 20]
            for datagram in some:
                self.enemy.transport.sendto(datagram, self.node.address)
            async with asyncio.timeout(10):
                while self.node.count < before + len(some):
                    await asyncio.sleep(0)

    async def lives(self) -> None:
        """The node answers a good ping."""
        message_id, known = random.randbytes(8), len(self.enemy.heard)
        await self.say([self.seal(build_request(message_id, MY_ID, "ping", NONCE, pack_address(self.node.address)))])
        async with asyncio.timeout(10):
            while True:
                for said in map(self.read, self.enemy.heard[known:]):
                    known += 1
                    if said.id == message_id:
                        assert parse_present(said.result).observed == self.enemy.address
                        return
                await asyncio.sleep(0)

    def said(self) -> list[Any]:
        """What the enemy has heard."""
        return [self.read(data) for data in self.enemy.heard]

    def read(self, data: bytes) -> Any:
        return parse(Envelope(SWARM, [SECRET]).open(data, int(time.time() * 1000)))

    def answers(self, result_of: Callable[[Request], Any]) -> None:
        """From now on the enemy answers every question with what this makes of it."""

        def answer(data: bytes, address: Address) -> None:
            message = self.read(data)
            if isinstance(message, Request):
                self.enemy.transport.sendto(self.seal([1, message.id, MY_ID, result_of(message)]), address)

        self.enemy.take = answer


async def _run(story: Story, options: dict[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    makers = [lambda: Wire(remembers=False), lambda: Wire(remembers=True)]
    node, enemy = [(await loop.create_datagram_endpoint(make, ("127.0.0.1", 0)))[1] for make in makers]
    is_open = options.get("swarm_key", SECRET) is None
    directory = Directory(
        node_key(1), OPEN_SWARM if is_open else SWARM, node.transport.sendto, loop=loop, wall_clock=time.time,
        rng=random.SystemRandom(), **{"swarm_key": SECRET, **options},
    )  # fmt: skip
    node.take = directory.datagram_received
    try:
        await story(Duel(node, enemy, directory, Envelope(OPEN_SWARM) if is_open else Envelope(SWARM, [SECRET])))
    finally:
        await directory.close()
        for wire in (node, enemy):
            wire.transport.close()
        await asyncio.sleep(0)


def play(kind: str, story: Story, **options: Any) -> None:
    """Runs a story against a node in a loop of this kind; no callback and no task of it may have failed."""
    failures: list[Any] = []
    with asyncio.Runner(loop_factory=LOOPS[kind]) as runner:
        runner.get_loop().set_exception_handler(lambda loop, context: failures.append(context))
        runner.run(_run(story, options))
    assert failures == []
