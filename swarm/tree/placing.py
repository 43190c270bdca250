"""FIND at a carrier: places for viewers of other nodes, and of its own, in the tree below it."""

from foundation import limits
from foundation.identity import NodeId
from swarm.messages import Find, Place, Places
from swarm.policy import Candidate
from swarm.tree.candidates import FRESH, SOFT, SPARE
from swarm.tree.carriage import Carriage
from swarm.tree.delegation import Delegation
from swarm.tree.recruiting import Growing, Recruiting
from swarm.tree.state import RelayState

_place_bytes = 32
"""Of one place beside its URL: node id, count, and msgpack's heads."""

_head_bytes = 64
"""Of PLACES, everything but the places."""


class Placing:
    """First where viewers are wanted, in their region; beyond that the tree grows, or what is spare is handed out."""

    def __init__(self, state: RelayState, delegation: Delegation, recruiting: Recruiting) -> None:
        self._state = state
        self._delegation = delegation
        self._recruiting = recruiting

    def asked(self, node: NodeId, find: Find, now: float) -> Places | None:
        """Another node asks; None when this one does not know the tree."""
        carriage = self._state.carriages.get(find.producer)
        if carriage is None or not carriage.fed:
            self._state.counters["finds_unanswered"] += 1
            return None
        pool = self._delegation.pool(find.producer)
        for full in (node, *find.avoid):
            pool.emptied(full, relay=False)
        return self.find(carriage, node, find, now)

    def find(self, carriage: Carriage, asker: NodeId, find: Find, now: float) -> Places:
        """As many places as there are; the asker may be this node."""
        wanted = min(find.places, limits.waiting_viewers_max)
        places: dict[NodeId, tuple[Candidate, int]] = {}
        avoided = (asker, *find.avoid)
        missing = self._own(carriage, asker, find.region, wanted, places, now)
        for kind in (SOFT, FRESH):
            missing = self._delegation.viewers(carriage, kind, find.region, missing, places, avoided, now)
        growing = self._recruiting.placed(carriage, asker, find, wanted - missing, missing, now)
        if missing and growing is Growing.NOT:
            missing = self._own(carriage, asker, "", missing, places, now)
            for kind, region in ((SOFT, ""), (FRESH, ""), (SPARE, find.region), (SPARE, "")):
                missing = self._delegation.viewers(carriage, kind, region, missing, places, avoided, now)
        self._state.counters["places_given"] += wanted - missing
        self._state.counters["places_missing"] += missing
        retry_ms = int(limits.find_retry_seconds * 1000) if missing and growing is Growing.ELSEWHERE else 0
        return Places(find.producer, _fitting(places), retry_ms)

    def _own(
        self,
        carriage: Carriage,
        asker: NodeId,
        region: str,
        wanted: int,
        places: dict[NodeId, tuple[Candidate, int]],
        now: float,
    ) -> int:
        """This node's own room, for viewers of others; how many places are missing then."""
        state = self._state
        count = min(wanted, state.soft_room() - self._delegation.promised)
        if asker == state.node or count <= 0 or (region and region != state.me.region):
            return wanted
        places[state.node] = Candidate(state.me, carriage.rank, 0, count), count
        self._delegation.debit(carriage.producer, state.node, now, count)
        return wanted - count


def _fitting(places: dict[NodeId, tuple[Candidate, int]]) -> tuple[Place, ...]:
    """As many as fit a datagram, without those that cannot be reached by HTTP."""
    fitting: list[Place] = []
    left = limits.ask_bytes_max - _head_bytes
    for node, (candidate, count) in places.items():
        url = candidate.record.url
        left -= len(url.encode()) + _place_bytes
        if url and left >= 0:
            fitting.append(Place(node, url, count))
    return tuple(fitting)
