"""How a node gets a stream: look up its owner, ask, follow delegations, attach; and what its parent says then."""

from uuid import UUID

from foundation import limits
from foundation.identity import NodeId
from swarm.messages import Accepted, Ended, EndReason, Handover, Leave, Lineage, Purpose
from swarm.messages import Backups as BackupsMessage
from swarm.record import Contact
from swarm.tree.actions import Carried, Full, NotFound
from swarm.tree.asking import Asking
from swarm.tree.backups import Backups
from swarm.tree.bonds import Bonds
from swarm.tree.carriage import Carriage, Coming
from swarm.tree.downstream import Downstream
from swarm.tree.moving import Moves
from swarm.tree.orphans import Orphans
from swarm.tree.pull import Pull
from swarm.tree.reports import Reports
from swarm.tree.state import RelayState


class Upstream:
    """At most one search for each producer, whoever wants it: the first one, an orphan's, or that of a move."""

    def __init__(self, state: RelayState, downstream: Downstream, reports: Reports, backups: Backups) -> None:
        self._state = state
        self._downstream = downstream
        self._backups = backups
        self.asking = Asking(state, self)
        self.bonds = Bonds(state, downstream, reports, self.asking)
        self.orphans = Orphans(state, downstream, self.bonds, self.asking)
        self.moves = Moves(state, self.bonds, reports, self.asking)

    def pull(self, producer: UUID, now: float, fresh: bool) -> None:
        """Starts the first search, unless one is under way."""
        if producer not in self._state.pulls:
            pull = Pull(producer, fresh)
            self.asking.begin(pull, limits.pull_seconds_max, now)
            self.asking.look_up(pull, now)

    def recruited(self, producer: UUID, parent: Contact, capability: bytes, now: float) -> None:
        """Starts the first search at a carrier that was named, with the owner's leave to have the stream."""
        if producer not in self._state.pulls:
            pull = Pull(producer, fresh=False, capability=capability)
            self.asking.begin(pull, limits.pull_seconds_max, now)
            pull.queue.append(parent)
            self.asking.advance(pull, now)

    def taken_over(self, producer: UUID, now: float) -> None:
        """The stream has come to this node in another way: the search is over."""
        pull = self._state.pulls.get(producer)
        if pull is not None:
            self.asking.close(pull)
            self._state.settle(producer, Carried(), keep_viewers=True)
            self._downstream.answer_held(pull, now)

    def leave_all(self, carriage: Carriage) -> None:
        """The parent, and one on trial, are told that they are needed no more."""
        self.bonds.leave_parent(carriage)
        if carriage.coming is not None:
            self._state.send(carriage.coming.node, Leave(carriage.coming.request, carriage.producer))
        carriage.parent = carriage.coming = carriage.handover = None
        for name in ("flow", "coming", "handover", "improve", "warm", "renew"):
            self._state.deadlines.clear((name, carriage.producer))

    # --- what becomes of a search ---

    def located(self, pull: Pull, owner: Contact | None, now: float) -> None:
        if pull.purpose is Purpose.FAILOVER:
            self.orphans.located(pull, owner, now)
        elif owner is None:
            self._fail(pull, NotFound("nobody owns it"), now)
        else:
            pull.owner = owner
            pull.queue.append(owner)
            self.asking.advance(pull, now)

    def accepted(self, pull: Pull, node: NodeId, answer: Accepted, now: float) -> None:
        match pull.purpose:
            case Purpose.FAILOVER:
                self.orphans.accepted(pull, node, answer, now)
            case Purpose.MOVE:
                self.moves.accepted(pull, node, answer, now)
            case _ if self.bonds.acceptable(node, answer, None):
                self.bonds.attach(pull, node, answer, now)
            case _:
                self.asking.release(node, answer)
                pull.found_full = True
                self.asking.advance(pull, now)

    def exhausted(self, pull: Pull, now: float) -> None:
        """A cached lease may have named an owner of yesterday, so a first search looks it up once more."""
        match pull.purpose:
            case Purpose.FAILOVER:
                self.orphans.exhausted(pull, now)
            case Purpose.MOVE:
                self.moves.failed(pull, now)
            case _ if pull.found_full or pull.fresh:
                self._fail(pull, self._verdict(pull), now)
            case _:
                pull.restart(fresh=True)
                self.asking.look_up(pull, now)

    def delegated_too_often(self, pull: Pull, now: float) -> None:
        if pull.purpose is Purpose.NEW:
            self._fail(pull, Full(self._not_asked(pull)), now)
        else:
            self.asking.advance(pull, now)

    def expired(self, pull: Pull, now: float) -> None:
        """Its time is over."""
        match pull.purpose:
            case Purpose.FAILOVER:
                self.orphans.expired(pull, now)
            case Purpose.MOVE:
                self.moves.failed(pull, now)
            case _:
                self._state.counters["pulls_expired"] += 1
                self._fail(pull, self._verdict(pull), now)

    # --- what a parent says ---

    def answer(self, node: NodeId, answer: Accepted, now: float) -> None:
        """A carrier feeds this node: it is asked for that, or says so again."""
        carriage = self._state.carriages.get(answer.producer)
        if carriage is None or carriage.parent != node or carriage.request != answer.request:
            self.asking.accepted(node, answer, now)
        elif not self.bonds.repeated(carriage, node, answer, now):
            self.bonds.leave_parent(carriage)
            self.orphaned(carriage, now)

    def ended(self, node: NodeId, ended: Ended, now: float) -> None:
        """The parent sends nothing more. The owner's word is final; any other's is checked by asking the owner."""
        carriage = self._state.carriages.get(ended.producer)
        if carriage is not None and _is(carriage.coming, node, ended.request):
            self.moves.drop(carriage, now)
        elif carriage is None or carriage.parent != node or carriage.request != ended.request:
            self._state.counters["ended_stale"] += 1
        elif ended.reason == EndReason.UNPUBLISHED and node == carriage.lineage[0]:
            carriage.parent = None
            self.bonds.let_go(carriage, EndReason.UNPUBLISHED, now)
        else:
            self.orphaned(carriage, now)

    def lineage(self, node: NodeId, told: Lineage, now: float) -> None:
        """The parent hangs elsewhere now: so does everything below."""
        carriage = self._state.carriages.get(told.producer)
        if carriage is not None and _is(carriage.coming, node, told.request):
            self.moves.lineage(carriage, told)
        elif carriage is None or carriage.parent != node or carriage.request != told.request:
            self._state.counters["lineage_stale"] += 1
        elif not self.bonds.moved(carriage, node, told, now):
            self.bonds.leave_parent(carriage)
            self.orphaned(carriage, now)

    def backups(self, node: NodeId, told: BackupsMessage, now: float) -> None:
        """Whom to ask when the parent is gone."""
        carriage = self._state.carriages.get(told.producer)
        if carriage is not None and carriage.coming is not None and _is(carriage.coming, node, told.request):
            carriage.coming.backups = told
        elif carriage is None or carriage.parent != node or carriage.request != told.request:
            self._state.counters["backups_stale"] += 1
        else:
            self._backups.learn(carriage, told, now)

    def handover(self, node: NodeId, told: Handover, now: float) -> None:
        """The parent is about to go, or is not after all."""
        carriage = self._state.carriages.get(told.producer)
        if carriage is None or carriage.parent != node or carriage.request != told.request:
            self._state.counters["handover_stale"] += 1
        else:
            self.moves.handover(carriage, told, now)

    def flowing(self, carriage: Carriage, parent: NodeId, now: float) -> None:
        """The first packet of a pipe from this parent is here."""
        early = carriage.coming.backups if carriage.coming is not None else None
        self.moves.flowing(carriage, parent, now)
        if early is not None and carriage.parent == parent:
            self._backups.learn(carriage, early, now)

    def pipe_lost(self, carriage: Carriage, parent: NodeId, now: float) -> None:
        """Media no longer comes in by this pipe, though its link is up."""
        if carriage.coming is not None and carriage.coming.node == parent:
            self.moves.drop(carriage, now)
        elif carriage.parent == parent:
            self.bonds.leave_parent(carriage)
            self.orphaned(carriage, now)

    def gone(self, node: NodeId, now: float, leave: bool = False) -> None:
        """Streams from this node need another parent; one that may only have paused is told that it is left."""
        for carriage in list(self._state.carriages.values()):
            if carriage.coming is not None and carriage.coming.node == node:
                self.moves.drop(carriage, now)
            if carriage.parent == node:
                if leave:
                    self.bonds.leave_parent(carriage)
                self.orphaned(carriage, now)

    def orphaned(self, carriage: Carriage, now: float) -> None:
        """The parent is gone; a new one may be on trial already."""
        if not self.moves.promote(carriage, now):
            self.orphans.orphaned(carriage, now)

    def _verdict(self, pull: Pull) -> NotFound | Full:
        if pull.found_full:
            return Full(self._not_asked(pull))
        return NotFound("its owner cannot be reached" if pull.owner else "its owner was not found")

    def _not_asked(self, pull: Pull) -> tuple[Contact, ...]:
        tried = {*pull.tried, self._state.node}
        return tuple(contact for contact in pull.queue if contact.node not in tried)

    def _fail(self, pull: Pull, outcome: NotFound | Full, now: float) -> None:
        self.asking.close(pull)
        self._state.settle(pull.producer, outcome, keep_viewers=False)
        self._downstream.answer_held(pull, now)


def _is(coming: Coming | None, node: NodeId, request: int) -> bool:
    return coming is not None and coming.node == node and coming.request == request
