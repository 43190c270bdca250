"""Who owns a stream: its publisher comes, goes, and comes back by another node with a higher epoch."""

from uuid import UUID

from foundation import limits
from foundation.errors import LocalError
from swarm.messages import EndReason
from swarm.record import Contact
from swarm.tree.actions import Lookup
from swarm.tree.carriage import Carriage
from swarm.tree.downstream import Downstream
from swarm.tree.state import RelayState
from swarm.tree.upstream import Upstream


class Succession:
    """Of two owners the one with the higher epoch stays: what the other one has goes over to it."""

    def __init__(self, state: RelayState, downstream: Downstream, upstream: Upstream) -> None:
        self._state = state
        self._downstream = downstream
        self._upstream = upstream
        self._doubted_at: dict[UUID, float] = {}

    def produced(self, producer: UUID, epoch: int, now: float) -> None:
        """A publisher is connected here. A relay of this very stream becomes its owner, and keeps all it feeds.

        Raises `LocalError` when the stream is live here with an epoch that is no lower.
        """
        carriage = self._state.carriages.get(producer)
        if carriage is None:
            self._state.carriages[producer] = Carriage(
                producer, lineage=(self._state.node,), owned=True, epoch=epoch, attached_at=now
            )
            self._upstream.taken_over(producer, now)
        elif carriage.owned:
            if epoch > carriage.epoch:
                carriage.epoch = epoch
                self._downstream.tell_lineage(carriage)
        elif carriage.fed and epoch <= carriage.epoch:
            raise LocalError("this node relays that producer: it is live elsewhere")
        else:
            self._take_over(carriage, epoch, now)

    def unproduced(self, producer: UUID, now: float) -> None:
        """The publisher is gone; from a node that is about to go it may come back by another one, and all wait."""
        carriage = self._state.carriages.get(producer)
        if carriage is not None and carriage.owned:
            reason = EndReason.LOST if self._state.draining else EndReason.UNPUBLISHED
            self._upstream.bonds.let_go(carriage, reason, now)

    def superseded(self, producer: UUID, epoch: int, now: float) -> None:
        """Another node owns the stream with a higher epoch: this one yields, and takes the stream from there.

        Its children are let go, since no rank is below an owner's; each finds its way alone.
        """
        carriage = self._state.carriages.get(producer)
        if carriage is None or not carriage.owned or epoch <= carriage.epoch:
            return
        self._state.counters["owners_superseded"] += 1
        carriage.owned, carriage.epoch = False, epoch
        self._downstream.end(carriage, EndReason.LOST, now)
        self._upstream.orphaned(carriage, now)

    def doubted(self, producer: UUID, epoch: int, now: float) -> None:
        """Somebody knows of a higher epoch; whether it is true the lease says, which is asked for now and then."""
        carriage = self._state.carriages.get(producer)
        if carriage is None or not carriage.owned or epoch <= carriage.epoch:
            return
        if now - self._doubted_at.get(producer, float("-inf")) >= limits.owner_doubt_seconds:
            self._doubted_at = {p: at for p, at in self._doubted_at.items() if p in self._state.carriages}
            self._doubted_at[producer] = now
            self._state.do(Lookup(producer, fresh=True))

    def owner_found(self, producer: UUID, owner: Contact | None, epoch: int, now: float) -> None:
        """The answer to a lookup."""
        if owner is not None and owner.node != self._state.node:
            self.superseded(producer, epoch, now)

    def _take_over(self, carriage: Carriage, epoch: int, now: float) -> None:
        state, node = self._state, self._state.node
        self._upstream.leave_all(carriage)
        carriage.owned, carriage.epoch, carriage.rank, carriage.lineage = True, epoch, 0, (node,)
        carriage.request = carriage.delay_ms = carriage.failovers = 0
        carriage.owner, carriage.backups, carriage.lost, carriage.reported = None, (), (), None
        state.counters["streams_taken_over"] += 1
        self._upstream.taken_over(carriage.producer, now)
        self._downstream.reopen(carriage)
        state.linger(carriage, now)
        state.backups_stale(carriage, now)
