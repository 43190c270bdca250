"""The directory of the swarm: which node owns which producer. The public face of this package."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from functools import partial
from uuid import UUID

from dht.announcements import Announcements
from dht.crawl import crawl
from dht.joining import Joining
from dht.lease import Announcement, Lease, doubtful, producer_key, standing, validate, without_precedence
from dht.lookup import Lookup
from dht.overlay import Overlay
from dht.overlay_calls import Result, answer_of
from dht.peer import Peer, checked_address
from dht.peers_file import KnownPeer
from dht.producer_ids import NODE_SALT, SALT_BYTES, certified_id, node_lease_id
from dht.spreading import Round, Spreading
from foundation.address import Address
from foundation.errors import LocalError, RemoteError
from foundation.histogram import Histogram
from foundation.identity import NodeId, NodeKey
from foundation.limits import (
    ask_bytes_max,
    contacts_per_reply_max,
    dht_tasks_max,
    locations_cached_max,
    lookups_max,
    peers_on_disk_max,
    subnet_contacts_max,
)
from foundation.tasks import TaskScope

CACHE_SECONDS = 5.0
"""A found lease is believed for so long without another lookup, and never beyond its own end."""

NOTHING_SECONDS = 1.0
"""That a producer was not found is believed for so long: impatient viewers must not become a storm of lookups."""

LOOKUP_SECONDS_BOUNDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 1.5)
"""From a swarm on one machine to a lookup's deadline."""

_look_seconds = 60.0
"""Between two looks for silent contacts and lost parts of the swarm: a ping or a few."""

_looks_per_refresh = 5
_refresh_walks = 1
_sweep_seconds = 5.0


class Directory:
    """One node's part in the swarm's directory.

    It has no socket: `send` takes a datagram and a numeric address, `datagram_received` what came with the first byte
    0xD5. `wall_clock` gives seconds since 1970, as leases count them; timers run on the loop's clock. `rng` should be a
    `random.SystemRandom` outside of simulations, since message ids must not be guessed. Without a `swarm_key` the
    swarm is open; datagrams under `swarm_key_other` are accepted too, while a swarm changes its key. A `read_only`
    node, which others cannot reach, finds and announces but answers nothing, so nobody takes it for a contact.
    `subnet_max` bounds the contacts in one public subnet; contacts of other `ip_versions` than ours are not asked.
    """

    def __init__(
        self,
        key: NodeKey,
        swarm: bytes,
        send: Callable[[bytes, Address], None],
        *,
        loop: asyncio.AbstractEventLoop,
        wall_clock: Callable[[], float],
        rng: random.Random,
        swarm_key: bytes | None,
        swarm_key_other: bytes | None = None,
        read_only: bool = False,
        subnet_max: int | None = subnet_contacts_max,
        ip_versions: Collection[int] = (4, 6),
    ) -> None:
        keys = [each for each in (swarm_key, swarm_key_other) if each]
        self._overlay = Overlay(
            key, swarm, send, loop=loop, wall_clock=wall_clock, rng=rng, swarm_keys=keys, read_only=read_only
        )
        self._overlay.router.subnet_max = subnet_max
        self._overlay.ip_versions = ip_versions
        self._overlay.on_stored = self._forget_location
        self._overlay.on_contact = self._met
        self.id = self._overlay.id
        self.lookup_seconds = Histogram(LOOKUP_SECONDS_BOUNDS)
        """How long lookups took, those of node leases included, but not what was known without one."""
        self.on_superseded: Callable[[Lease], None] = lambda lease: None
        """Told when another node claims, with a higher rank, a producer that we announce."""
        self.confirms: Callable[[Lease], Awaitable[bool]] = _believes
        """Asks an owner whether it still has the producer of its lease; no answer is a no."""
        self._public = key.public
        self._swarm = swarm
        self._loop = loop
        self._rng = rng
        self._announcements = Announcements(key, swarm, rng)
        self._joining = Joining(self._overlay, rng)
        self._scope = TaskScope("dht", dht_tasks_max)
        self._spreading = Spreading(self._overlay, self._joining, self._review, self._still_meant)
        self._found: dict[bytes, tuple[Lease | None, float]] = {}
        self._lookups: dict[bytes, asyncio.Task[Lease | None]] = {}
        self._joins: asyncio.Task[None] | None = None
        self._look_due = loop.time() + self._look_pause()
        self._looks = 0
        self._contacts_most = 0
        self._sweep_due = loop.time() + _sweep_seconds
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._arm()

    @property
    def contacts(self) -> int:
        """Nodes in the routing table."""
        return self._overlay.contacts

    @property
    def observed(self) -> Address | None:
        """Our own address as most of the nodes that answered our pings lately see it."""
        return self._overlay.observed

    def stats(self) -> dict[str, int]:
        """Sizes now, and counters since the start.

        Of lookups: `lookups`, of which `lookups_found` and `lookups_in_vain`; `lookups_spared`, as it was known;
        `lookup_queries` and `lookup_steps` (Kademlia's rounds) in all; `records_stale`, which a newer one outranked.
        Of datagrams: `datagrams_dropped_...`, no message, by reason; `datagrams_skewed`, 30 s too late or early.
        """
        return {
            "contacts": self.contacts,
            "leases": len(self._overlay.storage),
            "announced": len(self._announcements),
            "calls_outstanding": self._overlay.calls,
            "clock_skew_ms": self._overlay.clock_skew_ms,
            **dict(sorted(self._overlay.counters.items())),
        }

    def datagram_received(self, data: bytes, address: Address) -> None:
        """Takes one datagram from the port; never raises for what is in it."""
        self._overlay.datagram_received(data, address)

    async def bootstrap(self, addresses: Sequence[Address]) -> int:
        """Joins by numeric addresses of other nodes; returns how many of them answered.

        When none does, the tries go on in the background until one answers. Raises `LocalError` for a host name.
        """
        try:
            self._joining.give([checked_address(*address) for address in addresses])
        except RemoteError as exc:
            raise LocalError(f"joining takes numeric addresses: {exc}") from exc
        if not self._joining.seeds:
            return 0
        answered = await self._joining.join()
        if answered:
            self._scope.spawn(self._joining.explore(), "explore")
        else:
            self._join_in_background()
        return answered

    def new_producer_id(self) -> UUID:
        """An id for a producer of this node, to which nobody else's claim counts as much (`producer_ids`)."""
        while True:
            salt = self._rng.randbytes(SALT_BYTES)
            chosen = certified_id(self._swarm, self._public, salt)
            if salt != NODE_SALT and self._announcements.current(chosen) is None:
                return chosen

    @property
    def peers(self) -> list[KnownPeer]:
        """The contacts to keep over a restart (`peers_file.save_peers`), those heard last first."""
        return self._overlay.known_peers()[:peers_on_disk_max]

    def remember(self, peers: Sequence[KnownPeer]) -> None:
        """Adds peers of before a restart: some of them are asked too whenever this node joins or is alone."""
        self._joining.remember(peers)

    async def announce(self, announcement: Announcement) -> int:
        """Stores a lease with the nodes nearest to the producer, now and every 15 s until it is withdrawn.

        Returns how many other nodes acknowledged the first round by the time it was enough (5). Announcing a producer
        again replaces what was announced. Raises `LocalError` for what cannot be announced.
        """
        lease = self._announcements.add(announcement, self._overlay.wall_ms(), self._loop.time())
        self._forget_location(lease.key)
        self._arm()
        return await self._spread(lease, changed=True)

    async def withdraw(self, producer_id: UUID) -> None:
        """Stops announcing a producer and stores a tombstone over its lease."""
        tombstone = self._announcements.withdraw(producer_id, self._overlay.wall_ms())
        if tombstone is not None:
            self._forget_location(tombstone.key)
            await self._spread(tombstone, changed=True)

    async def find(self, producer_id: UUID, fresh: bool = False) -> Lease | None:
        """The highest claim to a producer, `None` when there is none as far as the swarm knows.

        What we announce ourselves is the answer at once, then what was found within the last seconds (unless `fresh`),
        then a lookup of at most 1.5 s, one at a time for each producer.
        """
        own = self._announcements.current(producer_id)
        if own is not None:
            return own
        key = producer_key(self._swarm, producer_id)
        if not fresh and (known := self._location(key)) is not None:
            self._overlay.counters["lookups_spared"] += 1
            return known[0]
        if not self.contacts:
            return self._best_held(key)
        lookup = self._lookups.get(key) or self._start_lookup(key)
        if lookup is None:
            self._overlay.counters["lookups_refused"] += 1
            return self._best_held(key)
        await asyncio.wait([lookup])
        return None if lookup.cancelled() else lookup.result()

    @property
    def on_ask(self) -> Callable[[NodeId, bytes], bytes | None]:
        """Answers the questions of other nodes, at most 1000 bytes each way; None for no answer."""
        return self._overlay.on_ask

    @on_ask.setter
    def on_ask(self, answer: Callable[[NodeId, bytes], bytes | None]) -> None:
        self._overlay.on_ask = answer

    async def ask(self, node: NodeId, address: Address, payload: bytes) -> bytes | None:
        """Puts a question of at most 1000 bytes to a node, in one datagram; None when it has no answer, or is silent.

        Ends within `call_seconds_max`.
        """
        assert len(payload) <= ask_bytes_max
        call = self._overlay.ask(Peer(node, address), payload)
        await asyncio.wait([call])
        answer: bytes | None = answer_of(call)
        return answer

    def sample(self, count: int) -> list[Peer]:
        """Random contacts, none twice, without those in doubt."""
        sound = [contact for contact in self._overlay.router if not contact.strikes]
        return [Peer(each.id, each.address) for each in self._rng.sample(sound, min(count, len(sound)))]

    async def close(self) -> None:
        """Stops at once, without withdrawing anything; every wait ends."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._overlay.close()
        await self._scope.close()

    # Looking up

    def _start_lookup(self, key: bytes) -> asyncio.Task[Lease | None] | None:
        if len(self._lookups) >= lookups_max:
            return None
        task = self._scope.spawn(self._look_up(key), "lookup")
        if task is not None:
            self._lookups[key] = task
            task.add_done_callback(lambda _: self._lookups.pop(key, None))
        return task

    async def _look_up(self, key: bytes) -> Lease | None:
        started = self._loop.time()
        leases = self._overlay.claims(key)
        lookup = Lookup(
            key,
            self.id,
            self._overlay.nearest(key),
            for_value=True,
            hedge_seconds=self._overlay.patience.hedge_seconds,
            now=self._loop.time(),
        )
        if leases:
            lookup.value_held(self._loop.time())
        await crawl(self._overlay, lookup, partial(self._collect, key, leases), contacts_per_reply_max)
        self._count(lookup, started)
        found = None
        for claim in await self._undoubted(self._others(leases)):
            if not claim.bound or self._binds(claim, await self._node_lease(claim)):
                found = claim
                break
        self._overlay.counters["lookups_in_vain" if found is None else "lookups_found"] += 1
        if found is not None:
            same = (lease for lease in leases if lease.owner == found.owner)
            self._overlay.counters["records_stale"] += sum(lease.rank < found.rank for lease in same)
        self._remember(key, found)
        return found

    def _count(self, lookup: Lookup, started: float) -> None:
        """Sums, to be divided by `lookups`."""
        counters = self._overlay.counters
        counters["lookups"] += 1
        self.lookup_seconds.observe(self._loop.time() - started)
        counters["lookup_queries"] += lookup.queries
        counters["lookup_steps"] += lookup.steps

    def _collect(self, key: bytes, leases: list[Lease], records: tuple[bytes, ...]) -> bool:
        """Adds the valid ones of some records to the leases; whether there was one."""
        any_valid = False
        for record in records:
            if any(record == lease.record for lease in leases):
                any_valid = True
                continue
            try:
                leases.append(validate(record, self._swarm, key, self._overlay.wall_ms()))
                any_valid = True
            except RemoteError:
                self._overlay.counters["records_invalid"] += 1
        return any_valid

    def _others(self, leases: Iterable[Lease]) -> list[Lease]:
        """The claims that stand. Our own do not count: they are from before a restart, or a withdrawal on its way."""
        return standing(lease for lease in leases if lease.owner != self._public)

    async def _undoubted(self, claims: list[Lease]) -> list[Lease]:
        """An id of its owner's own goes to a higher epoch elsewhere only while that owner does not say it has it."""
        if not doubtful(claims) or await self.confirms(claims[0]):
            return claims
        self._overlay.counters["owners_silent"] += 1
        return without_precedence(claims)

    def _best_held(self, key: bytes) -> Lease | None:
        """The highest claim as far as our own store knows."""
        for claim in self._others(self._overlay.claims(key)):
            node_key = producer_key(self._swarm, node_lease_id(self._swarm, claim.owner))
            if not claim.bound or any(self._binds(claim, node) for node in self._overlay.claims(node_key)):
                return claim
        return None

    async def _node_lease(self, claim: Lease) -> Lease | None:
        """Found like a producer, and believed for as long: a node with many producers is looked up once."""
        node = node_lease_id(self._swarm, claim.owner)
        return None if node == claim.producer_id else await self.find(node)

    def _binds(self, claim: Lease, node: Lease | None) -> bool:
        """A node that started again has another certificate, and knows nothing of what it owned before."""
        return node is not None and (node.owner, node.fingerprint) == (claim.owner, claim.fingerprint)

    def _location(self, key: bytes) -> tuple[Lease | None] | None:
        """What is believed, which may be that there is nothing; `None` when nothing is believed."""
        lease, until = self._found.get(key, (None, 0.0))
        return (lease,) if self._loop.time() < until else None

    def _remember(self, key: bytes, lease: Lease | None) -> None:
        self._found.pop(key, None)
        seconds = NOTHING_SECONDS if lease is None else min(CACHE_SECONDS, lease.seconds_left(self._overlay.wall_ms()))
        self._found[key] = (lease, self._loop.time() + seconds)
        if len(self._found) > locations_cached_max:
            del self._found[next(iter(self._found))]

    def _forget_location(self, key: bytes) -> None:
        self._found.pop(key, None)

    # Announcing

    async def _spread(self, lease: Lease, changed: bool) -> int:
        """Begins a round; returns the acknowledgements by the time they are enough, or all there will be."""
        round_ = Round(lease, changed)
        if self._scope.spawn(self._spreading.run(round_), "announce") is None:
            self._announcements.postpone(lease.producer_id, self._loop.time())
            return 0
        await round_.enough.wait()
        return len(round_.acknowledged)

    def _met(self) -> None:
        """Somebody new is there to hold what we announced when we were alone, or nearly."""
        if len(self._announcements):
            self._announcements.hasten(self._loop.time(), self._spreading.held_by_few)
            self._arm()

    def _still_meant(self, lease: Lease) -> bool:
        return lease.tombstone or self._announcements.current(lease.producer_id) is lease

    def _review(self, ours: Lease, call: asyncio.Future[Result]) -> None:
        """A holder may know a higher claim than the lease it was given: of another node, or of us before a restart."""
        stored = answer_of(call)
        if stored is None or stored.newer is None:
            return
        try:
            newer = validate(stored.newer, self._swarm, ours.key, self._overlay.wall_ms())
        except RemoteError:
            self._overlay.counters["records_invalid"] += 1
            return
        if self._announcements.current(ours.producer_id) is not ours or newer.rank < ours.rank:
            return
        if newer.owner == self._public:
            self._announcements.outrank(newer.seq)
            self._announcements.postpone(ours.producer_id, self._loop.time())
            self._arm()
        elif doubtful([newer, ours]):
            self._scope.spawn(self._yield_if_alive(newer, ours.producer_id), "doubt")
        elif not newer.tombstone:
            self._supersede(newer)

    async def _yield_if_alive(self, newer: Lease, producer_id: UUID) -> None:
        """Whose own the id is outranks us for as long as it lives; a dead owner's lease only lasts a while."""
        if not newer.tombstone and await self.confirms(newer) and self._announcements.current(producer_id) is not None:
            self._supersede(newer)

    def _supersede(self, newer: Lease) -> None:
        self._overlay.counters["superseded"] += 1
        self.on_superseded(newer)

    # The one timer

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due = min(self._look_due, self._sweep_due, self._announcements.timeout() or self._sweep_due)
        self._timer = None if self._closed else self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        now = self._loop.time()
        for lease in self._announcements.due(self._overlay.wall_ms(), now):
            if self._scope.spawn(self._spreading.run(Round(lease, changed=False)), "announce") is None:
                self._announcements.postpone(lease.producer_id, now)
        if now >= self._sweep_due:
            self._sweep_due = now + _sweep_seconds
            self._overlay.storage.expire(now)
            self._join_in_background()
        if now >= self._look_due:
            self._look_due = now + self._look_pause()
            self._look_around()
        self._arm()

    def _look_around(self) -> None:
        """Every few minutes, and after half of the contacts were lost, the table is filled up again."""
        self._looks += 1
        self._contacts_most = max(self.contacts, self._contacts_most)
        if not self.contacts:
            return
        if self.contacts < self._contacts_most / 2:
            self._contacts_most = self.contacts
            self._scope.spawn(self._joining.rejoin(), "rejoin")
        elif self._looks % _looks_per_refresh == 0:
            self._scope.spawn(self._joining.refresh(_refresh_walks), "refresh")
        self._scope.spawn(self._joining.look_for_others(), "look")

    def _join_in_background(self) -> None:
        """Whenever nobody is left and there is an address to try."""
        idle = self._joins is None or self._joins.done()
        if idle and not self.contacts and self._joining.seeds:
            self._joins = self._scope.spawn(self._joining.join_at_last(), "join")

    def _look_pause(self) -> float:
        return _look_seconds * self._rng.uniform(0.8, 1.2)


async def _believes(lease: Lease) -> bool:
    """Where nobody can be asked the rank decides."""
    return True
