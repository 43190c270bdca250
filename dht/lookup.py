"""One iterative Kademlia lookup without rounds. Sans-IO.

A few nodes are asked at a time, always the nearest known that were not asked; an answer at once makes room for the next
question. Who takes longer than the hedge counts as slow: the lookup goes on without it, and its answer is still
welcome. So dead nodes cost one hedge each, not one time-out each; and the more are silent, the more are asked at once,
so that many dead nodes cost little more than a few.
"""

import enum
from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter

from dht.peer import Peer
from foundation.identity import NodeId
from foundation.limits import lookup_candidates_max, lookup_queries_max, lookup_seconds_max

REPLICAS = 8
"""Nodes which hold a lease, and which have to know nothing of it before it counts as not there."""

DOUBTERS = 20
"""Nodes, a bucket of them, which have to know nothing of a lease before a reader gives it up. Liars that stand together
name only each other, and are the eight nearest of those heard of before the honest ones were."""

PARALLEL = 3
"""Kademlia's alpha, of a writer."""

_READER_MORE = 1
"""A viewer waits: one node more from the start, and another once somebody answered, for those named then may hold it.
With 5,000 nodes that takes 20 ms off the 99th percentile, for two more questions."""

PARALLEL_MAX = 8
"""Alpha grows by one with every node that is silent: where half are dead, too few of three answer. With 1,000 nodes
that takes 200 ms off the 99th percentile then."""

GRACE_SECONDS = 0.06
"""After a first value, for a second opinion: a replica that missed an update is outvoted by rank."""

_VALUES_ENOUGH = 2

_WRITER_ENOUGH = 5
"""Of eight holders these many serve for the seconds until the next round, when the others are dead or slow."""

_distance = itemgetter(0)


class _State(enum.Enum):
    NEW = enum.auto()
    ASKED = enum.auto()
    ANSWERED = enum.auto()
    DEAD = enum.auto()


@dataclass(slots=True)
class _Candidate:
    peer: Peer
    step: int
    state: _State = _State.NEW
    asked_at: float = 0.0


class Lookup:
    """Feed it `answered` and `failed`; ask whom `to_ask` names; stop when `done`; look again at `timeout`."""

    def __init__(
        self, target: bytes, own_id: NodeId, known: Iterable[Peer], *, for_value: bool, hedge_seconds: float, now: float
    ) -> None:
        self.target = target
        self.for_value = for_value
        self.queries = 0
        self.steps = 0
        """How far from what we knew ourselves the farthest answer came from: Kademlia's rounds, but nobody waits."""
        self._own_id = own_id
        self._hedge_seconds = hedge_seconds
        self._deadline = now + lookup_seconds_max
        self._values = 0
        self._grace_until = 0.0
        self._candidates: dict[NodeId, _Candidate] = {}
        self._by_distance: list[tuple[int, _Candidate]] = []
        self._asked: dict[NodeId, _Candidate] = {}
        self._dead = 0
        self._target_number = int.from_bytes(target, "big")
        self.learned(known)

    def learned(self, peers: Iterable[Peer], step: int = 1) -> None:
        """More candidates, so many steps away; of too many the nearest are kept."""
        for peer in peers:
            if peer.id != self._own_id and peer.id not in self._candidates:
                candidate = self._candidates[peer.id] = _Candidate(peer, step)
                distance = int.from_bytes(peer.id, "big") ^ self._target_number
                insort(self._by_distance, (distance, candidate), key=_distance)
        while len(self._by_distance) > lookup_candidates_max:
            _, farthest = self._by_distance.pop()
            del self._candidates[farthest.peer.id]
            self._asked.pop(farthest.peer.id, None)

    def to_ask(self, now: float) -> list[Peer]:
        """Whom to ask now; they count as asked."""
        if self.done(now):
            return []
        slow = sum(self._slow(candidate, now) for candidate in self._asked.values())
        waiting = len(self._asked) - slow
        room = min(self._parallel(slow) - waiting, lookup_queries_max - self.queries)
        quick = self._nearest(without_slow_at=now)
        chosen = [candidate for candidate in quick if candidate.state is _State.NEW][: max(0, room)]
        for candidate in chosen:
            candidate.state, candidate.asked_at = _State.ASKED, now
            self._asked[candidate.peer.id] = candidate
        self.queries += len(chosen)
        return [candidate.peer for candidate in chosen]

    def answered(self, node: NodeId, peers: Iterable[Peer]) -> None:
        """A node answered with these contacts."""
        candidate = self._candidates.get(node)
        step = candidate.step if candidate else 0
        self._set(node, _State.ANSWERED)
        self.steps = max(self.steps, step)
        self.learned(peers, step + 1)

    def value_held(self, now: float) -> None:
        """Our own store has a valid record, which may be outdated: it waits for as long as an answer takes."""
        self._values = 1
        self._grace_until = now + self._hedge_seconds + GRACE_SECONDS

    def value_found(self, now: float) -> None:
        """A node that answered had a valid record."""
        if not self._values:
            self._grace_until = now + GRACE_SECONDS
        self._values += 1

    def failed(self, node: NodeId) -> None:
        """A node did not answer, or not sensibly."""
        self._dead += self._set(node, _State.DEAD)

    def done(self, now: float) -> bool:
        """Whether the answer is as good as it gets: values enough, the nearest all heard, or out of time."""
        if now >= self._deadline or self._values >= _VALUES_ENOUGH:
            return True
        if self._values and now >= self._grace_until:
            return True
        if all(candidate.state is _State.ANSWERED for candidate in self._nearest()):
            return True
        if not self._asked and self.queries >= lookup_queries_max:
            return True
        return not self.for_value and self._enough_quick_ones(now)

    def timeout(self, now: float) -> float:
        """When to look again though nothing was heard: a time on the caller's clock."""
        times = [self._deadline]
        if self._values:
            times.append(self._grace_until)
        for candidate in self._asked.values():
            if not self._slow(candidate, now):
                times.append(candidate.asked_at + self._hedge_seconds)
        return min(times)

    def nearest(self) -> list[Peer]:
        """The nodes nearest to the target that answered, the nearest first."""
        answered = (candidate.peer for _, candidate in self._by_distance if candidate.state is _State.ANSWERED)
        return list(islice(answered, REPLICAS))

    def nearest_quick(self, now: float) -> list[Peer]:
        """Of the nodes nearest to the target, those that are neither dead nor slow, the ones that answered."""
        quick = self._nearest(without_slow_at=now)
        return [candidate.peer for candidate in quick if candidate.state is _State.ANSWERED]

    def _parallel(self, slow: int) -> int:
        """How many may be asked at once, those that are slow not counted."""
        for_reader = (1 + (self.steps > 0)) * _READER_MORE if self.for_value else 0
        return min(PARALLEL + for_reader + slow + self._dead, PARALLEL_MAX)

    def _enough_quick_ones(self, now: float) -> bool:
        """A writer does not wait for slow nodes when as many others are there, or five and nobody else to ask."""
        quick = self._nearest(without_slow_at=now)
        return len(quick) >= _WRITER_ENOUGH and all(candidate.state is _State.ANSWERED for candidate in quick)

    def _nearest(self, without_slow_at: float | None = None) -> list[_Candidate]:
        wanted = DOUBTERS if self.for_value and not self._values else REPLICAS
        nearest: list[_Candidate] = []
        for _, candidate in self._by_distance:
            if candidate.state is _State.DEAD:
                continue
            if without_slow_at is not None and self._slow(candidate, without_slow_at):
                continue
            nearest.append(candidate)
            if len(nearest) == wanted:
                break
        return nearest

    def _slow(self, candidate: _Candidate, now: float) -> bool:
        return candidate.state is _State.ASKED and now >= candidate.asked_at + self._hedge_seconds

    def _set(self, node: NodeId, state: _State) -> bool:
        """Whether that is news of one of ours."""
        self._asked.pop(node, None)
        candidate = self._candidates.get(node)
        if candidate is None or candidate.state is state:
            return False
        candidate.state = state
        return True
