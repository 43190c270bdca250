"""The carriers below one carrier with what room they have, kept so that drawing one costs the same however many."""

import random
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from foundation import limits
from foundation.identity import NodeId
from swarm.policy import Candidate

K = TypeVar("K", bound=Hashable)

RELAY, SOFT, FRESH, SPARE = "relay", "soft", "fresh", "spare"
"""What room is asked for: a relay's; a viewer's where viewers are wanted, and the same at a recruit that may still wait
for the stream itself; a viewer's when nothing else is left.
"""


class RandomSet(Generic[K]):
    """A set that gives a random member in constant time, the same one for the same random numbers."""

    def __init__(self) -> None:
        self._items: list[K] = []
        self._places: dict[K, int] = {}

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[K]:
        return iter(self._items)

    def add(self, item: K) -> None:
        if item not in self._places:
            self._places[item] = len(self._items)
            self._items.append(item)

    def discard(self, item: K) -> None:
        place = self._places.pop(item, None)
        if place is None:
            return
        last = self._items.pop()
        if last != item:
            self._items[place] = last
            self._places[last] = place

    def draw(self, rng: random.Random) -> K:
        return self._items[int(rng.random() * len(self._items))]


@dataclass(slots=True)
class Known:
    """One carrier: `via` is the child in whose subtree it is, itself for a child, None for one just recruited.

    `taken` slots were handed out lately, and are not in the rooms of the candidate yet.
    """

    candidate: Candidate
    via: NodeId | None
    until: float | None = None
    taken: int = 0

    def left(self, kind: str) -> int:
        room = self.candidate.spare if kind == SPARE else self.candidate.room(kind == RELAY)
        return max(0, room - self.taken)

    def shown(self, kind: str) -> Candidate:
        """As a policy sees it: less what was handed out."""
        candidate, taken = self.candidate, self.taken
        if not taken and kind != SPARE:
            return candidate
        viewer_room = self.left(kind if kind == SPARE else SOFT)
        relay_room = max(0, candidate.relay_room - taken)
        return Candidate(candidate.record, candidate.rank, relay_room, viewer_room, self.left(SPARE))


class Candidates:
    """Those with room are in sets by kind and region, or kind and rank; a set forgets who turns out to have none."""

    def __init__(self) -> None:
        self._known: dict[NodeId, Known] = {}
        self._by_child: dict[NodeId, dict[NodeId, None]] = {}
        self._open: dict[tuple[str, object], RandomSet[NodeId]] = {}
        self.soft_room = 0
        """Of all together, less what was handed out."""

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[Known]:
        return iter(self._known.values())

    def get(self, node: NodeId) -> Known | None:
        return self._known.get(node)

    # --- who is known ---

    def put(self, candidate: Candidate, via: NodeId | None, until: float | None = None) -> None:
        """Adds or changes one. A child is believed about itself; of the others whoever named one first."""
        node, before = candidate.node, self._known.get(candidate.node)
        taken = before.taken if before is not None else 0
        if before is not None and before.via is not None and before.via != via and via != node:
            return
        if before is not None:
            self._forget(node)
        elif len(self._known) >= limits.candidates_max and via != node:
            return
        self._known[node] = known = Known(_capped(candidate), via, until, taken)
        if via is not None:
            self._by_child.setdefault(via, {})[node] = None
        self.soft_room += known.left(SOFT)
        self._show(known)

    def keep_only(self, via: NodeId, nodes: set[NodeId]) -> None:
        """A child has named these: whoever it named before is not known through it any more."""
        for node in [node for node in self._by_child.get(via, ()) if node != via and node not in nodes]:
            self._forget(node)

    def remove_child(self, child: NodeId) -> None:
        """A child is gone, and with it all that it named."""
        for node in list(self._by_child.get(child, ())):
            self._forget(node)

    def remove(self, node: NodeId) -> None:
        if node in self._known:
            self._forget(node)

    # --- what was handed out ---

    def take(self, node: NodeId, count: int) -> None:
        """So many of its slots are handed out; negative when they are given back."""
        known = self._known.get(node)
        if known is None:
            return
        self.soft_room -= known.left(SOFT)
        known.taken = max(0, known.taken + count)
        self.soft_room += known.left(SOFT)
        if count < 0:
            self._show(known)

    def emptied(self, node: NodeId, relay: bool) -> None:
        """It turned somebody away: until it says so anew it has no room of this kind."""
        known = self._known.get(node)
        if known is not None:
            candidate = known.candidate
            left = replace(candidate, relay_room=0) if relay else replace(candidate, viewer_room=0, spare=0)
            self.put(left, known.via, known.until)

    # --- drawing ---

    def draw(self, kind: str, of: object, rng: random.Random) -> Known | None:
        """A random one with room: of a region ("" for any), or for relays of a rank too."""
        some = self._open.get((kind, of))
        while some:
            known = self._known[some.draw(rng)]
            if known.left(kind):
                return known
            some.discard(known.candidate.node)
        return None

    def ranks(self) -> list[int]:
        """Those in which a relay may have room, the lowest first."""
        return sorted(of for (kind, of), some in self._open.items() if kind == RELAY and isinstance(of, int) and some)

    def _show(self, known: Known) -> None:
        candidate = known.candidate
        for kind, of in _shelves(known):
            if known.left(kind):
                shelf = self._open.get((kind, of))
                if shelf is None:
                    shelf = self._open[kind, of] = RandomSet()
                shelf.add(candidate.node)

    def _forget(self, node: NodeId) -> None:
        known = self._known.pop(node)
        self.soft_room -= known.left(SOFT)
        for shelf in _shelves(known):
            if shelf in self._open:
                self._open[shelf].discard(node)
                if not self._open[shelf]:
                    del self._open[shelf]
        if known.via is not None:
            named = self._by_child[known.via]
            del named[node]
            if not named:
                del self._by_child[known.via]


def _shelves(known: Known) -> tuple[tuple[str, object], ...]:
    candidate = known.candidate
    regions = ("", candidate.record.region) if candidate.record.region else ("",)
    if known.via is None:
        return tuple((FRESH, region) for region in regions)
    in_regions = ((kind, region) for kind in (RELAY, SOFT, SPARE) for region in regions)
    return ((RELAY, candidate.rank), *in_regions)


def _capped(candidate: Candidate) -> Candidate:
    """Nobody draws everything to himself by claiming more than a node can have."""
    most = limits.claimed_room_max
    if max(candidate.relay_room, candidate.viewer_room, candidate.spare) <= most:
        return candidate
    return replace(
        candidate,
        relay_room=min(most, candidate.relay_room),
        viewer_room=min(most, candidate.viewer_room),
        spare=min(most, candidate.spare),
    )
