"""Being recruited: what this node says to carriers that look for relays, and how it makes itself known to them."""

from collections.abc import Callable
from uuid import UUID

from foundation import limits
from foundation.identity import NodeId
from swarm.messages import Offer, Probe, Probed, Recruit, Recruited
from swarm.record import Contact
from swarm.tree.asks import Asks
from swarm.tree.state import RelayState

Pull = Callable[[UUID, Contact, bytes, float], None]
"""Starts a search for a producer at a carrier, with the owner's leave, at a time."""

_KEY = ("enlisted",)


class Enlisting:
    """Room promised to one recruiter is promised to no other one, until it is used or the promise is over."""

    def __init__(self, state: RelayState, asks: Asks, pull: Pull) -> None:
        self._state = state
        self._asks = asks
        self._pull = pull
        self._promised: dict[UUID, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._promised)

    def offer(self, now: float) -> None:
        """This node has just joined: a few others are told that it has room."""
        relay_room, viewer_room, spare = self._rooms()
        if not viewer_room:
            return
        offer = Offer(self._state.me.encoded, relay_room, viewer_room, spare)
        for contact in self._state.sample(limits.offers_made):
            self._asks.put(contact, offer, lambda answer, now: None, now)

    def probed(self, probe: Probe) -> Probed:
        relay_room, viewer_room, spare = self._rooms()
        return Probed(self._state.me.encoded, relay_room, viewer_room, spare, self._has(probe.producer))

    def recruited(self, node: NodeId, recruit: Recruit, now: float) -> Recruited:
        """Takes the stream from the parent named, if there is room and the owner wants it."""
        state = self._state
        relay_room, viewer_room, spare = self._rooms()
        parent = state.learn(recruit.parent)
        allowed = state.capabilities.owner(recruit.capability, recruit.producer, state.node) is not None
        full = not viewer_room or len(self._promised) >= limits.recruitments_taken_max
        if full or self._has(recruit.producer) or parent is None or parent.node == state.node or not allowed:
            state.counters["recruitments_declined"] += 1
            return Recruited(0, 0, 0)
        state.counters["recruitments_taken"] += 1
        self._promised[recruit.producer] = viewer_room, now + limits.recruit_pool_seconds
        state.deadlines.advance(_KEY, now + limits.recruit_pool_seconds)
        for over in [producer for producer, until in state.recruited.items() if until <= now]:
            del state.recruited[over]
        state.recruited[recruit.producer] = now + limits.recruit_linger_seconds
        self._pull(recruit.producer, parent.contact, recruit.capability, now)
        return Recruited(relay_room, viewer_room, spare)

    def expire(self, now: float) -> None:
        for producer in [producer for producer, (_, until) in self._promised.items() if until <= now]:
            del self._promised[producer]
        if self._promised:
            self._state.deadlines.set(_KEY, min(until for _, until in self._promised.values()))

    def _has(self, producer: UUID) -> bool:
        return producer in self._state.carriages or producer in self._state.pulls

    def _rooms(self) -> tuple[int, int, int]:
        """For relays, for viewers that are wanted, and in all for viewers."""
        promised = sum(room for room, _ in self._promised.values())
        relay_room, viewer_room, spare = self._state.offered_rooms(None)
        return relay_room, max(0, viewer_room - promised), max(0, spare - promised)
