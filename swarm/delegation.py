"""Whom a busy carrier sends others to: the carriers below it, less the slots it has handed out just now."""

from collections import Counter, deque
from collections.abc import Collection
from dataclasses import replace

from foundation import limits
from foundation.identity import NodeId
from swarm.carriage import Carriage
from swarm.messages import ReportedCandidate
from swarm.policy import Candidate
from swarm.relay_state import RelayState

_DEBITS_KEY = ("debits",)


class Delegation:
    """Slots are debited where they are handed out, against newer reports too: those were sent before the taker came."""

    def __init__(self, state: RelayState) -> None:
        self._state = state
        self._debits: Counter[NodeId] = Counter()
        self._expiries: deque[tuple[float, NodeId]] = deque()

    def __len__(self) -> int:
        return len(self._expiries)

    def ranked(self, carriage: Carriage, for_relay: bool, excluded: Collection[NodeId] = ()) -> list[Candidate]:
        """The carriers below, best first by the policy, equals in random order."""
        avoided = {*excluded, *carriage.lineage}
        candidates = [self._debited(candidate) for candidate in self._below(carriage) if candidate.node not in avoided]
        self._state.rng.shuffle(candidates)
        return self._state.policy.rank(candidates, for_relay)

    def reported(self, carriage: Carriage) -> tuple[ReportedCandidate, ...]:
        """The best few below, as a REPORT names them.

        Without debits, which are this node's own guess; equals in a fixed order, or every report would be news.
        """
        candidates = sorted(self._below(carriage), key=lambda candidate: candidate.node)
        best = self._state.policy.rank(candidates, for_relay=True)[: limits.report_candidates_max]
        return tuple(
            ReportedCandidate(candidate.record.encoded, candidate.rank, candidate.relay_room, candidate.viewer_room)
            for candidate in best
        )

    def debit(self, node: NodeId, now: float) -> None:
        """One slot of `node` was handed out."""
        self._debits[node] += 1
        self._expiries.append((now + limits.delegation_debit_seconds, node))
        self._state.deadlines.advance(_DEBITS_KEY, self._expiries[0][0])
        if len(self._expiries) > limits.delegation_debits_max:
            self._forget_oldest()

    def expire(self, now: float) -> None:
        """Gives debits back whose time is over."""
        while self._expiries and self._expiries[0][0] <= now:
            self._forget_oldest()
        if self._expiries:
            self._state.deadlines.set(_DEBITS_KEY, self._expiries[0][0])

    def _below(self, carriage: Carriage) -> list[Candidate]:
        """The carriers of this subtree that are known by name, this node left out, each once."""
        found: dict[NodeId, Candidate] = {}
        for child in carriage.children.values():
            record = self._state.links.get(child.node)
            if record is None:
                continue
            report = child.report
            # A child that has not reported yet was just accepted: it has most likely room for one relay.
            relay_room, viewer_room = (report.relay_room, report.viewer_room) if report else (1, 0)
            found[child.node] = Candidate(record, carriage.rank + 1, relay_room, viewer_room)
        for child in carriage.children.values():
            for candidate in child.below:
                found.setdefault(candidate.node, candidate)
        return list(found.values())

    def _forget_oldest(self) -> None:
        _, node = self._expiries.popleft()
        self._debits[node] -= 1
        if not self._debits[node]:
            del self._debits[node]

    def _debited(self, candidate: Candidate) -> Candidate:
        debit = self._debits.get(candidate.node, 0)
        if not debit:
            return candidate
        return replace(
            candidate,
            relay_room=max(0, candidate.relay_room - debit),
            viewer_room=max(0, candidate.viewer_room - debit),
        )
