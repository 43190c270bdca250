"""Whom a carrier sends others to: the carriers below it, less the slots it has handed out just now."""

from collections import deque
from collections.abc import Collection, Iterable
from heapq import nsmallest
from uuid import UUID

from foundation import limits
from foundation.identity import NodeId
from swarm.messages import ReportedCandidate
from swarm.policy import Candidate
from swarm.tree.candidates import RELAY, Candidates, Known
from swarm.tree.carriage import Carriage
from swarm.tree.state import RelayState

_DEBITS_KEY = ("debits",)
_draws_in_vain_max = 4
"""Draws of carriers that may not be named, before the rest is taken to be like them."""


class Delegation:
    """Slots are debited where they are handed out, against newer reports too: those were sent before the taker came.

    Two are drawn at random, and the policy picks (the power of two choices: Mitzenmacher 2001): nearly as even as
    looking at all, and two nodes that decide by the same old reports do not both pick the same one.
    """

    def __init__(self, state: RelayState) -> None:
        self._state = state
        self._pools: dict[UUID, Candidates] = {}
        self._debits: deque[tuple[float, UUID, NodeId, int]] = deque()
        self.promised = 0
        """Slots of this node itself that were handed out."""

    def __len__(self) -> int:
        return len(self._debits)

    def pool(self, producer: UUID) -> Candidates:
        """The carriers below this one."""
        pool = self._pools.get(producer)
        if pool is None:
            pool = self._pools[producer] = Candidates()
        return pool

    def forget(self, producer: UUID) -> None:
        """The stream is not carried here any more."""
        self._pools.pop(producer, None)

    # --- handing out ---

    def relays(
        self,
        carriage: Carriage,
        excluded: Collection[NodeId] = (),
        region: str = "",
        rank_below: int | None = None,
        count: int = limits.delegated_candidates_max,
        near_first: bool = False,
    ) -> list[Candidate]:
        """Carriers that may have room for a relay, best first: of the lowest ranks, since depth is delay.

        With `near_first` those of the region come before all others: who lost its parent has to dial now, and that
        takes six ways. When none is known to have room, children are named that have a subtree: they know more of it.
        """
        pool, avoided = self.pool(carriage.producer), {*excluded, *carriage.lineage}
        chosen: list[Candidate] = []
        if near_first and region:
            drawn = [known.shown(RELAY) for known in self._some(pool, RELAY, region, 2 * count, avoided)]
            fitting = [each for each in drawn if rank_below is None or each.rank < rank_below]
            chosen = self._state.policy.rank(fitting, True, region)[:count]
            avoided |= {each.node for each in chosen}
        for rank in pool.ranks():
            if len(chosen) >= count or (rank_below is not None and rank >= rank_below):
                break
            drawn = [known.shown(RELAY) for known in self._some(pool, RELAY, rank, 2 * count, avoided)]
            chosen += self._state.policy.rank(drawn, True, region)
        return chosen[:count] or self._full_parents(carriage, avoided, rank_below)[:count]

    def viewers(
        self,
        carriage: Carriage,
        kind: str,
        region: str,
        count: int,
        places: dict[NodeId, tuple[Candidate, int]],
        avoided: Collection[NodeId],
        now: float,
    ) -> int:
        """Hands out up to `count` places into `places`, at most `find_places_max` carriers; how many are missing."""
        pool = self.pool(carriage.producer)
        each = -(-count // limits.find_places_max)
        while count:
            known = self._better(pool, kind, region, avoided)
            if known is None or (len(places) >= limits.find_places_max and known.candidate.node not in places):
                break
            some = min(count, each, known.left(kind))
            _, before = places.get(known.candidate.node, (None, 0))
            places[known.candidate.node] = known.candidate, before + some
            self.debit(carriage.producer, known.candidate.node, now, some)
            count -= some
        return count

    def debit(self, producer: UUID, node: NodeId, now: float, count: int = 1) -> None:
        """Slots of `node`, which may be this one, were handed out."""
        self._take(producer, node, count)
        self._debits.append((now + limits.delegation_debit_seconds, producer, node, count))
        self._state.deadlines.advance(_DEBITS_KEY, self._debits[0][0])
        if len(self._debits) > limits.delegation_debits_max:
            self._forget_oldest()

    def expire(self, now: float) -> None:
        """Gives debits back whose time is over."""
        while self._debits and self._debits[0][0] <= now:
            self._forget_oldest()
        if self._debits:
            self._state.deadlines.set(_DEBITS_KEY, self._debits[0][0])

    # --- telling the parent ---

    def reported(self, carriage: Carriage) -> tuple[ReportedCandidate, ...]:
        """The best few below for relays, and for viewers of each region, as a REPORT names them.

        Without debits, which are this node's own guess; equals in a fixed order, or every report would be news.
        """
        pool = self.pool(carriage.producer)
        named = dict.fromkeys(_best_for_relays(pool))
        named |= dict.fromkeys(_best_for_viewers(pool))
        known = [found.candidate for node in named if (found := pool.get(node)) is not None]
        return tuple(
            ReportedCandidate(each.node, each.rank, each.relay_room, each.viewer_room, each.spare) for each in known
        )

    # --- drawing ---

    def _better(self, pool: Candidates, kind: str, region: str, avoided: Collection[NodeId]) -> Known | None:
        two = self._some(pool, kind, region, 2, avoided)
        if len(two) < 2:
            return two[0] if two else None
        ranked = self._state.policy.rank([known.shown(kind) for known in two], False, region)
        return pool.get(ranked[0].node) if ranked else None

    def _some(self, pool: Candidates, kind: str, of: object, count: int, avoided: Collection[NodeId]) -> list[Known]:
        """Up to `count` different ones."""
        found: dict[NodeId, Known] = {}
        in_vain = 0
        while len(found) < count and in_vain < _draws_in_vain_max:
            known = pool.draw(kind, of, self._state.rng)
            if known is None:
                break
            if known.candidate.node in avoided or known.candidate.node in found:
                in_vain += 1
            else:
                found[known.candidate.node] = known
        return list(found.values())

    def _full_parents(self, carriage: Carriage, avoided: Collection[NodeId], rank_below: int | None) -> list[Candidate]:
        if rank_below is not None and carriage.rank + 1 >= rank_below:
            return []
        pool = self.pool(carriage.producer)
        parents = [child.node for child in carriage.children.values() if child.size > 1 and child.node not in avoided]
        self._state.rng.shuffle(parents)
        return [known.candidate for node in parents if (known := pool.get(node)) is not None]

    def _take(self, producer: UUID, node: NodeId, count: int) -> None:
        if node == self._state.node:
            self.promised += count
        elif producer in self._pools:
            self._pools[producer].take(node, count)

    def _forget_oldest(self) -> None:
        _, producer, node, count = self._debits.popleft()
        self._take(producer, node, -count)


def _best_for_relays(pool: Candidates) -> Iterable[NodeId]:
    some = (known.candidate for known in pool if known.candidate.relay_room)
    best = nsmallest(limits.report_relays_max, some, key=lambda each: (each.rank, -each.relay_room, each.node))
    return [each.node for each in best]


def _best_for_viewers(pool: Candidates) -> Iterable[NodeId]:
    """The roomiest of each region, then the second of each, and so on."""
    regions: dict[str, list[Candidate]] = {}
    for known in pool:
        if known.candidate.viewer_room or known.candidate.spare:
            regions.setdefault(known.candidate.record.region, []).append(known.candidate)
    chosen: list[tuple[int, int, NodeId]] = []
    for some in regions.values():
        best = nsmallest(limits.report_viewers_max, some, key=lambda each: (-each.viewer_room, -each.spare, each.node))
        chosen += [(place, -each.viewer_room, each.node) for place, each in enumerate(best)]
    return [node for _, _, node in sorted(chosen)[: limits.report_viewers_max]]
