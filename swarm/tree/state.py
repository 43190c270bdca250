"""What the parts of the relay tree share: carriages, pulls, viewers, links, deadlines, and the actions to be done."""

import random
from collections import Counter, deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from uuid import UUID

from foundation import limits
from foundation.errors import RemoteError
from foundation.identity import NodeId
from swarm.capability import Capabilities
from swarm.messages import Message, Position
from swarm.policy import Load, Measured, PlacementPolicy
from swarm.record import Contact, NodeRecord
from swarm.tree.actions import Action, Full, Outcome, Send, Settled
from swarm.tree.carriage import Carriage
from swarm.tree.deadlines import Deadlines
from swarm.tree.pull import Pull
from swarm.tree.records import Records

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
    recruited: dict[UUID, float] = field(default_factory=dict)
    """Streams which somebody recruited this node for, and until when they are kept though nobody takes them."""
    seeking: set[UUID] = field(default_factory=set)
    """Streams for which local viewers wait for a place elsewhere: they are served when it comes here first."""
    turned_away: dict[UUID, dict[str, int]] = field(default_factory=dict)
    """Viewers whose search found every carrier full, and how often each was sent on."""
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
    records: Records = field(init=False)

    def __post_init__(self) -> None:
        self.records = Records(self.read_record)

    @property
    def node(self) -> NodeId:
        return self.me.node

    @property
    def load(self) -> Load:
        owns = any(carriage.owned for carriage in self.carriages.values())
        return Load(
            self.viewer_count, self.child_count, owns, self.others(), self.measured, max(1, len(self.carriages))
        )

    def relay_room(self, carriage: Carriage | None) -> int:
        """How many more children this stream gets here; with one it leaves a slot to each that has none yet."""
        load = self.load
        if carriage is None:
            return self.policy.children_room(load, 0, False)
        room = self.policy.children_room(load, len(carriage.children), carriage.owned)
        if not carriage.children or not room:
            return room
        childless = sum(not other.children for other in self.carriages.values() if other is not carriage)
        kept = min(childless, limits.relay_slots_held_max)
        return max(0, min(room, self.policy.room(load, for_relay=True) - kept))

    def rather_below(self, carriage: Carriage) -> bool:
        """Whether a new relay is better off below: an owner keeps a quarter of its slots for those that fail over."""
        if not carriage.owned:
            return False
        load = self.load
        return load.copies >= limits.soft_fill * (load.copies + self.policy.room(load, for_relay=True))

    def soft_room(self) -> int:
        """How many more viewers are wanted here."""
        return self.policy.soft_room(self.load)

    def viewer_room(self) -> int:
        """How many more viewers get a slot here when nobody else has one."""
        return self.policy.room(self.load, for_relay=False)

    def offered_rooms(self, carriage: Carriage | None) -> tuple[int, int, int]:
        """What others are told: room for relays of a stream, for viewers that are wanted, and for viewers in all."""
        if not self.reachable:
            return 0, 0, 0
        load = self.load
        return self.relay_room(carriage), self.policy.soft_room(load), self.policy.room(load, for_relay=False)

    def record_of(self, node: NodeId) -> NodeRecord | None:
        """Of a linked node, or of one whose record somebody passed on."""
        return self.links.get(node) or self.records.get(node)

    def learn(self, encoded: bytes) -> NodeRecord | None:
        """A signed record that somebody passed on; None, and counted, when it is not good."""
        try:
            return self.records.learn(encoded)
        except RemoteError:
            self.counters["candidates_invalid"] += 1
            return None

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
        if keep_viewers and producer in self.seeking:
            self.deadlines.set(("seek", producer), 0.0)
        waiting = self.unsettled.pop(producer, {})
        told: Collection[str] = waiting
        if not keep_viewers:
            told = self.viewers.pop(producer, {})
            self.viewer_count -= len(told)
        if isinstance(outcome, Full) and waiting:
            self.turned_away.setdefault(producer, {}).update(waiting)
            self.deadlines.set(("turned-away", producer), 0.0)
        for viewer in told:
            if not isinstance(outcome, Full) or viewer not in waiting:
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
            recruited_until = self.recruited.get(carriage.producer, now)
            self.deadlines.set(key, max(now + limits.relay_linger_seconds, recruited_until))
