"""Local viewers: who is served here, who waits for a place elsewhere, and when this node becomes a carrier itself."""

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from foundation import limits
from foundation.identity import NodeId
from swarm.messages import Find, Message, Places
from swarm.policy import Candidate
from swarm.record import Contact
from swarm.tree.actions import Carried, Elsewhere, Full, Lookup, NotFound, Outcome, Settled
from swarm.tree.asks import Asks
from swarm.tree.candidates import SOFT
from swarm.tree.carriage import Carriage
from swarm.tree.delegation import Delegation
from swarm.tree.placing import Placing
from swarm.tree.reports import Reports
from swarm.tree.state import RelayState
from swarm.tree.stock import Stock, ahead


class _Puller(Protocol):
    def pull(self, producer: UUID, now: float, fresh: bool) -> None:
        """Starts the search for a carrier, unless it is under way."""


@dataclass(slots=True)
class _Wish:
    """One viewer without a slot: how often it was sent on, until when it waits, whether a search here was in vain."""

    hops: int
    since: float
    pulled: bool = False


@dataclass(slots=True)
class _Seek:
    """Of one producer: one question is under way at most, for all that wait."""

    wishes: dict[str, _Wish] = field(default_factory=dict)
    owner: Contact | None = None
    asking: bool = False
    fresh: bool = False


class Seeking:
    """A node that carried everything its viewers ask for would do so for one viewer each; it begins at the k-th."""

    def __init__(
        self,
        state: RelayState,
        delegation: Delegation,
        reports: Reports,
        placing: Placing,
        asks: Asks,
        puller: _Puller,
    ) -> None:
        self._state = state
        self._delegation = delegation
        self._reports = reports
        self._placing = placing
        self._asks = asks
        self._puller = puller
        self._seeks: dict[UUID, _Seek] = {}
        self._requests: dict[UUID, deque[float]] = {}
        self._stocks: dict[UUID, Stock] = {}
        self._waiting = 0

    def __len__(self) -> int:
        return self._waiting + len(self._seeks)

    # --- what viewers do ---

    def want(self, producer: UUID, viewer: str, hops: int, now: float) -> None:
        """A viewer is here; `Settled` follows."""
        state = self._state
        if viewer in state.viewers.get(producer, ()):
            self._served(producer, now)
        elif producer not in self._seeks or viewer not in self._seeks[producer].wishes:
            self._count(producer, now)
            if self._serves(producer, hops, now):
                self._serve(producer, viewer, hops, now)
            elif hops >= limits.hops_max:
                self._settle(producer, viewer, Full())
            elif not self._sent_at_once(producer, viewer, now) and not self._sent_below(producer, viewer, now):
                self._wait(producer, viewer, _Wish(hops, now), now)

    def release(self, producer: UUID, viewer: str) -> bool:
        """A viewer is gone; whether it was one that waits for a place elsewhere."""
        seek = self._seeks.get(producer)
        if seek is None or viewer not in seek.wishes:
            return False
        self._take(producer, seek, viewer)
        return True

    def turned_away(self, producer: UUID, now: float) -> None:
        """The search for a carrier that would feed this node found none with room: its viewers may fit elsewhere."""
        for viewer, hops in self._state.turned_away.pop(producer, {}).items():
            self._wait(producer, viewer, _Wish(hops, now, pulled=True), now)

    # --- answers ---

    def owner_found(self, producer: UUID, owner: Contact | None, now: float) -> None:
        seek = self._seeks.get(producer)
        if seek is None or seek.owner is not None or seek.asking:
            return
        if owner is None or owner.node == self._state.node:
            self._give_up(producer, seek, NotFound("nobody owns it"), now)
        else:
            seek.owner = owner
            self._ask(producer, seek, now)

    def due(self, producer: UUID, now: float) -> None:
        """The pause before the next question is over, or somebody has waited for long enough."""
        seek = self._seeks[producer]
        late = [viewer for viewer, wish in seek.wishes.items() if now - wish.since >= limits.want_seconds_max]
        for viewer in late:
            self._state.counters["wishes_expired"] += 1
            self._take(producer, seek, viewer)
            self._settle_somehow(producer, viewer, now)
        if producer in self._seeks and (not seek.asking or producer in self._state.carriages):
            self._advance(producer, seek, now)

    # --- here ---

    def _serves(self, producer: UUID, hops: int, now: float) -> bool:
        """Whether this node takes the viewer, without looking for a better place."""
        state = self._state
        carriage = state.carriages.get(producer)
        if carriage is not None:
            # With an orphan it would wait for as long as that may look for a parent.
            return carriage.fed and (state.viewer_room() if hops >= limits.hops_settled else state.soft_room()) > 0
        begun = producer in state.pulls
        if not begun and len(state.carriages) + len(state.pulls) >= limits.carriages_max:
            return False
        if hops >= limits.hops_settled or state.others() < limits.small_swarm_nodes:
            return state.viewer_room() > 0
        if not begun and len(self._requests[producer]) >= limits.requests_before_relay and state.soft_room():
            # It takes a second until the stream is here: this viewer gets what comes first, that or a place elsewhere.
            self._puller.pull(producer, now, fresh=False)
            return False
        return begun and hops > 0 and state.soft_room() > 0

    def _serve(self, producer: UUID, viewer: str, hops: int, now: float) -> None:
        self._state.add_viewer(producer, viewer, hops)
        self._served(producer, now)
        self._reports.changed(now)

    def _served(self, producer: UUID, now: float) -> None:
        carriage = self._state.carriages.get(producer)
        if carriage is None:
            self._puller.pull(producer, now, fresh=False)
            return
        if carriage.fed:
            self._state.settle(producer, Carried(), keep_viewers=True)
        self._state.linger(carriage, now)

    def _settle_somehow(self, producer: UUID, viewer: str, now: float) -> None:
        """Nobody else has a place: any slot left here will do, if the stream can be here."""
        carriage = self._state.carriages.get(producer)
        if carriage is not None and carriage.fed and self._state.viewer_room():
            self._serve(producer, viewer, 0, now)
        else:
            self._settle(producer, viewer, Full())

    # --- elsewhere ---

    def below(self, carriage: Carriage, now: float) -> list[Candidate]:
        """A carrier below with room for one more viewer, of this region if there is one; its slot is handed out."""
        places: dict[NodeId, tuple[Candidate, int]] = {}
        for region in dict.fromkeys((self._state.me.region, "")):
            if not self._delegation.viewers(carriage, SOFT, region, 1, places, (), now):
                break
        return [candidate for candidate, _ in places.values() if candidate.record.url]

    def _sent_below(self, producer: UUID, viewer: str, now: float) -> bool:
        """To a carrier below with room, if one is known, or to the last slots here."""
        carriage = self._state.carriages.get(producer)
        if carriage is None or not carriage.fed:
            return False
        below = self.below(carriage, now)
        if below:
            self._settle(producer, viewer, Elsewhere(tuple(candidate.record.url for candidate in below)))
        elif not carriage.owned and self._state.viewer_room():
            self._serve(producer, viewer, 0, now)
        else:
            return False
        return True

    def _sent_at_once(self, producer: UUID, viewer: str, now: float) -> bool:
        """To a place that was asked for ahead; while viewers keep coming, more are asked for in time."""
        stock = self._stocks.get(producer)
        if stock is None:
            return False
        url, coming = stock.take(now), ahead(self._requests[producer], now)
        carriage = self._state.carriages.get(producer)
        if url is None and not coming:
            del self._stocks[producer]
        elif not stock.asking and stock.left(now) < coming / 2 and (carriage is None or not carriage.owned):
            self._restock(producer, stock, coming, now)
        if url is not None:
            self._settle(producer, viewer, Elsewhere((url,)))
        return url is not None

    def _restock(self, producer: UUID, stock: Stock, count: int, now: float) -> None:
        stock.asking = True

        def answered(answer: Message | None, now: float) -> None:
            stock.asking = False
            if isinstance(answer, Places):
                stock.put([place for place in answer.places if place.node != self._state.node], now)

        self._asks.put(stock.owner, Find(producer, count, self._state.me.region), answered, now)

    def _wait(self, producer: UUID, viewer: str, wish: _Wish, now: float) -> None:
        seek = self._seeks.get(producer)
        room = self._waiting < limits.waiting_viewers_max
        if not room or (seek is None and len(self._seeks) >= limits.find_producers_max):
            self._settle(producer, viewer, Full())
            return
        self._waiting += 1
        if seek is None:
            seek = self._seeks[producer] = _Seek()
            self._state.seeking.add(producer)
        begins = not seek.wishes and not seek.asking
        seek.wishes[viewer] = wish
        self._state.deadlines.advance(("seek", producer), now + limits.want_seconds_max)
        if begins:
            self._advance(producer, seek, now)

    def _advance(self, producer: UUID, seek: _Seek, now: float) -> None:
        """Serves whom it can here by now, and asks for the rest."""
        carriage = self._state.carriages.get(producer)
        for viewer, wish in list(seek.wishes.items()):
            if carriage is not None and carriage.fed and self._state.soft_room():
                self._take(producer, seek, viewer)
                self._serve(producer, viewer, wish.hops, now)
        if not seek.wishes or seek.asking:
            return
        oldest = min(wish.since for wish in seek.wishes.values())
        self._state.deadlines.advance(("seek", producer), oldest + limits.want_seconds_max)
        if carriage is not None and carriage.owned:
            answer = self._placing.find(carriage, self._state.node, self._find(producer, seek, now), now)
            self._placed(producer, seek, answer, now)
        elif seek.owner is None and carriage is not None and carriage.owner is not None:
            seek.owner = carriage.owner
            self._ask(producer, seek, now)
        elif seek.owner is None:
            self._state.do(Lookup(producer, seek.fresh))
        else:
            self._ask(producer, seek, now)

    def _find(self, producer: UUID, seek: _Seek, now: float) -> Find:
        """In this region, unless somebody has waited for long."""
        waited = now - min(wish.since for wish in seek.wishes.values())
        region = self._state.me.region if waited < limits.find_region_seconds else ""
        tried = any(wish.pulled for wish in seek.wishes.values())
        room = 0 if tried or producer in self._state.carriages else self._state.soft_room()
        return Find(producer, len(seek.wishes), region, room)

    def _ask(self, producer: UUID, seek: _Seek, now: float) -> None:
        assert seek.owner is not None
        seek.asking = True

        def answered(answer: Message | None, now: float) -> None:
            seek.asking = False
            if self._seeks.get(producer) is seek:
                self._answered(producer, seek, answer, now)

        self._asks.put(seek.owner, self._find(producer, seek, now), answered, now)

    def _answered(self, producer: UUID, seek: _Seek, answer: Message | None, now: float) -> None:
        if isinstance(answer, Places) and answer.producer == producer:
            self._placed(producer, seek, answer, now)
        elif not seek.fresh:
            # A cached lease may have named an owner of yesterday.
            seek.fresh, seek.owner = True, None
            self._state.do(Lookup(producer, fresh=True))
        else:
            self._give_up(producer, seek, Full(), now)

    def _placed(self, producer: UUID, seek: _Seek, answer: Places, now: float) -> None:
        given = 0
        for place in answer.places:
            for viewer in list(seek.wishes)[: place.count]:
                if place.node != self._state.node:
                    given += 1
                    self._take(producer, seek, viewer)
                    self._settle(producer, viewer, Elsewhere((place.url,)))
        if given and seek.owner is not None and ahead(self._requests.get(producer, deque()), now):
            self._keep_stock(producer, seek.owner)
        if not seek.wishes:
            return
        if answer.retry_ms or given:
            pause = max(answer.retry_ms / 1000, limits.find_pause_seconds_min)
            self._state.deadlines.advance(("seek", producer), now + pause)
        else:
            self._give_up(producer, seek, Full(), now)

    def _keep_stock(self, producer: UUID, owner: Contact) -> None:
        """Of the streams asked for lately: whoever asks for none any more would keep theirs for good."""
        stock = self._stocks.pop(producer) if producer in self._stocks else Stock(owner)
        self._stocks[producer] = stock
        if len(self._stocks) > limits.find_producers_max:
            del self._stocks[next(iter(self._stocks))]

    def _give_up(self, producer: UUID, seek: _Seek, outcome: Outcome, now: float) -> None:
        """There are no places elsewhere: as many as fit are served here, unless that was tried.

        At an orphan they wait on, each for as long as it may: it may have another parent in a moment.
        """
        carriage = self._state.carriages.get(producer)
        carried = carriage is not None and carriage.fed
        if carriage is not None and not carried:
            oldest = min(wish.since for wish in seek.wishes.values())
            self._state.deadlines.advance(("seek", producer), oldest + limits.want_seconds_max)
            return
        for viewer, wish in list(seek.wishes.items()):
            self._take(producer, seek, viewer)
            here = carried or (not wish.pulled and not isinstance(outcome, NotFound))
            if here and self._state.viewer_room():
                self._serve(producer, viewer, wish.hops, now)
            else:
                self._settle(producer, viewer, outcome)

    def _take(self, producer: UUID, seek: _Seek, viewer: str) -> None:
        del seek.wishes[viewer]
        self._waiting -= 1
        if not seek.wishes:
            self._seeks.pop(producer, None)
            self._state.seeking.discard(producer)
            self._state.deadlines.clear(("seek", producer))

    def _settle(self, producer: UUID, viewer: str, outcome: Outcome) -> None:
        self._state.do(Settled(producer, viewer, outcome))

    def _count(self, producer: UUID, now: float) -> None:
        """One more request: the last few of each stream are remembered."""
        times = self._requests.pop(producer, None)
        if times is None:
            times = deque(maxlen=limits.requests_before_relay)
        while times and times[0] <= now - limits.requests_window_seconds:
            times.popleft()
        times.append(now)
        self._requests[producer] = times
        if len(self._requests) > limits.carriages_max:
            del self._requests[next(iter(self._requests))]
