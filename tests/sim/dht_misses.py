"""Why lookups found nothing: what was held where when they began, and what they had heard when they ended."""

from typing import Any

import dht.directory
from dht.crawl import crawl
from dht.lookup import Lookup
from foundation.address import Address
from foundation.identity import NodeId
from foundation.limits import lookup_queries_max, lookup_seconds_max

UNHELD = "no living node held it"
"""All of its holders died, and its owner's next round has still to come: it is announced to nobody."""


class LookupsSeen:
    """The last lookup for each key of each node, by a hook in the directory's own way to crawl."""

    def __init__(self) -> None:
        self._last: dict[tuple[NodeId, bytes], Lookup] = {}

    def __enter__(self) -> "LookupsSeen":
        async def seen(overlay: Any, lookup: Lookup, *arguments: Any) -> None:
            self._last[overlay.id, lookup.target] = lookup
            await crawl(overlay, lookup, *arguments)

        dht.directory.crawl = seen  # type: ignore[assignment]
        return self

    def __exit__(self, *exc: object) -> None:
        dht.directory.crawl = crawl

    def of(self, reader: NodeId, key: bytes) -> Lookup | None:
        return self._last.get((reader, key))


def why_nothing(lookup: Lookup | None, holders: set[Address], seconds: float) -> str:
    """The cause of a miss, of a producer that these living nodes held when the lookup began."""
    if not holders:
        return UNHELD
    if lookup is None:
        return "believed from before, or refused"
    if seconds >= lookup_seconds_max:
        return "out of time"
    if lookup.queries >= lookup_queries_max:
        return "out of queries"
    states = {each.peer.address: each.state.name for each in lookup._candidates.values()}
    known = [states[holder] for holder in holders if holder in states]
    if "DEAD" in known:
        return "the answers of living holders were lost"
    return "ended too early" if known else "wrong neighbours"
