"""The simulated swarm: hosts, network, directory, media and viewers, put together and driven through a scenario."""

import functools
import math
import random
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from foundation.errors import LocalError, RemoteError
from foundation.identity import NodeId, NodeKey, swarm_id
from swarm.record import NodeRecord
from swarm.simulate.audience import Audience, Viewer
from swarm.simulate.events import Events
from swarm.simulate.feeding import Feed, Feeding
from swarm.simulate.geography import Geography
from swarm.simulate.host import Host
from swarm.simulate.leases import Lease, Leases
from swarm.simulate.network import Network, Wire
from swarm.simulate.scenario import Scenario

START = 1000.0
"""Virtual time at the beginning: no core may take 0 for never."""

_SWARM = swarm_id("simulated")
_TABLE_CONTACTS = 160
"""In a node's routing table, of a large swarm."""

_TABLE_STALE_SECONDS = 30.0
"""For how long a dead node is still found in the routing tables."""

_REFUSED_SECONDS = 1.0
"""Until a publisher that was refused tries another node."""

_PACKET_SECONDS = 0.01
"""Between two packets of a stream."""

_DRAIN_SECONDS = 10.0
"""A draining node exits by then."""

_RECONNECT_SECONDS = 3.0
"""In which the viewers of a draining node are told to go."""

_CHANGE_OF_MIND_SECONDS = 1.5

_SUPERSEDED_SECONDS = 0.2
"""Until an owner hears of another one with a higher epoch: its announcements are answered with it."""

_RETURN_SECONDS = 3.0
"""Until a publisher whose node died posts again by another one."""


class World:
    """Everything random comes from the scenario's seed. `check` is called with every host that an event has touched."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.rng = random.Random(scenario.seed)
        self.events = Events(START)
        self.geography = Geography(scenario.regions, self._new_rng())
        self.network = Network(
            self.events, self.geography, self._new_rng(), scenario.loss, scenario.late, scenario.detect_seconds
        )
        self.leases = Leases()
        self.feeding = Feeding()
        self.audience = Audience(self.events, self.geography, self._new_rng(), self._door)
        self.audience.watch_seconds = scenario.watch_seconds
        self.check: Callable[[Host], None] | None = None
        self.hosts: dict[NodeId, Host] = {}
        self.by_url: dict[str, Host] = {}
        self.known: list[Host] = []
        self.alive: list[Host] = []
        self.owners: dict[UUID, Host] = {}
        self.lookups = 0
        self.feeding.on_flow = self._flows
        self.parent_changes = 0
        self.drains: list[float] = []
        self.parent_changes_unforced = 0
        self._records: dict[bytes, NodeRecord] = {}
        self._numbers = 0
        self._doors: list[Host] = []

    # --- what happens ---

    def add(self, slots: int | None = None) -> Host:
        """A node joins."""
        number = self.new_number()
        region = number % self.scenario.regions
        record = _record(number, self.geography.names[region])
        self._records[record.encoded] = record
        host = Host(self, record, region, slots or self.scenario.slots, self._new_rng())
        self.hosts[host.id] = self.by_url[record.url] = host
        self.known.append(host)
        self.alive.append(host)
        return host

    def crash(self, host: Host) -> None:
        """A node is gone without a word; whoever published there comes back by another one."""
        self._gone(host)
        host.crash()
        for producer in self.leases.orphan(host.id, self.events.now):
            if self.owners.get(producer) is host:
                del self.owners[producer]
                self.events.after(_RETURN_SECONDS, self.publish_anywhere, producer)

    def leave(self, host: Host, stays: bool = False) -> None:
        """A node is told to end, or is told after a moment that it shall not."""
        if host.draining or not host.alive:
            return
        host.drain()
        if stays:
            self.events.after(_CHANGE_OF_MIND_SECONDS, self._stay, host)
        else:
            for viewer in list(host.watching.values()):
                self.events.after(self.rng.uniform(0.0, _RECONNECT_SECONDS), self.audience.reconnect, viewer)
            self.events.after(_DRAIN_SECONDS, self._exit, host)

    def take_over(self, host: Host, producer: UUID) -> None:
        """The publisher appears at another node though the old one is alive: the higher epoch wins."""
        before = self.owners.get(producer)
        if before is None or before is host:
            return
        self.publish(host, producer)
        if self.owners.get(producer) is host:
            self.events.after(_SUPERSEDED_SECONDS, before.superseded, producer, host.epochs[producer])

    def publish(self, host: Host, producer: UUID) -> None:
        """A publisher connects to the host, or to another one a little later when this one cannot take it."""
        now = self.events.now
        epoch = self.leases.next_epoch(producer, now)
        try:
            host.publish(producer, epoch)
        except LocalError:
            self.events.after(_REFUSED_SECONDS, self.publish_anywhere, producer)
            return
        self.leases.announce(producer, host.record.contact, epoch, now)
        self.owners[producer] = host

    def publish_anywhere(self, producer: UUID) -> None:
        """A publisher connects to any host that lives."""
        if self.alive and producer not in self.owners:
            self.publish(self.rng.choice(self.alive), producer)

    def unpublish(self, producer: UUID) -> None:
        """The publisher ends."""
        host = self.owners.pop(producer, None)
        if host is not None:
            self.leases.withdraw(producer, host.id)
            host.unpublish(producer)

    def partition(self, share: float, seconds: float) -> None:
        """Some nodes and the rest no longer reach each other, for a while."""
        self.network.cut = {host.id for host in self.rng.sample(self.alive, max(1, int(share * len(self.alive))))}
        for wire in list(self.network.wires.values()):
            if not self.network.reachable(wire.a, wire.b):
                self._cut(wire)
        self.events.after(seconds, self.network.cut.clear)

    # --- what hosts ask ---

    def new_number(self) -> int:
        self._numbers += 1
        return self._numbers

    def read_record(self, encoded: bytes) -> NodeRecord:
        record = self._records.get(encoded)
        if record is None:
            raise RemoteError("forged")
        return record

    def look_up(self, host: Host, producer: UUID, fresh: bool, found: Callable[[UUID, Lease | None], None]) -> None:
        """A lookup in the directory: from the node's cache, or two round trips to anywhere."""
        lease = None if fresh else self.leases.cached(host.id, producer, self.events.now)
        if lease is not None:
            self.events.after(0, found, producer, lease)
            return
        self.lookups += 1
        regions, rng = self.scenario.regions, self.rng
        trip = sum(2 * self.geography.one_way(host.region, rng.randrange(regions)) for _ in range(2))
        self.events.after(trip, self._found, host, producer, found)

    def sample(self, host: Host, count: int) -> list[Host]:
        """Random contacts of the host's routing table."""
        if len(self.known) <= count + 1:
            return [other for other in self.known if other is not host]
        chosen: list[Host] = []
        while len(chosen) < count:
            other = self.known[int(host.rng.random() * len(self.known))]
            if other is not host and other not in chosen:
                chosen.append(other)
        return chosen

    def others(self) -> int:
        """Contacts in a node's routing table."""
        return min(len(self.known) - 1, _TABLE_CONTACTS)

    def parent_changed(self, host: Host, feed: Feed, parent: NodeId) -> None:
        """A carrier takes a stream it had already from another node."""
        self.parent_changes += 1
        old = feed.source
        if old is not None and old.node != parent:
            before = self.hosts[old.node]
            if before.alive and not before.draining:
                self.parent_changes_unforced += 1

    def drained(self, host: Host) -> None:
        """The host has handed over its children; when its viewers are gone too, nothing keeps it."""
        self.drains.append(self.events.now)

    # --- parts ---

    def _flows(self, feed: Feed, source: Feed) -> None:
        """The first packet comes with the next one that is sent."""
        host = self.hosts[feed.node]
        self.events.after(_PACKET_SECONDS, host.flowing, feed.producer, source)

    def _found(self, host: Host, producer: UUID, found: Callable[[UUID, Lease | None], None]) -> None:
        if host.alive:
            found(producer, self.leases.find(host.id, producer, self.events.now))

    def _stay(self, host: Host) -> None:
        if host.alive:
            host.undrain()

    def _exit(self, host: Host) -> None:
        if not host.alive:
            return
        self._gone(host)
        for producer in [producer for producer, owner in self.owners.items() if owner is host]:
            del self.owners[producer]
            self.leases.withdraw(producer, host.id)
            self.events.after(_RETURN_SECONDS, self.publish_anywhere, producer)
        host.exit()

    def _gone(self, host: Host) -> None:
        self.alive.remove(host)
        self.events.after(_TABLE_STALE_SECONDS, self.known.remove, host)

    def _cut(self, wire: Wire) -> None:
        now = self.events.now
        for end, other in ((wire.a, wire.b), (wire.b, wire.a)):
            for feed in self.feeding.of(end.id):
                self.feeding.cut(feed, other.id, now)
            self.network.silence(wire, end)

    def _door(self, viewer: Viewer) -> Host | None:
        if not self.alive:
            return None
        if not self.scenario.doors:
            return self.alive[int(self.rng.random() * len(self.alive))]
        while len(self._doors) < min(self.scenario.doors, len(self.alive)):
            host = self.rng.choice(self.alive)
            if host not in self._doors and host not in self.owners.values():
                self._doors.append(host)
        doors = [host for host in self._doors if host.alive] or self.alive
        return self.rng.choice(doors)

    def _new_rng(self) -> random.Random:
        return random.Random(self.rng.getrandbits(64))


def shares(viewers: int, producers: int, zipf: bool) -> list[int]:
    """How many viewers each producer has: all the same, or the k-th a k-th of the first."""
    weights = [1 / (rank + 1) if zipf else 1.0 for rank in range(producers)]
    total = math.fsum(weights)
    counts = [int(viewers * weight / total) for weight in weights]
    counts[0] += viewers - sum(counts)
    return counts


@functools.cache
def _record_bytes(region: str) -> int:
    key = NodeKey.from_seed(bytes(32))
    record = NodeRecord(
        _SWARM, key.public, (("203.0.113.10", 7400),), bytes(32), "https://node-00000.example.net", region,
        "swarmd 0.1.0", 1_700_000_000, 1_700_000_000.0,
    )  # fmt: skip
    return len(record.encode(key))


def _record(number: int, region: str) -> NodeRecord:
    """Unsigned, which saves the time; as long as a signed one."""
    public = number.to_bytes(32, "big")
    record = NodeRecord(
        _SWARM, public, ((f"10.{number >> 16}.{(number >> 8) & 255}.{number & 255}", 7400),), public,
        f"https://node-{number:05}.example.net", region, "swarmd 0.1.0",
    )  # fmt: skip
    return replace(record, encoded=record.node.ljust(_record_bytes(region), b"\0"))
