"""Relay tree cores in virtual time, joined by an in-memory net with delays, everything random from one seed.

The invariants of a core are checked after every input it gets.
"""

import heapq
import itertools
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from uuid import UUID

from foundation import limits
from foundation.errors import RemoteError
from foundation.identity import NodeId, swarm_id
from media.parameters import Codec, TrackParameters
from swarm.actions import (
    Accept,
    Action,
    Ask,
    Attach,
    Carried,
    Connect,
    Detach,
    Drained,
    DropSource,
    Lookup,
    Outcome,
    Send,
    Settled,
    StopPipe,
    TreeKnown,
)
from swarm.messages import Accepted, Message
from swarm.policy import DefaultPolicy
from swarm.record import Contact, NodeRecord
from swarm.relay import RelayTree
from swarm.wire import decode, encode
from tests.unit.swarm.relay_core import OpenCapabilities

SWARM = swarm_id("sim")
VP8 = Codec("video/VP8", 90000, None, 96)
P, Q = UUID(int=1), UUID(int=2)


def seeds(count: int) -> range:
    """The seeds a test runs with; `SWARMD_SIM_FACTOR=50` runs it with fifty times as many."""
    return range(count * int(os.environ.get("SWARMD_SIM_FACTOR", "1")))


@dataclass
class SimNode:
    """One core, and what its shell would hold for it."""

    record: NodeRecord
    tree: RelayTree
    slots: int
    sources: dict[UUID, dict[NodeId, int]] = field(default_factory=dict)
    drained: int = 0
    outcomes: list[tuple[UUID, Outcome]] = field(default_factory=list)
    trees: list[TreeKnown] = field(default_factory=list)
    timer_at: float | None = None
    alive: bool = True

    @property
    def id(self) -> NodeId:
        return self.record.node


class Net:
    """Delivers messages, answers lookups, connects; everything random comes from the seed."""

    def __init__(self, seed: int, late: float = 0.0, duplicated: float = 0.0) -> None:
        self.rng = random.Random(seed)
        self.now = 1000.0
        self.late, self.duplicated = late, duplicated
        self.nodes: list[SimNode] = []
        self.by_id: dict[NodeId, SimNode] = {}
        self.records: dict[bytes, NodeRecord] = {}
        self.owners: dict[UUID, Contact] = {}
        self.epochs: dict[UUID, int] = {}
        self.links: dict[tuple[NodeId, NodeId], int] = {}
        self.pipes: dict[tuple[NodeId, NodeId, UUID], int] = {}
        self.sent: list[tuple[NodeId, NodeId, Message]] = []
        self.viewers_insist = True
        self.honest = True
        self.ssrcs_seen: set[int] = set()
        self._serials = itertools.count(1)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._arrivals: dict[tuple[NodeId, NodeId], float] = {}

    # --- building and driving ---

    def add(self, slots: int) -> SimNode:
        number = next(self._serials)
        encoded = b"record %d" % number
        record = NodeRecord(
            SWARM,
            number.to_bytes(32, "big"),
            (("10.0.0.1", number),),
            number.to_bytes(32, "big"),
            f"http://n{number}",
            encoded=encoded,
        )
        self.records[encoded] = record
        tree = RelayTree(
            record,
            DefaultPolicy(slots),
            random.Random(self.rng.random()),
            self._read_record,
            capabilities=OpenCapabilities(record.node),
        )
        node = SimNode(record, tree, slots)
        self.nodes.append(node)
        self.by_id[node.id] = node
        return node

    def publish(self, node: SimNode, producer: UUID = P) -> None:
        self.epochs[producer] = self.epochs.get(producer, 0) + 1
        node.tree.produced(producer, self.epochs[producer], self.now)
        node.sources.pop(producer, None)
        self.owners[producer] = node.record.contact
        self.settle(node)

    def unpublish(self, node: SimNode, producer: UUID = P) -> None:
        self.owners.pop(producer, None)
        node.tree.unproduced(producer, self.now)
        self.settle(node)

    def want(self, node: SimNode, viewer: str, producer: UUID = P) -> bool:
        node.tree.want(producer, viewer, self.now)
        wanted = viewer in node.tree._state.viewers.get(producer, ())
        self.settle(node)
        return wanted

    def release(self, node: SimNode, viewer: str, producer: UUID = P) -> None:
        node.tree.release_want(producer, viewer, self.now)
        self.settle(node)

    def kill(self, node: SimNode) -> None:
        """The process is gone; its peers notice seconds later."""
        node.alive = False
        for producer in [p for p, owner in self.owners.items() if owner.node == node.id]:
            del self.owners[producer]
        for a, b in [pair for pair in self.links if node.id in pair]:
            self.at(self.rng.uniform(0.5, 3.0), lambda a=a, b=b, n=self.links[a, b]: self._unlink(a, b, n))  # type: ignore[misc]

    def unlink(self, a: NodeId, b: NodeId) -> None:
        """A link is lost: both ends learn it a little later."""
        for session in {self.links.get((a, b)), self.links.get((b, a))} - {None}:
            for one, other in ((a, b), (b, a)):
                self.at(self._delay(), lambda x=one, y=other, n=session: self._unlink(x, y, n))  # type: ignore[misc]

    def insist(self, node: SimNode, producer: UUID = P, viewer: str = "viewer") -> None:
        """A viewer that is told 503, or loses its stream, comes back a little later, as players do."""
        if node.alive:
            self.want(node, viewer, producer)

    def at(self, delay: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + delay, next(self._serials), event))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self._events and self._events[0][0] <= end:
            self.now, _, event = heapq.heappop(self._events)
            event()
        self.now = end
        for node in self.nodes:
            self.check(node)

    def settle(self, node: SimNode) -> None:
        """What a shell does after every input: all actions, then the one timer."""
        while (action := node.tree.poll()) is not None:
            self._do(node, action)
        timeout = node.tree.next_timeout()
        if timeout is not None and (node.timer_at is None or timeout < node.timer_at):
            node.timer_at = timeout
            self.at(max(0.0, timeout - self.now), lambda: self._timer(node, timeout))
        self.check(node)

    def inject(self, sender: NodeId, receiver: NodeId, message: Message) -> None:
        self._deliver(sender, receiver, self.links.get((receiver, sender), 0), encode(message))

    # --- what is true ---

    def flows(self, node: SimNode, producer: UUID = P) -> bool:
        """Whether media of the producer reaches this node, pipe by pipe from its owner."""
        seen = set()
        while node.id not in seen and node.alive:
            seen.add(node.id)
            carriage = node.tree.carriage(producer)
            if carriage is None:
                return False
            if carriage.owned:
                return True
            feeding = [
                parent
                for parent, ssrc in node.sources.get(producer, {}).items()
                if self.pipes.get((parent, node.id, producer)) == ssrc
            ]
            if not feeding:
                return False
            node = self.by_id[feeding[0]]
        return False

    def depth(self, node: SimNode, producer: UUID = P) -> int:
        carriage = node.tree.carriage(producer)
        return carriage.rank if carriage is not None else -1

    def check(self, node: SimNode) -> None:
        """The invariants that hold at every moment."""
        if not node.alive:
            return
        load, carriages = node.tree.load, node.tree.carriages()
        assert load.viewers + load.children <= node.slots
        assert load.children == sum(len(carriage.children) for carriage in carriages)
        assert load.viewers == sum(len(viewers) for viewers in node.tree._state.viewers.values())
        assert node.tree.poll() is None
        for carriage in carriages:
            assert carriage.fed or carriage.producer in node.tree._state.pulls
            assert carriage.lineage[-1] == node.id
            assert len(carriage.lineage) <= limits.lineage_nodes_max
            parent = self.by_id.get(carriage.parent) if carriage.parent else None
            above = parent.tree.carriage(carriage.producer) if parent is not None else None
            child = above.children.get(node.id) if above is not None else None
            agreed = child is not None and child.request == carriage.request
            if above is not None and agreed and self.honest:
                assert above.rank < carriage.rank, "rank grows downwards, so no circle can close"
        if node.tree._state.pulls or load.children:
            assert node.tree.next_timeout() is not None, "everything pending has a deadline"

    # --- the shell of every node ---

    def _do(self, node: SimNode, action: Action) -> None:
        match action:
            case Lookup(producer):
                self.at(self._delay(), lambda: self._found(node, producer))
            case Connect(contact):
                self.at(self._delay(), lambda: self._connect(node, contact.node))
            case Send(to, message):
                self._send(node, to, message)
            case Ask():
                self.at(self._delay(), lambda: self._ask(node, action))
            case Accept(child, answer):
                self._accept(node, child, answer)
            case StopPipe(child, producer):
                self.pipes.pop((node.id, child, producer), None)
            case Attach(producer, parent, tracks, _, keep_old):
                ssrc = tracks[0].ssrc
                assert ssrc is not None
                assert ssrc not in self.ssrcs_seen or not self.honest, "no SSRC is ever used twice"
                self.ssrcs_seen.add(ssrc)
                kept = node.sources.get(producer, {}) if keep_old else {}
                node.sources[producer] = kept | {parent: ssrc}
                self.at(self._delay(), lambda: self._first_packet(node, producer, parent, ssrc, 20))
            case DropSource(producer, parent):
                node.sources.get(producer, {}).pop(parent, None)
            case Detach(producer):
                node.sources.pop(producer, None)
            case Drained():
                node.drained += 1
            case Settled(producer, viewer, outcome):
                node.outcomes.append((producer, outcome))
                if self.viewers_insist and not isinstance(outcome, Carried):
                    self.at(self.rng.uniform(0.5, 2.0), lambda: self.insist(node, producer, viewer))
            case TreeKnown():
                node.trees.append(action)

    def _ask(self, node: SimNode, action: Ask) -> None:
        peer = self.by_id[action.contact.node]
        if not peer.alive:
            self.at(1.0, lambda: self._told(node, action.key, None))
            return
        answer = peer.tree.asked(node.id, decode(encode(action.message)), self.now)
        self.settle(peer)
        data = encode(answer) if answer is not None else None
        self.at(self._delay(), lambda: self._told(node, action.key, data))

    def _told(self, node: SimNode, key: int, data: bytes | None) -> None:
        if node.alive:
            node.tree.answered(key, decode(data) if data is not None else None, self.now)
            self.settle(node)

    def _accept(self, node: SimNode, child: NodeId, answer: Accepted) -> None:
        if (node.id, child) not in self.links:
            node.tree.accept_failed(child, answer.producer, self.now)
            return
        ssrc = next(self._serials)
        self.pipes[node.id, child, answer.producer] = ssrc
        track = TrackParameters("video", "0", VP8, ssrc)
        self._send(node, child, replace(answer, tracks=(track,)))

    def _first_packet(self, node: SimNode, producer: UUID, parent: NodeId, ssrc: int, patience: int) -> None:
        """As soon as the parent has something to send."""
        if not node.alive or not patience or node.sources.get(producer, {}).get(parent) != ssrc:
            return
        if self.pipes.get((parent, node.id, producer)) == ssrc and self.flows(self.by_id[parent], producer):
            node.tree.pipe_flowing(producer, parent, self.now)
            self.settle(node)
        else:
            self.at(0.1, lambda: self._first_packet(node, producer, parent, ssrc, patience - 1))

    def _send(self, node: SimNode, to: NodeId, message: Message) -> None:
        session = self.links.get((node.id, to))
        if session is None:
            return
        self.sent.append((node.id, to, message))
        arrival = max(self._arrivals.get((node.id, to), 0.0), self.now + self._delay())
        self._arrivals[node.id, to] = arrival
        if self.rng.random() < self.late:
            arrival += 1.0
        data = encode(message)
        for _ in range(2 if self.rng.random() < self.duplicated else 1):
            self.at(arrival - self.now, lambda: self._deliver(node.id, to, session, data))

    def _deliver(self, sender: NodeId, receiver: NodeId, session: int, data: bytes) -> None:
        node = self.by_id[receiver]
        if node.alive and self.links.get((receiver, sender)) == session:
            node.tree.message(sender, decode(data), self.now)
            self.settle(node)

    def _found(self, node: SimNode, producer: UUID) -> None:
        if node.alive:
            node.tree.owner_found(producer, self.owners.get(producer), self.now, self.epochs.get(producer, 0))
            self.settle(node)

    def _connect(self, node: SimNode, to: NodeId) -> None:
        peer = self.by_id[to]
        if not node.alive:
            return
        if not peer.alive:
            self.at(limits.link_dial_seconds_max, lambda: self._failed(node, to))
        elif (node.id, to) not in self.links:
            session = next(self._serials)
            self._link(peer, node, session)
            self.at(self._delay(), lambda: self._answered(node, peer, session))

    def _answered(self, node: SimNode, peer: SimNode, session: int) -> None:
        """The dialing end is up too, unless the two dialed each other and the other link stayed."""
        if self.links.get((peer.id, node.id)) == session:
            self._link(node, peer, session)

    def _link(self, node: SimNode, peer: SimNode, session: int) -> None:
        if node.alive:
            # As a link table does: a peer that dials anew has lost the old link.
            self._unlink(node.id, peer.id, self.links.get((node.id, peer.id), 0))
            self.links[node.id, peer.id] = session
            node.tree.link_up(peer.record, self.now)
            self.settle(node)

    def _failed(self, node: SimNode, to: NodeId) -> None:
        if node.alive:
            node.tree.link_failed(to, self.now)
            self.settle(node)

    def _unlink(self, a: NodeId, b: NodeId, session: int) -> None:
        if self.links.get((a, b)) != session:
            return
        del self.links[a, b]
        for key in [key for key in self.pipes if key[:2] == (a, b)]:
            del self.pipes[key]
        if self.by_id[a].alive:
            self.by_id[a].tree.link_down(b, self.now)
            self.settle(self.by_id[a])

    def _timer(self, node: SimNode, at: float) -> None:
        if node.alive and node.timer_at == at:
            node.timer_at = None
            node.tree.timer(self.now)
            self.settle(node)

    def _read_record(self, encoded: bytes) -> NodeRecord:
        if encoded not in self.records:
            raise RemoteError("forged")
        return self.records[encoded]

    def _delay(self) -> float:
        return self.rng.uniform(0.001, 0.08)
