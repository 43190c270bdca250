"""What this node announces: its own leases, and when the next round of each is due. Sans-IO.

With more than 50 producers their leases become bound ones, long and rarely renewed, which hold while the node's own
lease does: that one is renewed as often as a producer's would be.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from uuid import UUID

from dht.lease import Announcement, Lease
from dht.producer_ids import node_lease_id
from foundation.errors import LocalError
from foundation.identity import NodeKey
from foundation.limits import announcements_max, hastened_rounds_per_second, lone_announcements_max

ANNOUNCE_SECONDS = 15.0
"""A third of a lease's life: two rounds may be lost."""

BOUND_ANNOUNCE_SECONDS = 180.0
"""Of bound leases: a third of their life, like the others."""

_binding_seconds = 5.0
"""A node lease is as old as this before anything is bound to it: by then it is stored."""

_jitter = 0.2
"""Either way, so that the rounds of many producers do not stay in step."""

_retry_seconds = 1.0
"""When a round could not be started."""

_hastened_seconds = 0.25
"""Until a round that is to come soon: of a herd that joins, several are there by then."""


@dataclass(slots=True)
class _Own:
    announcement: Announcement
    lease: Lease
    due: float
    since: float


class Announcements:
    """`now` is monotonic seconds, `wall_ms` milliseconds since 1970."""

    def __init__(self, key: NodeKey, swarm: bytes, rng: random.Random) -> None:
        self._key = key
        self._swarm = swarm
        self._rng = rng
        self._own: dict[UUID, _Own] = {}
        self._node_id = node_lease_id(swarm, key.public)
        self._node: _Own | None = None
        self._seq = 0

    def __len__(self) -> int:
        return len(self._own)

    def add(self, announcement: Announcement, wall_ms: int, now: float) -> Lease:
        """Begins to announce, or replaces what is announced of this producer; the lease is that of the first round.

        Raises `LocalError` for an announcement that cannot be one, or one too many.
        """
        if announcement.producer_id not in self._own and len(self._own) >= announcements_max:
            raise LocalError(f"a node announces at most {announcements_max} producers")
        lease = self._issue(announcement, wall_ms)
        self._own[announcement.producer_id] = _Own(announcement, lease, self._next_round(now), now)
        self._lease_node(now, wall_ms)
        return lease

    def current(self, producer_id: UUID) -> Lease | None:
        """The latest lease of an own producer."""
        own = self._rounds_of(producer_id)
        return own.lease if own else None

    def withdraw(self, producer_id: UUID, wall_ms: int) -> Lease | None:
        """Ends an announcement: the tombstone to store, `None` when there was nothing to withdraw."""
        own = self._own.pop(producer_id, None)
        return self._issue(own.announcement, wall_ms, tombstone=True, bound=own.lease.bound) if own else None

    def due(self, wall_ms: int, now: float) -> list[Lease]:
        """The leases of the rounds to start now, freshly issued, their next rounds planned."""
        self._lease_node(now, wall_ms)
        rounds = [own for own in self._rounds() if own.due <= now]
        for own in rounds:
            bound = own is not self._node and self._binds(now)
            own.lease = self._issue(own.announcement, wall_ms, bound=bound)
            own.due = self._next_round(now, bound)
        return [own.lease for own in rounds]

    def postpone(self, producer_id: UUID, now: float) -> None:
        """The round could not be started, or was refused: it is due again in a second."""
        if (own := self._rounds_of(producer_id)) is not None:
            own.due = now + _retry_seconds

    def hasten(self, now: float, meant: Callable[[bytes], bool]) -> None:
        """The rounds of those leases whose keys are meant begin in a moment, one soon after the other."""
        for number, own in enumerate(own for own in self._rounds() if meant(own.lease.key)):
            own.due = min(own.due, now + _hastened_seconds + number / hastened_rounds_per_second)

    def outrank(self, seq: int) -> None:
        """Somebody holds a lease of ours with this seq, from before a restart or a step of the clock: go above it."""
        self._seq = max(self._seq, seq)

    def timeout(self) -> float | None:
        """When the next round is due."""
        return min((own.due for own in self._rounds()), default=None)

    def _lease_node(self, now: float, wall_ms: int) -> None:
        """Begins the node's own lease with the 51st producer, and ends it once nothing is bound to it any more."""
        if len(self._own) > lone_announcements_max:
            latest = next(reversed(self._own.values())).announcement
            announcement = replace(latest, producer_id=self._node_id, epoch=0)
            if self._node is None:
                self._node = _Own(announcement, self._issue(announcement, wall_ms), now, now)
            self._node.announcement = announcement
        elif self._node is not None and not any(own.lease.bound for own in self._own.values()):
            self._node = None

    def _binds(self, now: float) -> bool:
        many = len(self._own) > lone_announcements_max
        return many and self._node is not None and now >= self._node.since + _binding_seconds

    def _rounds(self) -> Iterator[_Own]:
        yield from self._own.values()
        if self._node is not None:
            yield self._node

    def _rounds_of(self, producer_id: UUID) -> _Own | None:
        return self._node if producer_id == self._node_id else self._own.get(producer_id)

    def _issue(self, announcement: Announcement, wall_ms: int, tombstone: bool = False, bound: bool = False) -> Lease:
        """A seq is the time in milliseconds or one more than the last: it grows over restarts without being stored."""
        self._seq = max(self._seq + 1, wall_ms)
        return Lease.issue(
            self._key, self._swarm, announcement, seq=self._seq, issued_ms=wall_ms, tombstone=tombstone, bound=bound
        )

    def _next_round(self, now: float, bound: bool = False) -> float:
        pause = BOUND_ANNOUNCE_SECONDS if bound else ANNOUNCE_SECONDS
        return now + pause * self._rng.uniform(1 - _jitter, 1 + _jitter)
