"""A node's bond with its parent: when it may begin, what it means for the node's place in the tree, how it ends.

Why no circle of parents can close. A bond counts while both ends agree on its request. It begins with a rank of the
child above the parent's. From then on the parent, having a child, never raises its rank; the child raises its own
only where it has no children, for a new parent, whose rank is below it again. So along all bonds ranks fall towards
the owner, whatever messages are late: a circle would have to fall all the way round. A bond on trial (`Coming`) is
checked once more when it becomes the only one.
"""

from uuid import UUID

from foundation import limits
from foundation.identity import NodeId
from swarm.messages import Accepted, EndReason, Leave, Lineage
from swarm.tree.actions import Attach, Carried, Detach, DropSource, Over
from swarm.tree.asking import Asking
from swarm.tree.carriage import Carriage, Coming
from swarm.tree.downstream import Downstream
from swarm.tree.pull import Pull
from swarm.tree.reports import Reports
from swarm.tree.state import RelayState


class Bonds:
    """At most one parent for each stream, and one more only while the node moves to it."""

    def __init__(self, state: RelayState, downstream: Downstream, reports: Reports, asking: Asking) -> None:
        self._state = state
        self._downstream = downstream
        self._reports = reports
        self._asking = asking

    def acceptable(self, node: NodeId, position: Accepted | Lineage, carriage: Carriage | None) -> bool:
        """Whether this node may hang there: a node with children never raises its rank; a leaf takes any."""
        lineage = position.lineage
        if lineage[-1] != node or self._state.node in lineage or len(lineage) >= limits.lineage_nodes_max:
            return False
        if carriage is None:
            return True
        return position.epoch >= carriage.epoch and (not carriage.children or position.rank < carriage.rank)

    def attach(self, pull: Pull, node: NodeId, answer: Accepted, now: float) -> None:
        """This carrier feeds the node from now on, which had no parent."""
        state, producer = self._state, answer.producer
        carriage = state.carriages.get(producer)
        same_source = carriage is None or carriage.epoch == answer.epoch
        if carriage is None:
            carriage = state.carriages[producer] = Carriage(producer, lineage=(state.node,))
        carriage.owner = pull.owner or carriage.owner
        carriage.capability = answer.capability or pull.capability or carriage.capability
        self._asking.close(pull)
        self._take(carriage, node, answer, same_source, now)
        state.settle(producer, Carried(), keep_viewers=True)
        state.linger(carriage, now)
        self._downstream.answer_held(pull, now)

    def exchange(self, carriage: Carriage, node: NodeId, answer: Accepted, now: float) -> None:
        """This carrier feeds the node from now on, in the place of its parent; their media have nothing in common."""
        self.leave_parent(carriage)
        self._take(carriage, node, answer, same_source=False, now=now)

    def change(self, carriage: Carriage, coming: Coming, now: float) -> None:
        """The parent on trial takes the place of the old one."""
        state, producer, old = self._state, carriage.producer, carriage.parent
        self.leave_parent(carriage)
        if old is not None:
            state.do(DropSource(producer, old))
        state.deadlines.clear(("flow", producer))
        state.deadlines.clear(("handover", producer))
        carriage.parent, carriage.request, carriage.tracks = coming.node, coming.request, coming.tracks
        carriage.attached_at, carriage.flowing, carriage.handover, carriage.reported = now, True, None, None
        before = carriage.rank, carriage.lineage
        self.place(carriage, coming.position)
        if before != (carriage.rank, carriage.lineage):
            self._downstream.tell_lineage(carriage)
        self._reports.changed(now)
        state.backups_stale(carriage, now)
        self._renew_later(carriage, now)

    def repeated(self, carriage: Carriage, node: NodeId, answer: Accepted, now: float) -> bool:
        """The parent says again that it feeds us, perhaps by another pipe; false when the bond cannot go on."""
        if answer.tracks == carriage.tracks and answer.epoch == carriage.epoch:
            self._state.counters["accepted_duplicate"] += 1
            return True
        same_source = answer.epoch == carriage.epoch
        if not self.moved(carriage, node, answer, now):
            return False
        carriage.tracks, carriage.capability = answer.tracks, answer.capability or carriage.capability
        self._state.do(Attach(carriage.producer, node, answer.tracks, same_source))
        if not same_source:
            self._downstream.reopen(carriage)
        return True

    def moved(self, carriage: Carriage, node: NodeId, position: Accepted | Lineage, now: float) -> bool:
        """The parent's place in the tree, and so this node's, may be another one; false when the bond cannot go on."""
        if not self.acceptable(node, position, carriage):
            self._state.counters["lineage_impossible"] += 1
            return False
        before = carriage.rank, carriage.lineage, carriage.epoch
        self.place(carriage, position)
        if before != (carriage.rank, carriage.lineage, carriage.epoch):
            self._downstream.tell_lineage(carriage)
            self._renew_later(carriage, now)
        return True

    def place(self, carriage: Carriage, parent: Accepted | Lineage) -> None:
        """Takes the place below this parent; another epoch begins with the pipe that brings it."""
        carriage.rank, carriage.lineage = parent.rank + 1, (*parent.lineage, self._state.node)
        carriage.delay_ms = self.delay_ms(parent.lineage[-1], parent.delay_ms)
        if isinstance(parent, Accepted):
            carriage.epoch = parent.epoch
        if carriage.owner is not None and carriage.owner.node != carriage.lineage[0]:
            carriage.owner = None

    def delay_ms(self, parent: NodeId, delay_ms: int) -> int:
        """How far from the owner a child of this parent is."""
        rtt = self._state.rtt(parent)
        return min(delay_ms + (0 if rtt is None else round(500 * rtt)), limits.delay_ms_max)

    def leave_parent(self, carriage: Carriage) -> None:
        """Says goodbye to the parent, if there is one."""
        if carriage.parent is not None:
            self._state.send(carriage.parent, Leave(carriage.request, carriage.producer))

    def let_go(self, carriage: Carriage, reason: EndReason, now: float) -> None:
        """This node carries the stream no longer, and looks for it no longer."""
        state, producer, pull = self._state, carriage.producer, self._state.pulls.get(carriage.producer)
        self.leave_parent(carriage)
        if carriage.coming is not None:
            state.send(carriage.coming.node, Leave(carriage.coming.request, producer))
        carriage.parent = carriage.coming = None
        self._downstream.end(carriage, reason, now)
        self._forget_deadlines(producer)
        del state.carriages[producer]
        state.settle(producer, Over(reason), keep_viewers=False)
        if not carriage.owned:
            state.do(Detach(producer, reason))
        self._reports.changed(now)
        if pull is not None:
            self._asking.close(pull)
            self._downstream.answer_held(pull, now)

    def _take(self, carriage: Carriage, node: NodeId, answer: Accepted, same_source: bool, now: float) -> None:
        state = self._state
        carriage.parent, carriage.request, carriage.tracks = node, answer.request, answer.tracks
        carriage.attached_at, carriage.flowing, carriage.handover = now, False, None
        before = carriage.lineage, carriage.epoch
        self.place(carriage, answer)
        state.do(Attach(carriage.producer, node, answer.tracks, same_source))
        state.deadlines.set(("flow", carriage.producer), now + limits.parent_flow_seconds_max)
        if not same_source:
            self._downstream.reopen(carriage)
        elif before != (carriage.lineage, carriage.epoch):
            self._downstream.tell_lineage(carriage)
        self._reports.first(carriage, now)
        state.backups_stale(carriage, now)
        first_look = state.rng.uniform(1.0, 2.0) * limits.improvement_seconds
        state.deadlines.advance(("improve", carriage.producer), now + first_look)
        self._renew_later(carriage, now)

    def _renew_later(self, carriage: Carriage, now: float) -> None:
        """The owner's leave is renewed at half its life; one of another owner, or none, soon."""
        state, key = self._state, ("renew", carriage.producer)
        of = state.capabilities.owner(carriage.capability, carriage.producer, state.node)
        if of != carriage.lineage[0]:
            state.deadlines.advance(key, now + state.rng.uniform(0.1, 1.0) * limits.capability_soon_seconds)
        elif key not in state.deadlines:
            state.deadlines.set(key, now + state.rng.uniform(0.4, 0.6) * limits.capability_seconds)

    def _forget_deadlines(self, producer: UUID) -> None:
        for name in ("linger", "flow", "coming", "handover", "improve", "backups", "warm", "renew"):
            self._state.deadlines.clear((name, producer))
