"""A relay's leave from the owner, renewed in time: at half its life, and when the stream has another owner.

Without a good one no carrier but the owner itself would take this node when its parent is gone.
"""

from functools import partial
from uuid import UUID

from foundation import limits
from foundation.identity import NodeId
from swarm.messages import Message, Renew, Renewed
from swarm.record import Contact
from swarm.tree.actions import Lookup
from swarm.tree.asks import Asks
from swarm.tree.carriage import Carriage
from swarm.tree.state import RelayState


class Renewing:
    """One question to the owner each time, without a link; one that is not answered is put again a little later."""

    def __init__(self, state: RelayState, asks: Asks) -> None:
        self._state = state
        self._asks = asks

    def due(self, carriage: Carriage, now: float) -> None:
        """Asks for a new leave."""
        if carriage.owned:
            return
        self._state.deadlines.set(("renew", carriage.producer), now + limits.capability_retry_seconds)
        owner = self._owner(carriage)
        if owner is None:
            self._state.do(Lookup(carriage.producer, fresh=False))
        elif carriage.parent is not None:
            then = partial(self._answered, carriage.producer)
            self._asks.put(owner, Renew(carriage.producer), then, now)

    def owner_found(self, producer: UUID, owner: Contact | None) -> None:
        """The answer to a lookup, of whomever: kept if nothing better is known."""
        carriage = self._state.carriages.get(producer)
        if owner is not None and carriage is not None and not carriage.owned and owner.node == carriage.lineage[0]:
            carriage.owner = owner

    def _answered(self, producer: UUID, message: Message | None, now: float) -> None:
        carriage = self._state.carriages.get(producer)
        if carriage is None or carriage.owned or not isinstance(message, Renewed):
            return
        if self._state.capabilities.owner(message.capability, producer, self._state.node) == carriage.lineage[0]:
            carriage.capability = message.capability
            half = self._state.rng.uniform(0.4, 0.6) * limits.capability_seconds
            self._state.deadlines.set(("renew", producer), now + half)
        else:
            self._state.counters["capabilities_invalid"] += 1

    def _owner(self, carriage: Carriage) -> Contact | None:
        root: NodeId = carriage.lineage[0]
        if root in self._state.links:
            return self._state.links[root].contact
        if carriage.owner is not None and carriage.owner.node == root:
            return carriage.owner
        named = (backup.record.contact for backup in carriage.backups if backup.node == root)
        return next(named, None)
