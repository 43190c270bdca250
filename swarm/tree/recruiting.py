"""Growing a tree ahead of need: an owner looks for idle nodes, the best of a few random ones, and many at a time."""

import math
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from uuid import UUID

from foundation import limits
from foundation.identity import NodeId
from swarm.messages import Find, Message, Offer, Probe, Probed, Recruit, Recruited
from swarm.policy import Candidate
from swarm.record import NodeRecord
from swarm.tree.asks import Asks
from swarm.tree.carriage import Carriage
from swarm.tree.delegation import Delegation
from swarm.tree.state import RelayState

_POOL_KEY = ("recruits",)
_room_guessed = 50.0
"""Of a recruit, until some have answered."""

_room_weight = 0.2
"""Of one more answer in the mean."""

_in_vain_max = 8
_in_vain_alone_max = 3
"""Searches in a row that found nobody, with others under way and without, after which the swarm counts as full."""


class Growing(Enum):
    """Whether a tree grows for viewers without a place."""

    NOT = auto()
    AT_ASKER = auto()
    ELSEWHERE = auto()


@dataclass(slots=True)
class _Growth:
    """Of one tree: whoever waits (by node: how many, since when), viewers placed lately, and what is under way."""

    waiting: dict[NodeId, tuple[int, float]] = field(default_factory=dict)
    placed: deque[tuple[float, int]] = field(default_factory=deque)
    placed_lately: int = 0
    """Within the last second."""
    under_way: int = 0
    in_vain: int = 0
    barren_until: float = -math.inf
    begun: dict[NodeId, tuple[int, float]] = field(default_factory=dict)
    """Nodes with waiting viewers that shall carry the stream themselves: their room, and how long it counts."""


@dataclass(slots=True)
class _Search:
    """Probes for one recruit."""

    producer: UUID
    growth: _Growth
    region: str
    open: int = 0
    over: bool = False
    found: list[tuple[NodeRecord, Probed]] = field(default_factory=list)


class Recruiting:
    """Target: those that wait, and those that will come within `demand_seconds`, less the room there is."""

    def __init__(self, state: RelayState, delegation: Delegation, asks: Asks) -> None:
        self._state = state
        self._delegation = delegation
        self._asks = asks
        self._growths: dict[UUID, _Growth] = {}
        self._offers: dict[NodeId, tuple[NodeRecord, float]] = {}
        self._pooled: deque[tuple[float, UUID, NodeId]] = deque()
        self._room = _room_guessed

    def __len__(self) -> int:
        return len(self._pooled) + sum(growth.under_way for growth in self._growths.values())

    def placed(self, carriage: Carriage, asker: NodeId, find: Find, count: int, missing: int, now: float) -> Growing:
        """Viewers of `asker` were placed, and some not: whether room for these is on its way, and where."""
        if not carriage.owned:
            return Growing.NOT
        growth = self._growth(carriage.producer)
        if count:
            growth.placed.append((now, count))
            growth.placed_lately += count
        growth.waiting.pop(asker, None)
        if missing:
            growth.waiting[asker] = missing, now
            if find.room and asker not in growth.begun and self._needed(carriage, growth, now) > 0:
                # It has viewers, is in their region, and needs no search: nobody is a better recruit.
                growth.begun[asker] = min(find.room, limits.claimed_room_max), now + limits.demand_seconds
                del growth.waiting[asker]
                self._state.counters["recruits_begun"] += 1
                return Growing.AT_ASKER
        self._grow(carriage, growth, find.region, now)
        return Growing.ELSEWHERE if missing and (growth.under_way or growth.begun) else Growing.NOT

    def offered(self, node: NodeId, offer: Offer, now: float) -> None:
        """A node that has just joined has room."""
        record = self._state.learn(offer.record)
        if record is None or record.node != node:
            return
        if offer.viewer_room:
            self._keep_offer(record, now + limits.offer_seconds)
        for carriage in list(self._state.carriages.values()):
            growth = self._growths.get(carriage.producer)
            if growth is not None and carriage.owned:
                growth.barren_until = -math.inf
                self._grow(carriage, growth, record.region, now)

    def expire(self, now: float) -> None:
        """Recruits that no report has named by now are not counted with."""
        while self._pooled and self._pooled[0][0] <= now:
            _, producer, node = self._pooled.popleft()
            pool = self._delegation.pool(producer)
            known = pool.get(node)
            if known is not None and known.via is None:
                pool.remove(node)
                self._state.counters["recruits_lost"] += 1
        if self._pooled:
            self._state.deadlines.set(_POOL_KEY, self._pooled[0][0])

    def _keep_offer(self, record: NodeRecord, until: float) -> None:
        self._offers.pop(record.node, None)
        self._offers[record.node] = record, until
        if len(self._offers) > limits.offers_max:
            del self._offers[next(iter(self._offers))]

    # --- how many ---

    def _growth(self, producer: UUID) -> _Growth:
        growth = self._growths.get(producer)
        if growth is None:
            for over in [other for other in self._growths if other not in self._state.carriages]:
                del self._growths[over]
            growth = self._growths[producer] = _Growth()
        return growth

    def _grow(self, carriage: Carriage, growth: _Growth, region: str, now: float) -> None:
        for _ in range(self._needed(carriage, growth, now)):
            if now < growth.barren_until:
                return
            self._search(carriage, growth, region, now)

    def _needed(self, carriage: Carriage, growth: _Growth, now: float) -> int:
        """Recruits to be looked for now, beside those under way."""
        each = limits.recruit_fill * max(1.0, self._room)
        return min(math.ceil(self._missing(carriage, growth, now) / each), limits.recruits_max) - growth.under_way

    def _missing(self, carriage: Carriage, growth: _Growth, now: float) -> float:
        while growth.placed and growth.placed[0][0] <= now - 1.0:
            growth.placed_lately -= growth.placed.popleft()[1]
        for node in [node for node, (_, at) in growth.waiting.items() if at <= now - 1.0]:
            del growth.waiting[node]
        waiting = sum(count for count, _ in growth.waiting.values())
        pool = self._delegation.pool(carriage.producer)
        for asker, (_, until) in list(growth.begun.items()):
            known = pool.get(asker)
            if until <= now or (known is not None and known.candidate.viewer_room):
                del growth.begun[asker]
        begun = sum(room for room, _ in growth.begun.values())
        own = max(0, self._state.soft_room() - self._delegation.promised)
        return waiting + growth.placed_lately * limits.demand_seconds - pool.soft_room - begun - own

    # --- who ---

    def _search(self, carriage: Carriage, growth: _Growth, region: str, now: float) -> None:
        growth.under_way += 1
        offered = self._take_offer(carriage.producer, region, now)
        if offered is not None:
            self._recruit(carriage, growth, offered, now)
            return
        pool = self._delegation.pool(carriage.producer)
        search = _Search(carriage.producer, growth, region)
        some = [one for one in self._state.sample(limits.recruit_probes) if pool.get(one.node) is None]
        search.open = len(some)
        self._state.counters["recruits_sought"] += 1
        for contact in some:
            then = partial(self._probed, search, contact.node)
            self._asks.put(contact, Probe(carriage.producer), then, now, limits.recruit_seconds_max)
        if not some:
            self._failed(growth, now)

    def _take_offer(self, producer: UUID, region: str, now: float) -> NodeRecord | None:
        """The newest offer, of this region if there is one."""
        for node in [node for node, (_, until) in self._offers.items() if until <= now]:
            del self._offers[node]
        pool = self._delegation.pool(producer)
        fitting = [record for record, _ in self._offers.values() if pool.get(record.node) is None]
        if not fitting:
            return None
        chosen = next((record for record in reversed(fitting) if record.region == region), fitting[-1])
        del self._offers[chosen.node]
        return chosen

    def _probed(self, search: _Search, node: NodeId, answer: Message | None, now: float) -> None:
        search.open -= 1
        if isinstance(answer, Probed) and answer.viewer_room and not answer.carries:
            record = self._state.learn(answer.record)
            if record is not None and record.node == node and search.over:
                self._keep_offer(record, now + limits.offer_by_probe_seconds)
            elif record is not None and record.node == node:
                search.found.append((record, answer))
        growth, carriage = search.growth, self._state.carriages.get(search.producer)
        near = bool(search.region) and any(record.region == search.region for record, _ in search.found)
        if search.over or (search.open and not near):
            return
        search.over = True
        if carriage is None or not carriage.owned:
            growth.under_way -= 1
            return
        pool = self._delegation.pool(search.producer)
        found = [(record, probed) for record, probed in search.found if pool.get(record.node) is None]
        if not found:
            self._failed(growth, now)
            return
        found.sort(key=lambda each: (each[0].region == search.region, each[1].viewer_room))
        best, _ = found.pop()
        for record, _ in found:
            self._keep_offer(record, now + limits.offer_by_probe_seconds)
        self._recruit(carriage, growth, best, now)

    def _recruit(self, carriage: Carriage, growth: _Growth, record: NodeRecord, now: float) -> None:
        parent = self._parent(carriage, record, now)
        capability = self._state.capabilities.issue(carriage.producer, record.node)
        message = Recruit(carriage.producer, parent.record.encoded, capability)
        then = partial(self._recruited, growth, carriage.producer, record, parent)
        self._asks.put(record.contact, message, then, now)

    def _parent(self, carriage: Carriage, record: NodeRecord, now: float) -> Candidate:
        """The shallowest with room, which is this node for long; when nobody has, this node sends the recruit on."""
        state = self._state
        here = state.relay_room(carriage) - self._delegation.promised
        for parent in self._delegation.relays(carriage, (record.node,), record.region, count=1):
            if here <= 0 or state.rather_below(carriage):
                self._delegation.debit(carriage.producer, parent.node, now)
                return parent
        if here > 0:
            self._delegation.debit(carriage.producer, state.node, now)
        return Candidate(state.me, carriage.rank, 0, 0)

    def _recruited(
        self, growth: _Growth, producer: UUID, record: NodeRecord, parent: Candidate, answer: Message | None, now: float
    ) -> None:
        """Its room counts from now on; that it has children and viewers is reported later by its parent."""
        carriage = self._state.carriages.get(producer)
        if carriage is None or not carriage.owned:
            growth.under_way -= 1
            return
        if not isinstance(answer, Recruited) or not answer.viewer_room:
            self._failed(growth, now)
            return
        growth.under_way -= 1
        growth.in_vain = 0
        self._state.counters["recruits_found"] += 1
        self._room += _room_weight * (min(answer.viewer_room, limits.claimed_room_max) - self._room)
        candidate = Candidate(record, parent.rank + 1, answer.relay_room, answer.viewer_room, answer.spare)
        self._delegation.pool(producer).put(candidate, None)
        self._pooled.append((now + limits.recruit_pool_seconds, producer, record.node))
        self._state.deadlines.advance(_POOL_KEY, self._pooled[0][0])

    def _failed(self, growth: _Growth, now: float) -> None:
        growth.under_way -= 1
        growth.in_vain += 1
        self._state.counters["recruits_in_vain"] += 1
        if growth.in_vain >= (_in_vain_max if growth.under_way else _in_vain_alone_max):
            growth.in_vain = 0
            growth.barren_until = now + limits.recruit_barren_seconds
