"""A swarm of real directories in virtual time, grown and asked as a measurement needs it."""

import asyncio
import hashlib
import heapq
import random
from collections import Counter
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
from foundation.identity import SIGNATURE_BYTES, NodeKey, signature_valid, swarm_id
from tests.sim.dht_loop import QuickLoop, QuickNet
from tests.sim.dht_misses import UNHELD, LookupsSeen, why_nothing

SECRET = b"k" * 32

_verify = signature_valid


def sign_quickly(secret: bytes) -> None:
    """Signs with a keyed hash in place of Ed25519, which would take a sixth of the time of thousands of nodes.

    Nobody in the swarm knows the secret: a forged signature is verified as what it is not, and fails.
    """

    def sign(key: NodeKey, tag: bytes, body: bytes) -> bytes:
        return hashed(key.public, tag, body)

    def hashed(public: bytes, tag: bytes, body: bytes) -> bytes:
        return hashlib.blake2b(public + tag + b"\0" + body, key=secret, digest_size=SIGNATURE_BYTES).digest()

    def valid(public: bytes, tag: bytes, body: bytes, signature: bytes) -> bool:
        return signature == hashed(public, tag, body) or _verify(public, tag, body, signature)

    NodeKey.sign = sign  # type: ignore[method-assign]
    dht.lease.signature_valid = dht.presence.signature_valid = valid


@dataclass(slots=True)
class Reads:
    """What a number of lookups came to; milliseconds of those that found something, why the others did not."""

    milliseconds: list[float] = field(default_factory=list)
    asked: int = 0
    found: int = 0
    stale: int = 0
    queries: int = 0
    misses: Counter[str] = field(default_factory=Counter)

    @property
    def held(self) -> int:
        """Those of producers that are announced: found, or held by a living node when the lookup began."""
        return self.asked - self.misses[UNHELD]


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
        with LookupsSeen() as seen:
            for _ in range(count):
                waits.append(asyncio.ensure_future(self.read_one(self.rng.choice(living), reads, seen)))
                await asyncio.sleep(gap_seconds)
            await asyncio.gather(*waits)
        return reads

    async def read_one(self, producer_id: UUID, reads: Reads, seen: LookupsSeen | None = None) -> Lease | None:
        reader = self._stranger_to(producer_id)
        if reader is None:
            return None
        epoch = self.epochs[producer_id]
        key = dht.lease.producer_key(reader._swarm, producer_id)
        holders = self._holders(key)
        started = self.loop.time()
        lease = await reader.find(producer_id, fresh=True)
        seconds = self.loop.time() - started
        lookup = seen.of(reader.id, key) if seen else None
        reads.asked += 1
        reads.queries += lookup.queries if lookup else 0
        if lease is None:
            reads.misses[why_nothing(lookup, holders, seconds)] += 1
        else:
            reads.found += 1
            reads.stale += lease.epoch < epoch
            reads.milliseconds.append(seconds * 1000)
        return lease

    def _holders(self, key: bytes) -> set[Address]:
        """The living and honest nodes that would answer with a lease under a key now."""
        away = self.dead | self.liars
        holding = (address for address, node in self.nodes.items() if key in node._overlay.storage._claims)
        return {each for each in holding if each not in away and self.nodes[each]._overlay.claims(key)}

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
