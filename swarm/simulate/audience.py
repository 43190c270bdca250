"""Viewers as HTTP clients: they follow 307s, come back after `Retry-After`, and reconnect when they are dropped."""

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from foundation import limits
from swarm.simulate.events import Events
from swarm.simulate.feeding import Outage
from swarm.simulate.geography import Geography

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.simulate.host import Host

_POST_WAYS_THERE = 3
"""TCP's handshake, then the request: one-way delays until a node reads it."""

_DEAD_NODE_SECONDS = 1.0
"""Until a client gives up connecting to a node that is no more."""

_DROPPED_SECONDS = (0.5, 2.0)
"""A player's pause before it posts anew when its session was ended."""

_DISPLACED_SECONDS = (2.0, 5.0)
"""Until a player notices that its node is dead: ICE consent is given up after seconds."""


@dataclass(slots=True, eq=False)
class Viewer:
    """One client; `host` is where its session is.

    Of its join, `http_seconds` are its own round trips, `network_seconds` those for which nodes waited meanwhile.
    """

    name: str
    producer: UUID
    region: int
    first: float
    door: "Host | None" = None
    posted_to: "Host | None" = None
    posted_at: float = 0.0
    host: "Host | None" = None
    http_seconds: float = 0.0
    network_seconds: float = 0.0
    hops: int = 0
    way: float = 0.0
    leaving: "Host | None" = None
    joined: bool = False
    gone: bool = False
    displaced: bool = False
    dark_since: float = -1.0


class Audience:
    """Everybody who watches or wants to; `door` says at which node somebody of a region knocks first."""

    def __init__(
        self, events: Events, geography: Geography, rng: random.Random, door: "Callable[[Viewer], Host | None]"
    ) -> None:
        self._events = events
        self._geography = geography
        self._rng = rng
        self._door = door
        self._serial = 0
        self.viewers: dict[str, Viewer] = {}
        self.joins: list[float] = []
        self.joins_beyond_http: list[float] = []
        self.joins_in_all: list[float] = []
        self.redirects = 0
        self.full = 0
        self.not_found = 0
        self.dead_doors = 0
        self.dropped = 0
        self.outages: list[Outage] = []
        self.watch_seconds = 0.0

    def __len__(self) -> int:
        return len(self.viewers)

    def arrive(self, producer: UUID, region: int, door: "Host | None" = None) -> Viewer:
        """A new viewer posts its offer, at `door` as long as that lives."""
        self._serial += 1
        viewer = Viewer(f"v{self._serial}", producer, region, self._events.now, door)
        self.viewers[viewer.name] = viewer
        self._knock(viewer)
        return viewer

    def depart(self, viewer: Viewer) -> None:
        """The viewer is gone, also from whatever it waits for."""
        if not viewer.gone:
            viewer.gone = True
            del self.viewers[viewer.name]
            for host in (viewer.host, viewer.posted_to, viewer.leaving):
                if host is not None and host.alive:
                    host.release(viewer)
            viewer.host = viewer.posted_to = viewer.leaving = None

    # --- what a node's HTTP server answers ---

    def served(self, viewer: Viewer, host: "Host") -> None:
        """201: it has a session here."""
        assert viewer.host is None, f"{viewer.name} is served twice"
        now = self._events.now
        if viewer.leaving is not None:
            left, viewer.leaving = viewer.leaving, None
            if left.alive:
                left.release(viewer)
        viewer.host, viewer.posted_to = host, None
        if not viewer.joined:
            viewer.joined = True
            in_all = now + viewer.way - viewer.first
            self.joins.append(max(0.0, in_all - viewer.http_seconds - viewer.network_seconds))
            self.joins_beyond_http.append(max(0.0, in_all - viewer.http_seconds))
            self.joins_in_all.append(in_all)
            if self.watch_seconds:
                self._events.after(self._rng.expovariate(1 / self.watch_seconds), self._replaced, viewer)
        if viewer.dark_since >= 0:
            if not viewer.displaced:
                self.outages.append(Outage(viewer.producer, viewer.dark_since, now, 1, dropped=True))
            viewer.dark_since = -1.0
        viewer.displaced = False

    def sent_on(self, viewer: Viewer, to: "Host | None") -> None:
        """307."""
        viewer.posted_to = None
        self.redirects += 1
        if to is None or viewer.hops >= limits.redirects_max:
            self.refused(viewer, limits.full_retry_seconds)
        else:
            viewer.hops += 1
            self._events.after(viewer.way, self._post, viewer, to)

    def refused(self, viewer: Viewer, retry_seconds: float, full: bool = True) -> None:
        """503 or 409, with `Retry-After`."""
        viewer.posted_to = None
        self.full += full
        self.not_found += not full
        self._events.after(viewer.way + retry_seconds * self._rng.uniform(1.0, 1.3), self._knock, viewer)

    def ended(self, viewer: Viewer, host: "Host", dark_since: float) -> None:
        """Its session was closed by the node."""
        self.dropped += 1
        viewer.dark_since = dark_since
        self._lost(viewer, host, self._rng.uniform(*_DROPPED_SECONDS))

    def reconnect(self, viewer: Viewer) -> None:
        """The node asks its viewer to go on elsewhere: the old session ends when the new one is there."""
        if not viewer.gone and viewer.host is not None and viewer.leaving is None:
            viewer.leaving, viewer.host = viewer.host, None
            self._knock(viewer)

    def displace(self, viewer: Viewer, host: "Host") -> None:
        """The node is dead which serves it, or from which it expects an answer."""
        if viewer.posted_to is not host or viewer.dark_since < 0:
            viewer.displaced = True
            viewer.dark_since = self._events.now
        self._lost(viewer, host, self._rng.uniform(*_DISPLACED_SECONDS))

    def _lost(self, viewer: Viewer, host: "Host", pause: float) -> None:
        if viewer.leaving is host:  # It is on its way to another one already.
            viewer.leaving = None
            return
        viewer.host = viewer.posted_to = None
        self._events.after(pause, self._knock, viewer)

    # --- the client ---

    def _knock(self, viewer: Viewer) -> None:
        viewer.hops = 0
        door = viewer.door if viewer.door is not None and viewer.door.alive else self._door(viewer)
        if door is not None:
            self._post(viewer, door)
        else:
            self._events.after(limits.full_retry_seconds, self._knock, viewer)

    def _post(self, viewer: Viewer, host: "Host") -> None:
        if viewer.gone or viewer.host is not None:
            return
        viewer.way = way = self._geography.one_way(viewer.region, host.region)
        viewer.http_seconds += (_POST_WAYS_THERE + 1) * way
        self._events.after(_POST_WAYS_THERE * way, self._arrived, viewer, host)

    def _arrived(self, viewer: Viewer, host: "Host") -> None:
        if viewer.gone:
            return
        if not host.alive:
            self.dead_doors += 1
            self._events.after(_DEAD_NODE_SECONDS, self._knock, viewer)
            return
        viewer.posted_to, viewer.posted_at = host, self._events.now
        host.want(viewer)

    def _replaced(self, viewer: Viewer) -> None:
        """The audience stays as large as it is."""
        if not viewer.gone:
            self.depart(viewer)
            self.arrive(viewer.producer, viewer.region)
