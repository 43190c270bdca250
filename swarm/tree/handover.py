"""Drain: a node takes nobody new and hands its children over, one by one and make before break, until none is left."""

from collections.abc import Sequence

from foundation import limits
from swarm.messages import Handover as HandoverMessage
from swarm.policy import Candidate, Load, PlacementPolicy
from swarm.tree.actions import Drained
from swarm.tree.carriage import Carriage, Child
from swarm.tree.state import RelayState

_KEY = ("drain",)


class Draining:
    """The policy of a node that is about to go: no room for anybody; of others it thinks as it did."""

    def __init__(self, policy: PlacementPolicy) -> None:
        self.policy = policy

    def busy(self, load: Load, for_relay: bool) -> bool:
        return True

    def room(self, load: Load, for_relay: bool) -> int:
        return 0

    def soft_room(self, load: Load) -> int:
        return 0

    def children_room(self, load: Load, children: int, owned: bool) -> int:
        return 0

    def rank(self, candidates: Sequence[Candidate], for_relay: bool, region: str = "") -> list[Candidate]:
        return self.policy.rank(candidates, for_relay, region)


class Handover:
    """Children of what is published here cannot be handed over: they stay until the publisher goes, or the node."""

    def __init__(self, state: RelayState) -> None:
        self._state = state
        self._told = False

    def drain(self, now: float) -> None:
        """From now on nobody new is taken, and children are asked to go."""
        if not self._state.draining:
            self._state.draining = True
            self._state.policy = Draining(self._state.policy)
            self._told = False
            self._state.deadlines.set(_KEY, now)

    def undrain(self, now: float) -> None:
        """It stays after all, and so do the children that are still here."""
        state = self._state
        if not isinstance(state.policy, Draining):
            return
        state.draining, state.policy = False, state.policy.policy
        state.deadlines.clear(_KEY)
        for carriage in state.carriages.values():
            for child in carriage.children.values():
                if child.handed_over:
                    child.handed_over = False
                    state.send(child.node, HandoverMessage(child.request, carriage.producer, ()))

    def replace_policy(self, policy: PlacementPolicy) -> None:
        """Another policy decides; a draining node asks it again once it stays."""
        current = self._state.policy
        if isinstance(current, Draining):
            current.policy = policy
        else:
            self._state.policy = policy

    def due(self, now: float) -> None:
        """Tells the children that were not told yet, and sees whether the last one has gone."""
        left = 0
        for carriage in self._state.carriages.values():
            if not carriage.owned:
                left += len(carriage.children)
                for child in carriage.children.values():
                    self._tell(carriage, child)
        if left == 0 and not self._told:
            self._told = True
            self._state.do(Drained())
        self._state.deadlines.set(_KEY, now + limits.drain_look_seconds)

    def _tell(self, carriage: Carriage, child: Child) -> None:
        """Two carriers elsewhere and the grandparent; the owner is asked by those who find no place at these."""
        candidates = tuple(backup.record for backup in child.backups[: limits.delegated_candidates_max])
        if not candidates and carriage.parent is not None:
            record = self._state.links.get(carriage.parent)
            candidates = (record.encoded,) if record is not None else ()
        if candidates and not child.handed_over:
            child.handed_over = True
            self._state.send(child.node, HandoverMessage(child.request, carriage.producer, candidates))
