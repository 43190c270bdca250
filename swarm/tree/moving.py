"""Changing a living parent for a better one, make before break: the old one feeds until the new one does."""

from collections.abc import Iterable

from foundation import limits
from foundation.errors import RemoteError
from foundation.identity import NodeId
from swarm.messages import Accepted, Handover, Leave, Lineage, Purpose
from swarm.record import Contact
from swarm.tree.actions import Attach, DropSource
from swarm.tree.asking import Asking
from swarm.tree.bonds import Bonds
from swarm.tree.carriage import Carriage, Coming
from swarm.tree.pull import Pull
from swarm.tree.reports import Reports
from swarm.tree.state import RelayState


class Moves:
    """One move at a time for each stream; one that does not succeed leaves everything as it was."""

    def __init__(self, state: RelayState, bonds: Bonds, reports: Reports, asking: Asking) -> None:
        self._state = state
        self._bonds = bonds
        self._reports = reports
        self._asking = asking

    def begin(self, carriage: Carriage, contacts: Iterable[Contact], now: float) -> bool:
        """Asks these carriers, one after the other; false when a move is under way, or there is no parent to leave."""
        if carriage.parent is None or carriage.coming is not None or carriage.producer in self._state.pulls:
            return False
        pull = Pull(carriage.producer, fresh=True, purpose=Purpose.MOVE, owner=carriage.owner)
        pull.queue.extend(contacts)
        self._asking.begin(pull, limits.pull_seconds_max, now)
        self._asking.advance(pull, now)
        return True

    def others(self, carriage: Carriage) -> list[Contact]:
        """Whom to ask for a place but the parent: backups that hang high enough, then the owner."""
        fit = [backup for backup in carriage.backups if not carriage.children or backup.rank < carriage.rank]
        contacts = [backup.record.contact for backup in fit]
        return [*contacts, carriage.owner] if carriage.owner is not None else contacts

    # --- the search ---

    def accepted(self, pull: Pull, node: NodeId, answer: Accepted, now: float) -> None:
        """A carrier has a place: it is on trial until its first packet is here."""
        carriage = self._state.carriages[pull.producer]
        if not self._bonds.acceptable(node, answer, carriage):
            self._asking.release(node, answer)
            self._asking.advance(pull, now)
            return
        self._asking.close(pull)
        if answer.epoch != carriage.epoch:
            self._bonds.exchange(carriage, node, answer, now)
            return
        carriage.coming = Coming(node, answer.request, answer, answer.tracks)
        self._state.do(Attach(carriage.producer, node, answer.tracks, keep_old=True))
        self._state.deadlines.set(("coming", carriage.producer), now + limits.parent_flow_seconds_max)
        self._reports.confirm(carriage, node, answer.request)

    def failed(self, pull: Pull, now: float) -> None:
        """Nobody has a place, or not in time."""
        self._asking.close(pull)
        self._again(self._state.carriages[pull.producer], now)

    # --- the trial ---

    def flowing(self, carriage: Carriage, parent: NodeId, now: float) -> None:
        """The first packet of a pipe is here."""
        if carriage.coming is not None and carriage.coming.node == parent:
            self._switch(carriage, carriage.coming, now)
        elif carriage.parent == parent:
            carriage.flowing = True
            self._state.deadlines.clear(("flow", carriage.producer))

    def silent(self, carriage: Carriage, now: float) -> None:
        """Nothing came from a new parent: another one is tried once, and unless that one sends the source is muted."""
        if not carriage.flowing:
            self._state.counters["parents_mute"] += 1
            self.begin(carriage, self.others(carriage), now)

    def given_up(self, carriage: Carriage, now: float) -> None:
        """Nothing came from the new parent: the old one stays."""
        self._state.counters["moves_given_up"] += 1
        self.drop(carriage, now)

    def drop(self, carriage: Carriage, now: float) -> None:
        """The trial is over without success."""
        coming = carriage.coming
        assert coming is not None
        carriage.coming = None
        self._state.deadlines.clear(("coming", carriage.producer))
        self._state.send(coming.node, Leave(coming.request, carriage.producer))
        self._state.do(DropSource(carriage.producer, coming.node))
        self._again(carriage, now)

    def lineage(self, carriage: Carriage, told: Lineage) -> None:
        """The parent on trial hangs elsewhere now; whether that will do is seen when it is over."""
        assert carriage.coming is not None
        carriage.coming.position = told

    def promote(self, carriage: Carriage, now: float) -> bool:
        """The old parent died during the trial: false when there was none, or the new one cannot be taken."""
        coming, dead = carriage.coming, carriage.parent
        if coming is None or dead is None:
            return False
        carriage.parent = None
        self._state.do(DropSource(carriage.producer, dead))
        self._switch(carriage, coming, now)
        if carriage.parent is None:
            carriage.parent = dead
            return False
        carriage.flowing = False
        self._state.deadlines.set(("flow", carriage.producer), now + limits.parent_flow_seconds_max)
        return True

    # --- a parent that is about to go ---

    def handover(self, carriage: Carriage, told: Handover, now: float) -> None:
        """The parent is about to go and names others; with nobody named it stays after all."""
        contacts = []
        for encoded in told.candidates:
            try:
                contacts.append(self._state.read_record(encoded).contact)
            except RemoteError:
                self._state.counters["candidates_invalid"] += 1
        if not told.candidates:
            carriage.handover = None
            self._state.deadlines.clear(("handover", carriage.producer))
        elif carriage.handover is None:
            carriage.handover = tuple(contacts)
            self.begin(carriage, (*contacts, *self.others(carriage)), now)

    def handover_due(self, carriage: Carriage, now: float) -> None:
        """Nobody had a place for this node a moment ago."""
        if carriage.handover is not None:
            self.begin(carriage, (*carriage.handover, *self.others(carriage)), now)

    def _switch(self, carriage: Carriage, coming: Coming, now: float) -> None:
        """The new parent becomes the only one, if the ranks still allow it."""
        if not self._bonds.acceptable(coming.node, coming.position, carriage):
            self.drop(carriage, now)
            return
        self._state.deadlines.clear(("coming", carriage.producer))
        carriage.coming = None
        self._state.counters["moves"] += 1
        self._bonds.change(carriage, coming, now)

    def _again(self, carriage: Carriage, now: float) -> None:
        if carriage.handover is not None and carriage.parent is not None:
            pause = self._state.rng.uniform(0.5, 1.0) * limits.handover_retry_seconds
            self._state.deadlines.set(("handover", carriage.producer), now + pause)
