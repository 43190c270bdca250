"""What this node announces: its own leases, and when the next round of each is due. Sans-IO."""

import random
from dataclasses import dataclass
from uuid import UUID

from dht.lease import Announcement, Lease
from foundation.errors import LocalError
from foundation.identity import NodeKey
from foundation.limits import announcements_max

ANNOUNCE_SECONDS = 15.0
"""A third of a lease's life: two rounds may be lost."""

_jitter = 0.2
"""Either way, so that the rounds of many producers do not stay in step."""

_retry_seconds = 1.0
"""When a round could not be started."""


@dataclass(slots=True)
class _Own:
    announcement: Announcement
    lease: Lease
    due: float


class Announcements:
    """`now` is monotonic seconds, `wall_ms` milliseconds since 1970."""

    def __init__(self, key: NodeKey, swarm: bytes, rng: random.Random) -> None:
        self._key = key
        self._swarm = swarm
        self._rng = rng
        self._own: dict[UUID, _Own] = {}
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
        self._own[announcement.producer_id] = _Own(announcement, lease, self._next_round(now))
        return lease

    def current(self, producer_id: UUID) -> Lease | None:
        """The latest lease of an own producer."""
        own = self._own.get(producer_id)
        return own.lease if own else None

    def withdraw(self, producer_id: UUID, wall_ms: int) -> Lease | None:
        """Ends an announcement: the tombstone to store, `None` when there was nothing to withdraw."""
        own = self._own.pop(producer_id, None)
        return self._issue(own.announcement, wall_ms, tombstone=True) if own else None

    def due(self, wall_ms: int, now: float) -> list[Lease]:
        """The leases of the rounds to start now, freshly issued, their next rounds planned."""
        rounds = [own for own in self._own.values() if own.due <= now]
        for own in rounds:
            own.lease = self._issue(own.announcement, wall_ms)
            own.due = self._next_round(now)
        return [own.lease for own in rounds]

    def postpone(self, producer_id: UUID, now: float) -> None:
        """The round could not be started, or was refused: it is due again in a second."""
        if (own := self._own.get(producer_id)) is not None:
            own.due = now + _retry_seconds

    def outrank(self, seq: int) -> None:
        """Somebody holds a lease of ours with this seq, from before a restart or a step of the clock: go above it."""
        self._seq = max(self._seq, seq)

    def timeout(self) -> float | None:
        """When the next round is due."""
        return min((own.due for own in self._own.values()), default=None)

    def _issue(self, announcement: Announcement, wall_ms: int, tombstone: bool = False) -> Lease:
        """A seq is the time in milliseconds or one more than the last: it grows over restarts without being stored."""
        self._seq = max(self._seq + 1, wall_ms)
        return Lease.issue(self._key, self._swarm, announcement, seq=self._seq, issued_ms=wall_ms, tombstone=tombstone)

    def _next_round(self, now: float) -> float:
        return now + ANNOUNCE_SECONDS * self._rng.uniform(1 - _jitter, 1 + _jitter)
