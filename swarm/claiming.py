"""Who may publish under an id: whoever comes first; the same publisher again; and after its node has died anybody."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable
from uuid import UUID

from dht.directory import Directory
from dht.lease import Lease
from foundation.errors import ProducerTaken
from foundation.identity import NodeId
from media.router import Router
from swarm.record import Contact
from swarm.relaying import Relaying


class Claims:
    """A lease says who owned an id lately; only the owner itself knows whether it still does, and a dead one is silent.

    What it announced is outranked by a higher epoch.
    """

    def __init__(
        self,
        me: NodeId,
        router: Router,
        relaying: Relaying,
        directory: Directory,
        subject_of: Callable[[UUID], str],
        private: bool,
    ) -> None:
        """`subject_of` says who publishes a producer here; what other nodes say of theirs counts in a private swarm."""
        self._me = me
        self._router = router
        self._relaying = relaying
        self._directory = directory
        self._subject_of = subject_of
        self._private = private
        relaying.on_claim = self._grants
        directory.confirms = self._still_owns

    async def epoch(self, producer_id: UUID, subject: str) -> int:
        """The epoch under which this node may own the producer, for a publisher with this subject.

        Raises `ProducerTaken` when it is live, unless it is the same subject's, and that is somebody's.
        Of a dead owner it is known within a second; at once when this node has just lost its link to it.
        """
        carried = self._router.get(producer_id)
        if carried is not None and not carried.piped:
            if not subject or subject != self._subject_of(producer_id):
                raise ProducerTaken("This producer id is live: publish under another one.")
            return max(self._relaying.epoch(producer_id) + 1, epoch_now())
        epoch = self._relaying.epoch(producer_id) + 1
        if not self._relaying.owner_lost(producer_id):
            epoch = max(epoch, await self._outranking(producer_id, subject))
        return max(epoch, epoch_now())

    async def _outranking(self, producer_id: UUID, subject: str) -> int:
        """An epoch above that of its lease, if there is one."""
        known = self._relaying.tree.owner_of(producer_id)
        owner = known
        lease, alive = await asyncio.gather(
            self._directory.find(producer_id, fresh=True), self._lives(known, producer_id)
        )
        if lease is not None and (known is None or lease.owner_id != known.node):
            owner = _contact(lease)
            alive = await self._lives(owner, producer_id)
        if alive and not await self._granted(owner, producer_id, subject):
            raise ProducerTaken("This producer id is live on another node: publish under another one.")
        return lease.epoch + 1 if lease is not None else 0

    async def _granted(self, owner: Contact | None, producer_id: UUID, subject: str) -> bool:
        if owner is None or not subject or not self._private:
            return False
        return await self._relaying.grants(owner, producer_id, _claimant(producer_id, subject))

    def _grants(self, producer_id: UUID, claimant: bytes) -> bool:
        subject = self._subject_of(producer_id)
        return bool(subject) and self._private and hmac.compare_digest(claimant, _claimant(producer_id, subject))

    async def _lives(self, owner: Contact | None, producer_id: UUID) -> bool:
        if owner is None or owner.node == self._me:
            return False
        return await self._relaying.carries(owner, producer_id)

    async def _still_owns(self, lease: Lease) -> bool:
        return await self._lives(_contact(lease), lease.producer_id)


def _contact(lease: Lease) -> Contact:
    return Contact(lease.owner_id, lease.addresses, lease.fingerprint, lease.url)


def _claimant(producer_id: UUID, subject: str) -> bytes:
    """A subject may be a name or an address: it is told to no other node."""
    return hashlib.blake2b(subject.encode(), key=producer_id.bytes, digest_size=32, person=b"swarmd claim").digest()


def epoch_now() -> int:
    """Microseconds since 1970, so that of two owners who did not know of each other the later one outranks the other
    for good: by equal epochs each would outrank the other with every renewal of its lease.
    """
    return time.time_ns() // 1000
