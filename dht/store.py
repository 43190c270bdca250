"""The leases a node holds for the swarm: ordered, expiring, bounded. Sans-IO.

Only verified leases come in (`lease.validate`). Per producer every owner has one claim, the highest of its ranks; the
store keeps a few claims per producer and answers with all of them, since the reader confirms with the owner anyway.
"""

import enum
from collections import Counter
from dataclasses import dataclass

from dht.lease import Lease
from foundation.identity import NodeId
from foundation.limits import claims_per_producer_max, leases_max, leases_per_owner_max, leases_per_sender_max

_sweep_gap_seconds = 1.0
"""Between two passes over the whole store, 1 ms each when full: a flood of stores cannot make it more."""


class Outcome(enum.IntEnum):
    """What became of a lease that was offered for storage; the numbers are those of the protocol."""

    STORED = 0
    EQUAL = 1
    OLDER = 2
    REFUSED = 3

    @property
    def held(self) -> bool:
        """Whether the lease is in the store now."""
        return self in (Outcome.STORED, Outcome.EQUAL)


@dataclass(slots=True)
class _Held:
    lease: Lease
    sender: NodeId
    deadline: float


class LeaseStore:
    """`now` is monotonic seconds, `wall_ms` milliseconds since 1970."""

    def __init__(self) -> None:
        self._claims: dict[bytes, dict[bytes, _Held]] = {}
        self._of_owner: Counter[bytes] = Counter()
        self._of_sender: Counter[NodeId] = Counter()
        self._count = 0
        self._swept_at = float("-inf")

    def __len__(self) -> int:
        return self._count

    def put(self, lease: Lease, sender: NodeId, wall_ms: int, now: float) -> Outcome:
        """Offers a lease whose signature and time window were checked.

        An equal one is acknowledged without prolonging it, so that nobody but the owner keeps a lease alive.
        """
        claims = self._live_claims(lease.key, now)
        replaced = claims.get(lease.owner)
        if replaced is None and len(claims) >= claims_per_producer_max:
            replaced = min(claims.values(), key=lambda held: held.lease.rank)
        if replaced is not None:
            if lease.record == replaced.lease.record:
                return Outcome.EQUAL
            if lease.rank < replaced.lease.rank:
                return Outcome.OLDER
        if not self._has_room(lease, sender, replaced, now):
            return Outcome.REFUSED
        if replaced is not None:
            self._remove(lease.key, replaced)
        self._add(_Held(lease, sender, now + lease.seconds_left(wall_ms)))
        return Outcome.STORED

    def get(self, key: bytes, now: float) -> list[Lease]:
        """All claims of a producer, tombstones included, the highest rank first."""
        held = self._live_claims(key, now).values()
        return sorted((claim.lease for claim in held), key=lambda lease: lease.rank, reverse=True)

    def expire(self, now: float) -> None:
        """Forgets every lease whose time is over."""
        self._swept_at = now
        over = [(key, held) for key, claims in self._claims.items() for held in claims.values() if held.deadline <= now]
        for key, held in over:
            self._remove(key, held)

    def _live_claims(self, key: bytes, now: float) -> dict[bytes, _Held]:
        for held in [held for held in self._claims.get(key, {}).values() if held.deadline <= now]:
            self._remove(key, held)
        return self._claims.get(key, {})

    def _has_room(self, lease: Lease, sender: NodeId, replaced: _Held | None, now: float) -> bool:
        if self._fits(lease, sender, replaced):
            return True
        if now - self._swept_at < _sweep_gap_seconds:
            return False
        self.expire(now)
        return self._fits(lease, sender, replaced)

    def _fits(self, lease: Lease, sender: NodeId, replaced: _Held | None) -> bool:
        """Within all quotas, not counting the claim that would make room."""
        of_all = self._count - (replaced is not None)
        of_owner = self._of_owner[lease.owner] - (replaced is not None and replaced.lease.owner == lease.owner)
        of_sender = self._of_sender[sender] - (replaced is not None and replaced.sender == sender)
        return of_all < leases_max and of_owner < leases_per_owner_max and of_sender < leases_per_sender_max

    def _add(self, held: _Held) -> None:
        self._claims.setdefault(held.lease.key, {})[held.lease.owner] = held
        self._of_owner[held.lease.owner] += 1
        self._of_sender[held.sender] += 1
        self._count += 1

    def _remove(self, key: bytes, held: _Held) -> None:
        claims = self._claims[key]
        del claims[held.lease.owner]
        if not claims:
            del self._claims[key]
        for counter, whose in ((self._of_owner, held.lease.owner), (self._of_sender, held.sender)):
            counter[whose] -= 1
            if not counter[whose]:
                del counter[whose]
        self._count -= 1
