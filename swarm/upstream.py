"""How a node gets a stream: look up its owner, ask, follow delegations, attach; and again when the parent is lost."""

from uuid import UUID

from foundation import limits
from foundation.errors import RemoteError
from foundation.identity import NodeId
from swarm.actions import Attach, Carried, Connect, Detach, Full, Lookup, NotFound, Over
from swarm.carriage import Carriage
from swarm.downstream import Downstream
from swarm.messages import (
    Accepted,
    Delegated,
    Ended,
    EndReason,
    Leave,
    Lineage,
    RefusalReason,
    Refused,
    Release,
)
from swarm.pull import Pull, Step
from swarm.record import Contact
from swarm.relay_state import RelayState
from swarm.reports import Reports


class Upstream:
    """At most one pull for each producer, whoever wants it; every step of it has a deadline, and the whole too."""

    def __init__(self, state: RelayState, downstream: Downstream, reports: Reports) -> None:
        self._state = state
        self._downstream = downstream
        self._reports = reports

    def pull(self, producer: UUID, now: float, fresh: bool, lost_parent: NodeId | None = None) -> None:
        """Starts the search, unless it is under way."""
        if producer in self._state.pulls:
            return
        pull = self._state.pulls[producer] = Pull(producer, fresh, lost_parent=lost_parent)
        self._state.deadlines.set(("pull", producer), now + limits.pull_seconds_max)
        self._lookup(pull, now)

    def owner_found(self, producer: UUID, owner: Contact | None, now: float) -> None:
        """The answer to `Lookup`: None when nobody owns it."""
        pull = self._state.pulls.get(producer)
        if pull is not None and pull.step is Step.LOOKUP:
            self._located(pull, owner, NotFound("nobody owns it"), now)

    def link_up(self, node: NodeId, now: float) -> None:
        for pull in list(self._state.pulls.values()):
            if pull.step is Step.LINK and pull.target is not None and pull.target.node == node:
                self._ask(pull, now)

    def link_failed(self, node: NodeId, now: float) -> None:
        for pull in list(self._state.pulls.values()):
            if pull.step is Step.LINK and pull.target is not None and pull.target.node == node:
                self._ask_next(pull, now)

    def link_down(self, node: NodeId, now: float) -> None:
        """Streams from this node need another parent; a question to it is asked once more over a new link."""
        for pull in list(self._state.pulls.values()):
            if pull.step is Step.ANSWER and pull.target is not None and pull.target.node == node:
                if pull.reconnected:
                    self._ask_next(pull, now)
                else:
                    pull.reconnected = True
                    self._connect(pull, pull.target, now)
        for carriage in list(self._state.carriages.values()):
            if carriage.parent == node:
                self.orphaned(carriage, now)

    def accepted(self, node: NodeId, answer: Accepted, now: float) -> None:
        """A carrier feeds this node; one that comes too late, or would close a circle, gets its slot back."""
        state = self._state
        carriage = state.carriages.get(answer.producer)
        if carriage is not None and carriage.parent == node and carriage.request == answer.request:
            self._repeated(carriage, node, answer, now)
            return
        pull = state.pulls.get(answer.producer)
        expected = pull is not None and pull.asks(node, answer.request)
        if pull is None or not expected or not self._acceptable(node, answer, carriage):
            state.counters["accepted_released"] += 1
            state.send(node, Release(answer.request, answer.producer))
            if pull is not None and expected:
                pull.found_full = True
                self._ask_next(pull, now)
            return
        self._attach(pull, carriage, node, answer, now)

    def delegated(self, node: NodeId, answer: Delegated, now: float) -> None:
        """A busy carrier names others."""
        pull = self._state.pulls.get(answer.producer)
        if pull is None or not pull.asks(node, answer.request):
            self._state.counters["answer_stale"] += 1
            return
        contacts = []
        for encoded in answer.candidates:
            try:
                contacts.append(self._state.read_record(encoded).contact)
            except RemoteError:
                self._state.counters["candidates_invalid"] += 1
        pull.found_full = True
        if pull.delegate(contacts):
            self._ask_next(pull, now)
        else:
            self._state.counters["delegations_exceeded"] += 1
            self._fail(pull, Full(self._not_asked(pull)), now)

    def refused(self, node: NodeId, answer: Refused, now: float) -> None:
        """A carrier says no, and names nobody."""
        pull = self._state.pulls.get(answer.producer)
        if pull is None or not pull.asks(node, answer.request):
            self._state.counters["answer_stale"] += 1
            return
        if answer.reason != RefusalReason.NOT_CARRIED:
            pull.found_full = True
        self._ask_next(pull, now)

    def ended(self, node: NodeId, ended: Ended, now: float) -> None:
        """The parent sends nothing more. The owner's word is final; any other's is checked by asking the owner."""
        carriage = self._state.carriages.get(ended.producer)
        if carriage is None or carriage.parent != node or carriage.request != ended.request:
            self._state.counters["ended_stale"] += 1
        elif ended.reason == EndReason.UNPUBLISHED and node == carriage.lineage[0]:
            carriage.parent = None
            self.let_go(carriage, EndReason.UNPUBLISHED, now)
        else:
            self.orphaned(carriage, now)

    def lineage(self, node: NodeId, told: Lineage, now: float) -> None:
        """The parent hangs elsewhere now: so does everything below."""
        carriage = self._state.carriages.get(told.producer)
        if carriage is None or carriage.parent != node or carriage.request != told.request:
            self._state.counters["lineage_stale"] += 1
        else:
            self._moved(carriage, node, told, now)

    def pipe_lost(self, carriage: Carriage, now: float) -> None:
        """Media no longer comes in, though the link is up."""
        self._leave_parent(carriage)
        self.orphaned(carriage, now)

    def orphaned(self, carriage: Carriage, now: float) -> None:
        """The parent is gone: the subtree stays, and this node looks for a new parent, if anybody still needs it."""
        lost_parent, carriage.parent, carriage.reported = carriage.parent, None, None
        self._state.counters["parents_lost"] += 1
        if now - carriage.attached_at >= limits.parent_stable_seconds:
            carriage.failovers = 0
        carriage.failovers += 1
        if not self._state.wanted(carriage):
            self.let_go(carriage, EndReason.IDLE, now)
        elif carriage.failovers > limits.failovers_max:
            self._state.counters["failovers_exceeded"] += 1
            self.let_go(carriage, EndReason.LOST, now)
        else:
            self.pull(carriage.producer, now, fresh=True, lost_parent=lost_parent)

    def let_go(self, carriage: Carriage, reason: EndReason, now: float) -> None:
        """This node carries the stream no longer, and looks for it no longer."""
        state, producer, pull = self._state, carriage.producer, self._state.pulls.get(carriage.producer)
        self._leave_parent(carriage)
        carriage.parent = None
        self._downstream.end(carriage, reason, now)
        state.deadlines.clear(("linger", producer))
        del state.carriages[producer]
        state.settle(producer, Over(reason), keep_viewers=False)
        if not carriage.owned:
            state.do(Detach(producer, reason))
        self._reports.changed(now)
        if pull is not None:
            self._close(pull)
            self._downstream.answer_held(pull, now)

    def taken_over(self, producer: UUID, now: float) -> None:
        """The stream has come to this node in another way: the search is over."""
        pull = self._state.pulls.get(producer)
        if pull is not None:
            self._close(pull)
            self._state.settle(producer, Carried(), keep_viewers=True)
            self._downstream.answer_held(pull, now)

    def pull_expired(self, pull: Pull, now: float) -> None:
        self._state.counters["pulls_expired"] += 1
        self._fail(pull, self._verdict(pull), now)

    def step_expired(self, pull: Pull, now: float) -> None:
        """Nobody answered: the next one, if there is a next one."""
        self._state.counters["pull_steps_expired"] += 1
        if pull.step is Step.LOOKUP:
            self._located(pull, None, NotFound("its owner was not found in time"), now)
        else:
            self._ask_next(pull, now)

    def _lookup(self, pull: Pull, now: float) -> None:
        self._state.deadlines.set(("step", pull.producer), now + limits.find_seconds_max)
        self._state.do(Lookup(pull.producer, pull.fresh))

    def _located(self, pull: Pull, owner: Contact | None, otherwise: NotFound, now: float) -> None:
        """An orphan remembers its owner: a stream that is established outlives the DHT."""
        carriage = self._state.carriages.get(pull.producer)
        pull.owner = owner or (carriage.owner if carriage is not None else None)
        if pull.owner is None:
            self._fail(pull, otherwise, now)
        else:
            pull.queue.append(pull.owner)
            self._ask_next(pull, now)

    def _ask_next(self, pull: Pull, now: float) -> None:
        carriage = self._state.carriages.get(pull.producer)
        target = pull.next_target((self._state.node, *(carriage.children if carriage else ())))
        if target is None:
            self._exhausted(pull, now)
        elif target.node in self._state.links:
            self._ask(pull, now)
        else:
            self._connect(pull, target, now)

    def _connect(self, pull: Pull, target: Contact, now: float) -> None:
        pull.step = Step.LINK
        self._state.deadlines.set(("step", pull.producer), now + limits.connect_seconds_max)
        self._state.do(Connect(target))

    def _ask(self, pull: Pull, now: float) -> None:
        assert pull.target is not None
        carriage = self._state.carriages.get(pull.producer)
        rank_below = carriage.rank if carriage is not None and carriage.children else None
        self._state.deadlines.set(("step", pull.producer), now + limits.answer_seconds_max)
        self._state.send(pull.target.node, pull.consume(self._state.new_request(), rank_below))

    def _exhausted(self, pull: Pull, now: float) -> None:
        """Nobody is left to ask; a cached lease may have named an owner of yesterday, so it is looked up once more."""
        if pull.found_full or pull.fresh:
            self._fail(pull, self._verdict(pull), now)
        else:
            pull.restart(fresh=True)
            self._lookup(pull, now)

    def _verdict(self, pull: Pull) -> NotFound | Full:
        if pull.found_full:
            return Full(self._not_asked(pull))
        return NotFound("its owner cannot be reached" if pull.owner else "its owner was not found")

    def _not_asked(self, pull: Pull) -> tuple[Contact, ...]:
        tried = {*pull.tried, self._state.node}
        return tuple(contact for contact in pull.queue if contact.node not in tried)

    def _fail(self, pull: Pull, outcome: NotFound | Full, now: float) -> None:
        self._close(pull)
        carriage = self._state.carriages.get(pull.producer)
        if carriage is not None:
            self.let_go(carriage, EndReason.LOST, now)
        else:
            self._state.settle(pull.producer, outcome, keep_viewers=False)
        self._downstream.answer_held(pull, now)

    def _close(self, pull: Pull) -> None:
        del self._state.pulls[pull.producer]
        self._state.deadlines.clear(("pull", pull.producer))
        self._state.deadlines.clear(("step", pull.producer))

    def _attach(self, pull: Pull, carriage: Carriage | None, node: NodeId, answer: Accepted, now: float) -> None:
        state = self._state
        self._close(pull)
        if carriage is None:
            carriage = state.carriages[pull.producer] = Carriage(pull.producer, lineage=())
        carriage.rank, carriage.lineage = self._position(answer)
        carriage.parent, carriage.request, carriage.owner = node, answer.request, pull.owner
        carriage.tracks, carriage.attached_at = answer.tracks, now
        state.do(Attach(pull.producer, node, answer.tracks))
        state.settle(pull.producer, Carried(), keep_viewers=True)
        state.linger(carriage, now)
        self._reports.first(carriage, now)
        self._downstream.tell_lineage(carriage)
        self._downstream.answer_held(pull, now)

    def _repeated(self, carriage: Carriage, node: NodeId, answer: Accepted, now: float) -> None:
        """The parent says again what it sends; when it opened the pipe anew, that comes with other SSRCs."""
        if answer.tracks == carriage.tracks:
            self._state.counters["accepted_duplicate"] += 1
            return
        if self._acceptable(node, answer, carriage):
            carriage.tracks = answer.tracks
            self._state.do(Attach(carriage.producer, node, answer.tracks))
        self._moved(carriage, node, answer, now)

    def _moved(self, carriage: Carriage, node: NodeId, parent: Accepted | Lineage, now: float) -> None:
        """The parent's place in the tree, and so this node's, may be another one now."""
        if not self._acceptable(node, parent, carriage):
            self._state.counters["lineage_impossible"] += 1
            self._leave_parent(carriage)
            self.orphaned(carriage, now)
        elif (carriage.rank, carriage.lineage) != self._position(parent):
            carriage.rank, carriage.lineage = self._position(parent)
            self._downstream.tell_lineage(carriage)

    def _acceptable(self, node: NodeId, position: Accepted | Lineage, carriage: Carriage | None) -> bool:
        """Whether hanging there closes no circle: a node with children never raises its rank."""
        lineage = position.lineage
        if lineage[-1] != node or self._state.node in lineage or len(lineage) >= limits.lineage_nodes_max:
            return False
        return carriage is None or not carriage.children or position.rank < carriage.rank

    def _position(self, parent: Accepted | Lineage) -> tuple[int, tuple[NodeId, ...]]:
        return parent.rank + 1, (*parent.lineage, self._state.node)

    def _leave_parent(self, carriage: Carriage) -> None:
        if carriage.parent is not None:
            self._state.send(carriage.parent, Leave(carriage.request, carriage.producer))
