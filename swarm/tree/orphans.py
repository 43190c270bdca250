"""A relay that lost its parent: it keeps its subtree and its viewers, and looks for another parent until it has one.

In rounds: the backups first, two at a time, then whoever they name, then the owner. While the owner cannot be reached
the subtree waits, and the owner is looked up again and again: its publisher may come back by another node.
"""

from foundation import limits
from foundation.identity import NodeId
from swarm.messages import Accepted, EndReason, Purpose
from swarm.record import Contact
from swarm.tree.actions import Connect
from swarm.tree.asking import Asking
from swarm.tree.bonds import Bonds
from swarm.tree.carriage import Carriage, KnownBackup
from swarm.tree.downstream import Downstream
from swarm.tree.pull import Pull
from swarm.tree.state import RelayState


class Orphans:
    """Every orphan has one search, which ends with a parent, or with the stream."""

    def __init__(self, state: RelayState, downstream: Downstream, bonds: Bonds, asking: Asking) -> None:
        self._state = state
        self._downstream = downstream
        self._bonds = bonds
        self._asking = asking

    def orphaned(self, carriage: Carriage, now: float) -> None:
        """The parent is gone; whoever needs the stream no more does not look for another."""
        state, producer, lost = self._state, carriage.producer, carriage.parent
        carriage.parent = carriage.reported = carriage.handover = None
        for name in ("flow", "handover"):
            state.deadlines.clear((name, producer))
        state.counters["parents_lost"] += 1
        if now - carriage.attached_at >= limits.parent_stable_seconds:
            carriage.failovers, carriage.lost = 0, ()
        if not carriage.failovers:
            carriage.unstable_since = now
        carriage.failovers += 1
        if lost is not None:
            carriage.lost = (lost, *carriage.lost)[: limits.lost_parents_remembered_max]
        if not state.wanted(carriage):
            self._bonds.let_go(carriage, EndReason.IDLE, now)
        elif now - carriage.unstable_since >= limits.owner_absent_seconds_max:
            state.counters["failovers_exceeded"] += 1
            self._bonds.let_go(carriage, EndReason.LOST, now)
        else:
            self._begin(carriage, now)

    def located(self, pull: Pull, owner: Contact | None, now: float) -> None:
        """An orphan remembers its owner: a stream that is established outlives the DHT."""
        carriage = self._state.carriages[pull.producer]
        if owner is not None and pull.epoch > carriage.epoch:
            # The publisher is back, perhaps by a node that was asked in vain before.
            pull.tried = [node for node in pull.tried if node != owner.node or node in pull.asks]
        if pull.epoch:
            carriage.epoch = min(carriage.epoch, pull.epoch)
        pull.owner = owner or carriage.owner or self._named_owner(carriage)
        if pull.epoch > carriage.epoch and not pull.capability:
            pull.queue.clear()
        if pull.owner is not None and pull.owner.node not in pull.tried:
            pull.queue.appendleft(pull.owner)
            for ask in pull.asks.values():
                ask.slow = True
        self._asking.advance(pull, now)

    def accepted(self, pull: Pull, node: NodeId, answer: Accepted, now: float) -> None:
        """A carrier has a place: it is the new parent, unless it hangs too deep, or is of a session that is over."""
        carriage = self._state.carriages[pull.producer]
        if answer.epoch >= pull.epoch and self._bonds.acceptable(node, answer, carriage):
            self._bonds.attach(pull, node, answer, now)
        else:
            pull.found_full = True
            self._asking.release(node, answer)
            self._asking.advance(pull, now)

    def exhausted(self, pull: Pull, now: float) -> None:
        """The owner is asked last in each round, wherever it is now."""
        key = ("round", pull.producer)
        if not pull.looked:
            self._asking.look_up(pull, now)
        elif key not in self._state.deadlines:
            self._round_over(pull, now)

    def look_due(self, pull: Pull, now: float) -> None:
        """The owner is looked up about once a second, whoever else is asked meanwhile."""
        self._asking.look_up(pull, now)
        self._look_later(pull, now)

    def round_due(self, pull: Pull, now: float) -> None:
        """The next round begins."""
        carriage = self._state.carriages[pull.producer]
        pull.restart(fresh=True)
        self._ask_backups(pull, carriage, now)

    def expired(self, pull: Pull, now: float) -> None:
        """It waited as long as it may."""
        self._state.counters["pulls_expired"] += 1
        self._bonds.let_go(self._state.carriages[pull.producer], EndReason.LOST, now)

    def _begin(self, carriage: Carriage, now: float) -> None:
        pull = Pull(carriage.producer, fresh=True, purpose=Purpose.FAILOVER, width=limits.failover_width)
        pull.last = carriage.lost
        if (moving := self._state.pulls.get(carriage.producer)) is not None:
            self._asking.close(moving)
        self._asking.begin(pull, limits.owner_absent_seconds_max, now)
        if carriage.failovers > 1:
            # A parent that was lost at once may be lost again: without a pause that would be a storm.
            pause = self._state.rng.uniform(0.5, 1.0) * limits.failover_pause_seconds
            self._state.deadlines.set(("round", pull.producer), now + pause)
        else:
            self._ask_backups(pull, carriage, now)

    def _ask_backups(self, pull: Pull, carriage: Carriage, now: float) -> None:
        """Those with a link first; those that hang too low for a node with children last: they tell if they are fed."""
        state = self._state

        def order(backup: KnownBackup) -> tuple[bool, bool, bool]:
            low = bool(carriage.children) and backup.rank >= carriage.rank
            return low, backup.node in pull.last, backup.node not in state.links

        if pull.epoch <= carriage.epoch or pull.capability:
            # Of a new owner's tree nobody takes a node that cannot show that owner's leave.
            pull.queue.extend(backup.record.contact for backup in sorted(carriage.backups, key=order))
        self._look_later(pull, now)
        self._asking.advance(pull, now)
        if pull.queue and pull.queue[0].node not in state.links:
            # Dialed before it is its turn: of those asked first both may be dead.
            state.do(Connect(pull.queue[0]))

    def _look_later(self, pull: Pull, now: float) -> None:
        pause = self._state.rng.uniform(0.5, 1.0) * limits.owner_lookup_seconds
        self._state.deadlines.advance(("look", pull.producer), now + pause)

    def _round_over(self, pull: Pull, now: float) -> None:
        """Nobody has a place. While the stream lives there may be one for a leaf, so children are let go in the end.

        It lives when the owner says so, or carriers beside are fed, while the owner cannot be reached from here alone.
        """
        state, carriage = self._state, self._state.carriages[pull.producer]
        pull.rounds += 1
        # Who hangs below another orphan says that it is fed too: so the owner gets its time to come back first.
        cut_off = pull.fed_elsewhere and now - pull.began_at >= limits.cut_off_seconds
        pull.refused_rounds = pull.refused_rounds + 1 if pull.owner_refused or cut_off else 0
        if pull.owner_refused and now - pull.began_at >= limits.pull_seconds_max:
            self._bonds.let_go(carriage, EndReason.LOST, now)
            return
        pause = limits.failover_pause_seconds if pull.rounds == 1 else limits.owner_lookup_seconds
        # An owner that has no place for a node with children right below itself: nobody else hangs high enough.
        hopeless = carriage.rank <= 1 and pull.owner_refused
        rounds_max = 1 if hopeless else limits.rounds_with_children_max
        if pull.refused_rounds >= rounds_max and carriage.children:
            state.counters["subtrees_let_go"] += 1
            self._downstream.end(carriage, EndReason.LOST, now)
            pause = limits.failover_patience_seconds_min
        state.deadlines.set(("round", pull.producer), now + state.rng.uniform(0.5, 1.0) * pause)

    def _named_owner(self, carriage: Carriage) -> Contact | None:
        """The owner as a parent named it among the backups."""
        for backup in carriage.backups:
            if backup.node == carriage.lineage[0]:
                return backup.record.contact
        return None
