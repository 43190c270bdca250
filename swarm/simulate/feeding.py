"""Media as a model: a node is fed when the pipes from the owner down to it are whole. Dark times are measured."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from foundation.identity import NodeId


@dataclass(slots=True, eq=False)
class Feed:
    """One stream at one node. `viewers` are served here; `sources` are the feeds it is piped from, newest first.

    There are two while one parent is exchanged for another; the second one is `spare`.
    """

    node: NodeId
    producer: UUID
    origin: bool = False
    source: "Feed | None" = None
    pipe: int = 0
    spare: "Feed | None" = None
    spare_pipe: int = 0
    fed: bool = False
    ever_fed: bool = False
    dark_since: float = 0.0
    viewers: int = 0
    takers: dict[NodeId, "Feed"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outage:
    """`viewers` of one node saw nothing from `begin` to `end`; `dropped` had to ask anew."""

    producer: UUID
    begin: float
    end: float
    viewers: int
    dropped: bool = False


class Feeding:
    """All feeds of all nodes. Light and dark spread down the pipes at once: media takes no longer than a message.

    `on_flow` is told when media begins to come to a feed from one of its sources.
    """

    def __init__(self) -> None:
        self.outages: list[Outage] = []
        self.loops = 0
        self.on_flow: Callable[[Feed, Feed], None] = lambda feed, source: None
        self._feeds: dict[NodeId, dict[UUID, Feed]] = {}

    def get(self, node: NodeId, producer: UUID) -> Feed | None:
        feeds = self._feeds.get(node)
        return feeds.get(producer) if feeds is not None else None

    def feed(self, node: NodeId, producer: UUID, now: float) -> Feed:
        """The node's feed of the stream, a dark one when it has none yet."""
        feeds = self._feeds.setdefault(node, {})
        feed = feeds.get(producer)
        if feed is None:
            feed = feeds[producer] = Feed(node, producer, dark_since=now)
        return feed

    def of(self, node: NodeId) -> list[Feed]:
        """All streams at one node."""
        return list(self._feeds.get(node, {}).values())

    def all(self) -> Iterator[Feed]:
        """All streams at all nodes."""
        for feeds in self._feeds.values():
            yield from feeds.values()

    def begin(self, feed: Feed, now: float) -> None:
        """The publisher is here."""
        feed.origin = True
        self.unplug(feed, now)
        self._spread(feed, now)

    def end(self, feed: Feed, now: float) -> None:
        """The publisher is gone; the stream may come from elsewhere."""
        feed.origin = False
        self._spread(feed, now)

    def plug(self, feed: Feed, source: Feed, pipe: int, now: float, keep_old: bool = False) -> None:
        """The node takes the stream from there, and for a while also from where it came."""
        if keep_old and feed.source is not None and feed.source is not source:
            if feed.spare is not None:
                self._remove_taker(feed, feed.spare)
            feed.spare, feed.spare_pipe = feed.source, feed.pipe
        elif feed.source is not None:
            old, feed.source = feed.source, None
            self._remove_taker(feed, old)
        if feed.spare is source:
            feed.spare = None
        feed.source, feed.pipe = source, pipe
        source.takers[feed.node] = feed
        self._count_circle(feed, now)
        self._spread(feed, now)
        if feed.source is source and source.fed:
            self.on_flow(feed, source)

    def cut(self, feed: Feed, source: NodeId, now: float, pipe: int | None = None) -> None:
        """Nothing comes from that node any more, or on that pipe."""
        if feed.source is not None and feed.source.node == source and pipe in (None, feed.pipe):
            old, feed.source, feed.pipe = feed.source, feed.spare, feed.spare_pipe
            feed.spare = None
        elif feed.spare is not None and feed.spare.node == source and pipe in (None, feed.spare_pipe):
            old, feed.spare = feed.spare, None
        else:
            return
        self._remove_taker(feed, old)
        self._count_circle(feed, now)
        self._spread(feed, now)

    def unplug(self, feed: Feed, now: float) -> None:
        """What came in comes no more."""
        old, spare = feed.source, feed.spare
        feed.source = feed.spare = None
        for source in (old, spare):
            if source is not None:
                self._remove_taker(feed, source)
        self._spread(feed, now)

    def remove(self, feed: Feed, now: float) -> None:
        """The node carries the stream no longer, or is dead."""
        feed.origin = False
        self.unplug(feed, now)
        for taker in list(feed.takers.values()):
            self.cut(taker, feed.node, now)
        feeds = self._feeds.get(feed.node, {})
        feeds.pop(feed.producer, None)
        if not feeds:
            self._feeds.pop(feed.node, None)

    def _count_circle(self, feed: Feed, now: float) -> None:
        """A source on trial may hang below for a moment; one that feeds alone must not."""
        above = _settled(feed)
        while above is not None and above is not feed:
            above = _settled(above)
        if above is feed:
            self.loops += 1
            self.unplug(feed, now)

    def _remove_taker(self, feed: Feed, source: Feed) -> None:
        if feed.source is not source and feed.spare is not source:
            source.takers.pop(feed.node, None)

    def _spread(self, top: Feed, now: float) -> None:
        changed = [top]
        while changed:
            feed = changed.pop()
            fed = _reached(feed)
            if fed == feed.fed:
                continue
            feed.fed = fed
            if not fed:
                feed.dark_since = now
            elif feed.viewers and feed.ever_fed and now > feed.dark_since:
                self.outages.append(Outage(feed.producer, feed.dark_since, now, feed.viewers))
            feed.ever_fed = feed.ever_fed or fed
            for taker in feed.takers.values():
                changed.append(taker)
                if fed:
                    self.on_flow(taker, feed)


def _settled(feed: Feed) -> Feed | None:
    return feed.spare if feed.spare is not None else feed.source


def _reached(feed: Feed) -> bool:
    """Whether any way up ends at an origin; flags are of no use here, two feeds could hold up each other."""
    if feed.origin:
        return True
    seen: set[int] = set()
    above = [feed]
    while above:
        here = above.pop()
        if here.origin:
            return True
        if id(here) not in seen:
            seen.add(id(here))
            above += [source for source in (here.spare, here.source) if source is not None]
    return False
