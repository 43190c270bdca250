"""What the parts of the relay tree share: carriages, pulls, viewers, links, deadlines, and the actions to be done."""

import random
from collections import Counter, deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from uuid import UUID

from foundation import limits
from foundation.identity import NodeId
from swarm.actions import Action, Outcome, Send, Settled
from swarm.capability import Capabilities
from swarm.carriage import Carriage
from swarm.deadlines import Deadlines
from swarm.messages import Message, Position
from swarm.policy import Load, Measured, PlacementPolicy
from swarm.pull import Pull
from swarm.record import Contact, NodeRecord

_REQUEST_BITS = 63


@dataclass(slots=True)
class RelayState:
    """`read_record` checks a signed node record somebody passed on; it raises `RemoteError`."""

    me: NodeRecord
    policy: PlacementPolicy
    rng: random.Random
    read_record: Callable[[bytes], NodeRecord]
    capabilities: Capabilities
    sample: Callable[[int], list[Contact]]
    others: Callable[[], int]
    """How many other nodes this one knows of."""
    positions: Callable[[UUID], tuple[Position, ...]] = lambda producer: ()
    """What this node misses of a stream, by track."""
    rtt: Callable[[NodeId], float | None] = lambda node: None
    """The round trip on the link to a node, in seconds."""
    links: dict[NodeId, NodeRecord] = field(default_factory=dict)
    carriages: dict[UUID, Carriage] = field(default_factory=dict)
    pulls: dict[UUID, Pull] = field(default_factory=dict)
    viewers: dict[UUID, dict[str, None]] = field(default_factory=dict)
    """Those with a slot here, in the order in which they came."""
    unsettled: dict[UUID, dict[str, int]] = field(default_factory=dict)
    """Of these, whoever still waits for the stream, and how often each was sent on before it came here."""
    outbox: deque[Action] = field(default_factory=deque)
    deadlines: Deadlines = field(default_factory=Deadlines)
    counters: Counter[str] = field(default_factory=Counter)
    viewer_count: int = 0
    child_count: int = 0
    measured: Measured | None = None
    draining: bool = False
    """Whether this node is about to go, and takes nobody new."""
    reachable: bool = True
    """Whether others can come here: a node that nobody can dial tells nobody to send viewers or relays."""

    @property
    def node(self) -> NodeId:
        return self.me.node

    @property
    def load(self) -> Load:
        owns = any(carriage.owned for carriage in self.carriages.values())
        return Load(self.viewer_count, self.child_count, owns, self.others(), self.measured)

    def do(self, action: Action) -> None:
        self.outbox.append(action)

    def send(self, node: NodeId, message: Message) -> None:
        self.outbox.append(Send(node, message))

    def new_request(self) -> int:
        """An id nobody used before: answers to older requests, of an earlier run too, never fit it."""
        return self.rng.getrandbits(_REQUEST_BITS)

    def add_viewer(self, producer: UUID, viewer: str, hops: int) -> None:
        """Gives a slot to a viewer that has none, and lets it wait for the stream."""
        self.viewers.setdefault(producer, {})[viewer] = None
        self.unsettled.setdefault(producer, {})[viewer] = hops
        self.viewer_count += 1

    def remove_viewer(self, producer: UUID, viewer: str) -> bool:
        """Whether this viewer was there."""
        viewers, unsettled = self.viewers.get(producer, {}), self.unsettled.get(producer, {})
        if viewer not in viewers:
            return False
        del viewers[viewer]
        self.viewer_count -= 1
        if not viewers:
            del self.viewers[producer]
        if unsettled.pop(viewer, None) is not None and not unsettled:
            del self.unsettled[producer]
        return True

    def settle(self, producer: UUID, outcome: Outcome, keep_viewers: bool) -> None:
        """Tells the local viewers who wait for a producer how their wish ended, and all when they are not kept."""
        told: Collection[str] = self.unsettled.pop(producer, ())
        if not keep_viewers:
            told = self.viewers.pop(producer, ())
            self.viewer_count -= len(told)
        for viewer in told:
            self.do(Settled(producer, viewer, outcome))

    def wanted(self, carriage: Carriage) -> bool:
        """Whether anybody takes the stream from here."""
        return bool(carriage.children) or carriage.producer in self.viewers

    def backups_stale(self, carriage: Carriage, now: float) -> None:
        """Children may need other backups: they are told soon, but not more than once in a few seconds."""
        if carriage.children:
            at = max(now + limits.backups_delay_seconds, carriage.backups_told_at + limits.backups_seconds)
            self.deadlines.advance(("backups", carriage.producer), at)

    def linger(self, carriage: Carriage, now: float) -> None:
        """A relay that nobody needs is let go of a little later; one that is needed is kept."""
        key = ("linger", carriage.producer)
        if carriage.owned or self.wanted(carriage):
            self.deadlines.clear(key)
        elif key not in self.deadlines:
            self.deadlines.set(key, now + limits.relay_linger_seconds)
