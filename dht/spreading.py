"""The shell of a round: one lease, stored with the nodes nearest to its key.

The holders of the last lookup are used again: a round then takes one round trip. Every third round, and while they are
too few, they are asked as well whom they know near to the key, as a lookup would ask them; when they name somebody
nearer, or too few acknowledge, a full lookup goes on from there. Nobody waits for the dead, who are just no longer
asked.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from dht.joining import Joining
from dht.lease import Lease
from dht.lookup import REPLICAS, Lookup
from dht.overlay import Overlay
from dht.overlay_calls import Result, answer_of, shorten
from dht.peer import Peer, distance
from foundation.identity import NodeId
from foundation.limits import announcements_max, former_holders_max

ENOUGH = 5
"""Acknowledgements after which a round counts as made; the rest comes in by itself."""

_enough_to_stay = 6
"""Fewer acknowledgements of known holders than these (in a small swarm: of all), and a full lookup finds others."""

_rounds_per_lookup = 3


@dataclass(slots=True)
class _Holders:
    """`former` are nodes given a lease which may not have ended yet: who they are, and until when."""

    peers: list[Peer]
    former: dict[NodeId, tuple[Peer, float]]
    rounds: int = 1


@dataclass(slots=True)
class Round:
    """One round under way; `enough` is set at its fifth acknowledgement, or when there will be no more."""

    lease: Lease
    changed: bool
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    held: set[NodeId] = field(default_factory=set)
    former: set[NodeId] = field(default_factory=set)
    told: dict[NodeId, Peer] = field(default_factory=dict)
    answered: set[NodeId] = field(default_factory=set)
    asked: dict[NodeId, asyncio.Future[Result]] = field(default_factory=dict)
    named: dict[NodeId, Peer] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def acknowledged(self) -> set[NodeId]:
        """Those who hold it and are meant to: former holders only learn that what they hold is outdated."""
        return self.held - self.former

    @property
    def waiting(self) -> bool:
        return not all(call.done() for call in self.asked.values())

    def review(self) -> None:
        """Sets `enough` as soon as it is."""
        if len(self.acknowledged) >= ENOUGH:
            self.enough.set()


class Spreading:
    """`review` is told of every answer, `still_meant` says whether a lease is still the latest word on its producer."""

    def __init__(
        self,
        overlay: Overlay,
        joining: Joining,
        review: Callable[[Lease, asyncio.Future[Result]], None],
        still_meant: Callable[[Lease], bool],
    ) -> None:
        self._overlay = overlay
        self._joining = joining
        self._review = review
        self._still_meant = still_meant
        self._holders: dict[bytes, _Holders] = {}

    def held_by_few(self, key: bytes) -> bool:
        """Whether fewer nodes were there for the last round than should hold the lease."""
        holders = self._holders.get(key)
        return holders is None or len(holders.peers) < REPLICAS

    async def run(self, round_: Round) -> None:
        """Stores the lease; ends when every node asked has answered, or will not."""
        try:
            await self._run(round_)
        finally:
            round_.enough.set()
            if round_.lease.tombstone:
                self._holders.pop(round_.lease.key, None)

    async def _run(self, round_: Round) -> None:
        key = round_.lease.key
        if not self._overlay.contacts:
            self._overlay.keep(round_.lease, self._overlay.id)
            return
        known = self._holders.get(key)
        if known is None:
            await self._look_up(round_, [])
        else:
            await self._store_again(round_, known)
        while round_.waiting:
            await self._acknowledged(round_, len(round_.asked) + 1, None)

    async def _store_again(self, round_: Round, known: _Holders) -> None:
        known.rounds += 1
        few = len(known.peers) < REPLICAS
        looks = few or round_.changed or round_.lease.bound or known.rounds % _rounds_per_lookup == 0
        self._keep_if_near(round_.lease, known.peers)
        self._store(round_, known.peers, REPLICAS if looks else 0)
        if round_.changed:
            self._tell_former(round_, known)
        needed = min(_enough_to_stay, len(known.peers))
        count = len(known.peers) if looks else needed
        await self._acknowledged(round_, count, self._overlay.patience.hedge_seconds)
        if len(round_.acknowledged) < needed or self._nearer_named(round_, known.peers):
            await self._look_up(round_, known.peers)

    def _tell_former(self, round_: Round, known: _Holders) -> None:
        now = asyncio.get_running_loop().time()
        former = [peer for peer, until in known.former.values() if until > now]
        known.former = {peer.id: (peer, now + round_.lease.ttl_seconds) for peer in former}
        round_.former.update(known.former)
        self._store(round_, former)

    def _nearer_named(self, round_: Round, holders: list[Peer]) -> bool:
        """Whether a holder named somebody that should be one; with fewer holders than replicas, anybody new."""
        key = round_.lease.key
        reach = max(distance(peer.id, key) for peer in holders) if len(holders) >= REPLICAS else 1 << 160
        strangers = set(round_.named) - set(round_.asked) - {self._overlay.id}
        return any(distance(stranger, key) < reach for stranger in strangers)

    async def _look_up(self, round_: Round, before: list[Peer]) -> None:
        """Holders of before that are no longer among the nearest learn of a change all the same, for as long as they
        hold something, so as not to tell otherwise; what only goes on they may forget.
        """
        lease = round_.lease
        heard = round_.answered if round_.named else set()
        walk = await self._joining.walk(
            lease.key,
            REPLICAS,
            beginning=[*before, *round_.named.values()],
            answered=heard,
            silent=set(round_.asked) - round_.answered,
            on_answer=partial(self._store_early, round_),
        )
        peers = walk.nearest()
        if not self._still_meant(lease):
            return
        round_.former.difference_update(peer.id for peer in peers)
        round_.review()
        self._keep_if_near(lease, peers)
        self._store(round_, [*peers, *(before if round_.changed else ())])
        self._remember(round_, peers)

    def _store_early(self, round_: Round, lookup: Lookup) -> None:
        """A round that began with known holders is near the key from the start: whoever answers there can hold it."""
        if round_.asked and self._still_meant(round_.lease):
            self._store(round_, lookup.nearest_quick(asyncio.get_running_loop().time()))

    def _remember(self, round_: Round, peers: list[Peer]) -> None:
        lease = round_.lease
        before = self._holders.pop(lease.key, None)
        if not lease.tombstone and peers:
            until = asyncio.get_running_loop().time() + lease.ttl_seconds
            former = dict(before.former) if before else {}
            former.update((node, (peer, until)) for node, peer in round_.told.items())
            for peer in peers:
                former.pop(peer.id, None)
            shorten(former, former_holders_max)
            self._holders[lease.key] = _Holders(peers, former)
        while len(self._holders) > announcements_max:
            del self._holders[next(iter(self._holders))]

    def _keep_if_near(self, lease: Lease, peers: list[Peer]) -> None:
        own = distance(self._overlay.id, lease.key)
        if len(peers) < REPLICAS or any(own < distance(peer.id, lease.key) for peer in peers):
            self._overlay.keep(lease, self._overlay.id)

    def _store(self, round_: Round, peers: Iterable[Peer], peers_max: int = 0) -> None:
        for peer in peers:
            if peer.id not in round_.asked:
                call = self._overlay.store(peer, round_.lease.record, peers_max, twice=round_.changed)
                round_.asked[peer.id], round_.told[peer.id] = call, peer
                call.add_done_callback(partial(self._answered, round_, peer.id))

    def _answered(self, round_: Round, holder: NodeId, call: asyncio.Future[Result]) -> None:
        stored = answer_of(call)
        if stored is not None and stored.outcome.held:
            round_.held.add(holder)
            round_.review()
        if stored is not None:
            round_.answered.add(holder)
            round_.named.update((peer.id, peer) for peer in stored.peers)
        round_.news.set()
        self._review(round_.lease, call)

    async def _acknowledged(self, round_: Round, count: int, seconds: float | None) -> None:
        """Waits until so many acknowledged, nobody is left to wait for, or the time is over."""
        try:
            async with asyncio.timeout(seconds):
                while round_.waiting and len(round_.acknowledged) < count:
                    round_.news.clear()
                    await round_.news.wait()
        except TimeoutError:
            return
