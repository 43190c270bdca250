"""The shell of a lookup: asks whom the core names, feeds it what comes back, and wakes it in time."""

import asyncio
from collections.abc import Callable
from functools import partial

from dht.lookup import REPLICAS, Lookup
from dht.overlay import Overlay
from dht.overlay_calls import Result, answer_of
from dht.peer import Peer


def _no_records(records: tuple[bytes, ...]) -> bool:
    return False


async def crawl(
    overlay: Overlay,
    lookup: Lookup,
    records_valid: Callable[[tuple[bytes, ...]], bool] = _no_records,
    peers_max: int = REPLICAS,
    on_answer: Callable[[Lookup], None] = lambda lookup: None,
) -> None:
    """Runs a lookup to its end, at most `lookup_seconds_max`; each node asked names `peers_max` contacts,
    and `on_answer` is told of each that did.

    `records_valid` takes the records of one answer and says whether any is a valid lease. Calls still under way at the
    end are left to end by themselves: that is how dead contacts are noticed.
    """
    loop = asyncio.get_running_loop()
    heard = asyncio.Event()

    def take(peer: Peer, call: asyncio.Future[Result]) -> None:
        found = answer_of(call)
        if found is None:
            lookup.failed(peer.id)
        else:
            lookup.answered(peer.id, found.peers)
            on_answer(lookup)
            if found.records and records_valid(found.records):
                lookup.value_found(loop.time())
        heard.set()

    while not lookup.done(loop.time()):
        for peer in lookup.to_ask(loop.time()):
            overlay.find(peer, lookup.target, lookup.for_value, peers_max).add_done_callback(partial(take, peer))
        try:
            async with asyncio.timeout_at(lookup.timeout(loop.time())):
                await heard.wait()
        except TimeoutError:
            continue
        heard.clear()
