"""Placement policy: is this node busy, and which carriers shall be asked first. Pure: loads in, verdicts out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from foundation.identity import NodeId
from swarm.record import NodeRecord


@dataclass(frozen=True, slots=True)
class Load:
    """What a node sends now: copies to viewers (those still being set up too) and pipes to other nodes."""

    viewers: int
    children: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A carrier that could be asked, as far as the asker's side knows: its rank and free slots lag by seconds."""

    record: NodeRecord
    rank: int
    relay_room: int
    viewer_room: int

    @property
    def node(self) -> NodeId:
        return self.record.node

    def room(self, for_relay: bool) -> int:
        return self.relay_room if for_relay else self.viewer_room


class PlacementPolicy(Protocol):
    """Who is served where. Its methods are called often: they neither wait nor keep what they are given."""

    def busy(self, load: Load, for_relay: bool) -> bool:
        """Whether one more copy, for a relay or for a viewer, would hurt those already served."""

    def room(self, load: Load, for_relay: bool) -> int:
        """How many more copies fit: 0 exactly when busy."""

    def rank(self, candidates: Sequence[Candidate], for_relay: bool) -> list[Candidate]:
        """The candidates, best first; equals keep their order, which the caller made random."""


class MaxConsumers:
    """At most so many copies in all. With two or more, viewers leave one to relays, so that a tree can grow."""

    def __init__(self, max_consumers: int) -> None:
        assert max_consumers >= 1
        self.max_consumers = max_consumers
        self._held_back = 1 if max_consumers >= 2 else 0

    def busy(self, load: Load, for_relay: bool) -> bool:
        return self.room(load, for_relay) == 0

    def room(self, load: Load, for_relay: bool) -> int:
        free = self.max_consumers - load.viewers - load.children
        for_viewers = self.max_consumers - self._held_back - load.viewers
        return max(0, free if for_relay else min(free, for_viewers))

    def rank(self, candidates: Sequence[Candidate], for_relay: bool) -> list[Candidate]:
        """Those with room first, the shallowest of them first: depth is delay. Then the roomiest."""
        return sorted(
            candidates,
            key=lambda candidate: (candidate.room(for_relay) == 0, candidate.rank, -candidate.room(for_relay)),
        )
