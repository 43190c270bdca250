"""`RelayTree`: which streams this node carries, from whom it takes them, and to whom it gives them. Sans-IO.

Inputs are method calls with `now` (seconds of a monotonic clock); outputs are polled as actions. After every input
the shell does what `poll` returns, and calls `timer` when the time of `next_timeout` has come.
"""

import random
from collections.abc import Callable, Hashable
from uuid import UUID

from foundation.identity import NodeId
from swarm.capability import Capabilities
from swarm.messages import (
    Accepted,
    Consume,
    Delegated,
    Ended,
    EndReason,
    Find,
    Leave,
    Lineage,
    Message,
    Offer,
    Position,
    Probe,
    Recruit,
    Refused,
    Release,
    Renew,
    Renewed,
    Report,
    Tree,
    TreeReply,
)
from swarm.messages import Backups as BackupsMessage
from swarm.messages import Handover as HandoverMessage
from swarm.policy import Load, Measured, PlacementPolicy
from swarm.record import Contact, NodeRecord
from swarm.tree.actions import Action
from swarm.tree.askers import Askers
from swarm.tree.asks import Asks
from swarm.tree.backups import Backups
from swarm.tree.carriage import Carriage
from swarm.tree.delegation import Delegation
from swarm.tree.downstream import Downstream
from swarm.tree.enlisting import Enlisting
from swarm.tree.handover import Handover
from swarm.tree.improving import Improving
from swarm.tree.placing import Placing
from swarm.tree.query import TreeQueries
from swarm.tree.recruiting import Recruiting
from swarm.tree.renewing import Renewing
from swarm.tree.reports import Reports
from swarm.tree.seeking import Seeking
from swarm.tree.state import RelayState
from swarm.tree.succession import Succession
from swarm.tree.upstream import Upstream
from swarm.tree.walk import TreeWalks


class RelayTree:
    """The relay trees of all streams, as one node sees them.

    `me` is this node's own record, as decoded from its signed bytes; `read_record` checks a signed record that
    somebody passed on, and raises `RemoteError`. `sample` gives random other nodes, at most so many, of which only
    node and address need be known; `others` counts those this node knows of. `positions` says what is missing of a
    stream that comes in, track by track, and `rtt` the round trip on a link, in seconds.
    """

    def __init__(
        self,
        me: NodeRecord,
        policy: PlacementPolicy,
        rng: random.Random,
        read_record: Callable[[bytes], NodeRecord],
        *,
        capabilities: Capabilities,
        sample: Callable[[int], list[Contact]] = lambda count: [],
        others: Callable[[], int] = lambda: 0,
        positions: Callable[[UUID], tuple[Position, ...]] = lambda producer: (),
        rtt: Callable[[NodeId], float | None] = lambda node: None,
        reachable: bool = True,
    ) -> None:
        self._state = RelayState(me, policy, rng, read_record, capabilities, sample, others, positions, rtt)
        self._state.reachable = reachable
        self._delegation = Delegation(self._state)
        self._reports = Reports(self._state, self._delegation)
        self._downstream = Downstream(self._state, self._delegation, self._reports)
        self._backups = Backups(self._state)
        self._upstream = Upstream(self._state, self._downstream, self._reports, self._backups)
        self._improving = Improving(self._state, self._upstream.bonds, self._upstream.moves, self._backups)
        self._handover = Handover(self._state)
        self._succession = Succession(self._state, self._downstream, self._upstream)
        self._asks = Asks(self._state)
        self._renewing = Renewing(self._state, self._asks)
        self._recruiting = Recruiting(self._state, self._delegation, self._asks)
        self._placing = Placing(self._state, self._delegation, self._recruiting)
        self._enlisting = Enlisting(self._state, self._asks, self._upstream.recruited)
        self._seeking = Seeking(self._state, self._delegation, self._reports, self._placing, self._asks, self._upstream)
        self._askers = Askers()
        self._walks = TreeWalks(self._state)
        self._queries = TreeQueries(self._state)
        self.counters = self._state.counters

    # --- outputs ---

    def poll(self) -> Action | None:
        """The next thing to do, None when there is nothing."""
        return self._state.outbox.popleft() if self._state.outbox else None

    def next_timeout(self) -> float | None:
        """When `timer` wants to be called, None for never."""
        return self._state.deadlines.next()

    @property
    def load(self) -> Load:
        """Viewers and children of all streams, reservations included."""
        return self._state.load

    def busy(self, for_relay: bool = False) -> bool:
        """Whether the policy allows no more viewers, or no more relays."""
        return self._state.policy.busy(self._state.load, for_relay)

    def may_own(self, producer: UUID | None) -> bool:
        """Whether a stream that begins here could grow: by at least one relay, unless it is here already."""
        return producer in self._state.carriages or not self.busy(for_relay=True)

    def carriage(self, producer: UUID) -> Carriage | None:
        """How this node carries a stream, to be looked at only; None when it does not."""
        return self._state.carriages.get(producer)

    def carriages(self) -> list[Carriage]:
        """All streams of this node, to be looked at only."""
        return list(self._state.carriages.values())

    def viewers(self, producer: UUID) -> int:
        """Local viewers of a stream, with those that still wait for it."""
        return len(self._state.viewers.get(producer, ()))

    def uses_link(self, node: NodeId) -> bool:
        """Whether any stream or question needs the link to `node`: one that is not used may be closed."""
        return (
            any(
                carriage.parent == node
                or node in carriage.children
                or (carriage.coming is not None and carriage.coming.node == node)
                for carriage in self._state.carriages.values()
            )
            or any(node in pull.held or node in pull.asks for pull in self._state.pulls.values())
            or self._backups.keeps(node)
            or self._walks.asks(node)
            or self._queries.asks(node)
        )

    def pending(self) -> int:
        """Everything that waits or is counted; 0 when all is over."""
        state = self._state
        return (
            len(state.carriages)
            + len(state.pulls)
            + len(state.deadlines)
            + len(self._walks)
            + len(self._queries)
            + len(self._delegation)
            + len(self._asks)
            + len(self._recruiting)
            + len(self._enlisting)
            + len(self._seeking)
            + state.viewer_count
            + state.child_count
        )

    # --- inputs: this node's own publishers and viewers ---

    def produced(self, producer: UUID, epoch: int, now: float) -> None:
        """A publisher is connected here: this node owns the producer, which it may have relayed until now.

        Raises `LocalError` when it comes from elsewhere with an epoch that is no lower.
        """
        self._succession.produced(producer, epoch, now)

    def unproduced(self, producer: UUID, now: float) -> None:
        """The publisher is gone."""
        self._succession.unproduced(producer, now)

    def superseded(self, producer: UUID, epoch: int, now: float) -> None:
        """Another node owns the producer with this epoch: if it is the higher one, its media come from there now."""
        self._succession.superseded(producer, epoch, now)

    def want(self, producer: UUID, viewer: str, now: float, hops: int = 0) -> None:
        """A local viewer wants a stream; it was sent on `hops` times before it came here.

        `Settled` follows: at once when the stream is here, and at the latest after `pull_seconds_max` and
        `want_seconds_max`.
        """
        self._seeking.want(producer, viewer, hops, now)

    def release_want(self, producer: UUID, viewer: str, now: float) -> None:
        """A local viewer is gone; one that is not known is none."""
        if self._state.remove_viewer(producer, viewer):
            carriage = self._state.carriages.get(producer)
            if carriage is not None:
                self._state.linger(carriage, now)
            self._reports.changed(now)
        else:
            self._seeking.release(producer, viewer)

    def redirect_candidates(self, producer: UUID, now: float) -> list[Contact]:
        """A carrier below this node with room for a viewer, whose slot counts as taken for a moment; or none."""
        carriage = self._state.carriages.get(producer)
        if carriage is None:
            return []
        return [candidate.record.contact for candidate in self._seeking.below(carriage, now)]

    def joined(self, now: float) -> None:
        """This node has come to know others: it offers them its room."""
        self._enlisting.offer(now)

    def owner_of(self, producer: UUID) -> Contact | None:
        """Who would know more about a stream, as far as a relay knows from its own lookup."""
        carriage, pull = self._state.carriages.get(producer), self._state.pulls.get(producer)
        return (carriage.owner if carriage else None) or (pull.owner if pull else None)

    def tree(self, producer: UUID, now: float) -> None:
        """Collects the whole relay tree of a producer; `TreeKnown` follows."""
        carriage = self._state.carriages.get(producer)
        if carriage is not None and carriage.owned:
            self._walks.collect(carriage, now)
        else:
            self._queries.begin(producer, now)

    def renew(self, me: NodeRecord) -> None:
        """This node's record was signed anew."""
        assert me.node == self._state.node
        self._state.me = me

    def drain(self, now: float) -> None:
        """This node is about to go: nobody new is taken, and children move elsewhere; `Drained` follows."""
        self._handover.drain(now)
        self._reports.changed(now)

    def undrain(self, now: float) -> None:
        """It stays after all."""
        self._handover.undrain(now)
        self._reports.changed(now)

    def measured(self, measured: Measured, now: float) -> None:
        """What sending costs this node was measured anew."""
        before, self._state.measured = self._state.measured, measured
        if before is None or (before.slots, before.busy) != (measured.slots, measured.busy):
            self._room_changed(now)

    def replace_policy(self, policy: PlacementPolicy, now: float) -> None:
        """From now on another policy decides; who is served stays served."""
        self._handover.replace_policy(policy)
        self._room_changed(now)

    # --- inputs: answers to actions ---

    def owner_found(self, producer: UUID, owner: Contact | None, now: float, epoch: int = 0) -> None:
        """The answer to `Lookup`: who holds the producer's lease, None for nobody, and the lease's epoch."""
        # A lease of this node for what it does not own is one it could not withdraw in time.
        elsewhere = owner if owner is not None and owner.node != self._state.node else None
        self._succession.owner_found(producer, elsewhere, epoch, now)
        self._renewing.owner_found(producer, elsewhere)
        self._upstream.asking.owner_found(producer, elsewhere, epoch if elsewhere is not None else 0, now)
        self._queries.owner_found(producer, owner, now)
        self._seeking.owner_found(producer, owner, now)

    def link_up(self, record: NodeRecord, now: float) -> None:
        """A link passed its greeting, whoever dialed; called again when the peer's record is renewed."""
        known = record.node in self._state.links
        self._state.links[record.node] = record
        if not known:
            self._upstream.asking.link_up(record.node, now)
            self._queries.link_up(record.node, now)

    def link_failed(self, node: NodeId, now: float) -> None:
        """No link to this node could be had."""
        if node not in self._state.links:
            self._backups.unreachable(node, now)
            self._upstream.asking.link_failed(node, now)
            self._queries.link_lost(node)

    def link_down(self, node: NodeId, now: float) -> None:
        """A link that was up is gone, and every pipe on it."""
        if self._state.links.pop(node, None) is not None:
            self._downstream.link_down(node, now)
            self._upstream.asking.link_down(node, now)
            self._upstream.gone(node, now)
            self._backups.link_down(node, now)
            self._reports.link_down(node)
            self._walks.link_down(node, now)
            self._queries.link_lost(node)

    def parent_silent(self, node: NodeId, now: float) -> None:
        """Neither media nor keepalives come from this parent any more, though its link is not closed yet."""
        self.counters["parents_silent"] += 1
        self._upstream.gone(node, now, leave=True)

    def pipe_flowing(self, producer: UUID, parent: NodeId, now: float) -> None:
        """The first packet of an `Attach` has come from this parent."""
        carriage = self._state.carriages.get(producer)
        if carriage is not None:
            self._upstream.flowing(carriage, parent, now)

    def accept_failed(self, child: NodeId, producer: UUID, now: float) -> None:
        """The pipe of an `Accept` could not be opened."""
        carriage = self._state.carriages.get(producer)
        if carriage is not None and child in carriage.children:
            self._downstream.accept_failed(carriage, child, now)

    def pipe_lost(self, producer: UUID, parent: NodeId, now: float) -> None:
        """The pipe of an `Attach` could not be opened, or ended while its link stays up."""
        carriage = self._state.carriages.get(producer)
        if carriage is not None:
            self._upstream.pipe_lost(carriage, parent, now)

    # --- inputs: the network and the clock ---

    def answered(self, key: int, message: Message | None, now: float) -> None:
        """The answer to an `Ask`; None when none came."""
        self._asks.answered(key, message, now)

    def asked(self, node: NodeId, message: Message, now: float) -> Message | None:
        """What to answer, at once, to a question that came without a link; None for nothing."""
        if not self._askers.may_ask(node, now):
            self.counters["asks_flooded"] += 1
            return None
        match message:
            case Find():
                return self._placing.asked(node, message, now)
            case Probe():
                return self._enlisting.probed(message)
            case Recruit():
                return self._enlisting.recruited(node, message, now)
            case Offer():
                self._recruiting.offered(node, message, now)
            case Renew():
                carriage = self._state.carriages.get(message.producer)
                if carriage is not None and carriage.owned:
                    return Renewed(self._state.capabilities.issue(message.producer, node))
            case _:
                self.counters["ask_unexpected"] += 1
        return None

    def message(self, node: NodeId, message: Message, now: float) -> None:
        """A control message of a node whose link is up; whatever does not fit the moment is counted and forgotten."""
        if node not in self._state.links:
            self.counters["message_without_link"] += 1
            return
        match message:
            case Consume():
                self._succession.doubted(message.producer, message.epoch, now)
                self._downstream.consume(node, message, now)
            case Report():
                self._downstream.report(node, message, now)
            case Leave() | Release():
                self._downstream.leave(node, message, now)
            case Accepted():
                self._upstream.answer(node, message, now)
            case Delegated():
                self._upstream.asking.delegated(node, message, now)
            case Refused():
                self._upstream.asking.refused(node, message, now)
            case Ended():
                self._upstream.ended(node, message, now)
            case Lineage():
                self._upstream.lineage(node, message, now)
            case BackupsMessage():
                self._upstream.backups(node, message, now)
            case HandoverMessage():
                self._upstream.handover(node, message, now)
            case Tree():
                self._walks.asked(node, message, now)
            case TreeReply():
                if not self._queries.answered(node, message):
                    self._walks.answered(node, message, now)
            case _:
                self.counters["message_unexpected"] += 1

    def timer(self, now: float) -> None:
        """Handles every deadline that has come."""
        while (key := self._state.deadlines.pop_due(now)) is not None:
            self._expired(key, now)

    def _room_changed(self, now: float) -> None:
        """For another reason than what is carried: a node without streams has nobody to tell."""
        if self._state.carriages:
            self._reports.changed(now)

    def _expired(self, key: Hashable, now: float) -> None:
        state = self._state
        match key:
            case ("reports",):
                self._reports.due(now)
            case ("debits",):
                self._delegation.expire(now)
            case ("drain",):
                self._handover.due(now)
            case ("pull", UUID() as producer):
                self._upstream.expired(state.pulls[producer], now)
            case ("lookup", UUID() as producer):
                self._upstream.asking.lookup_expired(state.pulls[producer], now)
            case ("ask", UUID() as producer, bytes() as node):
                self._upstream.asking.ask_expired(state.pulls[producer], node, now)
            case ("look", UUID() as producer):
                self._upstream.orphans.look_due(state.pulls[producer], now)
            case ("round", UUID() as producer):
                self._upstream.orphans.round_due(state.pulls[producer], now)
            case ("flow", UUID() as producer):
                self._upstream.moves.silent(state.carriages[producer], now)
            case ("coming", UUID() as producer):
                self._upstream.moves.given_up(state.carriages[producer], now)
            case ("handover", UUID() as producer):
                self._upstream.moves.handover_due(state.carriages[producer], now)
            case ("improve", UUID() as producer):
                self._improving.due(state.carriages[producer], now)
            case ("renew", UUID() as producer):
                self._renewing.due(state.carriages[producer], now)
            case ("warm", UUID() as producer):
                self._backups.warm_up(state.carriages[producer], now)
            case ("backups", UUID() as producer):
                self._backups.due(state.carriages[producer], now)
            case ("held", UUID() as producer, bytes() as node):
                self._downstream.held_expired(state.pulls[producer], node)
            case ("child", UUID() as producer, bytes() as node):
                self._downstream.silent(state.carriages[producer], node, now)
            case ("linger", UUID() as producer):
                self._upstream.bonds.let_go(state.carriages[producer], EndReason.IDLE, now)
            case ("recruits",):
                self._recruiting.expire(now)
            case ("enlisted",):
                self._enlisting.expire(now)
            case ("answer", int() as key_of_ask):
                self._asks.expired(key_of_ask, now)
            case ("seek", UUID() as producer):
                self._seeking.due(producer, now)
            case ("turned-away", UUID() as producer):
                self._seeking.turned_away(producer, now)
            case ("walk", UUID() as producer):
                self._walks.expired(producer, now)
            case ("query", UUID() as producer):
                self._queries.end(producer, ())
            case _:
                raise AssertionError(key)
