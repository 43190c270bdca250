"""How a carrier gives a stream on: who is accepted, who is delegated, who is let go."""

from foundation import limits
from foundation.identity import NodeId
from swarm.messages import (
    Accepted,
    Consume,
    Delegated,
    Ended,
    EndReason,
    Leave,
    Lineage,
    Purpose,
    RefusalReason,
    Refused,
    Release,
    Report,
)
from swarm.policy import Candidate
from swarm.tree.actions import Accept, StopPipe
from swarm.tree.askers import Askers
from swarm.tree.carriage import Carriage, Child
from swarm.tree.delegation import Delegation
from swarm.tree.pull import Pull
from swarm.tree.reports import Reports
from swarm.tree.state import RelayState


class Downstream:
    """Every child is a reservation until it reports, and has to go on reporting: no slot is lost to a silent one."""

    def __init__(self, state: RelayState, delegation: Delegation, reports: Reports) -> None:
        self._state = state
        self._delegation = delegation
        self._reports = reports
        self._askers = Askers(limits.consumes_per_second, limits.consumes_burst)

    def consume(self, node: NodeId, asked: Consume, now: float) -> None:
        """A node asks to be fed."""
        carriage = self._state.carriages.get(asked.producer)
        pull = self._state.pulls.get(asked.producer)
        if not self._askers.may_ask(node, now):
            self._state.counters["consumes_flooded"] += 1
            self._refuse(node, asked, RefusalReason.BUSY)
        elif carriage is not None and carriage.fed:
            self._answer(carriage, node, asked, now)
        elif pull is None:
            self._refuse(node, asked, RefusalReason.NOT_CARRIED)
        else:
            self._hold(pull, node, asked, now)

    def answer_held(self, pull: Pull, now: float) -> None:
        """A pull has ended: those that waited for it get their answers."""
        for node, asked in list(pull.held.items()):
            self._state.deadlines.clear(("held", asked.producer, node))
            self.consume(node, asked, now)
        pull.held.clear()

    def held_expired(self, pull: Pull, node: NodeId) -> None:
        """A CONSUME has waited as long as it may."""
        asked = pull.held.pop(node, None)
        if asked is not None:
            self._refuse(node, asked, RefusalReason.NOT_CARRIED)

    def report(self, node: NodeId, report: Report, now: float) -> None:
        """A child tells about itself and its subtree, and that it is there."""
        carriage = self._state.carriages.get(report.producer)
        child = carriage.children.get(node) if carriage else None
        if carriage is None or child is None:
            self._state.send(node, Ended(report.request, report.producer, EndReason.NOT_A_CHILD))
            return
        if child.request != report.request:
            self._state.counters["report_stale"] += 1
            return
        news = child.report is None or bool(child.report.relay_room) != bool(report.relay_room)
        child.report = report
        self._learn(carriage, node, report)
        if news:
            self._state.backups_stale(carriage, now)
        self._state.deadlines.set(_child_key(carriage, node), now + limits.child_silence_seconds_max)
        self._reports.changed(now)

    def leave(self, node: NodeId, left: Leave | Release, now: float) -> None:
        """A child needs the stream no more, or never took it."""
        carriage = self._state.carriages.get(left.producer)
        child = carriage.children.get(node) if carriage else None
        if carriage is None or child is None or child.request != left.request:
            self._state.counters["leave_stale"] += 1
            return
        self._drop(carriage, node, now)

    def silent(self, carriage: Carriage, node: NodeId, now: float) -> None:
        """A child has not reported for too long."""
        child = carriage.children[node]
        self._state.counters["children_silent"] += 1
        self._drop(carriage, node, now)
        self._state.send(node, Ended(child.request, carriage.producer, EndReason.SILENT))

    def accept_failed(self, carriage: Carriage, node: NodeId, now: float) -> None:
        """The pipe to an accepted child could not be opened."""
        child = carriage.children[node]
        self._drop(carriage, node, now)
        if child.report is None:
            self._state.send(node, Refused(child.request, carriage.producer, RefusalReason.FAILED))
        else:
            self._state.send(node, Ended(child.request, carriage.producer, EndReason.LOST))

    def link_down(self, node: NodeId, now: float) -> None:
        """Everything this node took from here, or waited for, is gone with its link."""
        for carriage in self._state.carriages.values():
            if node in carriage.children:
                self._drop(carriage, node, now)
        for pull in self._state.pulls.values():
            if pull.held.pop(node, None) is not None:
                self._state.deadlines.clear(("held", pull.producer, node))

    def end(self, carriage: Carriage, reason: EndReason, now: float) -> None:
        """The stream ends here: all children are told."""
        for child in list(carriage.children.values()):
            self._drop(carriage, child.node, now)
            self._state.send(child.node, Ended(child.request, carriage.producer, reason))
        self._delegation.forget(carriage.producer)

    def tell_lineage(self, carriage: Carriage) -> None:
        """This carrier hangs elsewhere now: its children learn it."""
        for child in carriage.children.values():
            told = Lineage(
                child.request, carriage.producer, carriage.rank, carriage.lineage, carriage.delay_ms, carriage.epoch
            )
            self._state.send(child.node, told)

    def reopen(self, carriage: Carriage) -> None:
        """What comes in is another session of the publisher: every child gets a new pipe, and learns it with that."""
        for child in carriage.children.values():
            leave = self._state.capabilities.issue(carriage.producer, child.node) if carriage.owned else b""
            self._state.do(Accept(child.node, _acceptance(carriage, child.request, leave)))

    def _answer(self, carriage: Carriage, node: NodeId, asked: Consume, now: float) -> None:
        child = carriage.children.get(node)
        if child is not None and child.request == asked.request:
            self._state.counters["consume_duplicate"] += 1
            return
        if child is not None:
            self._drop(carriage, node, now)  # It asks anew: what it had is gone at its end.
        reason = self._impossible(carriage, node, asked)
        if reason is not None:
            self._refuse(node, asked, reason)
        elif not self._takes(carriage, asked):
            self._delegate(carriage, node, asked, now)
        else:
            self._accept(carriage, node, asked, now)

    def _takes(self, carriage: Carriage, asked: Consume) -> bool:
        """Whether there is a slot; whoever lost its parent gets any that is free."""
        if asked.purpose == Purpose.FAILOVER:
            return self._state.policy.room(self._state.load, for_relay=True) > 0
        if self._state.rather_below(carriage) and self._delegation.pool(carriage.producer).ranks():
            return False
        return self._state.relay_room(carriage) > 0

    def _impossible(self, carriage: Carriage, node: NodeId, asked: Consume) -> RefusalReason | None:
        if not carriage.owned and not self._allowed(carriage, node, asked):
            self._state.counters["capabilities_refused"] += 1
            return RefusalReason.CAPABILITY
        if node in carriage.lineage:
            return RefusalReason.LOOP
        if asked.rank_below is not None and carriage.rank >= asked.rank_below:
            return RefusalReason.RANK
        if len(carriage.lineage) >= limits.lineage_nodes_max:
            return RefusalReason.DEPTH
        return None

    def _allowed(self, carriage: Carriage, node: NodeId, asked: Consume) -> bool:
        """Whether the owner of this very stream gave this asker leave; an owner needs none for itself."""
        owner = self._state.capabilities.owner(asked.capability, asked.producer, node)
        return owner is not None and owner == carriage.lineage[0]

    def _leave(self, carriage: Carriage, node: NodeId, asked: Consume) -> bytes:
        """The owner's leave, made here or passed on."""
        return self._state.capabilities.issue(asked.producer, node) if carriage.owned else asked.capability

    def _accept(self, carriage: Carriage, node: NodeId, asked: Consume, now: float) -> None:
        state = self._state
        carriage.children[node] = Child(node, asked.request)
        state.child_count += 1
        state.counters["children_accepted"] += 1
        state.deadlines.set(_child_key(carriage, node), now + limits.child_confirm_seconds_max)
        resume = asked.resume if asked.epoch == carriage.epoch else ()
        capability = self._leave(carriage, node, asked) if carriage.owned else b""
        state.do(Accept(node, _acceptance(carriage, asked.request, capability), resume))
        pool = self._delegation.pool(carriage.producer)
        if pool.get(node) is None:  # A recruit's room is known already.
            pool.put(self._candidate(carriage, node), node)
        state.linger(carriage, now)
        self._reports.changed(now)

    def _delegate(self, carriage: Carriage, node: NodeId, asked: Consume, now: float) -> None:
        for tried in asked.tried:
            self._delegation.pool(carriage.producer).emptied(tried, relay=True)
        candidates = self._delegation.relays(
            carriage,
            (*asked.tried, node),
            asked.region,
            asked.rank_below,
            near_first=asked.purpose == Purpose.FAILOVER,
        )
        if not candidates:
            self._refuse(node, asked, RefusalReason.DRAINING if self._state.draining else RefusalReason.BUSY)
            return
        if asked.delegations < limits.delegations_max:  # Else the asker may go no further, and takes no slot.
            self._delegation.debit(asked.producer, candidates[0].node, now)
        self._state.counters["consumes_delegated"] += 1
        records = tuple(candidate.record.encoded for candidate in candidates)
        leave = self._leave(carriage, node, asked)
        self._state.send(node, Delegated(asked.request, asked.producer, records, leave))

    def _refuse(self, node: NodeId, asked: Consume, reason: RefusalReason) -> None:
        self._state.counters["consumes_refused"] += 1
        self._state.send(node, Refused(asked.request, asked.producer, reason))

    def _hold(self, pull: Pull, node: NodeId, asked: Consume, now: float) -> None:
        """Whoever was sent here before this node's own answer came in waits a moment for it."""
        if node in pull.asks or (node not in pull.held and len(pull.held) >= limits.held_requests_max):
            self._refuse(node, asked, RefusalReason.NOT_CARRIED)
            return
        pull.held[node] = asked
        self._state.deadlines.set(("held", asked.producer, node), now + limits.held_seconds_max)

    def _drop(self, carriage: Carriage, node: NodeId, now: float) -> None:
        del carriage.children[node]
        self._delegation.pool(carriage.producer).remove_child(node)
        self._state.child_count -= 1
        self._state.deadlines.clear(_child_key(carriage, node))
        self._state.do(StopPipe(node, carriage.producer))
        self._state.backups_stale(carriage, now)
        self._state.linger(carriage, now)
        self._reports.changed(now)

    def _learn(self, carriage: Carriage, child: NodeId, report: Report) -> None:
        """Who a child named is known with its rooms; one above this carrier, or itself, is no candidate."""
        pool = self._delegation.pool(carriage.producer)
        pool.put(self._candidate(carriage, child), child)
        below: list[Candidate] = []
        for encoded in report.records:
            self._state.learn(encoded)
        pool.keep_only(child, {named.node for named in report.carriers})
        for named in report.carriers:
            record = self._state.record_of(named.node)
            if record is None:
                self._state.counters["carriers_unknown"] += 1
            elif named.node not in carriage.lineage and named.node != child:
                rank = max(named.rank, carriage.rank + 2)
                below.append(Candidate(record, rank, named.relay_room, named.viewer_room, named.spare))
                pool.put(below[-1], child)
        carriage.children[child].below = tuple(below)

    def _candidate(self, carriage: Carriage, node: NodeId) -> Candidate:
        """A child; one that has not reported yet was just accepted, and has most likely room for one relay."""
        report = carriage.children[node].report
        rooms = (report.relay_room, report.viewer_room, report.spare) if report is not None else (1, 0, 0)
        return Candidate(self._state.links[node], carriage.rank + 1, *rooms)


def _acceptance(carriage: Carriage, request: int, capability: bytes = b"") -> Accepted:
    """The tracks are filled in by whoever opens the pipe."""
    return Accepted(
        request,
        carriage.producer,
        carriage.rank,
        carriage.lineage,
        (),
        delay_ms=carriage.delay_ms,
        epoch=carriage.epoch,
        capability=capability,
    )


def _child_key(carriage: Carriage, node: NodeId) -> tuple[str, object, NodeId]:
    return "child", carriage.producer, node
