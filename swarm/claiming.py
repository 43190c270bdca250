"""Who may publish under an id: whoever comes first, and after its node has died whoever comes back."""

import asyncio
import time
from uuid import UUID

from dht.directory import Directory
from foundation.errors import ProducerTaken
from foundation.identity import NodeId
from media.router import Router
from swarm.record import Contact
from swarm.relaying import Relaying


class Claims:
    """A lease says who owned an id lately; only the owner itself knows whether it still does, and a dead one is silent.

    What it announced is outranked by a higher epoch.
    """

    def __init__(self, me: NodeId, router: Router, relaying: Relaying, directory: Directory) -> None:
        self._me = me
        self._router = router
        self._relaying = relaying
        self._directory = directory

    async def epoch(self, producer_id: UUID) -> int:
        """The epoch under which this node may own the producer. Raises `ProducerTaken` when it is live.

        Of a dead owner it is known within a second; at once when this node has just lost its link to it.
        """
        carried = self._router.get(producer_id)
        if carried is not None and not carried.piped:
            raise ProducerTaken("This producer id is live: publish under another one.")
        epoch = self._relaying.epoch(producer_id) + 1
        if not self._relaying.owner_lost(producer_id):
            epoch = max(epoch, await self._outranking(producer_id))
        return max(epoch, epoch_now())

    async def _outranking(self, producer_id: UUID) -> int:
        """An epoch above that of its lease, if there is one."""
        known = self._relaying.tree.owner_of(producer_id)
        lease, alive = await asyncio.gather(
            self._directory.find(producer_id, fresh=True), self._lives(known, producer_id)
        )
        if lease is not None and (known is None or lease.owner_id != known.node):
            owner = Contact(lease.owner_id, lease.addresses, lease.fingerprint, lease.url)
            alive = await self._lives(owner, producer_id)
        if alive:
            raise ProducerTaken("This producer id is live on another node: publish under another one.")
        return lease.epoch + 1 if lease is not None else 0

    async def _lives(self, owner: Contact | None, producer_id: UUID) -> bool:
        if owner is None or owner.node == self._me:
            return False
        return await self._relaying.carries(owner, producer_id)


def epoch_now() -> int:
    """Microseconds since 1970, so that of two owners who did not know of each other the later one outranks the other
    for good: by equal epochs each would outrank the other with every renewal of its lease.
    """
    return time.time_ns() // 1000
