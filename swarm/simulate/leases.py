"""The directory as a model: who holds a lease, when it runs out, and how long finding it takes."""

from dataclasses import dataclass
from uuid import UUID

from foundation.identity import NodeId
from swarm.record import Contact

LEASE_SECONDS = 45.0
RENEW_SECONDS = 15.0
CACHE_SECONDS = 5.0
_CLOCK_START_US = 1_700_000_000_000_000


@dataclass(slots=True)
class Lease:
    """`expires` moves on while the owner lives; the epoch is the owner's start in microseconds, as in production."""

    owner: Contact
    epoch: int
    announced: float
    expires: float


class Leases:
    """One swarm-wide truth, seen through caches of `CACHE_SECONDS` in every node."""

    def __init__(self) -> None:
        self._leases: dict[UUID, Lease] = {}
        self._cached: dict[tuple[NodeId, UUID], tuple[float, Lease | None]] = {}

    def announce(self, producer: UUID, owner: Contact, epoch: int, now: float) -> Lease:
        """A new owner, of an epoch from `next_epoch`."""
        lease = self._leases[producer] = Lease(owner, epoch, now, float("inf"))
        return lease

    def next_epoch(self, producer: UUID, now: float) -> int:
        """Above that of every owner before."""
        before = self._leases.get(producer)
        return max(_CLOCK_START_US + int(now * 1e6), before.epoch + 1 if before else 0)

    def withdraw(self, producer: UUID, owner: NodeId) -> None:
        """The tombstone of an owner that says goodbye."""
        lease = self._leases.get(producer)
        if lease is not None and lease.owner.node == owner:
            del self._leases[producer]

    def orphan(self, owner: NodeId, now: float) -> list[UUID]:
        """The owner is dead: nobody renews its leases. Gives the producers it had."""
        lost = []
        for producer, lease in self._leases.items():
            if lease.owner.node == owner and lease.expires == float("inf"):
                since = (now - lease.announced) % RENEW_SECONDS
                lease.expires = now - since + LEASE_SECONDS
                lost.append(producer)
        return lost

    def cached(self, node: NodeId, producer: UUID, now: float) -> Lease | None:
        """What this node has found lately."""
        until, lease = self._cached.get((node, producer), (0.0, None))
        return lease if lease is not None and now < min(until, lease.expires) else None

    def find(self, node: NodeId, producer: UUID, now: float) -> Lease | None:
        """What a lookup finds."""
        lease = self._leases.get(producer)
        if lease is None or lease.expires <= now:
            return None
        self._cached[node, producer] = now + CACHE_SECONDS, lease
        return lease
