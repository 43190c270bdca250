"""A swarm of real directories in virtual time, grown and asked as a measurement needs it."""

import asyncio
import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import dht.lease
import dht.presence
from dht.directory import Directory
from dht.lease import Announcement, Lease
from dht.messages import pack_found, pack_stored
from dht.peer import Peer, distance
from dht.store import Outcome
from foundation.address import Address, format_address
from foundation.identity import NodeKey, signature_valid, swarm_id
from tests.sim.dht_loop import QuickLoop, QuickNet

SECRET = b"k" * 32

_verify, _sign = signature_valid, NodeKey.sign


def remember_signatures(count_max: int = 500_000) -> None:
    """Verifies no signature that was made in this process: thousands of nodes share its processor.

    What is remembered are the very bytes of key, tag, body and signature; a forgery is still verified, and fails.
    """
    made: set[tuple[bytes, ...]] = set()

    def sign(key: NodeKey, tag: bytes, body: bytes) -> bytes:
        signature = _sign(key, tag, body)
        if len(made) >= count_max:
            made.clear()
        made.add((key.public, tag, body, signature))
        return signature

    def valid(public: bytes, tag: bytes, body: bytes, signature: bytes) -> bool:
        return (public, tag, body, signature) in made or _verify(public, tag, body, signature)

    NodeKey.sign = sign  # type: ignore[method-assign]
    dht.lease.signature_valid = dht.presence.signature_valid = valid


@dataclass(slots=True)
class Reads:
    """What a number of lookups came to; milliseconds of those that found something."""

    milliseconds: list[float] = field(default_factory=list)
    asked: int = 0
    found: int = 0
    stale: int = 0


class World:
    """`announced` maps producers to the address of their owner."""

    def __init__(
        self,
        loop: QuickLoop,
        seed: int,
        delay_seconds: tuple[float, float] = (0.03, 0.05),
        secret: bytes | None = SECRET,
    ) -> None:
        self.loop = loop
        self.secret = secret
        self.rng = random.Random(seed)
        self.net = QuickNet(loop, random.Random(seed + 1), delay_seconds)
        self.nodes: dict[Address, Directory] = {}
        self.dead: set[Address] = set()
        self.liars: set[Address] = set()
        self.announced: dict[UUID, Address] = {}
        self.epochs: dict[UUID, int] = {}

    def add(self, ip: str | None = None, **options: Any) -> Address:
        number = len(self.nodes)
        address = (ip or f"10.{number >> 16}.{(number >> 8) & 255}.{number & 255}", 7400)
        late: list[Directory] = []
        send = self.net.attach(address, lambda data, source: late[0].datagram_received(data, source))
        directory = Directory(
            NodeKey.from_seed(self.rng.randbytes(32)),
            swarm_id("sim", self.secret),
            send,
            loop=self.loop,
            wall_clock=self.loop.wall_clock,
            rng=random.Random(self.rng.random()),
            swarm_key=self.secret,
            **options,
        )
        late.append(directory)
        self.nodes[address] = directory
        return address

    async def grow(self, count: int, seeds: int = 10, per_second: float = 100.0) -> None:
        """Nodes start at this rate, each knowing one of the first few; returns when all have joined."""
        joins = []
        for _ in range(count):
            there = list(self.nodes)[:seeds]
            address = self.add()
            if there:
                joins.append(asyncio.ensure_future(self.nodes[address].bootstrap([self.rng.choice(there)])))
            await asyncio.sleep(1 / per_second)
        await asyncio.gather(*joins)

    @property
    def alive(self) -> list[Address]:
        return [address for address in self.nodes if address not in self.dead]

    def kill(self, share: float) -> None:
        """So many of the nodes are silent from now on, without a word."""
        dead = self.rng.sample(self.alive, round(share * len(self.nodes)))
        self.dead.update(dead)
        self.net.silence(dead)

    def turn(self, share: float) -> None:
        """So many of the nodes lie from now on: they forget what they are told to hold, and name only each other."""
        liars = self.rng.sample(self.alive, round(share * len(self.nodes)))
        band = [Peer(self.nodes[address].id, address) for address in liars]
        for address in liars:
            overlay: Any = self.nodes[address]._overlay

            def lie(sender: Address, nodeid: bytes, key: bytes, peers_max: int) -> list[Any]:
                return pack_found([], heapq.nsmallest(peers_max, band, key=lambda peer: distance(peer.id, key)))

            overlay.rpc_find_node = overlay.rpc_find_value = lie
            overlay.rpc_store = lambda sender, nodeid, record, peers_max: pack_stored(Outcome.STORED, None)
        self.liars.update(liars)

    async def announce_some(
        self, count: int, owners: Sequence[Address] | None = None, gap_seconds: float = 0.05
    ) -> None:
        """New producers at random nodes, one after the other without waiting."""
        waits = []
        for _ in range(count):
            owner = self.rng.choice(owners or self.alive)
            waits.append(asyncio.ensure_future(self.announce(self.new_producer(), owner)))
            await asyncio.sleep(gap_seconds)
        await asyncio.gather(*waits)

    def new_producer(self) -> UUID:
        return UUID(bytes=self.rng.randbytes(16))

    async def announce(self, producer_id: UUID, owner: Address) -> float:
        """Announces a producer, or announces it again with a higher epoch; returns the seconds it took."""
        epoch = self.epochs.get(producer_id, 0) + 1
        announcement = Announcement(producer_id, epoch, (owner,), bytes(32), f"http://{format_address(owner)}")
        started = self.loop.time()
        await self.nodes[owner].announce(announcement)
        self.announced[producer_id], self.epochs[producer_id] = owner, epoch
        return self.loop.time() - started

    async def read(self, count: int, gap_seconds: float = 0.01) -> Reads:
        """Random nodes look for random producers of living owners which they neither own nor hold."""
        reads = Reads()
        living = [producer for producer, owner in self.announced.items() if owner not in self.dead | self.liars]
        waits = []
        for _ in range(count):
            waits.append(asyncio.ensure_future(self.read_one(self.rng.choice(living), reads)))
            await asyncio.sleep(gap_seconds)
        await asyncio.gather(*waits)
        return reads

    async def read_one(self, producer_id: UUID, reads: Reads) -> Lease | None:
        reader = self._stranger_to(producer_id)
        if reader is None:
            return None
        epoch = self.epochs[producer_id]
        started = self.loop.time()
        lease = await reader.find(producer_id, fresh=True)
        reads.asked += 1
        if lease is not None:
            reads.found += 1
            reads.stale += lease.epoch < epoch
            reads.milliseconds.append((self.loop.time() - started) * 1000)
        return lease

    def _stranger_to(self, producer_id: UUID) -> Directory | None:
        honest = [address for address in self.alive if address not in self.liars]
        for _ in range(50):
            address = self.rng.choice(honest)
            directory = self.nodes[address]
            key = dht.lease.producer_key(directory._swarm, producer_id)
            if address != self.announced[producer_id] and not directory._overlay.claims(key):
                return directory
        return None

    def leases_of(self, owner: Address) -> list[Lease]:
        """What the other nodes hold of one."""
        public = self.nodes[owner]._public
        stores = (node._overlay.storage._claims.values() for address, node in self.nodes.items() if address != owner)
        return [
            held.lease for claims in stores for each in claims for held in each.values() if held.lease.owner == public
        ]

    async def close(self) -> None:
        for node in self.nodes.values():
            await node.close()
