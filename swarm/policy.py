"""Placement policy: is this node busy, and which carriers shall be asked first. Pure: loads in, verdicts out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from foundation import limits
from foundation.identity import NodeId
from swarm.record import NodeRecord


@dataclass(frozen=True, slots=True)
class Measured:
    """What sending costs this node, smoothed over some seconds (`swarm.load.meter`)."""

    egress_bps: float = 0.0
    """UDP payload bits per second."""
    packets_per_second: float = 0.0
    cpu: float = 0.0
    """Of one core, by the thread that forwards: 0 to 1."""
    lag_seconds: float = 0.0
    """By which timers are late."""
    pressure: float = 0.0
    """The tightest of these, as a share of what this node has: 1 is all of it."""
    slots: int | None = None
    """Copies this node could send in all if each cost what they cost now; None when nothing says so."""
    busy: tuple[str, ...] = ()
    """The measures at their limit, until they are well below it: empty when one more copy hurts nobody."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a node sends now: copies to viewers (those still being set up too) and pipes to other nodes."""

    viewers: int
    children: int
    owns: bool = False
    """Whether a live producer is published here: its tree grows from this node."""
    others: int = 0
    """Other nodes this one knows of: more children than these never come."""
    measured: Measured | None = None
    """None where nothing was measured yet."""
    streams: int = 1
    """Carried here: the tree of each may have to grow from this very node."""

    @property
    def copies(self) -> int:
        return self.viewers + self.children


@dataclass(frozen=True, slots=True)
class Candidate:
    """A carrier that could be asked, as far as the asker's side knows: its rank and free slots lag by seconds."""

    record: NodeRecord
    rank: int
    relay_room: int
    viewer_room: int
    """For viewers that are wanted there: up to four fifths of its slots, say."""
    spare: int = 0
    """For viewers when nobody else has room: what `viewer_room` counts is part of it."""

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
        """How many more copies fit: 0 exactly when busy. For relays it includes what is held back for them."""

    def soft_room(self, load: Load) -> int:
        """How many more viewers this node wants while others have room: at most the room for viewers."""

    def children_room(self, load: Load, children: int, owned: bool) -> int:
        """How many more relays a stream with so many children gets here, if none of them lost its parent.

        At most the room for relays, which alone binds those that did.
        """

    def rank(self, candidates: Sequence[Candidate], for_relay: bool, region: str = "") -> list[Candidate]:
        """The candidates, best first, for an asker in a region; equals keep their order, which the caller made random.

        One that is left out is not asked.
        """


class DefaultPolicy:
    """Slots: `max_consumers`, or with None as many as measured load allows, and fewer when a measure is tight.

    Some are held back for relays, so that a tree can grow: with two or more at least one, and at an owner most.
    """

    def __init__(self, max_consumers: int | None = None) -> None:
        assert max_consumers is None or max_consumers >= 1
        self.max_consumers = max_consumers

    def busy(self, load: Load, for_relay: bool) -> bool:
        return self.room(load, for_relay) == 0

    def room(self, load: Load, for_relay: bool) -> int:
        if load.measured is not None and load.measured.busy:
            return 0
        slots = self.slots(load)
        free = slots - load.copies
        for_viewers = slots - self.held_back(load) - load.viewers
        return max(0, free if for_relay else min(free, for_viewers))

    def soft_room(self, load: Load) -> int:
        # An owner's children come after its first viewers: without this it would be full when they are there.
        children = max(load.children, self.held_back(load)) if load.owns else load.children
        fill = limits.soft_fill if load.children or load.owns else limits.leaf_soft_fill
        wanted = math.ceil(fill * self.slots(load)) - load.viewers - children
        return max(0, min(wanted, self.room(load, for_relay=False)))

    def children_room(self, load: Load, children: int, owned: bool) -> int:
        most = limits.owner_children_max if owned else limits.relay_children_max
        return max(0, min(most - children, self.room(load, for_relay=True)))

    def rank(self, candidates: Sequence[Candidate], for_relay: bool, region: str = "") -> list[Candidate]:
        """Those with room first. Relays: the shallowest of them, as depth is delay. Viewers: those of their region."""

        def away(candidate: Candidate) -> bool:
            return bool(region) and candidate.record.region != region

        def for_relays(candidate: Candidate) -> tuple[bool, int, bool, int]:
            return candidate.relay_room == 0, candidate.rank, away(candidate), -candidate.relay_room

        def for_viewers(candidate: Candidate) -> tuple[bool, bool, int, int]:
            return candidate.viewer_room == 0, away(candidate), -candidate.viewer_room, candidate.rank

        return sorted(candidates, key=for_relays if for_relay else for_viewers)

    def slots(self, load: Load) -> int:
        """Copies this node has to give in all, those it sends included."""
        measured = load.measured
        if measured is None or measured.slots is None:
            return self.max_consumers or limits.unmeasured_slots
        if self.max_consumers is None:
            return measured.slots
        # Far from any limit what a copy costs is a guess, and the operator's number the better one.
        tight = measured.pressure >= limits.tight_pressure
        return min(self.max_consumers, measured.slots) if tight else self.max_consumers

    def held_back(self, load: Load) -> int:
        """Slots which viewers do not get; those that relays already have are among them."""
        slots = self.slots(load)
        if slots < 2:
            return 0
        trees = max(slots // 10, min(load.streams, slots // 2))
        relay = max(1, min(limits.relay_slots_held_max, trees, load.others))
        return max(relay, min(int(limits.owner_share_held * slots), load.others)) if load.owns else relay
