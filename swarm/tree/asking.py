"""Asking one carrier after the other for a stream, or a few at a time: lookups, links, questions, deadlines."""

from typing import Protocol
from uuid import UUID

from foundation import limits
from foundation.errors import RemoteError
from foundation.identity import NodeId
from swarm.messages import Accepted, Delegated, Purpose, RefusalReason, Refused, Release
from swarm.record import Contact
from swarm.tree.actions import Connect, Lookup
from swarm.tree.pull import Ask, Pull
from swarm.tree.state import RelayState


class Searcher(Protocol):
    """Whoever a search is for."""

    def located(self, pull: Pull, owner: Contact | None, now: float) -> None:
        """The lookup is over: this is the owner, None when none was found, or not in time."""

    def accepted(self, pull: Pull, node: NodeId, answer: Accepted, now: float) -> None:
        """A carrier has a place; it is no longer among those that are asked."""

    def exhausted(self, pull: Pull, now: float) -> None:
        """Nobody is asked, and nobody is left to ask; in a failover some who are slow may still answer."""

    def delegated_too_often(self, pull: Pull, now: float) -> None:
        """The request was sent on as often as it may be."""


class Asking:
    """At most one search for each producer; every step of it has a deadline, and the whole too."""

    def __init__(self, state: RelayState, searcher: Searcher) -> None:
        self._state = state
        self._searcher = searcher

    def begin(self, pull: Pull, seconds: float, now: float) -> None:
        """The search is on, for so long at most."""
        pull.began_at = now
        self._state.pulls[pull.producer] = pull
        self._state.deadlines.set(("pull", pull.producer), now + seconds)

    def close(self, pull: Pull) -> None:
        """The search is over: what is answered from now on is late."""
        deadlines = self._state.deadlines
        del self._state.pulls[pull.producer]
        for name in ("pull", "lookup", "look", "round"):
            deadlines.clear((name, pull.producer))
        for node in pull.asks:
            deadlines.clear(_key(pull, node))
        pull.asks.clear()

    def look_up(self, pull: Pull, now: float) -> None:
        """Asks who owns the stream, unless that is asked already."""
        if not pull.looking:
            pull.looking = True
            self._state.deadlines.set(("lookup", pull.producer), now + limits.find_seconds_max)
            self._state.do(Lookup(pull.producer, pull.fresh))

    def advance(self, pull: Pull, now: float) -> None:
        """Asks whoever comes next, as many as may be asked at a time."""
        state, carriage = self._state, self._state.carriages.get(pull.producer)
        excluded = {state.node}
        if carriage is not None:
            excluded |= carriage.children.keys()
            if carriage.parent is not None:
                excluded.add(carriage.parent)
        while pull.may_ask() and (target := pull.next_target(excluded)) is not None:
            self._reach(pull, pull.asks[target.node], now)
        waiting = pull.asks if pull.purpose is not Purpose.FAILOVER else [a for a in pull.asks.values() if not a.slow]
        if not waiting and not pull.looking:
            self._searcher.exhausted(pull, now)

    # --- inputs ---

    def owner_found(self, producer: UUID, owner: Contact | None, epoch: int, now: float) -> None:
        """The answer to `Lookup`, or None when it did not come in time."""
        pull = self._state.pulls.get(producer)
        if pull is not None and pull.looking:
            pull.looking, pull.looked, pull.epoch = False, True, max(pull.epoch, epoch)
            self._state.deadlines.clear(("lookup", producer))
            self._searcher.located(pull, owner, now)

    def link_up(self, node: NodeId, now: float) -> None:
        for pull in list(self._state.pulls.values()):
            ask = pull.asks.get(node)
            if ask is not None and ask.request is None:
                self._question(pull, ask, now)

    def link_failed(self, node: NodeId, now: float) -> None:
        for pull in list(self._state.pulls.values()):
            if node in pull.asks and pull.asks[node].request is None:
                self._strike(pull, node, now)

    def link_down(self, node: NodeId, now: float) -> None:
        """A question to this node is asked once more over a new link."""
        for pull in list(self._state.pulls.values()):
            ask = pull.asks.get(node)
            if ask is None or ask.request is None:
                continue
            if ask.reconnected:
                self._strike(pull, node, now)
            else:
                ask.reconnected, ask.request = True, None
                self._connect(pull, ask, now)

    def accepted(self, node: NodeId, answer: Accepted, now: float) -> None:
        """A carrier has a place: one that comes too late gets its slot back."""
        pull = self._state.pulls.get(answer.producer)
        if pull is None or not pull.answers(node, answer.request):
            self.release(node, answer)
            return
        self._forget(pull, node)
        self._searcher.accepted(pull, node, answer, now)

    def release(self, node: NodeId, answer: Accepted) -> None:
        """A place that cannot be taken is given back."""
        self._state.counters["accepted_released"] += 1
        self._state.send(node, Release(answer.request, answer.producer))

    def delegated(self, node: NodeId, answer: Delegated, now: float) -> None:
        """A busy carrier names others."""
        pull = self._answered(node, answer)
        if pull is None:
            return
        contacts = []
        for encoded in answer.candidates:
            try:
                contacts.append(self._state.read_record(encoded).contact)
            except RemoteError:
                self._state.counters["candidates_invalid"] += 1
        self._no_place(pull, node)
        pull.capability = answer.capability or pull.capability
        if pull.delegate(contacts):
            self.advance(pull, now)
        else:
            self._state.counters["delegations_exceeded"] += 1
            self._searcher.delegated_too_often(pull, now)

    def refused(self, node: NodeId, answer: Refused, now: float) -> None:
        """A carrier says no, and names nobody."""
        pull = self._answered(node, answer)
        if pull is not None:
            if answer.reason != RefusalReason.NOT_CARRIED:
                self._no_place(pull, node)
            pull.fed_elsewhere = pull.fed_elsewhere or answer.reason == RefusalReason.RANK
            if answer.reason == RefusalReason.CAPABILITY and pull.purpose is Purpose.FAILOVER and not pull.looked:
                # So would all others: only the owner takes a node that has no leave of it.
                self.look_up(pull, now)
            self.advance(pull, now)

    def lookup_expired(self, pull: Pull, now: float) -> None:
        self._state.counters["pull_steps_expired"] += 1
        self.owner_found(pull.producer, None, 0, now)

    def ask_expired(self, pull: Pull, node: NodeId, now: float) -> None:
        """No answer yet: the next one is asked beside it, or in its place."""
        ask = pull.asks[node]
        self._state.counters["pull_steps_expired"] += 1
        if pull.purpose is Purpose.NEW or ask.slow:
            self._strike(pull, node, now)
        else:
            ask.slow = True
            more = limits.answer_seconds_max if ask.request is not None else limits.connect_seconds_max
            self._state.deadlines.set(_key(pull, node), now + more)
            self.advance(pull, now)

    # --- steps ---

    def _reach(self, pull: Pull, ask: Ask, now: float) -> None:
        if ask.contact.node in self._state.links:
            self._question(pull, ask, now)
        else:
            self._connect(pull, ask, now)

    def _connect(self, pull: Pull, ask: Ask, now: float) -> None:
        self._wait(pull, ask, limits.connect_seconds_max, now)
        self._state.do(Connect(ask.contact))

    def _question(self, pull: Pull, ask: Ask, now: float) -> None:
        state, carriage = self._state, self._state.carriages.get(pull.producer)
        self._wait(pull, ask, limits.answer_seconds_max, now)
        node, request, region = ask.contact.node, state.new_request(), state.me.region
        if carriage is None:
            consume = pull.consume(node, request, None, region=region)
        else:
            rank_below = carriage.rank if carriage.children else None
            resume = state.positions(pull.producer)
            consume = pull.consume(node, request, rank_below, carriage.epoch, resume, region, carriage.capability)
        state.send(node, consume)

    def _wait(self, pull: Pull, ask: Ask, seconds: float, now: float) -> None:
        node = ask.contact.node
        if pull.purpose is not Purpose.NEW and not ask.slow:
            rtt = self._state.rtt(node) if node in self._state.links else None
            usual = limits.failover_patience_seconds if rtt is None else limits.failover_patience_rtts * rtt
            seconds = max(limits.failover_patience_seconds_min, min(usual, limits.failover_patience_seconds))
        self._state.deadlines.set(_key(pull, node), now + seconds)

    def _answered(self, node: NodeId, answer: Delegated | Refused) -> Pull | None:
        pull = self._state.pulls.get(answer.producer)
        if pull is None or not pull.answers(node, answer.request):
            self._state.counters["answer_stale"] += 1
            return None
        self._forget(pull, node)
        return pull

    def _no_place(self, pull: Pull, node: NodeId) -> None:
        pull.found_full = True
        if pull.owner is not None and pull.owner.node == node:
            pull.owner_refused = True

    def _strike(self, pull: Pull, node: NodeId, now: float) -> None:
        self._forget(pull, node)
        self.advance(pull, now)

    def _forget(self, pull: Pull, node: NodeId) -> None:
        del pull.asks[node]
        self._state.deadlines.clear(_key(pull, node))


def _key(pull: Pull, node: NodeId) -> tuple[str, UUID, NodeId]:
    return "ask", pull.producer, node
